use tonic::{Request, Response, Status};
use yard_authn::{Call, RpcResult as _};
use yard_contracts::device::v1::device_service_server::DeviceService;
use yard_contracts::device::v1::{
    CreateDeviceRequest, Device, GetDeviceRequest, ImportDevicesRequest, ImportDevicesResponse,
    ListDevicesRequest, ListDevicesResponse, ListQuarantineRequest, ListQuarantineResponse,
    Presence, PresenceCounts, UpdateDeviceRequest,
};
use yard_contracts::values::timestamp;
use yard_fault::{Code, Fault};
use yard_ids::DeviceId;
use yard_pg::{Actor, TenantTx, page};

use super::create::{Registrar, taken};
use super::rules::{checked_external_id, checked_labels, checked_name};
use super::store::{self, Changes, Filter, Row};
use crate::{paging, presence, quarantine};

/// `DeviceService`.
pub(crate) struct Devices {
    pub(crate) registrar: Registrar,
}

#[tonic::async_trait]
impl DeviceService for Devices {
    async fn create_device(
        &self,
        request: Request<CreateDeviceRequest>,
    ) -> Result<Response<Device>, Status> {
        let call = Call::of(&request);
        let made = self.registrar.create(&call, request.into_inner()).await;
        made.map(device).rpc(&call, "create a device")
    }

    async fn import_devices(
        &self,
        request: Request<ImportDevicesRequest>,
    ) -> Result<Response<ImportDevicesResponse>, Status> {
        let call = Call::of(&request);
        let done = self.registrar.import(&call, request.into_inner()).await;
        done.rpc(&call, "import devices")
    }

    async fn get_device(
        &self,
        request: Request<GetDeviceRequest>,
    ) -> Result<Response<Device>, Status> {
        let call = Call::of(&request);
        let id = request.into_inner().device_id;
        self.get(&call, &id).await.rpc(&call, "read a device")
    }

    async fn list_devices(
        &self,
        request: Request<ListDevicesRequest>,
    ) -> Result<Response<ListDevicesResponse>, Status> {
        let call = Call::of(&request);
        self.list(&call, request.into_inner()).await.rpc(&call, "list devices")
    }

    async fn update_device(
        &self,
        request: Request<UpdateDeviceRequest>,
    ) -> Result<Response<Device>, Status> {
        let call = Call::of(&request);
        self.update(&call, request.into_inner()).await.rpc(&call, "change a device")
    }

    async fn list_quarantine(
        &self,
        request: Request<ListQuarantineRequest>,
    ) -> Result<Response<ListQuarantineResponse>, Status> {
        let call = Call::of(&request);
        self.quarantine(&call, &request.into_inner()).await.rpc(&call, "list quarantined messages")
    }
}

impl Devices {
    async fn begin(&self, call: &Call) -> Result<TenantTx, Fault> {
        let actor = Actor::of_subject(call.caller.subject());
        Ok(TenantTx::begin(&self.registrar.pg, call.caller.tenant()?, &actor).await?)
    }

    async fn get(&self, call: &Call, id: &str) -> Result<Device, Fault> {
        let id = device_id(id)?;
        let mut tx = self.begin(call).await?;
        let row = store::get(&mut tx, id).await?;
        row.map(device).ok_or_else(|| Fault::new(Code::DeviceUnknown))
    }

    async fn list(
        &self,
        call: &Call,
        request: ListDevicesRequest,
    ) -> Result<ListDevicesResponse, Fault> {
        let size = page::size(request.page_size, 100, 500)?;
        let after = paging::name_key(&request.page_token)?;
        let presence = filter_of(request.presence)?;
        let filter = Filter { prefix: request.name_prefix, presence };
        let mut tx = self.begin(call).await?;
        let mut rows = store::list(&mut tx, &filter, after, size + 1).await?;
        let next_page_token = paging::cut(&mut rows, size, |last| {
            page::token(&[&last.name, &last.id.as_hyphenated().to_string()])
        });
        Ok(ListDevicesResponse {
            devices: rows.into_iter().map(device).collect(),
            next_page_token,
            total_size: whole(store::count(&mut tx, &filter).await?),
            presence_counts: Some(counts(&store::count_by_presence(&mut tx).await?)),
        })
    }

