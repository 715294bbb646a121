use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use fred::clients::Client;
use fred::interfaces::KeysInterface as _;
use fred::types::Expiration;
use uuid::Uuid;
use yard_fault::{Code, Fault};
use yard_ids::Clock;
use yard_limits::{Limit, Local, Redis, network};

use crate::config::ThrottleConfig;
use crate::{secrets, telemetry};

/// Accounts and addresses that one process counts by itself while Redis is away.
const MOST_KEYS: usize = 50_000;
/// How long an address counts as one of the account's owner.
const KNOWN_SECONDS: i64 = 30 * 86_400;

/// Slows the guessing of passwords.
///
/// Three limits: an account from one address, an account from everywhere, an address on all
/// accounts. The second is what an attacker with many addresses meets; an address from which the
/// owner signed in before is exempt from it, so that no attacker can keep the owner out.
///
/// Redis may be away, which is counted and warned of: then this process alone counts the attempts
/// from an address and on an account from one address. The limit of an account from everywhere
/// rests meanwhile, because nobody knows which addresses are its owner's.
#[derive(Clone)]
pub(crate) struct Throttle {
    redis: Redis,
    local: Arc<Local>,
    pair: Limit,
    account: Limit,
    source: Limit,
    factor_pair: Limit,
    factor_account: Limit,
}

/// Whose account is tried, and from where, as the gateway tells it.
pub(super) struct Attempt {
    account: String,
    source: Option<String>,
}

impl Attempt {
    /// Keys hold hashes, so that Redis holds no e-mail and no address.
    pub(super) fn new(email: &str, source: Option<IpAddr>) -> Self {
        Self { account: short(email), source: source.map(|from| short(&network(from).to_string())) }
    }

    fn source(&self) -> &str {
        self.source.as_deref().unwrap_or("unknown")
    }

    // The braces put all keys of an account into one slot of a cluster.
    fn pair_key(&self) -> String {
        format!("yard:auth:login:{{{}}}:from:{}", self.account, self.source())
    }

    fn account_key(&self) -> String {
        format!("yard:auth:login:{{{}}}:all", self.account)
    }

    fn factor_pair_key(&self) -> String {
        format!("yard:auth:factor:{{{}}}:from:{}", self.account, self.source())
    }

    fn factor_account_key(&self) -> String {
        format!("yard:auth:factor:{{{}}}:all", self.account)
    }

    fn source_key(&self) -> String {
        format!("yard:auth:login:source:{}", self.source())
    }

    fn known_key(&self) -> String {
        format!("yard:auth:login:{{{}}}:known:{}", self.account, self.source())
    }
}

/// Enough of a hash to tell one from another.
fn short(text: &str) -> String {
    secrets::hex(&secrets::sha256(text)).chars().take(32).collect()
}

/// A proof within a session: what it is guessed with, and the session that asks.
pub(super) struct Within {
    key: String,
    factor: bool,
}

impl Within {
    pub(super) fn password(session: Uuid) -> Self {
        Self { key: format!("yard:auth:again:{session}:password"), factor: false }
    }

    pub(super) fn factor(session: Uuid) -> Self {
        Self { key: format!("yard:auth:again:{session}:factor"), factor: true }
    }
}

impl Throttle {
    pub(crate) fn new(redis: Redis, config: &ThrottleConfig, clock: Arc<dyn Clock>) -> Self {
        Self {
            redis,
            local: Arc::new(Local::new(clock, MOST_KEYS)),
            pair: Limit { burst: config.pair_burst, interval: config.pair_interval },
            account: Limit { burst: config.account_burst, interval: config.account_interval },
            source: Limit { burst: config.source_burst, interval: config.source_interval },
            factor_pair: Limit { burst: config.factor_burst, interval: config.factor_interval },
            factor_account: Limit {
                burst: config.factor_account_burst,
                interval: config.factor_account_interval,
            },
        }
    }

    /// Counts an attempt, whether or not the account exists.
    ///
    /// # Errors
    /// `auth.throttled` with the seconds to wait.
    pub(super) async fn admit(&self, attempt: &Attempt) -> Result<(), Fault> {
        let wait = match self.redis.connected() {
            None => self.alone(attempt, "not connected"),
            Some(redis) => match self.ask(redis, attempt).await {
                Ok(wait) => wait,
                Err(error) => self.alone(attempt, error.details()),
            },
        };
        wait.map_or(Ok(()), |wait| Err(throttled(wait)))
    }

    /// Counts a code that could be guessed, by somebody who knows the password. As with passwords
    /// an address of the owner's own is only held to its own limit, so that nobody can use up the
    /// owner's tries. Without Redis this process holds everybody to both: a code of six digits
    /// must not be free to guess, and who is kept out has recovery codes.
    ///
    /// # Errors
    /// `auth.throttled` with the seconds to wait.
    pub(super) async fn admit_factor(&self, attempt: &Attempt) -> Result<(), Fault> {
        let pair = (attempt.factor_pair_key(), self.factor_pair);
        let all = (attempt.factor_account_key(), self.factor_account);
        let asked = match self.redis.connected() {
            None => Err("not connected".to_owned()),
            Some(redis) => {
                let limits = [pair.clone(), all.clone()];
                let asked = self.ask_factor(redis, attempt, &limits).await;
                asked.map_err(|error| error.details().to_owned())
            }
        };
        let wait = asked.unwrap_or_else(|problem| {
            unavailable(&problem);
            self.local.admit(&all.0.clone(), &[pair, all]).wait
        });
        wait.map_or(Ok(()), |wait| Err(throttled(wait)))
    }

