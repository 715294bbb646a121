use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use aws_lc_rs::digest;
use yard_ids::Clock;

use crate::gcra::{Limit, Verdict};
use crate::local::Local;
use crate::redis::Redis;
use crate::script::{self, hex};

/// After an answer that did not come, Redis is left alone for so long: waiting for it in every
/// request would be worse than not asking.
const REST_MS: i64 = 1_000;
/// Keys in this process; about 10 MB.
const MOST_KEYS: usize = 100_000;

/// One limit of a decision.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// What distinguishes it from other limits of the same caller, for example `read`.
    pub name: &'static str,
    /// How much.
    pub limit: Limit,
}

/// The two tiers.
pub struct Limiter {
    /// First part of every key, for example `yard:gateway`.
    scope: &'static str,
    local: Local,
    redis: Option<Redis>,
    clock: Arc<dyn Clock>,
    /// Unix milliseconds until which Redis is left alone.
    resting: AtomicI64,
}

impl Limiter {
    /// Keys begin with `scope`. Without `redis` each process limits for itself.
    #[must_use]
    pub fn new(scope: &'static str, clock: Arc<dyn Clock>, redis: Option<Redis>) -> Self {
        let local = Local::new(Arc::clone(&clock), MOST_KEYS);
        Self { scope, local, redis, clock, resting: AtomicI64::new(0) }
    }

    /// Counts one of `caller` in every limit, or in none. The caller's text is stored nowhere, only
    /// its hash.
    pub async fn admit(&self, caller: &str, rules: &[Rule]) -> Verdict {
        let slot = hashed(caller);
        let limits: Vec<(String, Limit)> = rules
            .iter()
            .map(|rule| (format!("{}:{{{slot}}}:{}", self.scope, rule.name), rule.limit))
            .collect();
        let here = self.local.admit(&slot, &limits);
        let Some(redis) = &self.redis else {
            return counted("local", here);
        };
        if here.wait.is_some() {
            return counted("local", here);
        }
        match self.ask(redis, &limits).await {
            Some(shared) => {
                self.local.learn(&slot, &limits, &shared);
                counted("shared", shared)
            }
            None => counted("alone", here),
        }
    }

    /// `None` while Redis is away: then this process decides for itself.
    async fn ask(&self, redis: &Redis, limits: &[(String, Limit)]) -> Option<Verdict> {
        if self.now_ms() < self.resting.load(Ordering::Relaxed) {
            return None;
        }
        let problem = match redis.connected() {
            None => "not connected".to_owned(),
            Some(client) => match script::admit(client, limits).await {
                Ok(verdict) => return Some(verdict),
                Err(error) => error.details().to_owned(),
            },
        };
        self.resting.store(self.now_ms() + REST_MS, Ordering::Relaxed);
        metrics::counter!("yard_limits_unavailable_total").increment(1);
        tracing::warn!(problem, "Redis keeps no limits at present; each process limits for itself");
        None
    }

    fn now_ms(&self) -> i64 {
        i64::try_from(self.clock.now().unix_timestamp_nanos() / 1_000_000).unwrap_or(0)
    }
}

/// 128 bits are enough to tell callers apart, and tell nobody who they are.
fn hashed(caller: &str) -> String {
    let hash = digest::digest(&digest::SHA256, caller.as_bytes());
    hex(hash.as_ref().get(..16).unwrap_or_default())
}

fn counted(tier: &'static str, verdict: Verdict) -> Verdict {
    let outcome = if verdict.wait.is_some() { "refused" } else { "admitted" };
    metrics::counter!("yard_limits_decisions_total", "tier" => tier, "outcome" => outcome)
        .increment(1);
    verdict
}
