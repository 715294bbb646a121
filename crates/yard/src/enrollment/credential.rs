//! What lets a device in that has no certificate of the platform yet.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{KeyPair, SigningKey as _};
use serde_json::{Value, json};

use crate::failure::{Failure, Outcome};

/// A credential of a device's first request.
#[derive(Debug)]
pub enum Credential {
    /// A one-time code that an operator made.
    ClaimCode(String),
    /// The certificate in PEM that the manufacturer gave it, and its key.
    Factory { certificate_pem: String, key: Box<KeyPair> },
}

impl Credential {
    /// Reads a manufacturer's certificate and its key, both PEM.
    pub fn factory(certificate: &Path, key: &Path) -> Outcome<Self> {
        let read = |path: &Path| fs::read_to_string(path).map_err(Failure::file(path));
        let unusable = |error| Failure::other(format!("{}: {error}", key.display()));
        let (certificate_pem, key) =
            (read(certificate)?, KeyPair::from_pem(&read(key)?).map_err(unusable)?);
        Ok(Self::Factory { certificate_pem, key: Box::new(key) })
    }

    /// The request, as the platform takes it.
    pub(super) fn request(&self, csr_pem: &str) -> Outcome<Value> {
        match self {
            Self::ClaimCode(code) => Ok(json!({ "claim_code": code, "csr_pem": csr_pem })),
            Self::Factory { certificate_pem, key } => {
                let signed = format!("switchyard factory enrolment\n{csr_pem}");
                let signature = STANDARD.encode(key.sign(signed.as_bytes())?);
                Ok(json!({
                    "factory_certificate_pem": certificate_pem,
                    "factory_signature": signature,
                    "csr_pem": csr_pem,
                }))
            }
        }
    }
}
