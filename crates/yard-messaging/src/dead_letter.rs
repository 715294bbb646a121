use std::time::Duration;

use async_nats::jetstream::{AckKind, Message};
use yard_contracts::subjects;

use crate::{ConsumerSpec, MESSAGE_ID, Nats};

/// Longest reason kept, characters.
const LONGEST_REASON: usize = 500;

/// Why a message was given up.
pub(crate) struct Reason {
    code: String,
    text: String,
}

impl Reason {
    pub(crate) fn new(code: &str, text: &str) -> Self {
        // Header values are one line.
        let line = text.replace(['\r', '\n'], " ");
        Self { code: code.to_owned(), text: line.chars().take(LONGEST_REASON).collect() }
    }
}

/// Copies a message to the dead letters, then ends its delivery. If the copy is not confirmed the
/// message stays where it is and comes again.
pub(crate) async fn move_there(
    nats: &Nats,
    spec: &ConsumerSpec,
    message: &Message,
    attempt: i64,
    reason: &Reason,
) {
    let copied = copy(nats, spec, message, attempt, reason).await;
    let kind = match copied {
        Ok(()) => {
            metrics::counter!("yard_dead_letters_total", "consumer" => spec.name).increment(1);
            tracing::error!(
                consumer = spec.name,
                subject = %message.subject,
                code = reason.code,
                reason = reason.text,
                "message moved to the dead letters"
            );
            AckKind::Term
        }
        Err(error) => {
            tracing::warn!(consumer = spec.name, error = %error, "dead letters not reachable");
            AckKind::Nak(Some(Duration::from_secs(5)))
        }
    };
    if let Err(error) = message.ack_with(kind).await {
        tracing::debug!(consumer = spec.name, error = %error, "acknowledgement not sent");
    }
}

async fn copy(
    nats: &Nats,
    spec: &ConsumerSpec,
    message: &Message,
    attempt: i64,
    reason: &Reason,
) -> Result<(), async_nats::Error> {
    let sequence = message.info()?.stream_sequence;
    let mut headers = message.headers.clone().unwrap_or_default();
    headers.insert(MESSAGE_ID, format!("{}:{sequence}", spec.stream).as_str());
    headers.insert("Yard-Origin-Stream", spec.stream);
    headers.insert("Yard-Origin-Sequence", sequence.to_string().as_str());
    headers.insert("Yard-Origin-Subject", message.subject.as_str());
    headers.insert("Yard-Deliveries", attempt.to_string().as_str());
    headers.insert("Yard-Reason-Code", reason.code.as_str());
    headers.insert("Yard-Reason", reason.text.as_str());
    let subject = subjects::dead_letter(spec.stream, spec.name);
    let pending =
        nats.jetstream().publish_with_headers(subject, headers, message.payload.clone()).await?;
    pending.await?;
    Ok(())
}
