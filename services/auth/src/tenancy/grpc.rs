use std::sync::Arc;

use tonic::{Request, Response, Status, async_trait};
use uuid::Uuid;
use yard_authn::{Call, Caller, RpcResult as _};
use yard_contracts::tenancy::v1 as wire;
use yard_contracts::tenancy::v1::tenant_service_server::TenantService;
use yard_contracts::values::timestamp;
use yard_fault::{Code, Fault};
use yard_ids::Clock;
use yard_pg::{Actor, Pg, PlatformTx, page};

use super::founder::{Founder, NewTenant};
use super::store::{self, Changes, Row, Step};
use super::{closure, limits, names, plans};

const USUAL_PAGE: u16 = 50;
const LARGEST_PAGE: u16 = 200;

/// Serves `TenantService`.
pub(crate) struct TenantsGrpc {
    pub(crate) pg: Pg,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) founder: Founder,
}

#[async_trait]
impl TenantService for TenantsGrpc {
    async fn create_tenant(
        &self,
        request: Request<wire::CreateTenantRequest>,
    ) -> Result<Response<wire::Tenant>, Status> {
        let call = Call::of(&request);
        self.create(&call.caller, &request.into_inner()).await.rpc(&call, "create a tenant")
    }

    async fn list_tenants(
        &self,
        request: Request<wire::ListTenantsRequest>,
    ) -> Result<Response<wire::ListTenantsResponse>, Status> {
        let call = Call::of(&request);
        self.list(&call.caller, &request.into_inner()).await.rpc(&call, "list tenants")
    }

    async fn get_tenant(
        &self,
        request: Request<wire::GetTenantRequest>,
    ) -> Result<Response<wire::Tenant>, Status> {
        let call = Call::of(&request);
        self.get(&call.caller, &request.into_inner().tenant_id).await.rpc(&call, "show a tenant")
    }

    async fn update_tenant(
        &self,
        request: Request<wire::UpdateTenantRequest>,
    ) -> Result<Response<wire::Tenant>, Status> {
        let call = Call::of(&request);
        self.update(&call.caller, request.into_inner()).await.rpc(&call, "change a tenant")
    }

    async fn get_tenant_limits(
        &self,
        request: Request<wire::GetTenantLimitsRequest>,
    ) -> Result<Response<wire::TenantLimits>, Status> {
        let call = Call::of(&request);
        let id = request.into_inner().tenant_id;
        self.limits(&call.caller, &id).await.rpc(&call, "show a tenant's limits")
    }

    async fn list_plans(
        &self,
        request: Request<wire::ListPlansRequest>,
    ) -> Result<Response<wire::ListPlansResponse>, Status> {
        let call = Call::of(&request);
        self.plans(&call.caller).await.rpc(&call, "list plans")
    }

    async fn put_plan(
        &self,
        request: Request<wire::PutPlanRequest>,
    ) -> Result<Response<wire::Plan>, Status> {
        let call = Call::of(&request);
        self.put_plan(&call.caller, request.into_inner()).await.rpc(&call, "change a plan")
    }

    async fn suspend_tenant(
        &self,
        request: Request<wire::SuspendTenantRequest>,
    ) -> Result<Response<wire::Tenant>, Status> {
        let call = Call::of(&request);
        let wire::SuspendTenantRequest { tenant_id, reason } = request.into_inner();
        self.suspend(&call.caller, &tenant_id, &reason).await.rpc(&call, "suspend a tenant")
    }

    async fn resume_tenant(
        &self,
        request: Request<wire::ResumeTenantRequest>,
    ) -> Result<Response<wire::Tenant>, Status> {
        let call = Call::of(&request);
        let id = request.into_inner().tenant_id;
        let to_ready = ("suspended", "ready", "");
        self.step(&call.caller, &id, to_ready).await.rpc(&call, "resume a tenant")
    }

    async fn close_tenant(
        &self,
        request: Request<wire::CloseTenantRequest>,
    ) -> Result<Response<wire::Tenant>, Status> {
        let call = Call::of(&request);
        self.close(&call, &request.into_inner()).await.rpc(&call, "close a tenant")
    }

    async fn get_tenant_closure(
        &self,
        request: Request<wire::GetTenantClosureRequest>,
    ) -> Result<Response<wire::TenantClosure>, Status> {
        let call = Call::of(&request);
        let id = request.into_inner().tenant_id;
        self.proof(&call.caller, &id).await.rpc(&call, "show a closure")
    }
}

