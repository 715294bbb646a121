//! How a device proves that it holds the key of its certificate, where TLS does not do it.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use x509_parser::pem::parse_x509_pem;

use crate::secrets;

/// No signature that is longer is one of P-256 in DER.
const LONGEST: usize = 72;

/// What is signed: which certificate, and the request byte for byte. The first line keeps the
/// signature from meaning anything elsewhere.
fn message(serial: &str, csr_pem: &str) -> String {
    format!("switchyard certificate renewal\n{serial}\n{csr_pem}")
}

/// Whether the certificate that a TLS client has shown is the stored one, byte for byte.
pub(super) fn is_same(certificate_pem: &str, shown: &[u8]) -> bool {
    parse_x509_pem(certificate_pem.as_bytes()).is_ok_and(|(_, block)| block.contents == shown)
}

/// The serial of a certificate as it is stored; any bytes may come in.
pub(super) fn serial(shown: &[u8]) -> Option<String> {
    let (_, certificate) = x509_parser::parse_x509_certificate(shown).ok()?;
    Some(secrets::hex(certificate.raw_serial()))
}

/// Whether the key of the certificate has signed the request.
pub(super) fn holds(certificate_pem: &str, serial: &str, csr_pem: &str, signature: &[u8]) -> bool {
    if signature.len() > LONGEST {
        return false;
    }
    let Ok((_, block)) = parse_x509_pem(certificate_pem.as_bytes()) else { return false };
    let Ok(certificate) = block.parse_x509() else { return false };
    let key = &certificate.public_key().subject_public_key.data;
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key);
    key.verify(message(serial, csr_pem).as_bytes(), signature).is_ok()
}
