//! TLS towards a Redis whose authority is the installation's own.

use std::path::Path;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use yard_runtime::ConfigError;

/// A client that trusts the authorities in a file, PEM, and no others.
///
/// # Errors
/// When the file cannot be read or holds no certificate.
pub(crate) fn trusting(ca_file: &Path) -> Result<ClientConfig, ConfigError> {
    let named = |problem: String| format!("{}: {problem}", ca_file.display());
    let wrong = |problem| ConfigError::new("redis.ca_file", named(problem));
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(ca_file).map_err(|e| wrong(e.to_string()))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|e| wrong(e.to_string()))?;
        roots.add(certificate).map_err(|e| wrong(e.to_string()))?;
    }
    if roots.is_empty() {
        return Err(wrong("holds no certificate".to_owned()));
    }
    yard_runtime::install_crypto_provider();
    Ok(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
}
