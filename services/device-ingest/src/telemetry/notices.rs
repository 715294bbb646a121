//! Tells a device what was wrong with its message: on `device/{id}/error`, at most once a second
//! for each device, and only if the broker can be reached. The record is in quarantine.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use yard_contracts::topics::Downlink as Topic;
use yard_ids::DeviceId;

use super::Flaw;
use crate::mqtt::Downlink;

const QUIET: Duration = Duration::from_secs(1);
const WAITING: usize = 256;
const MOST_DEVICES: usize = 10_000;
/// An explanation that is older helps nobody.
const EXPIRY: Duration = Duration::from_secs(300);
const PATIENCE: Duration = Duration::from_secs(2);

struct Notice {
    device: DeviceId,
    body: Bytes,
}

/// Where notices are left; never waits.
pub(crate) struct Notices {
    sender: mpsc::Sender<Notice>,
    spoken: HashMap<DeviceId, Spoken>,
}

struct Spoken {
    at: Instant,
    /// Notices left out since.
    silent: u32,
}

/// The other end of [`Notices`].
pub(crate) struct Waiting(mpsc::Receiver<Notice>);

impl Notices {
    pub(crate) fn new() -> (Self, Waiting) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Self { sender, spoken: HashMap::new() }, Waiting(receiver))
    }

    pub(super) fn leave(&mut self, device: DeviceId, message_id: Uuid, flaw: &Flaw) {
        let Some(silent) = self.may_speak(device, Instant::now()) else {
            return;
        };
        let body = json!({
            "code": flaw.code.as_str(),
            "message": flaw.code.title(),
            "detail": flaw.detail,
            "pointer": flaw.pointer,
            "message_id": message_id.as_hyphenated().to_string(),
            // Others since the last notice that were not told one by one.
            "left_out": silent,
        });
        let notice = Notice { device, body: Bytes::from(body.to_string()) };
        if self.sender.try_send(notice).is_err() {
            metrics::counter!("yard_ingest_notices_total", "outcome" => "no_room").increment(1);
        }
    }

    /// How many were left out since the last; `None` while it is too early.
    fn may_speak(&mut self, device: DeviceId, now: Instant) -> Option<u32> {
        if self.spoken.len() >= MOST_DEVICES {
            self.spoken.retain(|_, spoken| now.duration_since(spoken.at) < QUIET);
        }
        let full = self.spoken.len() >= MOST_DEVICES;
        match self.spoken.get_mut(&device) {
            Some(spoken) if now.duration_since(spoken.at) < QUIET => {
                spoken.silent += 1;
                None
            }
            Some(spoken) => {
                let silent = spoken.silent;
                *spoken = Spoken { at: now, silent: 0 };
                Some(silent)
            }
            None if full => None,
            None => {
                self.spoken.insert(device, Spoken { at: now, silent: 0 });
                Some(0)
            }
        }
    }
}

/// Sends what was left.
pub(crate) async fn send_notices(
    mut waiting: Waiting,
    downlink: Downlink,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    loop {
        let notice = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            notice = waiting.0.recv() => notice,
        };
        let Some(notice) = notice else { return Ok(()) };
        let topic = Topic::Error.topic(notice.device);
        let outcome = match downlink.publish(topic, notice.body, EXPIRY, PATIENCE).await {
            Ok(_) => "sent",
            Err(_) => "not_sent",
        };
        metrics::counter!("yard_ingest_notices_total", "outcome" => outcome).increment(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_is_told_once_a_second_and_how_many_were_left_out() {
        let (mut notices, _waiting) = Notices::new();
        let device = DeviceId::from_uuid(Uuid::from_u128(1));
        let begin = Instant::now();
        assert_eq!(notices.may_speak(device, begin), Some(0));
        assert_eq!(notices.may_speak(device, begin + QUIET / 2), None);
        assert_eq!(notices.may_speak(device, begin + QUIET / 2), None);
        assert_eq!(notices.may_speak(device, begin + QUIET), Some(2));
        assert_eq!(notices.may_speak(DeviceId::from_uuid(Uuid::from_u128(2)), begin), Some(0));
    }
}
