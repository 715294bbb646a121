use time::Duration;
use tonic::{Request, Response, Status, async_trait};
use uuid::Uuid;
use yard_authn::{Call, Caller, RpcResult as _, permissions_of};
use yard_contracts::rights::v1 as wire;
use yard_contracts::rights::v1::break_glass_service_server::BreakGlassService;
use yard_contracts::values::timestamp;
use yard_fault::{Code, Fault};
use yard_ids::TenantId;
use yard_pg::{Actor, PlatformTx, page};

use super::store::{self, New, Row, Which};
use crate::rights::{Rights, checks, there};

const USUAL_PAGE: u16 = 50;
const LARGEST_PAGE: u16 = 200;
const USUAL_MINUTES: i32 = 30;
const MOST_MINUTES: i32 = 60;

#[async_trait]
impl BreakGlassService for Rights {
    async fn enter_tenant(
        &self,
        request: Request<wire::EnterTenantRequest>,
    ) -> Result<Response<wire::BreakGlass>, Status> {
        let call = Call::of(&request);
        call.note(|notes| notes.break_glass = true);
        self.enter(&call.caller, request.get_ref()).await.rpc(&call, "enter a tenant")
    }

    async fn list_break_glass(
        &self,
        request: Request<wire::ListBreakGlassRequest>,
    ) -> Result<Response<wire::ListBreakGlassResponse>, Status> {
        let call = Call::of(&request);
        let wire::ListBreakGlassRequest { page_size, page_token } = request.get_ref();
        let page = self.entries(&call.caller, None, *page_size, page_token).await;
        let page = page.map(|(entries, next_page_token)| wire::ListBreakGlassResponse {
            entries,
            next_page_token,
        });
        page.rpc(&call, "list entries into tenants")
    }

    async fn list_tenant_break_glass(
        &self,
        request: Request<wire::ListTenantBreakGlassRequest>,
    ) -> Result<Response<wire::ListTenantBreakGlassResponse>, Status> {
        let call = Call::of(&request);
        let wire::ListTenantBreakGlassRequest { page_size, page_token } = request.get_ref();
        let page = async {
            let tenant = call.caller.tenant()?.uuid();
            self.entries(&call.caller, Some(tenant), *page_size, page_token).await
        };
        let page = page.await.map(|(entries, next_page_token)| {
            wire::ListTenantBreakGlassResponse { entries, next_page_token }
        });
        page.rpc(&call, "list entries into the tenant")
    }

    async fn end_break_glass(
        &self,
        request: Request<wire::EndBreakGlassRequest>,
    ) -> Result<Response<wire::BreakGlass>, Status> {
        let call = Call::of(&request);
        call.note(|notes| notes.break_glass = true);
        let id = &request.get_ref().break_glass_id;
        self.put_out(&call.caller, id).await.rpc(&call, "put an administrator out")
    }

    async fn leave_tenant(
        &self,
        request: Request<wire::LeaveTenantRequest>,
    ) -> Result<Response<wire::BreakGlass>, Status> {
        let call = Call::of(&request);
        self.leave(&call.caller).await.rpc(&call, "leave a tenant")
    }
}

impl Rights {
    async fn platform(&self, caller: &Caller) -> Result<PlatformTx, Fault> {
        Ok(PlatformTx::begin(&self.pg, &Actor::of_subject(caller.subject())).await?)
    }

    async fn enter(
        &self,
        caller: &Caller,
        request: &wire::EnterTenantRequest,
    ) -> Result<wire::BreakGlass, Fault> {
        let session = caller.session().ok_or_else(|| Fault::new(Code::AuthSessionRequired))?;
        let tenant: TenantId =
            request.tenant_id.parse().map_err(|_no_id| Fault::new(Code::TenantUnknown))?;
        let now = self.clock.now();
        let new = New {
            id: self.ids.uuid7(),
            tenant: tenant.uuid(),
            person: caller.person()?.uuid(),
            session: session.uuid(),
            permissions: &stated(&request.permissions)?,
            reason: &checks::reason(&request.reason)?,
            started_at: now,
            expires_at: checks::this_second(now) + minutes(request.minutes)?,
        };
        let mut tx = self.platform(caller).await?;
        let state = store::tenant_state(&mut tx, new.tenant).await?;
        match state.as_deref() {
            None => return Err(Code::TenantUnknown.into()),
            Some("ready") => {}
            Some(_) => return Err(Code::TenantStateConflict.into()),
        }
        // One that ran out, and that nobody has swept up yet.
        store::end_of_session(&mut tx, new.session, "", now).await?;
        store::insert(&mut tx, &new).await?;
        let entry = entry(&mut tx, new.id, new.tenant).await?;
        tx.commit().await?;
        self.nudge.now();
        Ok(entry)
    }

