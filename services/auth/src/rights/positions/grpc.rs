use tonic::{Request, Response, Status, async_trait};
use uuid::Uuid;
use yard_authn::{Call, Caller, RpcResult as _};
use yard_contracts::rights::v1 as wire;
use yard_contracts::rights::v1::Severity;
use yard_contracts::rights::v1::position_service_server::PositionService;
use yard_contracts::values::timestamp;
use yard_fault::Fault;
use yard_pg::{TenantTx, page};

use super::assignments::not_to_oneself;
use super::store::{self, Row};
use crate::rights::{self, Rights, checks, may_hand_on, note_object, there};

const USUAL_PAGE: u16 = 50;
const LARGEST_PAGE: u16 = 200;
const MOST_POSITIONS: i64 = 5_000;
const MOST_ROLES: usize = 20;
const MOST_KINDS: usize = 32;
const LONGEST_KIND: usize = 64;

#[async_trait]
impl PositionService for Rights {
    async fn list_positions(
        &self,
        request: Request<wire::ListPositionsRequest>,
    ) -> Result<Response<wire::ListPositionsResponse>, Status> {
        let call = Call::of(&request);
        self.positions(&call.caller, request.get_ref()).await.rpc(&call, "list positions")
    }

    async fn get_position(
        &self,
        request: Request<wire::GetPositionRequest>,
    ) -> Result<Response<wire::Position>, Status> {
        let call = Call::of(&request);
        let id = &request.get_ref().position_id;
        self.position(&call.caller, id).await.rpc(&call, "show a position")
    }

    async fn create_position(
        &self,
        request: Request<wire::CreatePositionRequest>,
    ) -> Result<Response<wire::Position>, Status> {
        let call = Call::of(&request);
        self.make_position(&call.caller, request.into_inner()).await.rpc(&call, "make a position")
    }

    async fn update_position(
        &self,
        request: Request<wire::UpdatePositionRequest>,
    ) -> Result<Response<wire::Position>, Status> {
        let call = Call::of(&request);
        let done = self.change_position(&call.caller, request.into_inner()).await;
        done.rpc(&call, "change a position")
    }

    async fn delete_position(
        &self,
        request: Request<wire::DeletePositionRequest>,
    ) -> Result<Response<wire::DeletePositionResponse>, Status> {
        let call = Call::of(&request);
        let id = &request.get_ref().position_id;
        self.drop_position(&call.caller, id).await.rpc(&call, "delete a position")
    }

    async fn grant_position_role(
        &self,
        request: Request<wire::GrantPositionRoleRequest>,
    ) -> Result<Response<wire::Position>, Status> {
        let call = Call::of(&request);
        self.grant(&call, request.get_ref()).await.rpc(&call, "give a position a role")
    }

    async fn revoke_position_role(
        &self,
        request: Request<wire::RevokePositionRoleRequest>,
    ) -> Result<Response<wire::Position>, Status> {
        let call = Call::of(&request);
        self.take(&call, request.get_ref()).await.rpc(&call, "take a role from a position")
    }

    async fn assign_position(
        &self,
        request: Request<wire::AssignPositionRequest>,
    ) -> Result<Response<wire::Assignment>, Status> {
        let call = Call::of(&request);
        self.assign(&call, request.get_ref()).await.rpc(&call, "give somebody a position")
    }

    async fn list_assignments(
        &self,
        request: Request<wire::ListAssignmentsRequest>,
    ) -> Result<Response<wire::ListAssignmentsResponse>, Status> {
        let call = Call::of(&request);
        self.list_assignments(&call.caller, request.get_ref()).await.rpc(&call, "list assignments")
    }

    async fn end_assignment(
        &self,
        request: Request<wire::EndAssignmentRequest>,
    ) -> Result<Response<wire::Assignment>, Status> {
        let call = Call::of(&request);
        let id = &request.get_ref().assignment_id;
        self.end_assignment(&call.caller, id).await.rpc(&call, "end an assignment")
    }
}

impl Rights {
    async fn positions(
        &self,
        caller: &Caller,
        request: &wire::ListPositionsRequest,
    ) -> Result<wire::ListPositionsResponse, Fault> {
        let most = page::size(request.page_size, USUAL_PAGE, LARGEST_PAGE)?;
        let after = checks::page_after(&request.page_token)?;
        let department = checks::optional_id(&request.department_id, "/department_id")?;
        let mut tx = self.begin(caller).await?;
        let rows = store::page(&mut tx, department, after, most).await?;
        tx.commit().await?;
        Ok(wire::ListPositionsResponse {
            next_page_token: checks::page_next(rows.iter().map(|row| row.id), most),
            positions: rows.into_iter().map(position).collect(),
        })
    }

    async fn position(&self, caller: &Caller, id: &str) -> Result<wire::Position, Fault> {
        let id = checks::named(id)?;
        let mut tx = self.begin(caller).await?;
        let row = existing(&mut tx, id).await?;
        tx.commit().await?;
        Ok(position(row))
    }

    async fn make_position(
        &self,
        caller: &Caller,
        request: wire::CreatePositionRequest,
    ) -> Result<wire::Position, Fault> {
        let row = Row {
            id: self.ids.uuid7(),
            department_id: checks::id(&request.department_id, "/department_id")?,
            title: checks::name(&request.title, "/title")?,
            rank: rank(if request.rank == 0 { 1 } else { request.rank })?,
            duty_from: severity(request.duty_from)?,
            duty_kinds: kinds(request.duty_kinds)?,
            created_at: self.clock.now(),
            roles: Vec::new(),
            scopes: Vec::new(),
        };
        let mut tx = self.begin_change(caller).await?;
        if store::count(&mut tx).await? >= MOST_POSITIONS {
            return Err(Fault::invalid(format!("a tenant has at most {MOST_POSITIONS} positions")));
        }
        if rights::store::path(&mut tx, row.department_id).await?.is_empty() {
            return Err(checks::wrong("there is no such department", "/department_id"));
        }
        store::insert(&mut tx, &row).await?;
        self.commit(tx).await?;
        Ok(position(row))
    }

