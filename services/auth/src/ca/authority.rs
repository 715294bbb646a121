use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    CertificateRevocationListParams, Issuer, KeyIdMethod, KeyPair, PKCS_ECDSA_P256_SHA256,
    RevokedCertParams, SerialNumber,
};
use time::OffsetDateTime;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;
use x509_parser::pem::parse_x509_pem;
use yard_fault::Fault;
use yard_runtime::{ConfigError, Secret};

use super::{BACKDATED, Revoked, signing};
use crate::secrets;

/// The options that one CA is told by, and the state that they give it.
pub(super) struct Options {
    cert: &'static str,
    key: &'static str,
    state: &'static str,
}

pub(super) const ACTIVE: Options =
    Options { cert: "device_ca.cert_file", key: "device_ca.key_file", state: "active" };
pub(super) const PENDING: Options =
    Options { cert: "device_ca.next_cert_file", key: "device_ca.next_key_file", state: "pending" };
pub(super) const RETIRING: Options = Options {
    cert: "device_ca.previous_cert_file",
    key: "device_ca.previous_key_file",
    state: "retiring",
};

/// One CA: certificate and key.
pub(crate) struct Authority {
    pub(super) issuer: Issuer<'static, KeyPair>,
    pub(super) key_id: Vec<u8>,
    /// Lower-case hexadecimal.
    pub(crate) key_id_text: String,
    pub(super) pem: String,
    pub(super) der: Vec<u8>,
    pub(crate) subject: String,
    pub(crate) not_after: OffsetDateTime,
    /// `pending`, `active` or `retiring`.
    pub(crate) state: &'static str,
}

impl Authority {
    pub(super) fn load(
        options: &Options,
        certificate: &Path,
        key: &Path,
        now: OffsetDateTime,
    ) -> Result<Self, ConfigError> {
        let key = Secret::from_file(options.key, key)?;
        let pem = std::fs::read_to_string(certificate).map_err(|e| {
            ConfigError::new(options.cert, format!("{}: {e}", certificate.display()))
        })?;
        Self::new(options, &pem, key.expose(), now)
    }

    pub(super) fn new(
        options: &Options,
        pem: &str,
        key_pem: &str,
        now: OffsetDateTime,
    ) -> Result<Self, ConfigError> {
        let wrong_key = |problem: &str| ConfigError::new(options.key, problem);
        let key = KeyPair::from_pem(key_pem)
            .map_err(|_rejected| wrong_key("holds no private key in PKCS#8 PEM"))?;
        if !key.is_compatible(&PKCS_ECDSA_P256_SHA256) {
            return Err(wrong_key("is no P-256 key"));
        }
        let wrong = |problem: &str| ConfigError::new(options.cert, problem);
        let unreadable = || wrong("holds no certificate in PEM");
        let (_, block) = parse_x509_pem(pem.as_bytes()).map_err(|_unreadable| unreadable())?;
        let certificate = block.parse_x509().map_err(|_unreadable| unreadable())?;
        let key_id = check_ca(&certificate, &key, now).map_err(wrong)?;
        let not_after = certificate.validity().not_after.to_datetime();
        let subject = certificate.subject().to_string();
        let issuer = Issuer::from_ca_cert_der(&block.contents.as_slice().into(), key)
            .map_err(|_unsupported| unreadable())?;
        // The block alone: devices are given it, and a file may hold more, even its key.
        let pem = certificate_pem(&block.contents);
        let (key_id_text, der) = (secrets::hex(&key_id), block.contents);
        let state = options.state;
        Ok(Self { issuer, key_id, key_id_text, pem, der, subject, not_after, state })
    }

    /// The list of what this CA has signed, PEM.
    pub(super) fn sign_list(
        &self,
        number: i64,
        revoked: &[Revoked],
        now: OffsetDateTime,
        next_update: OffsetDateTime,
    ) -> Result<String, Fault> {
        let of_this = |revoked: &&Revoked| {
            revoked.authority.as_ref().is_none_or(|authority| *authority == self.key_id_text)
        };
        let list = CertificateRevocationListParams {
            this_update: now - BACKDATED,
            next_update,
            crl_number: SerialNumber::from(number.unsigned_abs()),
            issuing_distribution_point: None,
            revoked_certs: revoked.iter().filter(of_this).map(entry).collect::<Result<_, _>>()?,
            // OpenSSL looks the signer up by this; a key id of our own making would not be found.
            key_identifier_method: KeyIdMethod::PreSpecified(self.key_id.clone()),
        };
        list.signed_by(&self.issuer).and_then(|list| list.pem()).map_err(signing)
    }
}

fn certificate_pem(der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let lines = body.as_bytes().chunks(64).map(String::from_utf8_lossy).collect::<Vec<_>>();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

/// Returns the subject key id.
fn check_ca(
    certificate: &X509Certificate<'_>,
    key: &KeyPair,
    now: OffsetDateTime,
) -> Result<Vec<u8>, &'static str> {
    if certificate.public_key().subject_public_key.data != key.public_key_raw() {
        return Err("does not belong to its key file");
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
