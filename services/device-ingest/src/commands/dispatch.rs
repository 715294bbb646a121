//! From stream COMMANDS to the broker.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use prost::Message as _;
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tracing::Instrument as _;
use yard_contracts::command::v1::Command;
use yard_contracts::topics::Downlink as Topic;
use yard_fault::{Code, Fault};
use yard_ids::{CommandId, TenantId};
use yard_messaging::{BatchHandler, Delivery, Outcome};
use yard_pg::{Actor, TenantTx};
use yard_runtime::trace;

use super::store::{self, Proof, Row};
use super::{Desk, State, Step, live};
use crate::mqtt::{Delivered, Downlink, Refused};
use crate::{ACTOR, SERVICE};

/// Devices that are sent to at the same time. Each holds a database connection meanwhile.
const AT_ONCE: usize = 4;
/// Then it is left to the next time the device comes online.
const MOST_ATTEMPTS: i64 = 12;

/// Hands commands to the broker.
pub(crate) struct Dispatcher {
    pub(crate) desk: Desk,
    pub(crate) downlink: Downlink,
    /// How long the broker may take.
    pub(crate) patience: Duration,
    /// A command handed over more recently than this is not handed over again.
    pub(crate) resend_after: Duration,
}

impl BatchHandler for Dispatcher {
    async fn handle(&mut self, batch: &[Delivery]) -> Vec<Outcome> {
        // One subject is one device: of one device one after the other.
        let mut devices: HashMap<&str, Vec<usize>> = HashMap::new();
        for (at, delivery) in batch.iter().enumerate() {
            devices.entry(&delivery.subject).or_default().push(at);
        }
        let this = &*self;
        let one_device = |places: Vec<usize>| async move {
            let mut outcomes = Vec::with_capacity(places.len());
            for at in places {
                if let Some(delivery) = batch.get(at) {
                    outcomes.push((at, this.dispatch(delivery).await));
                }
            }
            outcomes
        };
        let done: Vec<_> = futures::stream::iter(devices.into_values().map(one_device))
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        let mut outcomes: Vec<(usize, Outcome)> = done.into_iter().flatten().collect();
        outcomes.sort_by_key(|(at, _)| *at);
        outcomes.into_iter().map(|(_, outcome)| outcome).collect()
    }
}

impl Dispatcher {
    async fn dispatch(&self, delivery: &Delivery) -> Outcome {
        let span = tracing::info_span!("dispatch command", otel.kind = "consumer");
        trace::continue_from(&span, delivery.traceparent.as_deref());
        let outcome = async {
            let (tenant, command) = read(delivery)?;
            self.send(tenant, command, delivery.attempt).await
        };
        outcome.instrument(span).await.unwrap_or_else(Outcome::Failed)
    }

    /// The row stays locked until the broker has answered, so that a command that is cancelled is
    /// not sent, and one that is sent is not cancelled.
    async fn send(
        &self,
        tenant: TenantId,
        command: CommandId,
        attempt: i64,
    ) -> Result<Outcome, Fault> {
        let mut tx = TenantTx::begin(&self.desk.pg, tenant, &Actor::service(SERVICE)).await?;
        let Some(row) = store::lock(&mut tx, command).await? else {
            return Ok(Outcome::Done);
        };
        let now = self.desk.clock.now();
        if !self.is_due(&row, now) {
            return Ok(Outcome::Done);
        }
        let left = Duration::try_from(row.deadline - now).unwrap_or_default();
        let topic = Topic::Command.topic(row.device());
        let sent = self.downlink.publish(topic, body(&row), left, self.patience).await;
        count(&sent);
        match sent {
            Ok(Delivered::Accepted) => {
                self.note_dispatched(tx, tenant, &row).await?;
                Ok(Outcome::Done)
            }
            // A device that says it is online may be about to subscribe.
            Ok(Delivered::NobodyListens) if attempt < MOST_ATTEMPTS => {
                let online = store::is_online(&mut tx, row.device()).await?;
                Ok(if online { Outcome::Later(Duration::from_secs(1)) } else { Outcome::Done })
            }
            Err(refused) if attempt < MOST_ATTEMPTS => {
                tracing::debug!(command = %command, error = %refused, "sending again");
                let seconds = u64::try_from(attempt.clamp(1, 10)).unwrap_or(1);
                Ok(Outcome::Later(Duration::from_secs(seconds)))
            }
            Ok(Delivered::NobodyListens) | Err(_) => {
                tracing::warn!(command = %command, "command waits for its device to come online");
                Ok(Outcome::Done)
            }
        }
    }

    fn is_due(&self, row: &Row, now: OffsetDateTime) -> bool {
        now < row.deadline
            && match row.state() {
                State::Queued => true,
                State::Dispatched => row.updated_at <= now - self.resend_after,
                _ => false,
            }
    }

    async fn note_dispatched(
        &self,
        mut tx: TenantTx,
        tenant: TenantId,
        row: &Row,
    ) -> Result<(), Fault> {
        let Some(next) = row.state().after(Step::BrokerAccepted) else {
            return Ok(());
        };
        let at = self.desk.clock.now();
        let proof = Proof { at, actor: ACTOR, evidence: "broker accepted" };
        store::advance(&mut tx, row, next, proof, None).await?;
        tx.commit().await?;
        live::announce(&self.desk.nats, tenant, row, next, at, proof.evidence).await;
        Ok(())
    }
}

fn read(delivery: &Delivery) -> Result<(TenantId, CommandId), Fault> {
    let unreadable = |what: &str| Fault::new(Code::RequestMalformed).with_detail(what);
    let tenant = delivery.subject.split('.').nth(2).and_then(|part| part.parse().ok());
    let command = Command::decode(delivery.payload.clone())
        .map_err(|e| unreadable("command").with_source(e))?;
    let id = command.command_id.parse().map_err(|e| unreadable("command id").with_source(e))?;
    Ok((tenant.ok_or_else(|| unreadable("subject"))?, id))
}

fn body(row: &Row) -> Bytes {
    let body = json!({
        "command_id": row.command().to_string(),
        "name": row.name,
        "arguments": row.arguments,
        "deadline": row.deadline.format(&Rfc3339).unwrap_or_default(),
    });
    Bytes::from(body.to_string())
}

fn count(sent: &Result<Delivered, Refused>) {
    let outcome = match sent {
        Ok(Delivered::Accepted) => "accepted",
        Ok(Delivered::NobodyListens) => "nobody_listens",
        Err(Refused::NotConnected) => "not_connected",
        Err(Refused::Unconfirmed) => "unconfirmed",
        Err(Refused::Reason(_)) => "refused",
    };
    metrics::counter!("yard_command_dispatches_total", "outcome" => outcome).increment(1);
}
