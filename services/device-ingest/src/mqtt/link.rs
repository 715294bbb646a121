use std::sync::Arc;
use std::time::Duration;

use rumqttc::mqttbytes::QoS;
use rumqttc::{
    AsyncClient, ConnAck, ConnectionError, Event, EventLoop, Packet, Publish, SubAck,
    SubscribeFilterInput, SubscribeReasonCode,
};
use tokio::sync::mpsc;
use yard_contracts::topics::{Uplink, broker};
use yard_ids::Clock;
use yard_runtime::{Check, ConfigError, Runtime, TaskKind};

use super::backoff::Backoff;
use super::options;
use super::{AckGate, Downlink, Inbound, LinkState, LinkStatus, LinkStop};
use crate::config::MqttConfig;

/// How long the farewell may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// What the rest of the service sees of the link.
pub(crate) struct Link {
    pub(crate) gate: AckGate,
    pub(crate) downlink: Downlink,
    pub(crate) inbound: mpsc::Receiver<Inbound>,
}

/// Reads the certificates and starts the link's task and its readiness check. It connects by
/// itself, again and again.
pub(crate) fn open(
    config: &MqttConfig,
    runtime: &Runtime,
    stop: LinkStop,
) -> Result<Link, ConfigError> {
    let options = options::of(config)?;
    // Without a bound of its own: acknowledgements are bounded by the receive maximum, publishes
    // by `Downlink`, and the event loop can never wait for who waits for it.
    let (client, eventloop) = AsyncClient::builder(options).unbounded().build();
    // Room for all that the broker may hand over, on this connection and the one before.
    let room = usize::from(config.receive_maximum) * 2 + 64;
    let (sender, inbound) = mpsc::channel(room);
    let status = LinkStatus::default();
    let gate = AckGate::new(client.clone());
    let downlink = Downlink::new(client.clone(), status.clone());
    watch(&status, runtime);
    let task = LinkTask {
        eventloop,
        client,
        gate: gate.clone(),
        status,
        inbound: Some(sender),
        filters: filters(config),
        backoff: Backoff::new(runtime.ids()),
        clock: runtime.clock(),
        stop,
    };
    runtime.tasks().spawn(TaskKind::Critical, "mqtt", task.run());
    Ok(Link { gate, downlink, inbound })
}

fn watch(status: &LinkStatus, runtime: &Runtime) {
    let status = status.clone();
    runtime.health().register(Check::new("mqtt", move || {
        let ready = status.is_ready();
        async move { ready.then_some(()).ok_or_else(|| "not subscribed at the broker".to_owned()) }
    }));
}

fn filters(config: &MqttConfig) -> Vec<(String, QoS)> {
    let shared = |filter: &str| format!("$share/{}/{filter}", config.share_group);
    let uplinks = Uplink::ALL.iter().map(|uplink| shared(&uplink.filter()));
    let mut filters: Vec<_> = uplinks.map(|filter| (filter, QoS::AtLeastOnce)).collect();
    if config.broker_plugin {
        // Not shared: Mosquitto 2.0 delivers no topic that begins with `$` to a shared
        // subscription. The plugin gives each report of refusals to one instance.
        for reports in [broker::REFUSALS, broker::STATE, broker::KICKED] {
            filters.push((reports.to_owned(), QoS::AtLeastOnce));
        }
        // The plugin reads it on its way to us; nothing arrives.
        filters.push((broker::LOG.to_owned(), QoS::AtMostOnce));
    }
    filters
}

struct LinkTask {
    eventloop: EventLoop,
    client: AsyncClient,
    gate: AckGate,
    status: LinkStatus,
    inbound: Option<mpsc::Sender<Inbound>>,
    filters: Vec<(String, QoS)>,
    backoff: Backoff,
    clock: Arc<dyn Clock>,
    stop: LinkStop,
}