    async fn change_position(
        &self,
        caller: &Caller,
        request: wire::UpdatePositionRequest,
    ) -> Result<wire::Position, Fault> {
        let wanted = request.position.ok_or_else(|| Fault::invalid("position is missing"))?;
        let id = checks::named(&wanted.position_id)?;
        let mut tx = self.begin_change(caller).await?;
        let mut row = existing(&mut tx, id).await?;
        for path in request.update_mask.unwrap_or_default().paths {
            match path.as_str() {
                "title" => row.title = checks::name(&wanted.title, "/title")?,
                "rank" => row.rank = rank(wanted.rank)?,
                "duty_from" => row.duty_from = severity(wanted.duty_from)?,
                "duty_kinds" => row.duty_kinds = kinds(wanted.duty_kinds.clone())?,
                _ => return Err(checks::not_changeable("title, rank, duty_from, duty_kinds")),
            }
        }
        store::update(&mut tx, &row).await?;
        self.commit(tx).await?;
        Ok(position(row))
    }

    async fn drop_position(
        &self,
        caller: &Caller,
        id: &str,
    ) -> Result<wire::DeletePositionResponse, Fault> {
        let id = checks::named(id)?;
        let mut tx = self.begin_change(caller).await?;
        existing(&mut tx, id).await?;
        self.holds_not(&mut tx, caller, id).await?;
        store::delete(&mut tx, id).await?;
        self.commit(tx).await?;
        Ok(wire::DeletePositionResponse {})
    }

    async fn grant(
        &self,
        call: &Call,
        request: &wire::GrantPositionRoleRequest,
    ) -> Result<wire::Position, Fault> {
        let caller = &call.caller;
        let (id, scope) = (checks::named(&request.position_id)?, checks::scope(request.scope)?);
        note_object(call, "position_role", format!("{id}/{}", request.role));
        let mut tx = self.begin_change(caller).await?;
        let before = existing(&mut tx, id).await?;
        self.holds_not(&mut tx, caller, id).await?;
        let tenant = tx.tenant();
        may_hand_on(&mut tx, tenant, caller, &request.role).await?;
        if before.roles.len() >= MOST_ROLES && !before.roles.contains(&request.role) {
            let text = format!("a position has at most {MOST_ROLES} roles");
            return Err(checks::wrong(text, "/role"));
        }
        store::grant(&mut tx, id, [&request.role, scope], self.clock.now()).await?;
        let after = existing(&mut tx, id).await?;
        self.commit(tx).await?;
        Ok(position(after))
    }

    async fn take(
        &self,
        call: &Call,
        request: &wire::RevokePositionRoleRequest,
    ) -> Result<wire::Position, Fault> {
        let id = checks::named(&request.position_id)?;
        note_object(call, "position_role", format!("{id}/{}", request.role));
        let mut tx = self.begin_change(&call.caller).await?;
        let before = existing(&mut tx, id).await?;
        there(before.roles.contains(&request.role).then_some(()))?;
        store::take(&mut tx, id, &request.role).await?;
        let after = existing(&mut tx, id).await?;
        self.commit(tx).await?;
        Ok(position(after))
    }

    /// Who holds a position gives it nothing, and does away with nothing that is said against it.
    async fn holds_not(
        &self,
        tx: &mut TenantTx,
        caller: &Caller,
        position: Uuid,
    ) -> Result<(), Fault> {
        let person = caller.person()?.uuid();
        if store::holds(tx, position, person, self.clock.now()).await? {
            return not_to_oneself(caller, person);
        }
        Ok(())
    }
}

async fn existing(tx: &mut TenantTx, id: Uuid) -> Result<Row, Fault> {
    there(store::get(tx, id).await?)
}

fn rank(asked: i32) -> Result<i16, Fault> {
    let rank = i16::try_from(asked).ok().filter(|rank| (1..=100).contains(rank));
    rank.ok_or_else(|| checks::wrong("rank has to be 1 to 100", "/rank"))
}

/// A severity as it is stored; 0 for none.
fn severity(asked: i32) -> Result<i16, Fault> {
    let known = Severity::try_from(asked).is_ok();
    let stored = i16::try_from(asked).ok().filter(|_| known);
    stored.ok_or_else(|| checks::wrong("is not one of the severities", "/duty_from"))
}

fn kinds(mut asked: Vec<String>) -> Result<Vec<String>, Fault> {
    asked.sort_unstable();
    asked.dedup();
    let plain = |kind: &String| {
        (1..=LONGEST_KIND).contains(&kind.len()) && kind.bytes().all(|b| b.is_ascii_graphic())
    };
    if asked.len() <= MOST_KINDS && asked.iter().all(plain) {
        return Ok(asked);
    }
    let text = "has to be at most 32 kinds of 1 to 64 visible ASCII characters";
    Err(checks::wrong(text, "/duty_kinds"))
}

fn position(row: Row) -> wire::Position {
    let roles = row.roles.into_iter().zip(&row.scopes);
    wire::Position {
        position_id: row.id.as_hyphenated().to_string(),
        department_id: row.department_id.as_hyphenated().to_string(),
        title: row.title,
        rank: row.rank.into(),
        duty_from: row.duty_from.into(),
        duty_kinds: row.duty_kinds,
        roles: roles
            .map(|(role, scope)| wire::PositionRole {
                role,
                scope: checks::wire_scope(scope).into(),
            })
            .collect(),
        created_at: Some(timestamp(row.created_at)),
    }
}
