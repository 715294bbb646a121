use serde_json::json;
use time::Duration;
use time::format_description::well_known::Rfc3339;
use yard_authn::Caller;
use yard_contracts::guard::v1::{GetGuardRequest, Guard, Maintenance, SetMaintenanceRequest};
use yard_contracts::subjects;
use yard_contracts::values::{moment, timestamp};
use yard_fault::Fault;

use super::Guarding;
use super::bans::{ban, words};
use super::store::{self, SwitchRow};

/// How far ahead an end may be promised.
const FURTHEST: Duration = Duration::days(7);
/// Bans that a gateway is told.
const MOST_BANS: i64 = 10_000;

impl Guarding {
    pub(super) async fn maintenance(&self, caller: &Caller) -> Result<Maintenance, Fault> {
        let mut tx = self.begin(caller).await?;
        let row = store::switch(&mut tx).await?;
        tx.commit().await?;
        Ok(maintenance(row))
    }

    pub(super) async fn set_maintenance(
        &self,
        caller: &Caller,
        request: &SetMaintenanceRequest,
    ) -> Result<Maintenance, Fault> {
        let reason = words("reason", &request.reason)?;
        if request.active && reason.is_empty() {
            let problem = "reason has to be given: everybody who is turned away reads it";
            return Err(Fault::invalid(problem).with_pointer("/reason"));
        }
        let wrong =
            || Fault::invalid("until has to be within seven days from now").with_pointer("/until");
        let now = self.clock.now();
        let until = match &request.until {
            Some(at) => Some(moment(at).ok_or_else(wrong)?),
            None => None,
        };
        if until.is_some_and(|at| at <= now || at > now + FURTHEST) {
            return Err(wrong());
        }
        let mut tx = self.begin(caller).await?;
        let by = (now, caller.subject());
        store::set_switch(&mut tx, request.active, reason, until, by).await?;
        let row = store::switch(&mut tx).await?;
        tx.commit().await?;
        self.tell(&row).await;
        Ok(maintenance(row))
    }

    /// Tells open sockets. One that is not told is turned away at its next call all the same.
    async fn tell(&self, row: &SwitchRow) {
        let until = row.until.and_then(|at| at.format(&Rfc3339).ok());
        let text = json!({ "active": row.maintenance, "reason": row.reason, "until": until });
        let subject = subjects::MAINTENANCE.to_owned();
        if let Err(error) = self.nats.publish_live(subject, text.to_string().into()).await {
            tracing::warn!(error = %error, "open sockets could not be told of maintenance");
        }
    }

    /// What the doors follow.
    pub(super) async fn guard(
        &self,
        caller: &Caller,
        request: &GetGuardRequest,
    ) -> Result<Guard, Fault> {
        let mut tx = self.begin(caller).await?;
        // Read before the bans: they may be newer than it says, never older.
        let row = store::switch(&mut tx).await?;
        let revision = row.revision;
        if revision == request.known_revision {
            tx.commit().await?;
            return Ok(Guard { revision, unchanged: true, ..Guard::default() });
        }
        let bans = store::in_force(&mut tx, self.clock.now(), MOST_BANS).await?;
        tx.commit().await?;
        Ok(Guard {
            revision,
            unchanged: false,
            maintenance: Some(maintenance(row)),
            bans: bans.into_iter().map(ban).collect(),
        })
    }
}

fn maintenance(row: SwitchRow) -> Maintenance {
    Maintenance {
        active: row.maintenance,
        reason: row.reason,
        until: row.until.map(timestamp),
        changed_at: Some(timestamp(row.changed_at)),
        changed_by: row.changed_by,
    }
}
