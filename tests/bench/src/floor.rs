//! The least that receiving can cost.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;
use rumqttc::mqttbytes::QoS;
use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Packet, TlsConfiguration, Transport};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::time::Instant;

// The same certificate as device-ingest's, hence the same client: the broker forgets the session
// that device-ingest left, or it would queue for it as well.
const CLIENT: &str = "device-ingest-1";
const TOPIC: &str = "$share/ingest/device/+/telemetry";
const PACKET: u32 = 1024 * 1024;
const RECEIVE_MAXIMUM: u16 = 2_000;

/// Where and how long.
#[derive(Debug, Args)]
pub(crate) struct FloorArgs {
    /// The broker's TLS port on localhost.
    #[arg(long)]
    mqtt_port: u16,
    /// The platform's PKI folder.
    #[arg(long)]
    pki: PathBuf,
    /// Not counted: until the senders are at full speed.
    #[arg(long, default_value_t = 5)]
    warm_up: u64,
    /// Counted.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
}

/// Acknowledges and counts.
pub(crate) async fn run(args: &FloorArgs) -> Result<Value> {
    let (client, mut events) = subscriber(args.mqtt_port, &args.pki)?;
    let begun = Instant::now();
    let from = begun + Duration::from_secs(args.warm_up);
    let until = from + Duration::from_secs(args.seconds);
    let mut counted = 0_u64;
    while let Ok(event) = tokio::time::timeout_at(until, events.poll()).await {
        let published = matches!(event?, Event::Incoming(Packet::Publish(_)));
        if published && Instant::now() >= from {
            counted += 1;
        }
    }
    drop(client);
    ensure!(counted > 0, "the broker handed out nothing: is anybody sending?");
    Ok(json!({ "counted": counted, "per_second": counted / args.seconds.max(1) }))
}

/// Acknowledges and counts everything that arrives before `until`.
pub(crate) async fn count(port: u16, pki: &Path, until: Instant) -> Result<u64> {
    let (client, mut events) = subscriber(port, pki)?;
    let mut counted = 0_u64;
    while let Ok(event) = tokio::time::timeout_at(until, events.poll()).await {
        counted += u64::from(matches!(event?, Event::Incoming(Packet::Publish(_))));
    }
    drop(client);
    Ok(counted)
}

fn subscriber(port: u16, pki: &Path) -> Result<(AsyncClient, EventLoop)> {
    let mut options = MqttOptions::new(CLIENT, ("localhost", port));
    let mut network = options.network_options();
    network.set_tcp_nodelay(true);
    options
        .set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(tls(pki)?)))
        .set_network_options(network)
        .set_keep_alive(15)
        .set_clean_start(true)
        .set_receive_maximum(Some(RECEIVE_MAXIMUM))
        .set_max_packet_size(Some(PACKET))
        .set_max_request_batch(64);
    let (client, events) = AsyncClient::builder(options).unbounded().build();
    client.try_subscribe(TOPIC, QoS::AtLeastOnce)?;
    Ok((client, events))
}

fn tls(pki: &Path) -> Result<Arc<ClientConfig>> {
    let file = |name: &str| pki.join(name);
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(file("device-ca.pem")).context("device-ca.pem")?)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(file("mqtt-device-ingest.pem"))
        .context("mqtt-device-ingest.pem")?
        .collect();
    let key = PrivateKeyDer::from_pem_file(file("mqtt-device-ingest.key"))
        .context("mqtt-device-ingest.key")?;
    let tls =
        ClientConfig::builder().with_root_certificates(roots).with_client_auth_cert(chain?, key)?;
    Ok(Arc::new(tls))
}