    /// Counts a proof within a session. Sign-ins are not counted with it: whoever has no session
    /// can use up nobody's tries here, and whoever copied one only those of that session, which
    /// its owner ends.
    ///
    /// # Errors
    /// `auth.throttled` with the seconds to wait.
    pub(super) async fn admit_within(&self, within: &Within) -> Result<(), Fault> {
        let limit = if within.factor { self.factor_pair } else { self.pair };
        let wait = self.count(&within.key, limit).await;
        wait.map_or(Ok(()), |wait| Err(throttled(wait)))
    }

    /// Counts one of `what`, which nobody has to be signed in for, from the network that somebody
    /// is in; how long they have to wait, if they do. Who does not come by the gateway has none,
    /// and is not counted.
    pub(crate) async fn count_from(
        &self,
        what: &str,
        limit: Limit,
        source: Option<IpAddr>,
    ) -> Option<Duration> {
        let network = short(&network(source?).to_string());
        self.count(&format!("yard:auth:{what}:from:{network}"), limit).await
    }

    /// How long to wait for one limit, by Redis or else by this process alone. What the key holds is
    /// hashed where somebody outside chose it.
    pub(crate) async fn count(&self, key: &str, limit: Limit) -> Option<Duration> {
        let limits = [(key.to_owned(), limit)];
        let asked = match self.redis.connected() {
            None => Err("not connected".to_owned()),
            Some(redis) => {
                let asked = yard_limits::admit(redis, &limits).await;
                asked.map_err(|error| error.details().to_owned())
            }
        };
        let verdict = asked.unwrap_or_else(|problem| {
            unavailable(&problem);
            self.local.admit(key, &limits)
        });
        verdict.wait
    }

    /// The proof was right: forgets the failures of its kind in the session.
    pub(super) async fn passed_within(&self, within: &Within) {
        self.forget(&within.key).await;
    }

    /// Forgets what was counted under a key.
    pub(crate) async fn forget(&self, key: &str) {
        self.local.forget(key, key);
        let Some(redis) = self.redis.connected() else {
            return;
        };
        if let Err(error) = redis.del::<(), _>(key).await {
            unavailable(error.details());
        }
    }

    async fn ask_factor(
        &self,
        redis: &Client,
        attempt: &Attempt,
        limits: &[(String, Limit); 2],
    ) -> Result<Option<Duration>, fred::error::Error> {
        let known = attempt.source.is_some() && redis.exists(attempt.known_key()).await?;
        let limits = if known { &limits[..1] } else { &limits[..] };
        Ok(yard_limits::admit(redis, limits).await?.wait)
    }

    /// What this process knows by itself.
    fn alone(&self, attempt: &Attempt, problem: &str) -> Option<Duration> {
        unavailable(problem);
        if attempt.source.is_some() {
            let key = attempt.source_key();
            let source = self.local.admit(&key, &[(key.clone(), self.source)]);
            if source.wait.is_some() {
                return source.wait;
            }
        }
        let key = attempt.pair_key();
        self.local.admit(&key, &[(key.clone(), self.pair)]).wait
    }

    async fn ask(
        &self,
        redis: &Client,
        attempt: &Attempt,
    ) -> Result<Option<Duration>, fred::error::Error> {
        if attempt.source.is_some() {
            let limits = [(attempt.source_key(), self.source)];
            let source = yard_limits::admit(redis, &limits).await?;
            if source.wait.is_some() {
                return Ok(source.wait);
            }
        }
        let mut limits = vec![(attempt.pair_key(), self.pair)];
        let known = attempt.source.is_some() && redis.exists(attempt.known_key()).await?;
        if !known {
            limits.push((attempt.account_key(), self.account));
        }
        Ok(yard_limits::admit(redis, &limits).await?.wait)
    }

    /// The sign-in succeeded: forgets the failures from this address and remembers the address.
    pub(super) async fn passed(&self, attempt: &Attempt) {
        self.local.forget(&attempt.pair_key(), &attempt.pair_key());
        self.local.forget(&attempt.factor_account_key(), &attempt.factor_pair_key());
        let Some(redis) = self.redis.connected() else {
            return;
        };
        let counts = vec![attempt.pair_key(), attempt.factor_pair_key()];
        let forgotten = redis.del::<(), _>(counts).await;
        let remembered = match attempt.source {
            None => Ok(()),
            Some(_) => {
                let ttl = Some(Expiration::EX(KNOWN_SECONDS));
                redis.set::<(), _, _>(attempt.known_key(), 1, ttl, None, false).await
            }
        };
        if let Err(error) = forgotten.and(remembered) {
            unavailable(error.details());
        }
    }
}

fn throttled(wait: Duration) -> Fault {
    let seconds = whole_seconds(wait);
    let text = format!("Too many attempts; wait {seconds} s before the next.");
    Fault::new(Code::AuthThrottled).with_public(text).with_retry_after(seconds)
}

/// After which a wait is over.
pub(crate) fn whole_seconds(wait: Duration) -> u32 {
    u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1)
}

fn unavailable(problem: &str) {
    telemetry::throttle_unavailable();
    tracing::warn!(problem, "shared login limits are not available; this process counts alone");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_one_account_share_a_slot_and_show_no_address() {
        let attempt = Attempt::new("ann@example.org", "192.0.2.7".parse().ok());
        let slot = |key: &str| key.split(['{', '}']).nth(1).map(str::to_owned);
        let keys = [
            attempt.pair_key(),
            attempt.account_key(),
            attempt.known_key(),
            attempt.factor_pair_key(),
            attempt.factor_account_key(),
        ];
        assert!(keys.iter().all(|key| slot(key) == slot(&keys[0])));
        assert!(keys.iter().all(|key| !key.contains("ann") && !key.contains("192.0")));
    }
}
