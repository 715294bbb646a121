use tonic::{Request, Response, Status, async_trait};
use uuid::Uuid;
use yard_authn::{Call, Caller, RpcResult as _};
use yard_contracts::rights::v1 as wire;
use yard_contracts::rights::v1::override_service_server::OverrideService;
use yard_contracts::rights::v1::{OverrideEffect, OverrideState};
use yard_contracts::values::timestamp;
use yard_fault::{Code, Fault};
use yard_pg::{TenantTx, page};

use super::store::{self, Row, Which};
use super::wish;
use crate::rights::{self, Rights, checks, positions, there};

const USUAL_PAGE: u16 = 50;
const LARGEST_PAGE: u16 = 200;
/// In force or asked for, in one tenant.
const MOST_STANDING: i64 = 1_000;

#[async_trait]
impl OverrideService for Rights {
    async fn list_overrides(
        &self,
        request: Request<wire::ListOverridesRequest>,
    ) -> Result<Response<wire::ListOverridesResponse>, Status> {
        let call = Call::of(&request);
        self.overrides(&call.caller, request.get_ref()).await.rpc(&call, "list overrides")
    }

    async fn get_override(
        &self,
        request: Request<wire::GetOverrideRequest>,
    ) -> Result<Response<wire::Override>, Status> {
        let call = Call::of(&request);
        let id = &request.get_ref().override_id;
        self.one_override(&call.caller, id).await.rpc(&call, "show an override")
    }

    async fn request_override(
        &self,
        request: Request<wire::RequestOverrideRequest>,
    ) -> Result<Response<wire::Override>, Status> {
        let call = Call::of(&request);
        self.wish(&call.caller, request.get_ref()).await.rpc(&call, "ask for an override")
    }

    async fn approve_override(
        &self,
        request: Request<wire::ApproveOverrideRequest>,
    ) -> Result<Response<wire::Override>, Status> {
        let call = Call::of(&request);
        let id = &request.get_ref().override_id;
        self.approve(&call.caller, id).await.rpc(&call, "approve an override")
    }

    async fn refuse_override(
        &self,
        request: Request<wire::RefuseOverrideRequest>,
    ) -> Result<Response<wire::Override>, Status> {
        let call = Call::of(&request);
        let wire::RefuseOverrideRequest { override_id, reason } = request.get_ref();
        self.refuse(&call.caller, override_id, reason).await.rpc(&call, "refuse an override")
    }

    async fn end_override(
        &self,
        request: Request<wire::EndOverrideRequest>,
    ) -> Result<Response<wire::Override>, Status> {
        let call = Call::of(&request);
        let id = &request.get_ref().override_id;
        self.end(&call.caller, id).await.rpc(&call, "end an override")
    }
}

impl Rights {
    async fn overrides(
        &self,
        caller: &Caller,
        request: &wire::ListOverridesRequest,
    ) -> Result<wire::ListOverridesResponse, Fault> {
        let most = page::size(request.page_size, USUAL_PAGE, LARGEST_PAGE)?;
        let which = Which {
            id: None,
            state: state(request.state)?,
            person: checks::optional_id(&request.principal_id, "/principal_id")?,
            position: checks::optional_id(&request.position_id, "/position_id")?,
            before: checks::page_after(&request.page_token)?,
        };
        let mut tx = self.begin(caller).await?;
        let rows = store::page(&mut tx, &which, most).await?;
        tx.commit().await?;
        Ok(wire::ListOverridesResponse {
            next_page_token: checks::page_next(rows.iter().map(|row| row.id), most),
            overrides: rows.into_iter().map(shown).collect(),
        })
    }

    async fn one_override(&self, caller: &Caller, id: &str) -> Result<wire::Override, Fault> {
        let mut tx = self.begin(caller).await?;
        let row = existing(&mut tx, id).await?;
        tx.commit().await?;
        Ok(shown(row))
    }

    async fn wish(
        &self,
        caller: &Caller,
        request: &wire::RequestOverrideRequest,
    ) -> Result<wire::Override, Fault> {
        let by = caller.person()?.uuid();
        let row = wish::read(request, self.ids.uuid7(), by, self.clock.now())?;
        let mut tx = self.begin_change(caller).await?;
        self.is_about_something(&mut tx, &row).await?;
        if store::standing(&mut tx).await? >= MOST_STANDING {
            return Err(Fault::invalid(format!("a tenant has at most {MOST_STANDING} overrides")));
        }
        store::insert(&mut tx, &row).await?;
        self.commit(tx).await?;
        Ok(shown(row))
    }

    /// Person, position and department are there; owners are not narrowed, so that nobody can lock the
    /// tenant's last ones out.
    async fn is_about_something(&self, tx: &mut TenantTx, row: &Row) -> Result<(), Fault> {
        if let Some(person) = row.principal_id {
            let role = rights::store::role_of(tx, person).await?;
            let role = role
                .ok_or_else(|| checks::wrong("is not a member of the tenant", "/principal_id"))?;
            if role == "owner" && row.effect == "deny" {
                let text = "is an owner, whom nothing is denied; change the role instead";
                return Err(checks::wrong(text, "/principal_id"));
            }
        }
        if let Some(position) = row.position_id
            && !positions::store::exists(tx, position).await?
        {
            return Err(checks::wrong("there is no such position", "/position_id"));
        }
        if let Some(department) = row.department_id
            && rights::store::path(tx, department).await?.is_empty()
        {
            return Err(checks::wrong("there is no such department", "/department_id"));
        }
        Ok(())
    }

