//! From the broker to JetStream: every message gets a verdict, and the broker is acknowledged in
//! the order of arrival, only after JetStream has confirmed what became of the message.
//!
//! `payload` and `verdict` are pure. `pipeline` publishes without waiting for confirmations,
//! `acker` waits for them.

mod acker;
mod message_id;
mod notices;
mod payload;
mod pipeline;
mod record;
mod reports;
mod verdict;

#[cfg(test)]
mod tests;

pub(crate) use notices::{Notices, send_notices};
pub(crate) use pipeline::{Pipeline, Wiring};
pub(crate) use record::refused_topic;

use yard_fault::Code;

/// Largest payload of a device, bytes.
pub(crate) const LARGEST_PAYLOAD: usize = 256 * 1024;
/// Deepest nesting of a payload: what a protobuf `Struct` of the answer can still hold.
pub(crate) const DEEPEST: usize = 24;
/// How much of a payload is kept in quarantine, bytes.
pub(crate) const KEPT_PAYLOAD: usize = 4 * 1024;

/// What is wrong with a message: a stable code, where, and a line for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Flaw {
    pub(crate) code: Code,
    /// JSON pointer, or empty.
    pub(crate) pointer: String,
    pub(crate) detail: String,
}

impl Flaw {
    pub(crate) fn new(code: Code, pointer: &str, detail: impl Into<String>) -> Self {
        Self { code, pointer: pointer.to_owned(), detail: detail.into() }
    }
}

/// Counts a verdict.
pub(crate) fn count(verdict: &'static str, reason: &'static str) {
    count_many(verdict, reason, 1);
}

/// Counts a verdict on several messages.
pub(crate) fn count_many(verdict: &'static str, reason: &'static str, messages: u64) {
    metrics::counter!("yard_ingest_messages_total", "verdict" => verdict, "reason" => reason)
        .increment(messages);
}
