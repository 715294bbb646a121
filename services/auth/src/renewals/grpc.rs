use time::OffsetDateTime;
use tonic::{Request, Response, Status, async_trait};
use uuid::Uuid;
use yard_authn::{Call, Caller, RpcResult as _};
use yard_contracts::identity::v1 as wire;
use yard_contracts::identity::v1::device_trust_service_server::DeviceTrustService;
use yard_contracts::values::timestamp;
use yard_fault::{Code, Fault};
use yard_ids::DeviceId;
use yard_pg::{Actor, TenantTx, page};

use super::store::{self, After, StandingRow};
use super::{Renewals, Renewed};
use crate::authorities::Authorities;
use crate::factory::grpc::Factories;
use crate::revocation::RevocationList;

const USUAL_PAGE: u16 = 50;
const LARGEST_PAGE: u16 = 200;

/// Serves `DeviceTrustService`.
pub(crate) struct DeviceTrustGrpc {
    pub(crate) renewals: Renewals,
    pub(crate) factories: Factories,
    pub(crate) authorities: Authorities,
    pub(crate) revocation: RevocationList,
}

#[async_trait]
impl DeviceTrustService for DeviceTrustGrpc {
    async fn renew_certificate(
        &self,
        request: Request<wire::RenewCertificateRequest>,
    ) -> Result<Response<wire::RenewCertificateResponse>, Status> {
        let call = Call::of(&request);
        let wire::RenewCertificateRequest { serial, csr_pem, signature } = request.into_inner();
        let renewed = self.renewals.by_signature(&serial, &csr_pem, &signature).await;
        if let Ok(renewed) = &renewed {
            call.note(|notes| {
                notes.tenant = Some(renewed.tenant);
                notes.object = Some(("device".to_owned(), renewed.device.to_string()));
            });
        }
        renewed.map(|renewed| self.answer(renewed)).rpc(&call, "renew a certificate")
    }

    async fn list_quarantined_devices(
        &self,
        request: Request<wire::ListQuarantinedDevicesRequest>,
    ) -> Result<Response<wire::ListQuarantinedDevicesResponse>, Status> {
        let call = Call::of(&request);
        self.list(&call.caller, &request.into_inner()).await.rpc(&call, "list quarantined devices")
    }

    async fn approve_device(
        &self,
        request: Request<wire::ApproveDeviceRequest>,
    ) -> Result<Response<wire::QuarantinedDevice>, Status> {
        let call = Call::of(&request);
        let device = request.into_inner().device_id;
        self.approve(&call.caller, &device).await.rpc(&call, "approve a device")
    }

    async fn refuse_device(
        &self,
        request: Request<wire::RefuseDeviceRequest>,
    ) -> Result<Response<wire::QuarantinedDevice>, Status> {
        let call = Call::of(&request);
        let device = request.into_inner().device_id;
        self.refuse(&call.caller, &device).await.rpc(&call, "refuse a device")
    }

    async fn list_device_authorities(
        &self,
        request: Request<wire::ListDeviceAuthoritiesRequest>,
    ) -> Result<Response<wire::ListDeviceAuthoritiesResponse>, Status> {
        let call = Call::of(&request);
        self.authorities.list().await.rpc(&call, "list device authorities")
    }

    async fn register_factory_authority(
        &self,
        request: Request<wire::RegisterFactoryAuthorityRequest>,
    ) -> Result<Response<wire::FactoryAuthority>, Status> {
        let call = Call::of(&request);
        let made = self.factories.register(&call.caller, request.into_inner()).await;
        made.rpc(&call, "register a factory authority")
    }

    async fn list_factory_authorities(
        &self,
        request: Request<wire::ListFactoryAuthoritiesRequest>,
    ) -> Result<Response<wire::ListFactoryAuthoritiesResponse>, Status> {
        let call = Call::of(&request);
        self.factories.list(&call.caller).await.rpc(&call, "list factory authorities")
    }

    async fn withdraw_factory_authority(
        &self,
        request: Request<wire::WithdrawFactoryAuthorityRequest>,
    ) -> Result<Response<wire::FactoryAuthority>, Status> {
        let call = Call::of(&request);
        let id = request.into_inner().authority_id;
        let done = self.factories.withdraw(&call.caller, &id).await;
        done.rpc(&call, "withdraw a factory authority")
    }
}