    async fn approve(&self, caller: &Caller, id: &str) -> Result<wire::Override, Fault> {
        let mut tx = self.begin_change(caller).await?;
        let row = self.asked_for(&mut tx, id).await?;
        let by = caller.person()?.uuid();
        if row.requested_by == by || self.is_for(&mut tx, &row, by).await? {
            let text =
                "Somebody else has to approve this: neither who asked for it nor who gets it.";
            return Err(Fault::new(Code::RightsBeyondOwn).with_public(text));
        }
        checks::within(caller, checks::permission(&row.permission)?)?;
        self.decide(tx, row, "approved", by, String::new()).await
    }

    async fn refuse(
        &self,
        caller: &Caller,
        id: &str,
        reason: &str,
    ) -> Result<wire::Override, Fault> {
        let reason = checks::reason(reason)?;
        let mut tx = self.begin_change(caller).await?;
        let row = self.asked_for(&mut tx, id).await?;
        let by = caller.person()?.uuid();
        self.decide(tx, row, "refused", by, reason).await
    }

    async fn decide(
        &self,
        mut tx: TenantTx,
        before: Row,
        state: &str,
        by: Uuid,
        decision_reason: String,
    ) -> Result<wire::Override, Fault> {
        let (decided_by, decided_at) = (Some(by), Some(self.clock.now()));
        let state = state.to_owned();
        let row = Row { state, decided_by, decided_at, decision_reason, ..before };
        if !store::step(&mut tx, "requested", &row).await? {
            return Err(Code::ResourceStale.into());
        }
        self.commit(tx).await?;
        Ok(shown(row))
    }

    async fn end(&self, caller: &Caller, id: &str) -> Result<wire::Override, Fault> {
        let mut tx = self.begin_change(caller).await?;
        let before = existing(&mut tx, id).await?;
        if !matches!(before.state.as_str(), "requested" | "approved") {
            return Ok(shown(before));
        }
        let by = caller.person()?.uuid();
        if before.effect == "deny" && self.is_for(&mut tx, &before, by).await? {
            let text = "Somebody else has to end this: it is against you.";
            return Err(Fault::new(Code::RightsBeyondOwn).with_public(text));
        }
        let (from, now) = (before.state.clone(), self.clock.now());
        let state = "ended".to_owned();
        let row = Row { state, ended_by: Some(by), ended_at: Some(now), ..before };
        if !store::step(&mut tx, &from, &row).await? {
            return Err(Code::ResourceStale.into());
        }
        self.commit(tx).await?;
        Ok(shown(row))
    }

    /// One that waits to be decided, and has not expired while it did.
    async fn asked_for(&self, tx: &mut TenantTx, id: &str) -> Result<Row, Fault> {
        let row = existing(tx, id).await?;
        let waits = row.state == "requested" && row.expires_at > self.clock.now();
        waits.then_some(row).ok_or_else(|| Code::ResourceStale.into())
    }

    /// Whether it gives to a person or takes from them, now or when a position is theirs later.
    async fn is_for(&self, tx: &mut TenantTx, row: &Row, person: Uuid) -> Result<bool, Fault> {
        match row.position_id {
            Some(position) => {
                Ok(positions::store::holds(tx, position, person, self.clock.now()).await?)
            }
            None => Ok(row.principal_id == Some(person)),
        }
    }
}

async fn existing(tx: &mut TenantTx, id: &str) -> Result<Row, Fault> {
    let which = Which { id: Some(checks::named(id)?), ..Which::default() };
    there(store::page(tx, &which, 1).await?.into_iter().next())
}

fn state(asked: i32) -> Result<Option<&'static str>, Fault> {
    match OverrideState::try_from(asked) {
        Ok(OverrideState::Unspecified) => Ok(None),
        Ok(OverrideState::Requested) => Ok(Some("requested")),
        Ok(OverrideState::Approved) => Ok(Some("approved")),
        Ok(OverrideState::Refused) => Ok(Some("refused")),
        Ok(OverrideState::Expired) => Ok(Some("expired")),
        Ok(OverrideState::Ended) => Ok(Some("ended")),
        Err(_unknown) => Err(checks::wrong("is not one of the states", "/state")),
    }
}

fn wire_state(stored: &str) -> OverrideState {
    match stored {
        "requested" => OverrideState::Requested,
        "approved" => OverrideState::Approved,
        "refused" => OverrideState::Refused,
        "expired" => OverrideState::Expired,
        "ended" => OverrideState::Ended,
        _ => OverrideState::Unspecified,
    }
}

fn shown(row: Row) -> wire::Override {
    let id = |id: Option<Uuid>| id.map(|id| id.as_hyphenated().to_string()).unwrap_or_default();
    let effect = if row.effect == "deny" { OverrideEffect::Deny } else { OverrideEffect::Allow };
    wire::Override {
        override_id: id(Some(row.id)),
        principal_id: id(row.principal_id),
        position_id: id(row.position_id),
        permission: row.permission,
        effect: effect.into(),
        scope: checks::wire_scope(&row.scope).into(),
        department_id: id(row.department_id),
        reason: row.reason,
        state: wire_state(&row.state).into(),
        requested_by: id(Some(row.requested_by)),
        requested_at: Some(timestamp(row.requested_at)),
        expires_at: Some(timestamp(row.expires_at)),
        decided_by: id(row.decided_by),
        decided_at: row.decided_at.map(timestamp),
        decision_reason: row.decision_reason,
        ended_by: id(row.ended_by),
        ended_at: row.ended_at.map(timestamp),
    }
}
