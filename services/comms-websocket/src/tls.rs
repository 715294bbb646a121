//! TLS of the listener that clients come to, for where no proxy speaks it for the service.

use std::fmt::Display;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use yard_runtime::{ConfigError, Runtime, follow_files};

use crate::socket::Stream;

const CERTIFICATE: &str = "tls.certificate_file";
const KEY: &str = "tls.key_file";
/// The first byte of a TLS handshake (RFC 8446, section 5.1), of which no HTTP request begins.
const HANDSHAKE: u8 = 22;

/// Section `[tls]`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// Certificate and chain, PEM; empty for plain text.
    pub certificate_file: PathBuf,
    /// Its private key, PEM.
    pub key_file: PathBuf,
    /// Nobody comes but by a proxy that speaks TLS.
    pub terminated_by_proxy: bool,
}

impl TlsConfig {
    /// `live` where people use it.
    pub(crate) fn validate(&self, live: bool) -> Result<(), ConfigError> {
        let given = |file: &PathBuf| !file.as_os_str().is_empty();
        match (given(&self.certificate_file), given(&self.key_file)) {
            (true, false) => Err(ConfigError::new(KEY, "is missing beside tls.certificate_file")),
            (false, true) => Err(ConfigError::new(CERTIFICATE, "is missing beside tls.key_file")),
            (false, false) if live && !self.terminated_by_proxy => {
                let rule = "has to be given in this environment, unless \
                            tls.terminated_by_proxy says that a proxy speaks TLS";
                Err(ConfigError::new(CERTIFICATE, rule))
            }
            (true, true) | (false, false) => Ok(()),
        }
    }

    fn load(&self) -> Result<Arc<ServerConfig>, ConfigError> {
        let wrong = |option: &'static str, error: &dyn Display| {
            ConfigError::new(option, format!("cannot be used: {error}"))
        };
        let chain: Result<Vec<_>, _> =
            CertificateDer::pem_file_iter(&self.certificate_file).and_then(Iterator::collect);
        let chain = chain.map_err(|e| wrong(CERTIFICATE, &e))?;
        let key = PrivateKeyDer::from_pem_file(&self.key_file).map_err(|e| wrong(KEY, &e))?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| wrong(CERTIFICATE, &e))?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(|e| wrong(KEY, &e))?;
        server.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(server))
    }
}

/// What the listener proves itself with, always as the files have it.
#[derive(Clone)]
pub(crate) struct Tls(watch::Receiver<Arc<ServerConfig>>);

impl Tls {
    /// Reads the files and follows them; `None` where there are none.
    ///
    /// # Errors
    /// When a file is not there, or certificate and key are not of each other.
    pub(crate) fn load(config: &TlsConfig, rt: &Runtime) -> Result<Option<Self>, ConfigError> {
        if config.certificate_file.as_os_str().is_empty() {
            return Ok(None);
        }
        let (publish, current) = watch::channel(config.load()?);
        let config = config.clone();
        let files = vec![config.certificate_file.clone(), config.key_file.clone()];
        follow_files(rt, "socket certificate", files, move || {
            publish.send_replace(config.load()?);
            Ok(())
        });
        Ok(Some(Self(current)))
    }

    /// Shakes hands. Who does not even begin to is let in with `false`, to be told why not to stay.
    ///
    /// # Errors
    /// When the handshake fails.
    pub(crate) async fn open(&self, stream: TcpStream) -> io::Result<(Stream, bool)> {
        let mut first = [0];
        let seen = stream.peek(&mut first).await?;
        if seen > 0 && first != [HANDSHAKE] {
            return Ok((Stream::Left(stream), false));
        }
        let acceptor = TlsAcceptor::from(Arc::clone(&self.0.borrow()));
        let stream = acceptor.accept(stream).await?;
        Ok((Stream::Right(Box::new(stream)), true))
    }
}
