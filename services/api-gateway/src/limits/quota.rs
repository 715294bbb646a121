//! The fields `RateLimit` and `RateLimit-Policy`.
//!
//! As the working group's draft has them (draft-ietf-httpapi-ratelimit-headers-10): lists of
//! structured fields (RFC 9651), one item per policy. `q` is what is granted at once, `w` the
//! seconds in which all of it comes back, `r` what is left, `t` the seconds until all is back.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use yard_limits::{Limit, Standing};

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STANDING: HeaderName = HeaderName::from_static("ratelimit");

/// The limits that a request was held against, and how they stand after it.
#[derive(Debug, Default)]
pub(crate) struct Quota(Vec<(&'static str, Limit, Standing)>);

impl Quota {
    pub(super) fn note(&mut self, name: &'static str, limit: Limit, standing: Standing) {
        self.0.push((name, limit, standing));
    }

    /// Tells the caller.
    pub(crate) fn apply(&self, headers: &mut HeaderMap) {
        let policies = self.0.iter().map(|(name, limit, _)| {
            format!("\"{name}\";q={};w={}", limit.burst, up(limit.window()).max(1))
        });
        let standings = self.0.iter().map(|(name, _, standing)| {
            format!("\"{name}\";r={};t={}", standing.remaining, up(standing.full_in))
        });
        for (field, items) in
            [(POLICY, policies.collect::<Vec<_>>()), (STANDING, standings.collect())]
        {
            if let Ok(value) = HeaderValue::try_from(items.join(", "))
                && !value.is_empty()
            {
                headers.insert(field, value);
            }
        }
    }
}

/// Whole seconds, so that who waits so long has waited long enough.
pub(super) fn up(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_lists_with_one_item_per_policy() {
        let mut quota = Quota::default();
        let limit = Limit { burst: 60, interval: Duration::from_millis(500) };
        let standing = Standing { remaining: 59, full_in: Duration::from_millis(500) };
        quota.note("login-address", limit, standing);
        let tenant = Limit { burst: 3, interval: Duration::from_millis(1) };
        let none = Standing { remaining: 0, full_in: Duration::ZERO };
        quota.note("login-tenant", tenant, none);
        let mut headers = HeaderMap::new();
        quota.apply(&mut headers);
        assert_eq!(headers[POLICY], "\"login-address\";q=60;w=30, \"login-tenant\";q=3;w=1");
        assert_eq!(headers[STANDING], "\"login-address\";r=59;t=1, \"login-tenant\";r=0;t=0");
        let mut none = HeaderMap::new();
        Quota::default().apply(&mut none);
        assert!(none.is_empty());
    }
}
