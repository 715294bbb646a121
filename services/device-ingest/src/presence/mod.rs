//! Who is there: what devices and their last wills say, fenced by the device's epoch, and a lease
//! that what they send renews. Nobody can write presence by hand.

mod heard;
mod reports;
mod store;
mod sweep;

#[cfg(test)]
mod tests;

use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use yard_contracts::device::v1::Presence as Wire;
use yard_contracts::subjects::{self, live};
use yard_ids::{DeviceId, TenantId};
use yard_messaging::Nats;

pub(crate) use heard::{Heard, write_down};
pub(crate) use reports::StatusReports;
pub(crate) use sweep::Sweeps;

/// Where a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Online,
    Stale,
    Offline,
}

impl State {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Stale => "stale",
            Self::Offline => "offline",
        }
    }

    pub(crate) fn from_text(text: &str) -> Option<Self> {
        [Self::Online, Self::Stale, Self::Offline].into_iter().find(|s| s.as_str() == text)
    }
}

/// As the API has it; a device without a row was never there.
pub(crate) fn wire(stored: Option<&str>) -> Wire {
    match stored.and_then(State::from_text) {
        None => Wire::Never,
        Some(State::Online) => Wire::Online,
        Some(State::Stale) => Wire::Stale,
        Some(State::Offline) => Wire::Offline,
    }
}

/// What is stored of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) state: State,
    pub(crate) epoch: i64,
}

/// What a device, or its last will, says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) online: bool,
    pub(crate) epoch: i64,
}

/// The state after a report; `None` when it is of an older epoch and changes nothing. A last will
/// often arrives after the device's next connection.
pub(crate) const fn after(stored: Option<Stored>, said: Said) -> Option<State> {
    if let Some(stored) = stored
        && said.epoch < stored.epoch
    {
        return None;
    }
    Some(if said.online { State::Online } else { State::Offline })
}

/// A change that is committed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Change {
    pub(crate) device: DeviceId,
    pub(crate) tenant: TenantId,
    pub(crate) state: State,
    pub(crate) at: OffsetDateTime,
}

/// Tells whoever looks. Nothing depends on it.
pub(crate) async fn announce(nats: &Nats, change: Change) {
    let presence = wire(Some(change.state.as_str()));
    let body = json!({
        "event": live::PRESENCE_CHANGED,
        "device_id": change.device.to_string(),
        "presence": presence.as_str_name(),
        "at": change.at.format(&Rfc3339).unwrap_or_default(),
    });
    let subject = subjects::live_device(change.tenant, change.device, live::PRESENCE_CHANGED);
    metrics::counter!("yard_presence_changes_total", "state" => change.state.as_str()).increment(1);
    if let Err(error) = nats.publish_live(subject, body.to_string().into()).await {
        tracing::debug!(error = %error, "presence not announced");
    }
}
