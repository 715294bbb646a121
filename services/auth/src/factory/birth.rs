//! What a manufacturer's certificates have to be.

use time::OffsetDateTime;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;
use x509_parser::oid_registry::{
    OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_X509_SERIALNUMBER, Oid,
};
use x509_parser::parse_x509_certificate;
use x509_parser::pem::Pem;
use x509_parser::x509::AlgorithmIdentifier;
use yard_ids::TenantId;

use crate::secrets;

/// 2.25.165645290285169141854963703474591441332, an arc of a UUID: "may enrol with Switchyard". A
/// manufacturer puts it into the extended key usage of the certificates that are for this, so that
/// no other certificate of the same CA opens anything here.
pub(super) const MAY_ENROL: &[u8] = &[
    0x69, 0x81, 0xf9, 0x9e, 0x8f, 0xd6, 0xc7, 0xd4, 0x92, 0xae, 0x8d, 0x9f, 0x8b, 0xda, 0xc1, 0xc5,
    0xf4, 0xb4, 0xc3, 0x34,
];
/// Largest certificate, PEM.
const LARGEST: usize = 8 * 1024;
const LONGEST_SERIAL: usize = 120;

/// A manufacturer's CA as it is registered.
#[derive(Debug)]
pub(super) struct Authority {
    pub(super) der: Vec<u8>,
    /// Its subject in DER, by which its certificates name their issuer.
    pub(super) name: Vec<u8>,
    pub(super) subject: String,
    /// SHA-256 of its public key.
    pub(super) key: [u8; 32],
    pub(super) not_after: OffsetDateTime,
}

impl Authority {
    /// Reads a CA; the text says what is wrong with it.
    pub(super) fn read(pem: &str, now: OffsetDateTime) -> Result<Self, &'static str> {
        let der = der(pem).ok_or("is no certificate in PEM of at most 8 KiB")?;
        let ca = whole(&der).ok_or("is no certificate")?;
        let is_ca = matches!(ca.basic_constraints(), Ok(Some(basic)) if basic.value.ca);
        let may_sign = match ca.key_usage() {
            Ok(Some(usage)) => usage.value.key_cert_sign(),
            Ok(None) => true,
            Err(_) => false,
        };
        if !is_ca || !may_sign {
            return Err("may not sign certificates");
        }
        // Name constraints and the like: who does not hold a CA to them may not trust it.
        if asks_for_more(&ca) {
            return Err("has critical extensions that are not understood here");
        }
        if !is_curve(&ca) {
            return Err("has no key on P-256 or P-384");
        }
        let (not_before, not_after) =
            (ca.validity().not_before.to_datetime(), ca.validity().not_after.to_datetime());
        if not_before > now {
            return Err("is not valid yet");
        }
        if not_after <= now {
            return Err("has expired");
        }
        let (name, subject) = (ca.subject().as_raw().to_vec(), ca.subject().to_string());
        let key = secrets::sha256_of(ca.public_key().raw);
        Ok(Self { name, subject, key, not_after, der })
    }

    /// Whether who registers the CA may use its key: it has signed for this tenant's name.
    pub(super) fn has_signed_for(&self, tenant: TenantId, proof_pem: &str) -> bool {
        let Some(proof) = der(proof_pem) else { return false };
        let Some(proof) = whole(&proof) else { return false };
        let names: Vec<_> = proof.subject().iter_common_name().collect();
        let wanted = format!("switchyard {tenant}");
        names.len() == 1
            && names.iter().all(|name| name.as_str().is_ok_and(|name| name == wanted))
            && is_signed_by(&proof, &self.der)
    }
}

/// A certificate that a device was born with, whose key it has proved to hold.
#[derive(Debug)]
pub(super) struct Birth {
    der: Vec<u8>,
    /// Who says to have signed it, DER.
    pub(super) issuer: Vec<u8>,
    /// The device's serial number, from the subject.
    pub(super) serial: String,
}

