//! The TLS side: what the listener shows, and what it takes of clients.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, ServerConfig};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use yard_runtime::ConfigError;

use crate::config::EstConfig;

/// Largest certificate of a client, DER. Ours are below 1 KiB, a manufacturer's may be more.
const LARGEST: usize = 8 * 1024;

/// Takes any certificate whose key the client proves to hold, and says nothing of what it is worth.
#[derive(Debug)]
struct AnyCertificate(WebPkiSupportedAlgorithms);

impl ClientCertVerifier for AnyCertificate {
    fn offer_client_auth(&self) -> bool {
        true
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if end_entity.len() > LARGEST {
            return Err(Error::General("the client's certificate is too large".to_owned()));
        }
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, signed, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, signed, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

/// What the listener shows, from its files.
pub(super) fn server_config(config: &EstConfig) -> Result<Arc<ServerConfig>, ConfigError> {
    let wrong = |option: &'static str, problem: String| ConfigError::new(option, problem);
    let chain: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(&config.cert_file).and_then(Iterator::collect);
    let chain = chain.map_err(|e| wrong("est.cert_file", e.to_string()))?;
    let key = PrivateKeyDer::from_pem_file(&config.key_file)
        .map_err(|e| wrong("est.key_file", e.to_string()))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = AnyCertificate(provider.signature_verification_algorithms);
    let mut server = builder(provider)
        .map_err(|e| wrong("est.cert_file", e.to_string()))?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_single_cert(chain, key)
        .map_err(|e| wrong("est.key_file", e.to_string()))?;
    server.alpn_protocols = vec![b"http/1.1".to_vec()];
    // Each connection proves anew whose it is.
    server.session_storage = Arc::new(NoServerSessionStorage {});
    server.send_tls13_tickets = 0;
    Ok(Arc::new(server))
}

fn builder(
    provider: Arc<CryptoProvider>,
) -> Result<rustls::ConfigBuilder<ServerConfig, rustls::WantsVerifier>, Error> {
    ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
}
