//! How a device proves that it holds the key of the certificate it was born with, where TLS does not
//! do it.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256,
    UnparsedPublicKey, VerificationAlgorithm,
};
use x509_parser::oid_registry::{
    OID_EC_P256, OID_NIST_EC_P384, OID_PKCS1_RSAENCRYPTION, OID_SIG_ED25519,
};
use x509_parser::x509::AlgorithmIdentifier;

use super::birth::{curve, der, whole};

/// No signature that is longer is one of an RSA key of 8,192 bits.
const LONGEST: usize = 1_024;

/// What is signed: the request byte for byte. The first line keeps the signature from meaning
/// anything elsewhere.
fn message(csr_pem: &str) -> String {
    format!("switchyard factory enrolment\n{csr_pem}")
}

/// The certificate in DER, if its key has signed the request.
pub(super) fn proved(certificate_pem: &str, csr_pem: &str, signature: &[u8]) -> Option<Vec<u8>> {
    if signature.len() > LONGEST {
        return None;
    }
    let shown = der(certificate_pem)?;
    let certificate = whole(&shown)?;
    let key = certificate.public_key();
    let algorithm = algorithm(&key.algorithm)?;
    let key = UnparsedPublicKey::new(algorithm, &key.subject_public_key.data);
    key.verify(message(csr_pem).as_bytes(), signature).ok()?;
    Some(shown)
}

/// Goes by the key alone, so that nobody can choose how a signature is read.
fn algorithm(of_key: &AlgorithmIdentifier<'_>) -> Option<&'static dyn VerificationAlgorithm> {
    if of_key.algorithm == OID_SIG_ED25519 {
        return Some(&ED25519);
    }
    if of_key.algorithm == OID_PKCS1_RSAENCRYPTION {
        return Some(&RSA_PKCS1_2048_8192_SHA256);
    }
    let curve = curve(of_key)?;
    if curve == OID_EC_P256 {
        return Some(&ECDSA_P256_SHA256_ASN1);
    }
    (curve == OID_NIST_EC_P384).then_some(&ECDSA_P384_SHA384_ASN1)
}
