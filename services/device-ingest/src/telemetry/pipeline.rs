//! Gives each message its verdict and publishes it, without waiting for the confirmation.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use metrics::Counter;
use rumqttc::Publish;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use yard_contracts::topics::{Uplink, parse_uplink};
use yard_fault::{Code, Fault};
use yard_ids::{DeviceId, IdSource};
use yard_messaging::{Nats, Outgoing};
use yard_runtime::{Runtime, TaskKind, trace};

use super::acker::{Acker, Entry, Settlement};
use super::verdict::{self, Quarantined};
use super::{Flaw, Notices, count, message_id, record, reports};
use crate::broker::BrokerDesk;
use crate::mqtt::{AckGate, Inbound, Link, LinkStop};
use crate::presence::Heard;
use crate::registry::{Known, KnownDevice, Registry};

/// What the pipeline is made of.
pub(crate) struct Wiring {
    pub(crate) registry: Registry,
    pub(crate) nats: Nats,
    pub(crate) heard: Heard,
    pub(crate) notices: Notices,
    /// Where the broker's own reports go.
    pub(crate) broker: BrokerDesk,
    /// How long a message waits for the registry.
    pub(crate) patience: Duration,
    /// Whether each message gets a span.
    pub(crate) traced: bool,
    pub(crate) stop: LinkStop,
}

type Answer = (DeviceId, Result<Option<Arc<KnownDevice>>, Fault>);
type Waiting = Vec<(Inbound, oneshot::Sender<Settlement>)>;

/// One task, so that messages of a device keep their order.
pub(crate) struct Pipeline {
    wiring: Wiring,
    runtime: Runtime,
    ids: Arc<dyn IdSource>,
    gate: AckGate,
    entries: mpsc::Sender<Entry>,
    /// Messages of devices that are being looked up.
    parked: HashMap<DeviceId, Waiting>,
    answers: mpsc::Sender<Answer>,
    accepted: Counter,
}

impl Pipeline {
    /// Starts the pipeline and its acker.
    pub(crate) fn start(runtime: &Runtime, link: Link, wiring: Wiring) {
        let room = link.inbound.max_capacity();
        let (entries, waiting) = mpsc::channel(room);
        let (answers, answered) = mpsc::channel(64);
        let acker = Acker {
            entries: waiting,
            gate: link.gate.clone(),
            nats: wiring.nats.clone(),
            soft: wiring.stop.soft.clone(),
            hard: runtime.shutdown().hard().clone(),
            drained: wiring.stop.drained.clone(),
        };
        let accepted = metrics::counter!("yard_ingest_messages_total",
            "verdict" => "accepted", "reason" => "");
        let this = Self {
            wiring,
            ids: runtime.ids(),
            runtime: runtime.clone(),
            gate: link.gate,
            entries,
            parked: HashMap::new(),
            answers,
            accepted,
        };
        runtime.tasks().spawn(TaskKind::Critical, "acker", acker.run());
        runtime.tasks().spawn(TaskKind::Critical, "pipeline", this.run(link.inbound, answered));
    }

    async fn run(
        mut self,
        mut inbound: mpsc::Receiver<Inbound>,
        mut answered: mpsc::Receiver<Answer>,
    ) -> anyhow::Result<()> {
        let mut open = true;
        while open || !self.parked.is_empty() {
            tokio::select! {
                Some(answer) = answered.recv() => self.unpark(answer).await,
                message = inbound.recv(), if open => match message {
                    Some(message) => self.take(message).await,
                    None => open = false,
                },
            }
        }
        Ok(())
    }

    async fn take(&mut self, message: Inbound) {
        let acknowledgement = self.gate.prepare(&message.publish, message.generation);
        let generation = message.generation;
        if generation != self.gate.generation() {
            return;
        }
        let settlement = self.judge(message).await;
        let entry = Entry { acknowledgement, generation, settlement };
        // Fails only when the acker is gone, and then the service is leaving.
        drop(self.entries.send(entry).await);
    }

    async fn judge(&mut self, message: Inbound) -> Settlement {
        let topic = topic_text(&message.publish);
        if BrokerDesk::is_report(topic) {
            self.wiring.broker.leave(topic, message.publish.payload.clone());
            return Settlement::Done;
        }
        let Some((device, uplink)) = parse_uplink(topic) else {
            return reject(Code::TelemetryTopicForeign, &message.publish);
        };
        if self.parked.contains_key(&device) {
            return self.park(device, message);
        }
        match self.wiring.registry.cached(device) {
            Known::Device(known) => self.handle(&known, uplink, &message).await,
            Known::Nobody => reject(Code::DeviceUnknown, &message.publish),
            Known::Unclear => {
                self.look_up(device);
                self.park(device, message)
            }
        }
    }

    async fn handle(
        &mut self,
        device: &Arc<KnownDevice>,
        uplink: Uplink,
        message: &Inbound,
    ) -> Settlement {
        // A status says more than that its device was heard, and may be of its last will.
        if uplink != Uplink::Status {
            let heard = &self.wiring.heard;
            heard.note(device.id, device.tenant, message.received_at);
        }
        // Of what it says of its own faults nothing is believed anyway, and our notices to it come
        // back on that topic.
        let weighs = matches!(uplink, Uplink::Telemetry | Uplink::CommandAck);
        if device.standing.quarantined && weighs {
            return self.disbelieve(device, message).await;
        }
        let payload = &message.publish.payload;
        match uplink {
            Uplink::Telemetry => self.telemetry(device, message).await,
            Uplink::Status => self.report(device, message, reports::status(payload)).await,
            Uplink::CommandAck => self.report(device, message, reports::command(payload)).await,
            Uplink::Error => {
                count("accepted", "device_error");
                let text = String::from_utf8_lossy(payload);
                let error = crate::contracts::shorten(&text);
                tracing::info!(device = device.id_text, error, "device reports an error");
                Settlement::Done
            }
        }
    }

