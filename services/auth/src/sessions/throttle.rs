use std::net::IpAddr;
use std::time::Duration;

use fred::clients::Client;
use fred::interfaces::KeysInterface as _;
use fred::types::Expiration;
use yard_fault::{Code, Fault};

use super::gcra::{self, Limit};
use super::redis::Redis;
use crate::config::ThrottleConfig;
use crate::{secrets, telemetry};

/// How long an address counts as one of the account's owner.
const KNOWN_SECONDS: i64 = 30 * 86_400;

/// Slows the guessing of passwords.
///
/// Three limits: an account from one address, an account from everywhere, an address on all
/// accounts. The second is what an attacker with many addresses meets; an address from which the
/// owner signed in before is exempt from it, so that no attacker can keep the owner out.
///
/// Redis may be away: then attempts go through, counted and warned of. The bound on password
/// checks at a time still holds.
#[derive(Clone)]
pub(crate) struct Throttle {
    redis: Redis,
    pair: Limit,
    account: Limit,
    source: Limit,
}

/// Whose account is tried, and from where, as the gateway tells it.
pub(super) struct Attempt {
    account: String,
    source: Option<String>,
}

impl Attempt {
    /// Keys hold hashes, so that Redis holds no e-mail and no address.
    pub(super) fn new(email: &str, source: Option<IpAddr>) -> Self {
        let short = |text: &str| secrets::hex(&secrets::sha256(text)).chars().take(32).collect();
        Self { account: short(email), source: source.map(network).map(|n| short(&n)) }
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

    fn known_key(&self) -> String {
        format!("yard:auth:login:{{{}}}:known:{}", self.account, self.source())
    }
}

/// An IPv6 customer has a /64 and can take any address in it.
fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

impl Throttle {
    pub(crate) const fn new(redis: Redis, config: &ThrottleConfig) -> Self {
        Self {
            redis,
            pair: Limit { burst: config.pair_burst, interval: config.pair_interval },
            account: Limit { burst: config.account_burst, interval: config.account_interval },
            source: Limit { burst: config.source_burst, interval: config.source_interval },
        }
    }

    /// Counts an attempt, whether or not the account exists.
    ///
    /// # Errors
    /// `auth.throttled` with the seconds to wait.
    pub(super) async fn admit(&self, attempt: &Attempt) -> Result<(), Fault> {
        let Some(redis) = self.redis.connected() else {
            fail_open("not connected");
            return Ok(());
        };
        match self.ask(redis, attempt).await {
            Ok(None) => Ok(()),
            Ok(Some(wait)) => {
                let seconds = wait.as_secs() + 1;
                let text = format!("Too many attempts; wait {seconds} s before the next.");
                Err(Fault::new(Code::AuthThrottled).with_public(text))
            }
            Err(error) => {
                fail_open(error.details());
                Ok(())
            }
        }
    }

    async fn ask(
        &self,
        redis: &Client,
        attempt: &Attempt,
    ) -> Result<Option<Duration>, fred::error::Error> {
        if let Some(source) = &attempt.source {
            let key = format!("yard:auth:login:source:{source}");
            if let Some(wait) = gcra::admit(redis, &[(key, self.source)]).await? {
                return Ok(Some(wait));
            }
        }
        let mut limits = vec![(attempt.pair_key(), self.pair)];
        let known = attempt.source.is_some() && redis.exists(attempt.known_key()).await?;
        if !known {
            limits.push((attempt.account_key(), self.account));
        }
        gcra::admit(redis, &limits).await
    }

    /// The password was right: forgets the failures from this address and remembers the address.
    pub(super) async fn passed(&self, attempt: &Attempt) {
        let Some(redis) = self.redis.connected() else {
            return;
        };
        let forgotten = redis.del::<(), _>(attempt.pair_key()).await;
        let remembered = match attempt.source {
            None => Ok(()),
            Some(_) => {
                let ttl = Some(Expiration::EX(KNOWN_SECONDS));
                redis.set::<(), _, _>(attempt.known_key(), 1, ttl, None, false).await
            }
        };
        if let Err(error) = forgotten.and(remembered) {
            fail_open(error.details());
        }
    }
}

fn fail_open(problem: &str) {
    telemetry::throttle_unavailable();
    tracing::warn!(problem, "login limits are not available; attempts go through");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source_of(address: &str) -> String {
        network(address.parse().unwrap())
    }

    #[test]
    fn source_is_an_ipv4_address_or_an_ipv6_network() {
        assert_eq!(source_of("192.0.2.7"), "192.0.2.7");
        assert_eq!(source_of("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(source_of("2001:db8:1:2:3::4"), source_of("2001:db8:1:2:ffff::1"));
        assert_ne!(source_of("2001:db8:1:2::1"), source_of("2001:db8:1:3::1"));
    }

    #[test]
    fn keys_of_one_account_share_a_slot_and_show_no_address() {
        let attempt = Attempt::new("ann@example.org", "192.0.2.7".parse().ok());
        let slot = |key: &str| key.split(['{', '}']).nth(1).map(str::to_owned);
        let keys = [attempt.pair_key(), attempt.account_key(), attempt.known_key()];
        assert!(keys.iter().all(|key| slot(key) == slot(&keys[0])));
        assert!(keys.iter().all(|key| !key.contains("ann") && !key.contains("192.0")));
    }
}
