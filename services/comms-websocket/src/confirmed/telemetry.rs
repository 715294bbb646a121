use std::time::Duration;

use super::wish::Level;

/// A message that was written down.
pub(super) fn accepted(level: Level) {
    metrics::counter!("yard_ws_confirmed_messages_total", "level" => level.as_str()).increment(1);
}

/// What happened to messages on their way to single recipients: `sent`, `acknowledged`, `expired`, or
/// `ignored` for acknowledgements of what is none of the sender's, or over.
pub(super) fn receipts(outcome: &'static str, count: u64) {
    metrics::counter!("yard_ws_confirmed_receipts_total", "outcome" => outcome).increment(count);
}

/// From the moment a message was written down to its acknowledgement by one recipient.
pub(super) fn acknowledged_after(took: Duration) {
    metrics::histogram!("yard_ws_confirmed_seconds").record(took.as_secs_f64());
}
