use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use time::{Duration, OffsetDateTime};
use tokio::sync::mpsc;
use yard_fault::Code;
use yard_ids::Clock;
use yard_limits::{Limit, Local, Network, network};

use super::BansConfig;

/// Addresses that are counted at once.
const MOST: usize = 50_000;
/// Until auth has made a ban of a report, this process keeps the address out by itself.
const MEANWHILE: Duration = Duration::seconds(60);

/// Counts what is refused to each address, and reports an address that is refused too often.
pub(super) struct Abuse {
    counts: Local,
    limit: Limit,
    exempt: Vec<Network>,
    reported: Mutex<HashMap<Network, OffsetDateTime>>,
    reports: mpsc::Sender<IpAddr>,
    clock: Arc<dyn Clock>,
}

impl Abuse {
    pub(super) fn new(
        config: &BansConfig,
        clock: Arc<dyn Clock>,
        reports: mpsc::Sender<IpAddr>,
    ) -> Self {
        let exempt = config.exempt.iter().filter_map(|text| Network::parse(text)).collect();
        Self {
            counts: Local::new(Arc::clone(&clock), MOST),
            limit: Limit { burst: config.refusals, interval: config.per / config.refusals.max(1) },
            exempt,
            reported: Mutex::default(),
            reports,
            clock,
        }
    }

    /// Counts a refusal.
    pub(super) fn note(&self, address: IpAddr, code: Code) {
        if !is_abuse(code) || self.exempt.iter().any(|network| network.holds(address)) {
            return;
        }
        let whose = network(address);
        let key = whose.to_string();
        let verdict = self.counts.admit(&key, &[(key.clone(), self.limit)]);
        if verdict.wait.is_none() {
            return;
        }
        self.counts.forget(&key, &key);
        let now = self.clock.now();
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        reported.retain(|_, until| *until > now);
        if reported.len() < MOST {
            reported.insert(whose, now + MEANWHILE);
        }
        drop(reported);
        metrics::counter!("yard_abuse_reports_total").increment(1);
        // Full: auth has more to do than it can; this process still keeps the address out.
        if self.reports.try_send(address).is_err() {
            tracing::warn!("reports of abuse come faster than auth takes them");
        }
    }

    /// Until when an address is kept out by this process alone.
    pub(super) fn until(&self, address: IpAddr) -> Option<OffsetDateTime> {
        let reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        if reported.is_empty() {
            return None;
        }
        reported.get(&network(address)).copied().filter(|until| *until > self.clock.now())
    }
}

/// What honest programs are rarely answered. A session that has ended, a missing right or a call
/// before signing in are nothing of that kind.
fn is_abuse(code: Code) -> bool {
    matches!(
        code,
        Code::AuthInvalidCredentials
            | Code::AuthTokenInvalid
            | Code::AuthThrottled
            | Code::AuthCsrfFailed
            | Code::EnrollmentCodeInvalid
            | Code::RateLimited
            | Code::RateConcurrency
            | Code::RequestHeadersTooLarge
            | Code::RequestMalformed
            | Code::RequestTooDeep
            | Code::RequestTooLarge
            | Code::RequestTooManyMembers
            | Code::RequestUriTooLong
            | Code::RouteMethodNotAllowed
            | Code::RouteNotFound
    )
}

#[cfg(test)]
mod tests {
    use yard_ids::ManualClock;

    use super::*;

    fn abuse(exempt: &[&str]) -> (Abuse, Arc<ManualClock>, mpsc::Receiver<IpAddr>) {
        let clock = Arc::new(ManualClock::new(OffsetDateTime::UNIX_EPOCH + Duration::DAY));
        let config = BansConfig {
            refusals: 3,
            per: std::time::Duration::from_secs(60),
            exempt: exempt.iter().map(|&text| text.to_owned()).collect(),
        };
        let (sender, receiver) = mpsc::channel(8);
        (Abuse::new(&config, clock.clone(), sender), clock, receiver)
    }

    #[test]
    fn address_is_reported_at_the_refusal_after_the_last_that_is_granted() {
        let (abuse, clock, mut reports) = abuse(&[]);
        let address: IpAddr = "192.0.2.7".parse().unwrap();
        for _ in 0..3 {
            abuse.note(address, Code::RouteNotFound);
        }
        assert!(reports.try_recv().is_err() && abuse.until(address).is_none());
        abuse.note(address, Code::AuthInvalidCredentials);
        assert_eq!(reports.try_recv().ok(), Some(address));
        assert!(abuse.until(address).is_some());
        assert!(abuse.until("192.0.2.8".parse().unwrap()).is_none());
        clock.advance(MEANWHILE);
        assert!(abuse.until(address).is_none());
    }

    #[test]
    fn slow_refusals_ordinary_ones_and_exempt_addresses_are_not_reported() {
        let (abuse, clock, mut reports) = abuse(&["127.0.0.0/8"]);
        for _ in 0..50 {
            abuse.note("192.0.2.7".parse().unwrap(), Code::AuthSessionExpired);
            abuse.note("192.0.2.7".parse().unwrap(), Code::AuthForbidden);
            abuse.note("127.0.0.1".parse().unwrap(), Code::RouteNotFound);
            abuse.note("192.0.2.9".parse().unwrap(), Code::RouteNotFound);
            clock.advance(Duration::seconds(20));
        }
        assert!(reports.try_recv().is_err());
    }
}
