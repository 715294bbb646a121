//! The device CA: what it signs, and nothing of who may have it signed.

mod csr;
#[cfg(test)]
mod tests;

use std::path::Path;

use rcgen::{
    CertificateParams, CertificateRevocationListParams, CrlDistributionPoint, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, RevokedCertParams, SanType, SerialNumber,
};
use time::{Duration, OffsetDateTime};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;
use x509_parser::pem::parse_x509_pem;
use yard_fault::Fault;
use yard_ids::{DeviceId, TenantId};
use yard_runtime::{ConfigError, Secret};

pub(crate) use csr::{CsrError, DeviceKey};

use crate::config::DeviceCaConfig;
use crate::secrets;

/// How long a device's certificate is valid.
const CERTIFICATE_LIFE: Duration = Duration::days(90);
/// How long a revocation list is. A broker with an expired list refuses every device, so this is
/// many times the hour after which it is renewed.
const LIST_LIFE: Duration = Duration::hours(24);
/// A device or broker whose clock is a little behind takes what was signed just now.
const BACKDATED: Duration = Duration::minutes(5);

/// Signs device certificates and their revocation list.
pub(crate) struct DeviceCa {
    issuer: Issuer<'static, KeyPair>,
    key_id: Vec<u8>,
    pem: String,
    der: Vec<u8>,
    not_after: OffsetDateTime,
    names: Names,
}

/// What is written into every certificate beside its subject.
#[derive(Debug, Clone)]
struct Names {
    /// First part of the SPIFFE id.
    trust_domain: String,
    /// Where the revocation list can be fetched; empty leaves it out.
    list_url: String,
}

/// A certificate as it was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Issued {
    /// Lower-case hexadecimal, 32 digits.
    pub(crate) serial: String,
    pub(crate) pem: String,
    pub(crate) not_before: OffsetDateTime,
    pub(crate) not_after: OffsetDateTime,
}

impl Issued {
    /// When two thirds of its life are over.
    pub(crate) fn renew_after(&self) -> OffsetDateTime {
        self.not_before + (self.not_after - self.not_before) * 2 / 3
    }
}

/// An entry of the revocation list.
#[derive(Debug, Clone)]
pub(crate) struct Revoked {
    pub(crate) serial: String,
    pub(crate) at: OffsetDateTime,
}

/// A signed revocation list.
#[derive(Debug, Clone)]
pub(crate) struct SignedList {
    pub(crate) number: i64,
    pub(crate) pem: String,
    pub(crate) next_update: OffsetDateTime,
}

impl DeviceCa {
    /// Reads certificate and key, and refuses a pair that would only fail later.
    pub(crate) fn load(config: &DeviceCaConfig, now: OffsetDateTime) -> Result<Self, ConfigError> {
        let key = Secret::from_file("device_ca.key_file", &config.key_file)?;
        let pem = read(&config.cert_file)?;
        let names =
            Names { trust_domain: config.trust_domain.clone(), list_url: config.crl_url.clone() };
        Self::new(pem, key.expose(), names, now)
    }

    fn new(
        pem: String,
        key_pem: &str,
        names: Names,
        now: OffsetDateTime,
    ) -> Result<Self, ConfigError> {
        let wrong_key = |problem: &str| ConfigError::new("device_ca.key_file", problem);
        let key = KeyPair::from_pem(key_pem)
            .map_err(|_rejected| wrong_key("holds no private key in PKCS#8 PEM"))?;
        if !key.is_compatible(&PKCS_ECDSA_P256_SHA256) {
            return Err(wrong_key("is no P-256 key"));
        }
        let wrong = |problem: &str| ConfigError::new("device_ca.cert_file", problem);
        let unreadable = || wrong("holds no certificate in PEM");
        let (_, block) = parse_x509_pem(pem.as_bytes()).map_err(|_unreadable| unreadable())?;
        let certificate = block.parse_x509().map_err(|_unreadable| unreadable())?;
        let key_id = check_ca(&certificate, &key, now).map_err(wrong)?;
        let not_after = certificate.validity().not_after.to_datetime();
        let issuer = Issuer::from_ca_cert_der(&block.contents.as_slice().into(), key)
            .map_err(|_unsupported| unreadable())?;
        let der = block.contents;
        Ok(Self { issuer, key_id, pem, der, not_after, names })
    }

