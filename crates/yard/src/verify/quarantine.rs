//! Readings that were kept but not accepted: the platform has said so, hence they are not lost.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use time::OffsetDateTime;

use super::stored::begin;
use crate::api::Api;
use crate::failure::Outcome;
use crate::ledger::DeviceRun;
use crate::sequences::Sequences;

/// What of a run is in quarantine.
#[derive(Debug, Default)]
pub(super) struct Quarantined {
    /// Messages since the run began, whatever they are.
    pub(super) messages: u64,
    /// Readings of this run among them.
    pub(super) sequences: Sequences,
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    messages: Vec<Message>,
    #[serde(default)]
    next_page_token: String,
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    payload: String,
    #[serde(default, with = "time::serde::rfc3339::option")]
    received_at: Option<OffsetDateTime>,
}

#[derive(Deserialize)]
struct Numbered {
    epoch: i64,
    seq: u64,
}

pub(super) async fn of(api: &Api, run: &DeviceRun) -> Outcome<Quarantined> {
    let path = format!("/api/v1/devices/{}/quarantine", run.device_id);
    let mut found = Quarantined::default();
    let mut token = String::new();
    loop {
        let query = [("page_size", "200".to_owned()), ("page_token", token)];
        let page: Page = api.get(&path, &query).await?;
        for message in &page.messages {
            // Newest first: from here on all are older than the run.
            if message.received_at.is_some_and(|at| at < begin(run.epoch)) {
                return Ok(found);
            }
            found.add(message, run.epoch);
        }
        token = page.next_page_token;
        if token.is_empty() {
            return Ok(found);
        }
    }
}

impl Quarantined {
    fn add(&mut self, message: &Message, epoch: i64) {
        self.messages += 1;
        let payload = STANDARD.decode(&message.payload).unwrap_or_default();
        // Anything else in quarantine is no reading of ours.
        if let Ok(reading) = serde_json::from_slice::<Numbered>(&payload)
            && reading.epoch == epoch
        {
            self.sequences.insert(reading.seq);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quarantined_readings_of_the_run_are_recognised_by_their_payload() {
        let mut found = Quarantined::default();
        for payload in [r#"{"epoch":5,"seq":7}"#, r#"{"epoch":4,"seq":8}"#, "nonsense"] {
            let payload = STANDARD.encode(payload);
            found.add(&Message { payload, received_at: None }, 5);
        }
        assert_eq!((found.messages, found.sequences.ranges()), (3, [(7, 7)].as_slice()));
    }
}