    async fn update(&self, call: &Call, request: UpdateDeviceRequest) -> Result<Device, Fault> {
        let wanted = request.device.ok_or_else(|| Fault::invalid("device is missing"))?;
        let id = device_id(&wanted.device_id)?;
        let paths = request.update_mask.unwrap_or_default().paths;
        let changes = changes(wanted, &paths)?;
        let mut tx = self.begin(call).await?;
        let now = self.registrar.clock.now();
        let changed = store::update(&mut tx, id, &changes, now).await.map_err(taken)?;
        let row = if changed { store::get(&mut tx, id).await? } else { None };
        let row = row.ok_or_else(|| Fault::new(Code::DeviceUnknown))?;
        tx.commit().await?;
        Ok(device(row))
    }

    async fn quarantine(
        &self,
        call: &Call,
        request: &ListQuarantineRequest,
    ) -> Result<ListQuarantineResponse, Fault> {
        let id = device_id(&request.device_id)?;
        let size = page::size(request.page_size, 50, 200)?;
        let after = paging::moment_key(&request.page_token)?;
        let mut tx = self.begin(call).await?;
        if store::get(&mut tx, id).await?.is_none() {
            return Err(Code::DeviceUnknown.into());
        }
        quarantine::list(&mut tx, id, after, size).await
    }
}

fn changes(wanted: Device, paths: &[String]) -> Result<Changes, Fault> {
    let mut changes = Changes::default();
    let labels = wanted.labels;
    for path in paths {
        match path.as_str() {
            "name" => changes.name = Some(checked_name(&wanted.name, "/name")?),
            "external_id" => {
                let external_id = checked_external_id(&wanted.external_id, "/external_id")?;
                changes.external_id = Some(external_id);
            }
            "labels" => changes.labels = Some(checked_labels(labels.clone(), "/labels")?),
            // It names the device.
            "device_id" => {}
            _ => {
                let text = "only name, external_id and labels can be changed";
                return Err(Fault::invalid(text).with_pointer(format!("/{path}")));
            }
        }
    }
    if changes.name.is_none() && changes.external_id.is_none() && changes.labels.is_none() {
        return Err(Fault::invalid("update_mask has to name what is changed"));
    }
    Ok(changes)
}

fn filter_of(presence: i32) -> Result<Option<&'static str>, Fault> {
    match Presence::try_from(presence) {
        Ok(Presence::Unspecified) => Ok(None),
        Ok(Presence::Never) => Ok(Some("never")),
        Ok(Presence::Online) => Ok(Some("online")),
        Ok(Presence::Stale) => Ok(Some("stale")),
        Ok(Presence::Offline) => Ok(Some("offline")),
        Err(_) => Err(Fault::invalid("there is no such presence").with_pointer("/presence")),
    }
}

fn counts(rows: &[(String, i64)]) -> PresenceCounts {
    let of = |state: &str| {
        whole(rows.iter().find(|(name, _)| name == state).map_or(0, |(_, count)| *count))
    };
    PresenceCounts {
        never: of("never"),
        online: of("online"),
        stale: of("stale"),
        offline: of("offline"),
    }
}

fn whole(count: i64) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

fn device_id(text: &str) -> Result<DeviceId, Fault> {
    text.parse().map_err(|_unreadable| Fault::new(Code::DeviceUnknown))
}

fn device(row: Row) -> Device {
    Device {
        device_id: row.id.as_hyphenated().to_string(),
        name: row.name,
        external_id: row.external_id.unwrap_or_default(),
        contract_id: row.contract_id.as_hyphenated().to_string(),
        labels: row.labels.0.into_iter().collect(),
        presence: presence::wire(row.presence.as_deref()).into(),
        presence_changed_at: row.presence_changed_at.map(timestamp),
        last_seen_at: row.last_seen_at.map(timestamp),
        created_at: Some(timestamp(row.created_at)),
        updated_at: Some(timestamp(row.updated_at)),
    }
}