impl LinkTask {
    async fn run(mut self) -> anyhow::Result<()> {
        self.status.set(LinkState::Connecting);
        let (soft, drained, gate) =
            (self.stop.soft.clone(), self.stop.drained.clone(), self.gate.clone());
        loop {
            let event = tokio::select! {
                biased;
                () = drained.cancelled() => break,
                () = soft.cancelled(), if self.inbound.is_some() => {
                    self.inbound = None;
                    continue;
                }
                () = gate.asked_again() => {
                    tracing::info!("asking the broker for what is unacknowledged");
                    self.drop_connection();
                    continue;
                }
                event = self.eventloop.poll() => event,
            };
            match event {
                Ok(Event::Incoming(Packet::Publish(publish))) => self.hand_over(publish).await,
                Ok(Event::Incoming(Packet::ConnAck(ack))) => self.connected(&ack)?,
                Ok(Event::Incoming(Packet::SubAck(ack))) => self.subscribed(&ack),
                Ok(_) => {}
                Err(error) => self.lost(&error).await,
            }
        }
        self.leave().await;
        Ok(())
    }

    /// Never waits for long: there is room for all that may be unacknowledged.
    async fn hand_over(&mut self, publish: Publish) {
        let Some(inbound) = &self.inbound else { return };
        let message =
            Inbound { publish, generation: self.gate.generation(), received_at: self.clock.now() };
        match inbound.try_send(message) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(m)) if m.publish.qos == QoS::AtMostOnce => {
                // The sender chose "at most once"; nothing else bounds such messages.
                metrics::counter!("yard_ingest_messages_total",
                    "verdict" => "dropped", "reason" => "overload_qos0")
                .increment(1);
            }
            Err(mpsc::error::TrySendError::Full(message)) => {
                drop(inbound.send(message).await);
            }
            Err(mpsc::error::TrySendError::Closed(_)) => self.inbound = None,
        }
    }

    /// On every CONNACK, whatever the session holds: a broker that lost its state, or was told to
    /// forget us, would else stay silent.
    fn connected(&mut self, ack: &ConnAck) -> anyhow::Result<()> {
        tracing::info!(session_present = ack.session_present, "connected to the MQTT broker");
        metrics::counter!("yard_mqtt_connects_total").increment(1);
        // From here on the library knows the session; the store would only cost time.
        self.eventloop.options.clear_session_store();
        self.status.set(LinkState::Subscribing);
        let filters = self.filters.iter();
        let wanted: Vec<_> =
            filters.map(|(f, qos)| SubscribeFilterInput::new(f.as_str(), *qos)).collect();
        self.client.try_subscribe_many(wanted)?;
        Ok(())
    }

    fn subscribed(&mut self, ack: &SubAck) {
        let granted = |code: &SubscribeReasonCode| matches!(code, SubscribeReasonCode::Success(_));
        if ack.return_codes.iter().all(granted) {
            self.status.set(LinkState::Ready);
            self.backoff.reset();
        } else {
            // Stays connected and not ready, for an operator to see; the next CONNACK tries again.
            tracing::error!(codes = ?ack.return_codes, "the broker refuses our subscriptions");
        }
    }

    fn drop_connection(&mut self) {
        self.status.set(LinkState::Connecting);
        let eventloop = &mut self.eventloop;
        self.gate.next_generation(|| eventloop.clean());
    }

    async fn lost(&mut self, error: &ConnectionError) {
        self.drop_connection();
        self.status.set(LinkState::Down);
        let pause = self.backoff.pause();
        tracing::warn!(error = %error, pause_ms = pause.as_millis(), "no MQTT broker; trying again");
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = self.stop.drained.cancelled() => {}
        }
        self.status.set(LinkState::Connecting);
    }

    /// Lets queued acknowledgements out, then says goodbye; the broker keeps the session.
    async fn leave(&mut self) {
        if !self.status.is_connected() {
            return;
        }
        if let Err(error) = self.client.try_disconnect_with_timeout(FAREWELL) {
            tracing::debug!(error = %error, "no farewell to the broker");
            return;
        }
        let farewell = async { while self.eventloop.poll().await.is_ok() {} };
        drop(tokio::time::timeout(FAREWELL * 2, farewell).await);
        self.status.set(LinkState::Down);
    }
}
