//! Who holds a position, from when to when.

use time::OffsetDateTime;
use uuid::Uuid;
use yard_authn::{Call, Caller};
use yard_contracts::rights::v1 as wire;
use yard_contracts::values::timestamp;
use yard_fault::{Code, Fault};
use yard_pg::{Actor, PlatformTx, TenantTx, page};

use super::store::{self, Assignment};
use crate::rights::set::PermissionSet;
use crate::rights::{self, Rights, checks, note_object, there};

const USUAL_PAGE: u16 = 50;
const LARGEST_PAGE: u16 = 200;
/// Positions that one person holds or will.
const MOST_HELD: i64 = 50;

impl Rights {
    pub(super) async fn assign(
        &self,
        call: &Call,
        request: &wire::AssignPositionRequest,
    ) -> Result<wire::Assignment, Fault> {
        let caller = &call.caller;
        let now = self.clock.now();
        let (starts_at, ends_at) = span(request, now)?;
        let new = Assignment {
            id: self.ids.uuid7(),
            position_id: checks::named(&request.position_id)?,
            principal_id: checks::id(&request.principal_id, "/principal_id")?,
            display_name: String::new(),
            starts_at,
            ends_at,
        };
        note_object(call, "assignment", new.id.as_hyphenated());
        let mut tx = self.begin_change(caller).await?;
        there(store::get(&mut tx, new.position_id).await?)?;
        if rights::store::role_of(&mut tx, new.principal_id).await?.is_none() {
            return Err(checks::wrong("is not a member of the tenant", "/principal_id"));
        }
        not_to_oneself(caller, new.principal_id)?;
        checks::within(caller, given_by(&mut tx, new.position_id, now).await?)?;
        if store::overlaps(&mut tx, &new).await? {
            return Err(Code::ResourceExists.into());
        }
        if store::held_by(&mut tx, new.principal_id, now).await? >= MOST_HELD {
            let text = format!("somebody holds at most {MOST_HELD} positions");
            return Err(checks::wrong(text, "/principal_id"));
        }
        store::assign(&mut tx, &new, caller.subject(), now).await?;
        self.commit(tx).await?;
        self.assignment(caller, new.id).await
    }

    pub(super) async fn end_assignment(
        &self,
        caller: &Caller,
        id: &str,
    ) -> Result<wire::Assignment, Fault> {
        let id = checks::named(id)?;
        let mut tx = self.begin_change(caller).await?;
        store::end(&mut tx, id, checks::this_second(self.clock.now())).await?;
        self.commit(tx).await?;
        self.assignment(caller, id).await
    }

    async fn assignment(&self, caller: &Caller, id: Uuid) -> Result<wire::Assignment, Fault> {
        let tenant = caller.tenant()?.uuid();
        let actor = Actor::of_subject(caller.subject());
        let mut tx = PlatformTx::begin(&self.pg, &actor).await?;
        let found = store::assignments(&mut tx, tenant, [None, None, Some(id), None], 1).await?;
        tx.commit().await?;
        there(found.into_iter().next()).map(assignment)
    }

    pub(super) async fn list_assignments(
        &self,
        caller: &Caller,
        request: &wire::ListAssignmentsRequest,
    ) -> Result<wire::ListAssignmentsResponse, Fault> {
        let most = page::size(request.page_size, USUAL_PAGE, LARGEST_PAGE)?;
        let after = checks::page_after(&request.page_token)?;
        let position = checks::optional_id(&request.position_id, "/position_id")?;
        let person = checks::optional_id(&request.principal_id, "/principal_id")?;
        let tenant = caller.tenant()?.uuid();
        let actor = Actor::of_subject(caller.subject());
        let mut tx = PlatformTx::begin(&self.pg, &actor).await?;
        let narrowed = [position, person, None, after];
        let rows = store::assignments(&mut tx, tenant, narrowed, most).await?;
        tx.commit().await?;
        Ok(wire::ListAssignmentsResponse {
            next_page_token: checks::page_next(rows.iter().map(|row| row.id), most),
            assignments: rows.into_iter().map(assignment).collect(),
        })
    }
}

/// From when to when; not in the past, and not empty.
fn span(
    request: &wire::AssignPositionRequest,
    now: OffsetDateTime,
) -> Result<(OffsetDateTime, Option<OffsetDateTime>), Fault> {
    let this = checks::this_second(now);
    let starts_at = checks::second(request.starts_at.as_ref(), "/starts_at")?.unwrap_or(this);
    if starts_at < this {
        return Err(checks::wrong("has to be now or later", "/starts_at"));
    }
    let ends_at = checks::second(request.ends_at.as_ref(), "/ends_at")?;
    if ends_at.is_some_and(|ends_at| ends_at <= starts_at) {
        return Err(checks::wrong("has to be after its beginning", "/ends_at"));
    }
    Ok((starts_at, ends_at))
}

/// Who holds a right for a time must not make it one for good.
pub(super) fn not_to_oneself(caller: &Caller, person: Uuid) -> Result<(), Fault> {
    if caller.person()?.uuid() != person || caller.role() == "owner" {
        return Ok(());
    }
    let text = "Only owners give something to themselves; have somebody else do it.";
    Err(Fault::new(Code::RightsBeyondOwn).with_public(text))
}

/// All that whoever holds a position gets by it.
pub(super) async fn given_by(
    tx: &mut TenantTx,
    position: Uuid,
    now: OffsetDateTime,
) -> Result<PermissionSet, Fault> {
    let gifts = store::gifts(tx, position, now).await?;
    let sets = gifts.iter().map(|gift| {
        let own = gift.permissions.as_deref().unwrap_or_default();
        PermissionSet::of_role(&gift.role, own)
    });
    Ok(sets.fold(PermissionSet::default(), PermissionSet::or))
}

fn assignment(row: Assignment) -> wire::Assignment {
    wire::Assignment {
        assignment_id: row.id.as_hyphenated().to_string(),
        position_id: row.position_id.as_hyphenated().to_string(),
        principal_id: row.principal_id.as_hyphenated().to_string(),
        display_name: row.display_name,
        starts_at: Some(timestamp(row.starts_at)),
        ends_at: row.ends_at.map(timestamp),
    }
}