impl TenantsGrpc {
    async fn begin(&self, caller: &Caller) -> Result<PlatformTx, Fault> {
        Ok(PlatformTx::begin(&self.pg, &Actor::of_subject(caller.subject())).await?)
    }

    async fn create(
        &self,
        caller: &Caller,
        request: &wire::CreateTenantRequest,
    ) -> Result<wire::Tenant, Fault> {
        let wire::CreateTenantRequest { slug, name, plan, .. } = request;
        let mut tx = self.begin(caller).await?;
        let id = self.founder.found(&mut tx, &NewTenant { slug, name, plan, locale: None }).await?;
        let made = existing(&mut tx, id.uuid()).await?;
        tx.commit().await?;
        self.founder.wake();
        Ok(made)
    }

    async fn list(
        &self,
        caller: &Caller,
        request: &wire::ListTenantsRequest,
    ) -> Result<wire::ListTenantsResponse, Fault> {
        let most = page::size(request.page_size, USUAL_PAGE, LARGEST_PAGE)?;
        let after = page::parts::<1>(&request.page_token)?;
        let after = after.as_ref().map(|[slug]| names::slug(slug)).transpose();
        let after = after.map_err(|_not_a_slug| Fault::new(Code::PageTokenInvalid))?;
        let mut tx = self.begin(caller).await?;
        let rows = store::list(&mut tx, after, most).await?;
        tx.commit().await?;
        let full = i64::try_from(rows.len()) == Ok(most);
        let next = rows.last().filter(|_| full).map(|last| page::token(&[&last.slug]));
        Ok(wire::ListTenantsResponse {
            tenants: rows.into_iter().map(tenant).collect(),
            next_page_token: next.unwrap_or_default(),
        })
    }

    async fn get(&self, caller: &Caller, id: &str) -> Result<wire::Tenant, Fault> {
        let mut tx = self.begin(caller).await?;
        let found = existing(&mut tx, known(id)?).await?;
        tx.commit().await?;
        Ok(found)
    }

    async fn update(
        &self,
        caller: &Caller,
        request: wire::UpdateTenantRequest,
    ) -> Result<wire::Tenant, Fault> {
        let wanted = request.tenant.ok_or_else(|| Fault::invalid("tenant is missing"))?;
        let id = known(&wanted.tenant_id)?;
        let mut changes = Changes::default();
        for path in request.update_mask.unwrap_or_default().paths {
            match path.as_str() {
                "plan" => changes.plan = Some(names::plan(&wanted.plan)?.to_owned()),
                "limits" => changes.limits = Some(limits::checked(wanted.limits.clone())?),
                _ => return Err(not_changeable("plan, limits")),
            }
        }
        let mut tx = self.begin(caller).await?;
        if let Some(plan) = &changes.plan {
            plans::existing(&mut tx, plan).await?;
        }
        if !store::change(&mut tx, id, &changes).await? {
            // Closed or not there at all: the one says so, the other does not exist.
            existing(&mut tx, id).await?;
            return Err(Code::TenantStateConflict.into());
        }
        let changed = existing(&mut tx, id).await?;
        tx.commit().await?;
        Ok(changed)
    }

    async fn limits(&self, caller: &Caller, id: &str) -> Result<wire::TenantLimits, Fault> {
        let id = known(id)?;
        let mut tx = self.begin(caller).await?;
        let limits = limits::in_use(&mut tx, id, self.clock.now()).await?;
        tx.commit().await?;
        Ok(limits)
    }

    async fn plans(&self, caller: &Caller) -> Result<wire::ListPlansResponse, Fault> {
        let mut tx = self.begin(caller).await?;
        let plans = plans::list(&mut tx).await?;
        tx.commit().await?;
        Ok(wire::ListPlansResponse { plans })
    }

    async fn put_plan(
        &self,
        caller: &Caller,
        request: wire::PutPlanRequest,
    ) -> Result<wire::Plan, Fault> {
        let wanted = request.plan.ok_or_else(|| Fault::invalid("plan is missing"))?;
        let mut tx = self.begin(caller).await?;
        let plan = plans::put(&mut tx, wanted, caller.subject(), self.clock.now()).await?;
        tx.commit().await?;
        Ok(plan)
    }