    /// The device renewed its certificate too late, and nobody has approved it yet.
    async fn disbelieve(&mut self, device: &KnownDevice, message: &Inbound) -> Settlement {
        let topic = topic_text(&message.publish);
        let message_id = message_id::of_content(device.id, topic, &message.publish.payload);
        let flaw = Flaw::new(Code::DeviceQuarantined, "", "waits for an operator's approval");
        self.quarantine(device, message, &Quarantined { message_id, flaw }).await
    }

    async fn telemetry(&mut self, device: &KnownDevice, message: &Inbound) -> Settlement {
        let topic = topic_text(&message.publish);
        let (payload, now) = (&message.publish.payload, message.received_at);
        match verdict::decide(device.id, &device.contract, topic, payload, now) {
            Ok(reading) => {
                self.accepted.increment(1);
                let traceparent = self.traceparent(&message.publish);
                self.publish(record::accepted(device, &reading, now, traceparent)).await
            }
            Err(quarantined) => self.quarantine(device, message, &quarantined).await,
        }
    }

    async fn report(
        &mut self,
        device: &KnownDevice,
        message: &Inbound,
        report: Result<yard_contracts::device::v1::device_report::Report, Flaw>,
    ) -> Settlement {
        match report {
            Ok(report) => {
                count("accepted", "report");
                let id = self.ids.uuid7();
                self.publish(reports::outgoing(device, report, id, message.received_at)).await
            }
            Err(flaw) => {
                let topic = topic_text(&message.publish);
                let message_id = message_id::of_content(device.id, topic, &message.publish.payload);
                self.quarantine(device, message, &Quarantined { message_id, flaw }).await
            }
        }
    }

    async fn quarantine(
        &mut self,
        device: &KnownDevice,
        message: &Inbound,
        quarantined: &Quarantined,
    ) -> Settlement {
        count("quarantined", quarantined.flaw.code.as_str());
        self.wiring.notices.leave(device.id, quarantined.message_id, &quarantined.flaw);
        let (topic, payload) = (topic_text(&message.publish), &message.publish.payload);
        self.publish(record::quarantined(device, quarantined, topic, payload, message.received_at))
            .await
    }

    async fn publish(&self, message: Outgoing) -> Settlement {
        match self.wiring.nats.publish(&message).await {
            Ok(pending) => Settlement::Sent(pending, message),
            Err(error) => {
                tracing::debug!(error = %error, "not sent; publishing again");
                Settlement::Unsent(message)
            }
        }
    }

    /// The context that follows the reading: the device's own, or one that begins here.
    fn traceparent(&self, publish: &Publish) -> Option<String> {
        if !self.wiring.traced {
            return None;
        }
        let properties = publish.properties.as_ref();
        let sent = properties
            .and_then(|p| p.user_properties.iter().find(|(key, _)| key == trace::TRACEPARENT));
        let span = tracing::info_span!("ingest reading", otel.kind = "consumer");
        trace::continue_from(&span, sent.map(|(_, value)| value.as_str()));
        span.in_scope(trace::current)
    }

    fn park(&mut self, device: DeviceId, message: Inbound) -> Settlement {
        let (sender, receiver) = oneshot::channel();
        self.parked.entry(device).or_default().push((message, sender));
        Settlement::Parked(receiver)
    }

    fn look_up(&self, device: DeviceId) {
        let (registry, answers) = (self.wiring.registry.clone(), self.answers.clone());
        let (patience, stop) = (self.wiring.patience, self.wiring.stop.soft.clone());
        self.runtime.tasks().spawn_request(async move {
            let answer = tokio::select! {
                answer = patiently(&registry, device, patience) => answer,
                () = stop.cancelled() => Err(Code::ServiceDraining.into()),
            };
            drop(answers.send((device, answer)).await);
        });
    }

    async fn unpark(&mut self, (device, answer): Answer) {
        for (message, waiting) in self.parked.remove(&device).unwrap_or_default() {
            let settlement = match &answer {
                Ok(Some(known)) => match parse_uplink(topic_text(&message.publish)) {
                    Some((_, uplink)) => self.handle(known, uplink, &message).await,
                    None => reject(Code::TelemetryTopicForeign, &message.publish),
                },
                Ok(None) => reject(Code::DeviceUnknown, &message.publish),
                Err(fault) => {
                    count("deferred", fault.code().as_str());
                    Settlement::Again
                }
            };
            // Nobody waits when its connection is gone.
            drop(waiting.send(settlement));
        }
    }
}

/// Tries for as long as it may be worth.
async fn patiently(
    registry: &Registry,
    device: DeviceId,
    patience: Duration,
) -> Result<Option<Arc<KnownDevice>>, Fault> {
    let until = Instant::now() + patience;
    let mut pause = Duration::from_millis(50);
    loop {
        match registry.device(device).await {
            Ok(found) => return Ok(found),
            Err(fault) if Instant::now() + pause >= until => {
                fault.log("", "look up a device");
                return Err(fault);
            }
            Err(fault) => tracing::debug!(device = %device, fault = %fault, "looking up again"),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(1));
    }
}

fn topic_text(publish: &Publish) -> &str {
    // The client library lets no topic through that is not UTF-8.
    std::str::from_utf8(&publish.topic).unwrap_or_default()
}

fn reject(code: Code, publish: &Publish) -> Settlement {
    count("rejected", code.as_str());
    let topic = crate::contracts::shorten(topic_text(publish));
    tracing::info!(code = code.as_str(), topic, "message rejected");
    Settlement::Done
}
