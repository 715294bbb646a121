//! A tenant as its own people see it.

use std::sync::Arc;

use futures::stream::{BoxStream, StreamExt as _};
use tonic::{Request, Response, Status, async_trait};
use yard_authn::{Call, Caller, RpcResult as _};
use yard_contracts::tenancy::v1 as wire;
use yard_contracts::tenancy::v1::organization_service_server::OrganizationService;
use yard_contracts::values::timestamp;
use yard_fault::{Code, Fault};
use yard_ids::{Clock, TenantId};
use yard_pg::{Actor, Pg, PlatformTx};

use super::export::Exports;
use super::grpc::not_changeable;
use super::store::{self, Changes};
use super::{limits, names};
use crate::factors::MULTI_FACTOR;

/// Serves `OrganizationService`.
pub(crate) struct OrganizationGrpc {
    pub(crate) pg: Pg,
    pub(crate) clock: Arc<dyn Clock>,
    pub(super) exports: Exports,
}

type Chunks = BoxStream<'static, Result<wire::ExportChunk, Status>>;

#[async_trait]
impl OrganizationService for OrganizationGrpc {
    type ExportOrganizationStream = Chunks;

    async fn get_organization(
        &self,
        request: Request<wire::GetOrganizationRequest>,
    ) -> Result<Response<wire::Organization>, Status> {
        let call = Call::of(&request);
        self.get(&call.caller).await.rpc(&call, "show the organization")
    }

    async fn get_limits(
        &self,
        request: Request<wire::GetLimitsRequest>,
    ) -> Result<Response<wire::TenantLimits>, Status> {
        let call = Call::of(&request);
        self.limits(&call.caller).await.rpc(&call, "show the organization's limits")
    }

    async fn export_organization(
        &self,
        request: Request<wire::ExportOrganizationRequest>,
    ) -> Result<Response<Chunks>, Status> {
        let call = Call::of(&request);
        self.export(&call).await.rpc(&call, "export the organization")
    }

    async fn update_organization(
        &self,
        request: Request<wire::UpdateOrganizationRequest>,
    ) -> Result<Response<wire::Organization>, Status> {
        let call = Call::of(&request);
        self.update(&call.caller, request.into_inner()).await.rpc(&call, "change the organization")
    }
}

impl OrganizationGrpc {
    async fn begin(&self, caller: &Caller) -> Result<PlatformTx, Fault> {
        Ok(PlatformTx::begin(&self.pg, &Actor::of_subject(caller.subject())).await?)
    }

    async fn get(&self, caller: &Caller) -> Result<wire::Organization, Fault> {
        let tenant = caller.tenant()?;
        let mut tx = self.begin(caller).await?;
        let found = own(&mut tx, tenant).await?;
        tx.commit().await?;
        Ok(found)
    }

    async fn limits(&self, caller: &Caller) -> Result<wire::TenantLimits, Fault> {
        let tenant = caller.tenant()?;
        let mut tx = self.begin(caller).await?;
        let limits = limits::in_use(&mut tx, tenant.uuid(), self.clock.now()).await?;
        tx.commit().await?;
        Ok(limits)
    }

    async fn export(&self, call: &Call) -> Result<Chunks, Fault> {
        let actor = Actor::of_subject(call.caller.subject());
        let chunks = self.exports.begin(call.caller.tenant()?, actor).await?;
        let incident = call.incident.clone();
        let told = move |fault: Fault| {
            fault.log(&incident, "export the organization");
            fault.to_status(&incident)
        };
        Ok(chunks.map(move |chunk| chunk.map_err(&told)).boxed())
    }

    async fn update(
        &self,
        caller: &Caller,
        request: wire::UpdateOrganizationRequest,
    ) -> Result<wire::Organization, Fault> {
        let tenant = caller.tenant()?;
        let missing = || Fault::invalid("organization is missing");
        let wanted = request.organization.ok_or_else(missing)?;
        let mut changes = Changes::default();
        for path in request.update_mask.unwrap_or_default().paths {
            match path.as_str() {
                "name" => changes.name = Some(names::name(&wanted.name)?),
                "time_zone" => changes.time_zone = Some(names::time_zone(&wanted.time_zone)?),
                "locale" => changes.locale = Some(names::locale(&wanted.locale)?),
                "second_factor_required" => {
                    let required = wanted.second_factor_required;
                    admit_requirement(caller, required)?;
                    changes.second_factor_required = Some(required);
                }
                _ => {
                    let known = "name, time_zone, locale, second_factor_required";
                    return Err(not_changeable(known));
                }
            }
        }
        let mut tx = self.begin(caller).await?;
        store::change(&mut tx, tenant.uuid(), &changes).await?;
        let changed = own(&mut tx, tenant).await?;
        tx.commit().await?;
        Ok(changed)
    }
}

/// Nobody asks of others what would keep themselves out.
fn admit_requirement(caller: &Caller, required: bool) -> Result<(), Fault> {
    if !required || caller.amr().iter().any(|mark| mark == MULTI_FACTOR) {
        return Ok(());
    }
    let text = "Sign in with a second factor before you require one of everybody.";
    Err(Fault::new(Code::AuthSecondFactorRequired).with_public(text))
}

async fn own(tx: &mut PlatformTx, tenant: TenantId) -> Result<wire::Organization, Fault> {
    let row = store::get(tx, tenant.uuid()).await?;
    let row = row.ok_or_else(|| Fault::new(Code::TenantUnknown))?;
    Ok(wire::Organization {
        tenant_id: tenant.to_string(),
        slug: row.slug,
        name: row.name,
        time_zone: row.time_zone,
        locale: row.locale,
        plan: row.plan,
        limits: limits::stored(&row.limits).collect(),
        created_at: Some(timestamp(row.created_at)),
        second_factor_required: row.second_factor_required,
    })
}
