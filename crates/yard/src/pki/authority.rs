//! The device CA: signs devices, the broker and the services' MQTT clients.

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, SanType, SerialNumber,
};
use time::{Duration, OffsetDateTime};

use super::files::KeyFiles;
use crate::failure::{Failure, Outcome};

/// CN of device-ingest's MQTT client, as the broker's access rules name it.
const DEVICE_INGEST: &str = "device-ingest-1";

const CA_LIFE: Duration = Duration::days(3_650);
// Broker and services; long enough to be renewed by hand, with the next release of a chart.
const LEAF_LIFE: Duration = Duration::days(825);
const CRL_LIFE: Duration = Duration::days(30);
/// Machines whose clock is a little behind must still accept what was made just now.
const BACKDATED: Duration = Duration::minutes(5);

/// The names under which devices reach the servers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hosts<'a> {
    pub(super) broker: &'a str,
    pub(super) est: &'a str,
}

pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    key_pem: String,
    now: OffsetDateTime,
}

enum Use {
    Server(Vec<String>),
    Client,
}

impl Authority {
    /// A CA that nobody has seen before. Its name differs from that of every other: OpenSSL looks
    /// revocation lists up by it.
    pub(super) fn create(now: OffsetDateTime) -> Outcome<Self> {
        let mut number = [0; 4];
        fill(&mut number)?;
        let number = u32::from_be_bytes(number);
        let mut params = params(&format!("Switchyard device CA {number:08x}"), now, CA_LIFE)?;
        // Length 0: it signs end entities, never another CA.
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let (pem, key_pem) = (params.self_signed(&key)?.pem(), key.serialize_pem());
        Ok(Self { issuer: Issuer::new(params, key), pem, key_pem, now })
    }

    /// One that was made before.
    pub(super) fn read(pem: &str, key_pem: &str, now: OffsetDateTime) -> Outcome<Self> {
        let issuer = Issuer::from_ca_cert_pem(pem, KeyPair::from_pem(key_pem)?)?;
        Ok(Self { issuer, pem: pem.to_owned(), key_pem: key_pem.to_owned(), now })
    }

    /// The CA itself, under a name.
    pub(super) fn add_itself(&self, name: &str, files: &mut KeyFiles) {
        files.add(format!("{name}.pem"), self.pem.clone());
        files.add(format!("{name}.key"), self.key_pem.clone());
    }

    pub(super) fn add_files(&self, hosts: &Hosts<'_>, files: &mut KeyFiles) -> Outcome {
        self.add_itself("device-ca", files);
        files.add("device-crl.pem", self.empty_crl()?);
        self.add_leaves(hosts, files)
    }

    /// The certificates of the servers, and of device-ingest as the broker's client.
    pub(super) fn add_leaves(&self, hosts: &Hosts<'_>, files: &mut KeyFiles) -> Outcome {
        for (file, host) in [("broker", hosts.broker), ("est", hosts.est)] {
            self.add_leaf(file, host, &Use::Server(local_names(host)), files)?;
        }
        self.add_leaf("mqtt-device-ingest", DEVICE_INGEST, &Use::Client, files)
    }

    pub(super) fn empty_crl(&self) -> Outcome<String> {
        let list = CertificateRevocationListParams {
            this_update: self.now - BACKDATED,
            next_update: self.now + CRL_LIFE,
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: Vec::new(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        Ok(list.signed_by(&self.issuer)?.pem()?)
    }

    fn add_leaf(&self, file: &str, name: &str, used: &Use, files: &mut KeyFiles) -> Outcome {
        let mut leaf = params(name, self.now, LEAF_LIFE)?;
        leaf.is_ca = IsCa::ExplicitNoCa;
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.use_authority_key_identifier_extension = true;
        match used {
            Use::Server(names) => {
                leaf.subject_alt_names = sans(names)?;
                leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            }
            Use::Client => leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth],
        }
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        files.add(format!("{file}.pem"), leaf.signed_by(&key, &self.issuer)?.pem());
        files.add(format!("{file}.key"), key.serialize_pem());
        Ok(())
    }
}

fn local_names(host: &str) -> Vec<String> {
    let mut names = vec![host.to_owned()];
    for local in ["localhost", "127.0.0.1"] {
        if host != local {
            names.push(local.to_owned());
        }
    }
    names
}

fn sans(names: &[String]) -> Outcome<Vec<SanType>> {
    let san = |name: &String| match name.parse() {
        Ok(address) => Ok(SanType::IpAddress(address)),
        Err(_not_an_address) => Ok(SanType::DnsName(name.as_str().try_into()?)),
    };
    names.iter().map(san).collect()
}

fn params(name: &str, now: OffsetDateTime, life: Duration) -> Outcome<CertificateParams> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.serial_number = Some(random_serial()?);
    params.not_before = now - BACKDATED;
    params.not_after = now + life;
    Ok(params)
}

/// 127 random bits: positive, and never one that auth will give a device.
fn random_serial() -> Outcome<SerialNumber> {
    let mut bytes = [0; 16];
    fill(&mut bytes)?;
    bytes[0] = (bytes[0] & 0x7f) | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

fn fill(bytes: &mut [u8]) -> Outcome {
    aws_lc_rs::rand::fill(bytes)
        .map_err(|_unspecified| Failure::other("the system gives no random numbers"))
}
