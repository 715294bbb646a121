//! Tickets: a socket that is somebody's from its first byte.
//!
//! A browser cannot send a header with a WebSocket, and its cookie comes along whoever's page asks;
//! so the cookie opens nothing. A ticket is asked for by a call that other sites cannot make, is
//! good once, for 30 seconds, and only its hash is kept.

mod redis;

pub(crate) use redis::Redis;

use std::sync::Arc;

use aws_lc_rs::{digest, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use time::{Duration, OffsetDateTime};
use yard_authn::Grant;
use yard_fault::{Code, Fault};
use yard_ids::Clock;

const PREFIX: &str = "ywt_";
const RANDOM: usize = 32;
const LIFETIME: Duration = Duration::seconds(30);

/// Makes and takes tickets. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Tickets {
    redis: Redis,
    clock: Arc<dyn Clock>,
}

/// A ticket as its holder has it.
pub(crate) struct Issued {
    pub(crate) ticket: String,
    pub(crate) expires_at: OffsetDateTime,
}

impl Tickets {
    pub(crate) fn new(redis: Redis, clock: Arc<dyn Clock>) -> Self {
        Self { redis, clock }
    }

    /// A ticket for one socket with this grant.
    ///
    /// # Errors
    /// `service.unavailable` without Redis.
    pub(crate) async fn issue(&self, grant: &Grant) -> Result<Issued, Fault> {
        let mut random = [0; RANDOM];
        rand::fill(&mut random).map_err(|_e| Fault::internal("no random numbers for a ticket"))?;
        let ticket = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random));
        let grant = serde_json::to_string(grant)
            .map_err(|e| Fault::internal("a grant cannot be written").with_source(e))?;
        let expires_at = self.clock.now() + LIFETIME;
        let kept = self.redis.keep(key(&ticket), grant, LIFETIME.whole_seconds()).await;
        kept.map_err(|e| Fault::new(Code::ServiceUnavailable).with_source(e))?;
        crate::telemetry::ticket("issued");
        Ok(Issued { ticket, expires_at })
    }

    /// The grant of a ticket, which is used up by it; `None` for one that is unknown, used or too
    /// old, and while Redis is away.
    pub(crate) async fn redeem(&self, ticket: &str) -> Option<Grant> {
        if !is_ticket(ticket) {
            crate::telemetry::ticket("malformed");
            return None;
        }
        let taken = self.redis.take(key(ticket)).await;
        let grant = match taken {
            Ok(grant) => grant.and_then(|text| serde_json::from_str(&text).ok()),
            Err(error) => {
                tracing::warn!(error = %error, "a ticket could not be looked up");
                None
            }
        };
        crate::telemetry::ticket(if grant.is_some() { "redeemed" } else { "refused" });
        grant
    }
}

/// The shape of a ticket; anything else is not looked up.
fn is_ticket(text: &str) -> bool {
    let random = text.strip_prefix(PREFIX).map(|text| URL_SAFE_NO_PAD.decode(text));
    random.is_some_and(|random| random.is_ok_and(|bytes| bytes.len() == RANDOM))
}

/// Who reads Redis learns no ticket.
fn key(ticket: &str) -> String {
    let hash = digest::digest(&digest::SHA256, ticket.as_bytes());
    format!("yard:comms:ticket:{}", URL_SAFE_NO_PAD.encode(hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_another_shape_is_no_ticket() {
        let good = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode([7; RANDOM]));
        assert!(is_ticket(&good));
        for text in [
            "",
            "ywt_",
            "yst_x",
            &format!("{good}A"),
            good.get(..40).unwrap(),
            &good.replace('B', "="),
        ] {
            assert!(!is_ticket(text), "{text}");
        }
    }
}
