use std::net::IpAddr;
use std::slice;
use std::time::Duration;

use futures::future::join_all;
use yard_authn::Caller;
use yard_contracts::access::v1::Rate;
use yard_fault::{Code, Fault};
use yard_ids::TenantId;
use yard_limits::{Limit, Limiter, Rule, network};

use super::config::LimitsConfig;
use super::quota::{self, Quota};
use crate::problem::Refusal;

/// What a limit is counted for.
#[derive(Debug, Clone, Copy)]
enum Side {
    Address,
    Session,
    Tenant,
}

/// How often a caller may call: each address, session and tenant, in each class by itself.
pub(crate) struct Rates {
    limiter: Limiter,
    config: LimitsConfig,
}

impl Rates {
    pub(crate) const fn new(limiter: Limiter, config: LimitsConfig) -> Self {
        Self { limiter, config }
    }

    /// Counts a call: of the address it comes from, and of the session and the tenant it is in, as
    /// far as they are known.
    ///
    /// # Errors
    /// `rate.limited` with the time to wait.
    pub(crate) async fn count(
        &self,
        rate: Rate,
        client: Option<IpAddr>,
        caller: Option<&Caller>,
        quota: &mut Quota,
    ) -> Result<(), Refusal> {
        let rules = self.rules(rate, client, caller);
        // At the same time, because each may be a round trip.
        let asked =
            rules.iter().map(|(whose, rule)| self.limiter.admit(whose, slice::from_ref(rule)));
        let verdicts = join_all(asked).await;
        let mut longest: Option<(&'static str, Duration)> = None;
        for ((_, rule), verdict) in rules.iter().zip(&verdicts) {
            for standing in &verdict.standings {
                quota.note(rule.name, rule.limit, *standing);
            }
            if let Some(wait) = verdict.wait
                && longest.is_none_or(|(_, known)| known < wait)
            {
                longest = Some((rule.name, wait));
            }
        }
        match longest {
            None => Ok(()),
            Some((name, wait)) => Err(refuse(name, wait)),
        }
    }

    fn rules(
        &self,
        rate: Rate,
        client: Option<IpAddr>,
        caller: Option<&Caller>,
    ) -> Vec<(String, Rule)> {
        let class = self.config.of(rate);
        let mut rules = Vec::with_capacity(3);
        if let Some(client) = client {
            let whose = format!("address {}", network(client));
            rules.push((whose, rule(rate, Side::Address, class.address.into())));
        }
        if let Some(caller) = caller {
            rules.push((holder(caller), rule(rate, Side::Session, class.session.into())));
        }
        if let Some(tenant) = caller.and_then(Caller::tenant_opt) {
            let limit = self.of_tenant(tenant, class.tenant.into());
            rules.push((format!("tenant {tenant}"), rule(rate, Side::Tenant, limit)));
        }
        rules
    }

    /// Where a plan's limits come in once tenants have plans.
    fn of_tenant(&self, tenant: TenantId, limit: Limit) -> Limit {
        let percent = self.config.tenant_percent.get(&tenant.uuid()).copied().unwrap_or(100);
        let burst = u64::from(limit.burst) * u64::from(percent) / 100;
        Limit {
            burst: u32::try_from(burst).unwrap_or(u32::MAX).max(1),
            interval: limit.interval.saturating_mul(100) / percent.max(1),
        }
    }
}

fn refuse(name: &'static str, wait: Duration) -> Refusal {
    let seconds = u32::try_from(quota::up(wait)).unwrap_or(u32::MAX);
    let text = format!("The limit {name} is used up; wait {seconds} s before the next.");
    Refusal::later(Fault::new(Code::RateLimited).with_public(text), seconds)
}

/// The session or API token, or whoever has neither.
fn holder(caller: &Caller) -> String {
    match (caller.session(), caller.api_token()) {
        (Some(session), _) => format!("session {session}"),
        (None, Some(token)) => format!("API token {token}"),
        (None, None) => caller.subject().to_owned(),
    }
}

const fn rule(rate: Rate, side: Side, limit: Limit) -> Rule {
    Rule { name: name(rate, side), limit }
}

/// As headers and keys spell a limit.
const fn name(rate: Rate, side: Side) -> &'static str {
    match (rate, side) {
        (Rate::Read, Side::Address) => "read-address",
        (Rate::Read, Side::Session) => "read-session",
        (Rate::Read, Side::Tenant) => "read-tenant",
        (Rate::Write | Rate::Unspecified, Side::Address) => "write-address",
        (Rate::Write | Rate::Unspecified, Side::Session) => "write-session",
        (Rate::Write | Rate::Unspecified, Side::Tenant) => "write-tenant",
        (Rate::Login, Side::Address) => "login-address",
        (Rate::Login, Side::Session) => "login-session",
        (Rate::Login, Side::Tenant) => "login-tenant",
        (Rate::Stream, Side::Address) => "stream-address",
        (Rate::Stream, Side::Session) => "stream-session",
        (Rate::Stream, Side::Tenant) => "stream-tenant",
    }
}
