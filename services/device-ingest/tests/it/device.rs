//! A device with a certificate of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v5::PubAckReason;
use rumqttc::{
    AsyncClient, Event, LastWill, MqttOptions, Packet, PublishNoticeError, PublishOptions,
    PublishResult, SubscribeReasonCode, TlsConfiguration, Transport,
};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use yard_contracts::topics::{Downlink, Uplink};
use yard_ids::{Clock as _, DeviceId, SystemClock};
use yard_runtime::{Runtime, TaskKind};
use yard_testkit::eventually;

use crate::papers::Papers;
use crate::support::{SOON, World};

/// A connected device.
pub(crate) struct Device {
    pub(crate) id: DeviceId,
    pub(crate) epoch: i64,
    client: AsyncClient,
    heard: mpsc::UnboundedReceiver<(String, Value)>,
    vanish: CancellationToken,
    connects: Arc<AtomicU32>,
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
        Self::with(world, id, epoch, &id.to_string(), &Papers::of(world, id)).await
    }

    /// As [`Device::silent`], under a client id and with a certificate of the test's choice.
    pub(crate) async fn with(
        world: &World,
        id: DeviceId,
        epoch: i64,
        client_id: &str,
        papers: &Papers,
    ) -> Self {
        let mut options = MqttOptions::new(client_id, ("localhost", world.broker.port()));
        let will = json!({"state": "offline", "epoch": epoch, "cause": "connection-lost"});
        options
            .set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(Arc::new(
                papers.client(world),
            ))))
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
        let connects = Arc::new(AtomicU32::new(0));
        let connected = Arc::clone(&connects);
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
                        connected.fetch_add(1, Ordering::Relaxed);
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
        Self { id, epoch, client, heard, vanish, connects }
    }

    /// How often the broker has let it in.
    pub(crate) fn connects(&self) -> u32 {
        self.connects.load(Ordering::Relaxed)
    }

    /// Publishes on any topic; the broker's word for it. The client library gives its connection up
    /// after a refusal, so that the next publish may have to be repeated on a new one.
    pub(crate) async fn publish_on(&self, topic: &str, payload: &str) -> PubAckReason {
        eventually(SOON, || async {
            let options = PublishOptions::new(QoS::AtLeastOnce);
            let notice =
                self.client.publish_tracked(topic.to_owned(), payload.to_owned(), options).await;
            match notice.unwrap().wait_async().await {
                Ok(PublishResult::Qos1(ack)) => Ok(ack.reason),
                Err(PublishNoticeError::V5PubAck(reason)) => Ok(reason),
                other => Err(format!("no PUBACK for {topic}: {other:?}")),
            }
        })
        .await
    }

    /// Subscribes to any filter; the broker's word for it.
    pub(crate) async fn subscribe_to(&self, filter: &str) -> SubscribeReasonCode {
        let notice = self.client.subscribe_tracked(filter.to_owned(), QoS::AtLeastOnce).await;
        let answer = tokio::time::timeout(SOON, notice.unwrap().wait_async()).await;
        answer.expect("the broker answers").expect("a SUBACK").return_codes.remove(0)
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
