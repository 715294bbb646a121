//! Reading certificate requests, which come from anyone.

use rcgen::SubjectPublicKeyInfo;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::oid_registry::{
    OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_SIG_ECDSA_WITH_SHA256,
};
use x509_parser::pem::Pem;
use x509_parser::prelude::FromDer as _;
use yard_fault::{Classify, Code, Fault};

use crate::secrets;

/// Largest request, in PEM or DER, bytes.
const LARGEST: usize = 8 * 1024;
/// An uncompressed point of P-256: 0x04 and two coordinates.
const POINT: usize = 65;
const UNCOMPRESSED: u8 = 4;

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CsrError {
    #[error("the certificate request is larger than 8 KiB")]
    TooLarge,
    #[error("the certificate request is not PKCS#10 in PEM")]
    Unreadable,
    #[error("the key of the certificate request is not P-256")]
    Key,
    #[error("the certificate request is not signed with ECDSA and SHA-256")]
    Algorithm,
    #[error("the certificate request is not signed by its own key")]
    Signature,
    #[error("the key of the certificate request has a certificate already; make a new key")]
    KeyUsedBefore,
}

impl Classify for CsrError {
    fn code(&self) -> Code {
        Code::EnrollmentCsrInvalid
    }

    fn into_fault(self) -> Fault {
        Fault::new(self.code()).with_public(self.to_string()).with_pointer("/csr_pem")
    }
}

/// A device's public key, which its holder has proved to own the private half of.
#[derive(Debug)]
pub(crate) struct DeviceKey {
    pub(super) public: SubjectPublicKeyInfo,
    fingerprint: [u8; 32],
}

impl DeviceKey {
    /// Takes the key of a request and nothing else: names and extensions are ours to give.
    pub(crate) fn of_request(pem: &str) -> Result<Self, CsrError> {
        if pem.len() > LARGEST {
            return Err(CsrError::TooLarge);
        }
        let block = Pem::iter_from_buffer(pem.as_bytes()).next();
        let block = block.and_then(Result::ok).ok_or(CsrError::Unreadable)?;
        if !matches!(block.label.as_str(), "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST") {
            return Err(CsrError::Unreadable);
        }
        Self::of_der(&block.contents)
    }

    /// As [`Self::of_request`], for a request that came in another wrapping than PEM.
    pub(crate) fn of_der(der: &[u8]) -> Result<Self, CsrError> {
        if der.len() > LARGEST {
            return Err(CsrError::TooLarge);
        }
        let (rest, request) =
            X509CertificationRequest::from_der(der).map_err(|_unreadable| CsrError::Unreadable)?;
        if !rest.is_empty() {
            return Err(CsrError::Unreadable);
        }
        Self::of_parsed(&request)
    }

    fn of_parsed(request: &X509CertificationRequest<'_>) -> Result<Self, CsrError> {
        let key = &request.certification_request_info.subject_pki;
        let curve = key.algorithm.parameters.as_ref().and_then(|p| p.as_oid().ok());
        let point = &key.subject_public_key.data;
        if key.algorithm.algorithm != OID_KEY_TYPE_EC_PUBLIC_KEY
            || curve != Some(OID_EC_P256)
            || point.len() != POINT
            || point.first() != Some(&UNCOMPRESSED)
        {
            return Err(CsrError::Key);
        }
        // Otherwise the request would choose how it is verified.
        if request.signature_algorithm.algorithm != OID_SIG_ECDSA_WITH_SHA256 {
            return Err(CsrError::Algorithm);
        }
        request.verify_signature().map_err(|_invalid| CsrError::Signature)?;
        let public =
            SubjectPublicKeyInfo::from_der(key.raw).map_err(|_unreadable| CsrError::Key)?;
        Ok(Self { public, fingerprint: secrets::sha256_of(key.raw) })
    }

    /// SHA-256 of the key as certificates hold it: tells one that was used before.
    pub(crate) const fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }
}
