//! Who is kept out, and whether everybody is: bans and the switch for maintenance.
//!
//! auth keeps both; the gateway asks it twice a second and goes on with what it last heard while
//! auth does not answer.

mod abuse;
mod follow;
mod snapshot;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::{mpsc, watch};
use yard_authn::Caller;
use yard_authn::client::ServiceChannel;
use yard_fault::{Code, Fault};
use yard_ids::Clock;
use yard_limits::Network;
use yard_runtime::{ConfigError, Runtime};

use crate::problem::Refusal;
use crate::protect::Proxies;
use abuse::Abuse;
use snapshot::{Notice, Snapshot};

/// Reports of abuse that wait for auth.
const WAITING_REPORTS: usize = 256;
/// What a caller is told to wait when nobody said how long maintenance takes, seconds.
const USUAL_WAIT: u32 = 60;
/// The longest wait that a caller is told, seconds: maintenance may be over before its time.
const LONGEST_WAIT: i64 = 3_600;

/// Section `[bans]`: when the gateway bans an address by itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BansConfig {
    /// Refusals of one address …
    pub refusals: u32,
    /// … within this time.
    #[serde(with = "humantime_serde")]
    pub per: Duration,
    /// Addresses and networks that are never banned automatically.
    pub exempt: Vec<String>,
}

impl BansConfig {
    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        if !(1..=100_000).contains(&self.refusals) {
            return Err(ConfigError::new("bans.refusals", "has to be 1 to 100000"));
        }
        if self.per < Duration::from_secs(1) || self.per > Duration::from_secs(3_600) {
            return Err(ConfigError::new("bans.per", "has to be 1 s to 1 h"));
        }
        let wrong = self.exempt.iter().find(|text| Network::parse(text).is_none());
        wrong.map_or(Ok(()), |text| {
            Err(ConfigError::new("bans.exempt", format!("{text:?} is no address or network")))
        })
    }
}

/// The door's memory.
pub(crate) struct Guard {
    current: watch::Sender<Arc<Snapshot>>,
    abuse: Abuse,
    proxies: Proxies,
    clock: Arc<dyn Clock>,
}

impl Guard {
    /// Begins to follow auth.
    pub(crate) fn start(
        config: &BansConfig,
        proxies: Proxies,
        channel: ServiceChannel,
        runtime: &Runtime,
    ) -> Arc<Self> {
        let (sender, reports) = mpsc::channel(WAITING_REPORTS);
        let guard = Arc::new(Self {
            current: watch::Sender::default(),
            abuse: Abuse::new(config, runtime.clock(), sender),
            proxies,
            clock: runtime.clock(),
        });
        follow::start(&guard, channel, reports, runtime);
        guard
    }

    /// Refuses an address that is banned. `signed_in`: the request shows a session.
    ///
    /// # Errors
    /// `access.banned`.
    pub(crate) fn admit_address(&self, client: IpAddr, signed_in: bool) -> Result<(), Fault> {
        // Behind a proxy of ours that says nothing of its clients, all of them are the proxy.
        if self.proxies.trusts(client) {
            return Ok(());
        }
        let own = || self.abuse.until(client).filter(|_| !signed_in);
        let until = self.current.borrow().address(client, signed_in, self.clock.now());
        until.or_else(own).map_or(Ok(()), |until| Err(banned(until)))
    }

    /// Refuses a caller whose session, token or person is banned.
    ///
    /// # Errors
    /// `access.banned`.
    pub(crate) fn admit_caller(&self, caller: &Caller) -> Result<(), Fault> {
        let until = self.current.borrow().caller(caller, self.clock.now());
        until.map_or(Ok(()), |until| Err(banned(until)))
    }

    /// What everybody but operators is answered during maintenance.
    pub(crate) fn maintenance(&self) -> Option<Refusal> {
        let current = self.current.borrow();
        current.maintenance.as_ref().map(|notice| turned_away(notice, self.clock.now()))
    }

    /// Counts a refusal against the address.
    pub(crate) fn note(&self, client: IpAddr, code: Code) {
        if !self.proxies.trusts(client) {
            self.abuse.note(client, code);
        }
    }

    /// Resolves once an address is banned.
    pub(crate) async fn until_banned(&self, client: IpAddr) {
        let mut current = self.current.subscribe();
        while self.admit_address(client, true).is_ok() {
            if current.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

/// Operators go on working during maintenance.
pub(crate) fn is_operator(caller: &Caller) -> bool {
    caller.tenant_opt().is_none() && caller.has("ops.manage")
}

fn banned(until: OffsetDateTime) -> Fault {
    metrics::counter!("yard_bans_refused_total").increment(1);
    let text = format!("Access is blocked until {}.", written(until));
    Fault::new(Code::AccessBanned).with_public(text)
}

fn turned_away(notice: &Notice, now: OffsetDateTime) -> Refusal {
    let left = notice.until.map(|until| (until - now).whole_seconds());
    let wait = left
        .filter(|left| *left > 0)
        .map_or(USUAL_WAIT, |left| u32::try_from(left.min(LONGEST_WAIT)).unwrap_or(USUAL_WAIT));
    let until = notice.until.map(|until| format!(" Expected to end at {}.", written(until)));
    let text = format!("{}{}", notice.reason, until.unwrap_or_default());
    Refusal::later(Fault::new(Code::ServiceMaintenance).with_public(text), wait)
}

fn written(at: OffsetDateTime) -> String {
    at.replace_nanosecond(0).unwrap_or(at).format(&Rfc3339).unwrap_or_default()
}