    /// What a device checks the broker's certificate against, PEM.
    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    /// The same as certificates in DER, the one that signs first.
    pub(crate) fn authorities(&self) -> Vec<Vec<u8>> {
        vec![self.der.clone()]
    }

    /// Signs a certificate for a device. Every name in it is ours.
    pub(crate) fn issue(
        &self,
        key: &DeviceKey,
        device: DeviceId,
        tenant: TenantId,
        now: OffsetDateTime,
    ) -> Result<Issued, Fault> {
        let serial = serial()?;
        let now = now.replace_nanosecond(0).unwrap_or(now);
        let uri = format!("spiffe://{}/t/{tenant}/d/{device}", self.names.trust_domain);
        let mut params = CertificateParams::default();
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        params.not_before = now - BACKDATED;
        params.not_after = (now + CERTIFICATE_LIFE).min(self.not_after);
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, tenant.to_string());
        params.distinguished_name.push(DnType::CommonName, device.to_string());
        params.subject_alt_names = vec![SanType::URI(uri.try_into().map_err(signing)?)];
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        if !self.names.list_url.is_empty() {
            let uris = vec![self.names.list_url.clone()];
            params.crl_distribution_points = vec![CrlDistributionPoint { uris }];
        }
        let pem = params.signed_by(&key.public, &self.issuer).map_err(signing)?.pem();
        let (not_before, not_after) = (params.not_before, params.not_after);
        Ok(Issued { serial: secrets::hex(&serial), pem, not_before, not_after })
    }

    /// Signs the list with that number.
    pub(crate) fn sign_list(
        &self,
        number: i64,
        revoked: &[Revoked],
        now: OffsetDateTime,
    ) -> Result<SignedList, Fault> {
        let next_update = now + LIST_LIFE;
        let list = CertificateRevocationListParams {
            this_update: now - BACKDATED,
            next_update,
            crl_number: SerialNumber::from(number.unsigned_abs()),
            issuing_distribution_point: None,
            revoked_certs: revoked.iter().map(entry).collect::<Result<_, _>>()?,
            // OpenSSL looks the signer up by this; a key id of our own making would not be found.
            key_identifier_method: KeyIdMethod::PreSpecified(self.key_id.clone()),
        };
        let pem = list.signed_by(&self.issuer).and_then(|list| list.pem()).map_err(signing)?;
        Ok(SignedList { number, pem, next_update })
    }
}

fn read(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path)
        .map_err(|e| ConfigError::new("device_ca.cert_file", format!("{}: {e}", path.display())))
}

/// Returns the subject key id.
fn check_ca(
    certificate: &X509Certificate<'_>,
    key: &KeyPair,
    now: OffsetDateTime,
) -> Result<Vec<u8>, &'static str> {
    if certificate.public_key().subject_public_key.data != key.public_key_raw() {
        return Err("does not belong to device_ca.key_file");
    }
    let is_ca = matches!(certificate.basic_constraints(), Ok(Some(bc)) if bc.value.ca);
    let may_sign = matches!(certificate.key_usage(),
        Ok(Some(usage)) if usage.value.key_cert_sign() && usage.value.crl_sign());
    if !is_ca || !may_sign {
        return Err("may not sign certificates and revocation lists");
    }
    if certificate.validity().not_after.timestamp() <= now.unix_timestamp() {
        return Err("has expired");
    }
    let key_id = certificate.iter_extensions().find_map(|e| match e.parsed_extension() {
        ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
        _ => None,
    });
    key_id.ok_or("has no subject key identifier")
}

/// 126 random bits in exactly 16 octets: positive, and one spelling in hexadecimal.
fn serial() -> Result<[u8; 16], Fault> {
    let mut bytes = secrets::random::<16>()?;
    bytes[0] = (bytes[0] & 0x3f) | 0x40;
    Ok(bytes)
}

fn entry(revoked: &Revoked) -> Result<RevokedCertParams, Fault> {
    let serial = u128::from_str_radix(&revoked.serial, 16)
        .map_err(|e| Fault::internal(format!("serial {}", revoked.serial)).with_source(e))?;
    Ok(RevokedCertParams {
        serial_number: SerialNumber::from_slice(&serial.to_be_bytes()),
        revocation_time: revoked.at,
        reason_code: None,
        invalidity_date: None,
    })
}

fn signing(error: rcgen::Error) -> Fault {
    Fault::internal("the device CA could not sign").with_source(error)
}