impl Birth {
    /// `None` for every certificate that is not for this.
    pub(super) fn read(der: &[u8], now: OffsetDateTime) -> Option<Self> {
        let certificate = whole(der)?;
        let usage = certificate.extended_key_usage().ok()??.value;
        let for_this =
            usage.client_auth && usage.other.iter().any(|oid| oid.as_bytes() == MAY_ENROL);
        // One that cannot be read, or is there twice, says nothing that one could rely on.
        let is_end = match certificate.basic_constraints() {
            Ok(basic) => basic.is_none_or(|basic| !basic.value.ca),
            Err(_) => false,
        };
        let may_prove = match certificate.key_usage() {
            Ok(Some(usage)) => usage.value.digital_signature() && !usage.value.key_cert_sign(),
            Ok(None) => true,
            Err(_) => false,
        };
        let moment = now.unix_timestamp();
        let validity = certificate.validity();
        let in_time =
            (validity.not_before.timestamp()..=validity.not_after.timestamp()).contains(&moment);
        if !for_this || !is_end || !may_prove || !in_time || asks_for_more(&certificate) {
            return None;
        }
        let mut serials = certificate.subject().iter_by_oid(&OID_X509_SERIALNUMBER);
        let serial = serials.next()?.as_str().ok()?.to_owned();
        let alone = serials.next().is_none();
        let usable = alone && (1..=LONGEST_SERIAL).contains(&serial.chars().count());
        let issuer = certificate.issuer().as_raw().to_vec();
        (usable && !serial.contains(char::is_control)).then(|| Self {
            issuer,
            serial,
            der: der.to_vec(),
        })
    }

    /// Whether that CA has signed it.
    pub(super) fn is_of(&self, authority: &[u8]) -> bool {
        whole(&self.der).is_some_and(|certificate| is_signed_by(&certificate, authority))
    }
}

pub(super) fn der(pem: &str) -> Option<Vec<u8>> {
    if pem.len() > LARGEST {
        return None;
    }
    let block = Pem::iter_from_buffer(pem.as_bytes()).next()?.ok()?;
    (block.label == "CERTIFICATE").then_some(block.contents)
}

/// A certificate, with nothing behind it.
pub(super) fn whole(der: &[u8]) -> Option<X509Certificate<'_>> {
    let (rest, certificate) = parse_x509_certificate(der).ok()?;
    rest.is_empty().then_some(certificate)
}

/// Whether it has a critical extension that is not held against anything here.
fn asks_for_more(certificate: &X509Certificate<'_>) -> bool {
    certificate.extensions().iter().any(|extension| {
        extension.critical
            && !matches!(
                extension.parsed_extension(),
                ParsedExtension::BasicConstraints(_)
                    | ParsedExtension::KeyUsage(_)
                    | ParsedExtension::ExtendedKeyUsage(_)
                    | ParsedExtension::SubjectAlternativeName(_)
            )
    })
}

fn is_signed_by(certificate: &X509Certificate<'_>, authority: &[u8]) -> bool {
    let Some(ca) = whole(authority) else { return false };
    certificate.issuer() == ca.subject()
        && is_curve(&ca)
        && certificate.verify_signature(Some(ca.public_key())).is_ok()
}

/// On P-256 or P-384: what signs with it is ECDSA, whatever the certificate says of its signature.
fn is_curve(ca: &X509Certificate<'_>) -> bool {
    curve(&ca.public_key().algorithm)
        .is_some_and(|curve| curve == OID_EC_P256 || curve == OID_NIST_EC_P384)
}

/// The curve of a key that is on one.
pub(super) fn curve<'k>(of_key: &'k AlgorithmIdentifier<'_>) -> Option<Oid<'k>> {
    if of_key.algorithm != OID_KEY_TYPE_EC_PUBLIC_KEY {
        return None;
    }
    of_key.parameters.as_ref()?.as_oid().ok()
}