impl DeviceTrustGrpc {
    async fn tenant_tx(&self, caller: &Caller) -> Result<TenantTx, Fault> {
        let actor = Actor::of_subject(caller.subject());
        Ok(TenantTx::begin(&self.renewals.pg, caller.tenant()?, &actor).await?)
    }

    fn answer(&self, renewed: Renewed) -> wire::RenewCertificateResponse {
        let issued = renewed.issued;
        wire::RenewCertificateResponse {
            device_id: renewed.device.to_string(),
            renew_after: Some(timestamp(issued.renew_after())),
            not_after: Some(timestamp(issued.not_after)),
            certificate_pem: issued.pem,
            ca_pem: self.renewals.ca.pem(),
            quarantined: renewed.quarantined,
        }
    }

    async fn list(
        &self,
        caller: &Caller,
        request: &wire::ListQuarantinedDevicesRequest,
    ) -> Result<wire::ListQuarantinedDevicesResponse, Fault> {
        let most = page::size(request.page_size, USUAL_PAGE, LARGEST_PAGE)?;
        let after = page::parts::<2>(&request.page_token)?.map(after).transpose()?;
        let mut tx = self.tenant_tx(caller).await?;
        let rows = store::waiting(&mut tx, after.as_ref(), most).await?;
        tx.commit().await?;
        let full = i64::try_from(rows.len()) == Ok(most);
        let next = rows.last().filter(|_| full).map(|last| {
            let micros = last.since.unix_timestamp_nanos() / 1_000;
            page::token(&[&micros.to_string(), &last.device_id.to_string()])
        });
        Ok(wire::ListQuarantinedDevicesResponse {
            devices: rows.into_iter().map(device).collect(),
            next_page_token: next.unwrap_or_default(),
        })
    }

    async fn approve(
        &self,
        caller: &Caller,
        device_id: &str,
    ) -> Result<wire::QuarantinedDevice, Fault> {
        let id = parsed(device_id)?;
        let now = self.renewals.clock.now();
        let mut tx = self.tenant_tx(caller).await?;
        let row = store::decide(&mut tx, id, "approved", caller.subject(), now).await?;
        let row = row.ok_or(Code::ResourceNotFound)?;
        tx.commit().await?;
        // Not known there yet is no failure: it is told again until it is.
        self.renewals.standing.tell(id).await?;
        Ok(device(row))
    }

    async fn refuse(
        &self,
        caller: &Caller,
        device_id: &str,
    ) -> Result<wire::QuarantinedDevice, Fault> {
        let id = parsed(device_id)?;
        let now = self.renewals.clock.now();
        let mut tx = self.tenant_tx(caller).await?;
        store::lock_device(&mut tx, id).await?;
        let row = store::decide(&mut tx, id, "refused", caller.subject(), now).await?;
        let row = row.ok_or(Code::ResourceNotFound)?;
        store::revoke_all(&mut tx, id, now).await?;
        tx.commit().await?;
        self.revocation.renew_soon();
        Ok(device(row))
    }
}

/// A text that is no id names no device that waits.
fn parsed(text: &str) -> Result<DeviceId, Fault> {
    text.parse().map_err(|e| Fault::new(Code::ResourceNotFound).with_source(e))
}

fn after([micros, device]: [String; 2]) -> Result<After, Fault> {
    let wrong = || Fault::new(Code::PageTokenInvalid);
    // Before 1970 and after 10000 lie times that PostgreSQL or we do not know.
    let micros: u64 = micros.parse().map_err(|e| wrong().with_source(e))?;
    let since = OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000)
        .map_err(|e| wrong().with_source(e))?;
    let device: Uuid = device.parse().map_err(|e| wrong().with_source(e))?;
    Ok(After { since, device })
}

fn device(row: StandingRow) -> wire::QuarantinedDevice {
    let state = match row.state.as_str() {
        "approved" => wire::QuarantineState::Approved,
        "refused" => wire::QuarantineState::Refused,
        _ => wire::QuarantineState::Waiting,
    };
    wire::QuarantinedDevice {
        device_id: row.device_id.as_hyphenated().to_string(),
        display_name: row.display_name,
        state: state.into(),
        since: Some(timestamp(row.since)),
    }
}