    async fn entries(
        &self,
        caller: &Caller,
        tenant: Option<Uuid>,
        page_size: i32,
        page_token: &str,
    ) -> Result<(Vec<wire::BreakGlass>, String), Fault> {
        let most = page::size(page_size, USUAL_PAGE, LARGEST_PAGE)?;
        let before = checks::page_after(page_token)?;
        let mut tx = self.platform(caller).await?;
        let rows = store::page(&mut tx, &Which { id: None, tenant, before }, most).await?;
        tx.commit().await?;
        let next = checks::page_next(rows.iter().map(|row| row.id), most);
        Ok((rows.into_iter().map(shown).collect(), next))
    }

    async fn put_out(&self, caller: &Caller, id: &str) -> Result<wire::BreakGlass, Fault> {
        let (id, tenant) = (checks::named(id)?, caller.tenant()?.uuid());
        let mut tx = self.platform(caller).await?;
        store::end(&mut tx, [id, tenant], caller.subject(), self.clock.now()).await?;
        let entry = entry(&mut tx, id, tenant).await?;
        tx.commit().await?;
        self.nudge.now();
        Ok(entry)
    }

    async fn leave(&self, caller: &Caller) -> Result<wire::BreakGlass, Fault> {
        let session = there(caller.session().filter(|_| caller.break_glass().is_some()))?;
        let tenant = caller.tenant()?.uuid();
        let mut tx = self.platform(caller).await?;
        let now = self.clock.now();
        let ended = store::end_of_session(&mut tx, session.uuid(), caller.subject(), now).await?;
        let entry = entry(&mut tx, there(ended)?, tenant).await?;
        tx.commit().await?;
        self.nudge.now();
        Ok(entry)
    }
}

async fn entry(tx: &mut PlatformTx, id: Uuid, tenant: Uuid) -> Result<wire::BreakGlass, Fault> {
    let which = Which { id: Some(id), tenant: Some(tenant), before: None };
    there(store::page(tx, &which, 1).await?.into_iter().next()).map(shown)
}

fn minutes(asked: i32) -> Result<Duration, Fault> {
    match asked {
        0 => Ok(Duration::minutes(USUAL_MINUTES.into())),
        1..=MOST_MINUTES => Ok(Duration::minutes(asked.into())),
        _ => Err(checks::wrong("minutes has to be 1 to 60", "/minutes")),
    }
}

/// What the administrator says they need; a viewer's rights when they say nothing.
fn stated(asked: &[String]) -> Result<Vec<String>, Fault> {
    if asked.is_empty() {
        return Ok(permissions_of("viewer").iter().map(|&name| name.to_owned()).collect());
    }
    checks::permissions(asked)
}

fn shown(row: Row) -> wire::BreakGlass {
    wire::BreakGlass {
        break_glass_id: row.id.as_hyphenated().to_string(),
        tenant_id: row.tenant_id.as_hyphenated().to_string(),
        tenant_slug: row.slug,
        principal_id: row.principal_id.as_hyphenated().to_string(),
        display_name: row.display_name,
        permissions: row.permissions,
        reason: row.reason,
        started_at: Some(timestamp(row.started_at)),
        expires_at: Some(timestamp(row.expires_at)),
        ended_at: row.ended_at.map(timestamp),
        ended_by: row.ended_by,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_in_a_tenant_is_held_to_its_edges() {
        assert_eq!(minutes(0).unwrap(), Duration::minutes(30));
        assert_eq!(minutes(60).unwrap(), Duration::minutes(60));
        assert!(minutes(1).is_ok() && minutes(61).is_err() && minutes(-1).is_err());
    }

    #[test]
    fn stated_permissions_are_a_tenants_and_a_viewers_unless_named() {
        assert_eq!(stated(&[]).unwrap(), permissions_of("viewer"));
        assert!(stated(&["ops.manage".to_owned()]).is_err());
    }
}
