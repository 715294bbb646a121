use std::path::Path;
use std::sync::Arc;

use rumqttc::{AckMode, MqttOptions, TlsConfiguration, Transport};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use yard_runtime::ConfigError;

use super::session::{MOST_UNDER_WAY, NothingUnderWay};
use crate::config::MqttConfig;

/// Above the 256 KiB rule, so that a payload that breaks it gets a verdict from us.
const LARGEST_PACKET: u32 = 1024 * 1024;
const KEEP_ALIVE_SECONDS: u16 = 15;
/// Publishes written to the socket at once.
const WRITE_BATCH: usize = 64;

/// Everything the client library is told.
pub(super) fn of(config: &MqttConfig) -> Result<MqttOptions, ConfigError> {
    let expiry = u32::try_from(config.session_expiry.as_secs()).unwrap_or(u32::MAX - 1);
    let mut options = MqttOptions::new(&config.client_id, (config.host.as_str(), config.port));
    let mut network = options.network_options();
    network.set_tcp_nodelay(true);
    options
        .set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(tls(config)?)))
        .set_network_options(network)
        .set_keep_alive(KEEP_ALIVE_SECONDS)
        .set_clean_start(false)
        .set_session_expiry_interval(Some(expiry))
        .set_session_store(NothingUnderWay { session_expiry: expiry })
        .set_receive_maximum(Some(config.receive_maximum))
        .set_max_packet_size(Some(LARGEST_PACKET))
        .set_max_request_batch(WRITE_BATCH)
        .set_outgoing_inflight_upper_limit(MOST_UNDER_WAY)
        .set_ack_mode(AckMode::Manual);
    Ok(options)
}

fn tls(config: &MqttConfig) -> Result<Arc<ClientConfig>, ConfigError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates("mqtt.ca_file", &config.ca_file)? {
        roots.add(certificate).map_err(|e| wrong("mqtt.ca_file", &config.ca_file, &e))?;
    }
    let chain = certificates("mqtt.cert_file", &config.cert_file)?;
    let key = PrivateKeyDer::from_pem_file(&config.key_file)
        .map_err(|e| wrong("mqtt.key_file", &config.key_file, &e))?;
    let tls = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .map_err(|e| wrong("mqtt.key_file", &config.key_file, &e))?;
    Ok(Arc::new(tls))
}

fn certificates(option: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    match found {
        Ok(found) if found.is_empty() => Err(wrong(option, path, &"holds no certificate")),
        Ok(found) => Ok(found),
        Err(error) => Err(wrong(option, path, &error)),
    }
}

fn wrong(option: &str, path: &Path, problem: &dyn std::fmt::Display) -> ConfigError {
    ConfigError::new(option, format!("{}: {problem}", path.display()))
}
