use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::Client;
use reqwest::header::CONTENT_TYPE;
use yard_fault::{Code, Fault};
use yard_ids::Clock;
use yard_messaging::{Delivery, EachHandler, Outcome};
use yard_outbound::Guard;
use yard_runtime::Runtime;

use super::backlog::Backlog;
use super::call::Call;
use super::lanes::Lanes;
use crate::WebhooksConfig;

/// A call whose receiver is busy with others comes again after so long.
const BUSY: Duration = Duration::from_secs(2);
/// Longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Makes the calls.
pub(super) struct Caller {
    http: Client,
    guard: Guard,
    clock: Arc<dyn Clock>,
    give_up_after: Duration,
    lanes: Lanes,
    backlog: Backlog,
}

/// Why a receiver has not taken a call: a label, and what to write down.
type Failure = (&'static str, String);

impl Caller {
    pub(super) fn new(
        config: &WebhooksConfig,
        environment: &str,
        rt: &Runtime,
    ) -> anyhow::Result<Self> {
        let guard = config.guard(environment)?;
        let ca_file = ("webhooks.ca_file", config.ca_file.as_path());
        Ok(Self {
            http: yard_outbound::client(&guard, ca_file, config.timeout)?,
            guard,
            clock: rt.clock(),
            give_up_after: config.give_up_after,
            lanes: Lanes::default(),
            backlog: Backlog::default(),
        })
    }

    async fn post(&self, call: &Call) -> Result<(), Failure> {
        let began = Instant::now();
        let request = self
            .http
            .post(call.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("X-Pusher-Key", &call.key)
            .header("X-Pusher-Signature", &call.signature)
            .body(call.body.clone());
        // Its body is nobody's business: the answer's head is all that is read.
        let answered = request.send().await;
        metrics::histogram!("yard_webhook_seconds").record(began.elapsed().as_secs_f64());
        match answered {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) => Err(("refused", format!("answered {}", answer.status().as_u16()))),
            Err(error) if error.is_timeout() => Err(("timeout", "took too long".to_owned())),
            // Its text may hold the address with what only its receiver should know.
            Err(error) => Err(("unreachable", format!("failed: {}", error.without_url()))),
        }
    }

    fn again(&self, call: &Call, delivery: &Delivery, failure: Failure) -> Outcome {
        let (outcome, problem) = failure;
        count(outcome);
        let now = self.clock.now();
        let age = Duration::try_from(now - delivery.published_at).unwrap_or_default();
        let tried = tried_for(delivery.attempt);
        if tried >= self.give_up_after && age >= self.give_up_after {
            return given_up(call, &problem);
        }
        self.later(call, delivery, pause(delivery.attempt), &problem)
    }

    fn later(&self, call: &Call, delivery: &Delivery, pause: Duration, problem: &str) -> Outcome {
        if self.backlog.add(&call.app, delivery.stream_sequence, self.clock.now()) {
            tracing::debug!(app = call.app, host = call.host(), problem, "webhook is called again");
            Outcome::Later(pause)
        } else {
            given_up(call, &format!("{problem}, and too many calls wait"))
        }
    }
}

impl EachHandler for Caller {
    async fn handle(&self, delivery: &Delivery) -> Outcome {
        let call = match Call::read(&delivery.payload, &self.guard) {
            Ok(call) => call,
            Err(fault) => {
                count("invalid");
                return Outcome::Failed(fault);
            }
        };
        self.backlog.remove(&call.app, delivery.stream_sequence);
        let Some(_place) = self.lanes.enter(&call).await else {
            count("busy");
            return self.later(&call, delivery, BUSY, "busy");
        };
        match self.post(&call).await {
            Ok(()) => {
                count("delivered");
                Outcome::Done
            }
            Err(failure) => self.again(&call, delivery, failure),
        }
    }
}

fn given_up(call: &Call, problem: &str) -> Outcome {
    count("given_up");
    let text = format!("app {} at {}: {problem}", call.app, call.host());
    Outcome::GivenUp(Fault::new(Code::WebhookUndelivered).with_detail(text))
}

fn count(outcome: &'static str) {
    metrics::counter!("yard_webhook_calls_total", "outcome" => outcome).increment(1);
}

/// After the first try a second, then twice as long each time, a minute at most.
fn pause(attempt: i64) -> Duration {
    let exponent = u32::try_from(attempt.clamp(1, 7) - 1).unwrap_or(0);
    Duration::from_secs(1 << exponent).min(LONGEST_PAUSE)
}

/// The pauses before this attempt, together.
fn tried_for(attempt: i64) -> Duration {
    (1..attempt.min(1_000)).map(pause).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_minute_and_reach_five_minutes_with_the_eleventh_try() {
        let seconds: Vec<u64> = (1..=8).map(|n| pause(n).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(tried_for(1), Duration::ZERO);
        assert!(tried_for(10) < Duration::from_secs(300));
        assert!(tried_for(11) >= Duration::from_secs(300));
    }
}