    async fn suspend(
        &self,
        caller: &Caller,
        id: &str,
        reason: &str,
    ) -> Result<wire::Tenant, Fault> {
        let reason = names::reason(reason)?;
        self.step(caller, id, ("ready", "suspended", &reason)).await
    }

    async fn close(
        &self,
        call: &Call,
        request: &wire::CloseTenantRequest,
    ) -> Result<wire::Tenant, Fault> {
        let caller = &call.caller;
        let reason = names::reason(&request.reason)?;
        let id = known(&request.tenant_id)?;
        let mut tx = self.begin(caller).await?;
        let before = existing(&mut tx, id).await?;
        if before.slug != request.slug {
            let text = "slug is not the one of this tenant";
            return Err(Fault::invalid(text).with_pointer("/slug"));
        }
        if before.state() == wire::TenantState::Closing {
            return Ok(before);
        }
        let (by, at) = (caller.subject(), self.clock.now());
        let step = Step { from: &["suspended"], to: "closing", by, reason: &reason, at };
        if !store::step(&mut tx, id, &step).await? {
            return Err(Code::TenantStateConflict.into());
        }
        let export = closure::export(&mut tx, id, request, at).await?;
        store::set_closing_export(&mut tx, id, export).await?;
        if request.without_export {
            call.note(|notes| notes.decides = Some("without_export".to_owned()));
        }
        let closing = existing(&mut tx, id).await?;
        tx.commit().await?;
        self.founder.wake();
        Ok(closing)
    }

    async fn step(
        &self,
        caller: &Caller,
        id: &str,
        (from, to, reason): (&str, &str, &str),
    ) -> Result<wire::Tenant, Fault> {
        let id = known(id)?;
        let mut tx = self.begin(caller).await?;
        let before = existing(&mut tx, id).await?;
        let (by, at) = (caller.subject(), self.clock.now());
        let step = Step { from: &[from], to, by, reason, at };
        // Asking for what is so already changes nothing.
        if before.state() != state(to) && !store::step(&mut tx, id, &step).await? {
            return Err(Code::TenantStateConflict.into());
        }
        let after = existing(&mut tx, id).await?;
        tx.commit().await?;
        Ok(after)
    }

    async fn proof(&self, caller: &Caller, id: &str) -> Result<wire::TenantClosure, Fault> {
        let id = known(id)?;
        let mut tx = self.begin(caller).await?;
        let row = store::closure(&mut tx, id).await?;
        tx.commit().await?;
        closure::closure(id, row.ok_or_else(|| Fault::new(Code::ResourceNotFound))?)
    }
}

/// A field that a mask named and nobody may change here.
pub(super) fn not_changeable(those: &str) -> Fault {
    Fault::invalid(format!("update_mask may name {those}")).with_pointer("/update_mask")
}

fn known(id: &str) -> Result<Uuid, Fault> {
    Uuid::try_parse(id).map_err(|_no_uuid| Fault::new(Code::TenantUnknown))
}

async fn existing(tx: &mut PlatformTx, id: Uuid) -> Result<wire::Tenant, Fault> {
    let row = store::get(tx, id).await?;
    row.map(tenant).ok_or_else(|| Fault::new(Code::TenantUnknown))
}

fn tenant(row: Row) -> wire::Tenant {
    let closed = row.state == "closed";
    let schema = wire::SchemaStatus {
        version: row.schema_version,
        newest: row.newest_version,
        error: row.schema_error,
    };
    wire::Tenant {
        tenant_id: row.id.as_hyphenated().to_string(),
        slug: row.slug,
        name: row.name,
        state: state(&row.state).into(),
        state_changed_at: Some(timestamp(row.state_changed_at)),
        state_reason: row.state_reason,
        plan: row.plan,
        limits: limits::stored(&row.limits).collect(),
        created_at: Some(timestamp(row.created_at)),
        schema: (!closed).then_some(schema),
    }
}

fn state(text: &str) -> wire::TenantState {
    match text {
        "requested" => wire::TenantState::Requested,
        "provisioning" => wire::TenantState::Provisioning,
        "ready" => wire::TenantState::Ready,
        "suspended" => wire::TenantState::Suspended,
        "closing" => wire::TenantState::Closing,
        "closed" => wire::TenantState::Closed,
        _ => wire::TenantState::Unspecified,
    }
}
