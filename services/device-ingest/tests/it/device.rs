//! A device with a certificate of its own.

use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair};
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v5::PubAckReason;
use rumqttc::{
    AsyncClient, Event, LastWill, MqttOptions, Packet, PublishOptions, PublishResult,
    TlsConfiguration, Transport,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use yard_contracts::topics::{Downlink, Uplink};
use yard_ids::{Clock as _, DeviceId, SystemClock};
use yard_runtime::{Runtime, TaskKind};
use yard_testkit::eventually;

use crate::support::{SOON, World};

/// A connected device.
pub(crate) struct Device {
    pub(crate) id: DeviceId,
    pub(crate) epoch: i64,
    client: AsyncClient,
    heard: mpsc::UnboundedReceiver<(String, Value)>,
    vanish: CancellationToken,
}

fn tls(world: &World, device: DeviceId) -> ClientConfig {
    let read = |name: &str| std::fs::read_to_string(world.pki.join(name)).unwrap();
    let ca_key = KeyPair::from_pem(&read("device-ca.key")).unwrap();
    let issuer = Issuer::from_ca_cert_pem(&read("device-ca.pem"), ca_key).unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, device.to_string());
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.not_before = SystemClock.now() - Duration::from_secs(60);
    params.not_after = SystemClock.now() + Duration::from_secs(3_600);
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(read("device-ca.pem").as_bytes()).unwrap()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
    ClientConfig::builder()
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![certificate.der().clone()], key)
        .unwrap()
}

impl Device {
    /// Connects, subscribes, and says that it is online.
    pub(crate) async fn connect(world: &World, id: DeviceId, epoch: i64) -> Self {
        let device = Self::silent(world, id, epoch).await;
        device.say(Uplink::Status, &json!({"state": "online", "epoch": epoch})).await;
        device
    }

    /// Connects and subscribes.
    pub(crate) async fn silent(world: &World, id: DeviceId, epoch: i64) -> Self {
        let mut options = MqttOptions::new(id.to_string(), ("localhost", world.broker.port()));
        let will = json!({"state": "offline", "epoch": epoch, "cause": "connection-lost"});
        options
            .set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(Arc::new(tls(
                world, id,
            )))))
            .set_keep_alive(5)
            .set_max_packet_size(Some(1024 * 1024))
            .set_last_will(LastWill::new(
                Uplink::Status.topic(id),
                will.to_string(),
                QoS::AtLeastOnce,
                true,
                None,
            ));
        let (client, mut eventloop) = AsyncClient::builder(options).capacity(1_000).build();
        let (sender, heard) = mpsc::unbounded_channel();
        let (vanish, ready) = (CancellationToken::new(), CancellationToken::new());
        let (gone, subscribed, own) = (vanish.clone(), ready.clone(), client.clone());
        let runtime = Runtime::builder("device", "0").build();
        runtime.tasks().spawn(TaskKind::Background, "device", async move {
            loop {
                let event = tokio::select! {
                    // Dropping the socket without a farewell is what brings out the will.
                    () = gone.cancelled() => return Ok(()),
                    event = eventloop.poll() => event,
                };
                match event {
                    Ok(Event::Incoming(Packet::ConnAck(_))) => {
                        for topic in [Downlink::Command, Downlink::Error, Downlink::Receipt] {
                            own.try_subscribe(topic.topic(id), QoS::AtLeastOnce)?;
                        }
                    }
                    Ok(Event::Incoming(Packet::SubAck(ack))) if ack.pkid >= 3 => {
                        subscribed.cancel();
                    }
                    Ok(Event::Incoming(Packet::Publish(publish))) => {
                        let topic = String::from_utf8_lossy(&publish.topic).into_owned();
                        let body = serde_json::from_slice(&publish.payload)?;
                        drop(sender.send((topic, body)));
                    }
                    Ok(_) => {}
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                }
            }
        });
        tokio::time::timeout(SOON, ready.cancelled()).await.expect("the broker lets the device in");
        Self { id, epoch, client, heard, vanish }
    }

    /// Publishes once and demands the broker's PUBACK.
    pub(crate) async fn send(&self, uplink: Uplink, payload: Vec<u8>) {
        let topic = uplink.topic(self.id);
        let options = PublishOptions::new(QoS::AtLeastOnce);
        let notice = self.client.publish_tracked(topic, payload, options).await;
        let acknowledged = tokio::time::timeout(SOON, notice.unwrap().wait_async()).await;
        acknowledged.expect("the broker acknowledges").unwrap();
    }

    /// A reading, published again until the broker has taken it and somebody listens. For a broker
    /// that was killed: the connection breaks, and its subscribers come back in their own time.
    pub(crate) async fn insist(&self, sequence: i64) {
        let topic = Uplink::Telemetry.topic(self.id);
        let payload = self.reading(sequence, 1.5).to_string().into_bytes();
        eventually(SOON, || self.sent(&topic, payload.clone())).await;
    }

    async fn sent(&self, topic: &str, payload: Vec<u8>) -> bool {
        let options = PublishOptions::new(QoS::AtLeastOnce);
        let notice = self.client.publish_tracked(topic, payload, options).await.unwrap();
        match notice.wait_async().await {
            Ok(PublishResult::Qos1(ack)) => ack.reason == PubAckReason::Success,
            Ok(_) | Err(_) => false,
        }
    }

    pub(crate) async fn say(&self, uplink: Uplink, body: &Value) {
        self.send(uplink, body.to_string().into_bytes()).await;
    }

    /// A reading with the next things a device says.
    pub(crate) fn reading(&self, sequence: i64, flow: f64) -> Value {
        let at = SystemClock.now().format(&time::format_description::well_known::Rfc3339).unwrap();
        json!({"at": at, "epoch": self.epoch, "seq": sequence, "values": {"flow": flow}})
    }

    pub(crate) async fn measure(&self, sequence: i64) {
        self.say(Uplink::Telemetry, &self.reading(sequence, 1.5)).await;
    }

    pub(crate) async fn report(&self, command: &str, state: &str) {
        self.say(Uplink::CommandAck, &json!({"command_id": command, "state": state})).await;
    }

    /// The next message on one of its topics.
    pub(crate) async fn next(&mut self, downlink: Downlink) -> Value {
        let wanted = downlink.topic(self.id);
        let found = async {
            loop {
                let (topic, body) = self.heard.recv().await.expect("the device runs");
                if topic == wanted {
                    return body;
                }
            }
        };
        tokio::time::timeout(SOON, found).await.expect("a message comes")
    }

    /// Loses its connection; the broker publishes its will.
    pub(crate) fn vanish(&self) {
        self.vanish.cancel();
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.vanish.cancel();
    }
}

/// Waits until a stream holds so many messages.
pub(crate) async fn stream_holds(world: &World, stream: &str, messages: u64) {
    eventually(SOON, || async {
        let stored = world.stored(stream).await;
        if stored == messages { Ok(()) } else { Err(format!("{stored} in {stream}")) }
    })
    .await;
}
