//! Devices that publish as fast as the broker takes it, and a subscriber that only counts: what the
//! broker alone carries, for comparing it with and without our plugin.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair};
use rumqttc::mqttbytes::QoS;
use rumqttc::{AsyncClient, MqttOptions, PublishOptions, TlsConfiguration, Transport};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;
use yard_contracts::topics::Uplink;
use yard_ids::{DeviceId, IdSource as _, RandomIds};

use crate::floor;

/// As long as a reading with its envelope.
const PAYLOAD: &str = "{\"at\":\"2026-11-21T12:00:00.123Z\",\"epoch\":1,\"seq\":123456,\
                       \"values\":{\"flow_lps\":12.345,\"pressure_bar\":3.21}}";
const UNDER_WAY: usize = 100;

/// Where and how long.
#[derive(Debug, Args)]
pub(crate) struct BrokerArgs {
    /// The broker's TLS port on localhost.
    #[arg(long)]
    mqtt_port: u16,
    /// The PKI folder, with the CA's key.
    #[arg(long)]
    pki: PathBuf,
    /// Devices that publish.
    #[arg(long, default_value_t = 20)]
    devices: usize,
    /// How long they do.
    #[arg(long, default_value_t = 8)]
    seconds: u64,
}

/// Publishes and counts what arrives.
pub(crate) async fn run(args: &BrokerArgs) -> Result<Value> {
    let until = Instant::now() + Duration::from_secs(args.seconds);
    let mut senders = JoinSet::new();
    for _ in 0..args.devices {
        let device = DeviceId::from_uuid(RandomIds.uuid7());
        let tls = device_tls(&args.pki, device)?;
        senders.spawn(publish(args.mqtt_port, device, tls, until));
    }
    let counted = floor::count(args.mqtt_port, &args.pki, until).await?;
    senders.shutdown().await;
    ensure!(counted > 0, "nothing arrived");
    Ok(json!({ "counted": counted, "per_second": counted / args.seconds.max(1) }))
}

async fn publish(
    port: u16,
    device: DeviceId,
    tls: Arc<ClientConfig>,
    until: Instant,
) -> Result<()> {
    let mut options = MqttOptions::new(device.to_string(), ("localhost", port));
    options
        .set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(tls)))
        .set_keep_alive(30)
        .set_max_request_batch(64);
    let (client, mut events) = AsyncClient::builder(options).capacity(UNDER_WAY).build();
    let topic = Uplink::Telemetry.topic(device);
    let send = async {
        loop {
            let options = PublishOptions::new(QoS::AtLeastOnce);
            client.publish(topic.as_str(), PAYLOAD, options).await?;
        }
    };
    let live = async {
        loop {
            events.poll().await?;
        }
    };
    tokio::select! {
        outcome = send => outcome,
        outcome = live => outcome,
        () = tokio::time::sleep_until(until) => Ok(()),
    }
}

fn device_tls(pki: &Path, device: DeviceId) -> Result<Arc<ClientConfig>> {
    let read = |name: &str| std::fs::read_to_string(pki.join(name)).context(name.to_owned());
    let ca_key = KeyPair::from_pem(&read("device-ca.key")?)?;
    let issuer = Issuer::from_ca_cert_pem(&read("device-ca.pem")?, ca_key)?;
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, device.to_string());
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, &issuer)?;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(read("device-ca.pem")?.as_bytes())?)?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let chain = vec![certificate.der().clone()];
    let tls =
        ClientConfig::builder().with_root_certificates(roots).with_client_auth_cert(chain, key)?;
    Ok(Arc::new(tls))
}
