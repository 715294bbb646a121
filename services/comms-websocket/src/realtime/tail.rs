use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, stream};
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use yard_authn::Call;
use yard_contracts::realtime::v1::ChannelEvent as WireEvent;
use yard_contracts::values;
use yard_fault::{Code, Fault};
use yard_ids::Clock;

use super::{Realtime, allowed};
use crate::channel::{ChannelKey, Topic};
use crate::hub::{ChannelEvent, Item, Join, Membership, Outbox};
use crate::telemetry;

/// Longest wait for the broker to know our interest before the answer begins all the same.
const PATIENCE: Duration = Duration::from_secs(3);

type Events = Pin<Box<dyn Stream<Item = Result<WireEvent, Status>> + Send>>;

/// One stream to one caller.
struct Tail {
    outbox: Arc<Outbox>,
    soft: CancellationToken,
    clock: Arc<dyn Clock>,
    incident: String,
    _membership: Membership,
    _permit: OwnedSemaphorePermit,
}

impl Realtime {
    pub(super) async fn tail(&self, call: &Call, channel: &str) -> Result<Events, Fault> {
        let allowed = allowed(&call.caller, channel).inspect_err(|fault| {
            telemetry::join_refused(fault.code().as_str());
        });
        let (name, topic) = allowed?;
        if let Topic::Online(_) = topic {
            let text = "Who is here is told to sockets only.";
            return Err(Fault::new(Code::ChannelInvalid).with_public(text));
        }
        let Ok(permit) = Arc::clone(&self.tails).try_acquire_owned() else {
            telemetry::join_refused("tails");
            let busy = Fault::new(Code::RateLimited);
            return Err(busy.with_public("This instance has as many streams as it may."));
        };
        let outbox = self.hub.outbox(self.limits, "");
        let channel = ChannelKey { app: self.apps.own().id(), name };
        // What the live bus carries is never recoverable.
        let (recoverable, recover) = (false, None);
        let join = Join { channel, topic: Some(topic), person: None, recoverable, recover };
        let tail = Tail {
            soft: self.rt.shutdown().soft().clone(),
            clock: self.rt.clock(),
            incident: call.incident.clone(),
            _membership: self.hub.join(join, &outbox),
            _permit: permit,
            outbox,
        };
        // The first thing that comes says that the interest is in place: what is published after
        // the caller has our headers is heard.
        drop(tokio::time::timeout(PATIENCE, tail.outbox.filled()).await);
        Ok(Box::pin(stream::unfold(Some(tail), Tail::next)))
    }
}

impl Tail {
    async fn next(tail: Option<Self>) -> Option<(Result<WireEvent, Status>, Option<Self>)> {
        let tail = tail?;
        loop {
            while let Some(item) = tail.outbox.pop() {
                // Messages of the Pusher protocol are not for tails.
                if let Item::Event(event) = item {
                    let event = tail.wire(&event);
                    return Some((Ok(event), Some(tail)));
                }
            }
            if tail.outbox.closing().is_some() {
                let slow = Fault::new(Code::ServiceUnavailable)
                    .with_public("The stream was read too slowly and has missed events.");
                return Some((Err(slow.to_status(&tail.incident)), None));
            }
            tokio::select! {
                () = tail.soft.cancelled() => return None,
                () = tail.outbox.filled() => {}
            }
        }
    }

    fn wire(&self, event: &ChannelEvent) -> WireEvent {
        let data = match event.data() {
            Value::Object(data) => data,
            // Any other JSON has no place in the message.
            _ => serde_json::Map::new(),
        };
        let said = data.get("at").and_then(Value::as_str);
        let at = said.and_then(|text| OffsetDateTime::parse(text, &Rfc3339).ok());
        WireEvent {
            channel: event.channel.as_str().to_owned(),
            event: event.event.to_string(),
            at: Some(values::timestamp(at.unwrap_or_else(|| self.clock.now()))),
            data: Some(values::to_struct(data)),
        }
    }
}
