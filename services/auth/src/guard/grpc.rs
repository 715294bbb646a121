use tonic::{Request, Response, Status, async_trait};
use yard_authn::{Call, RpcResult as _};
use yard_contracts::guard::v1::ban_service_server::BanService;
use yard_contracts::guard::v1::guard_service_server::GuardService;
use yard_contracts::guard::v1::maintenance_service_server::MaintenanceService;
use yard_contracts::guard::v1::origin_service_server::OriginService;
use yard_contracts::guard::v1::{
    Ban, CreateBanRequest, GetGuardRequest, GetMaintenanceRequest, GetOriginRequest, Guard,
    LiftBanRequest, ListBansRequest, ListBansResponse, Maintenance, Origin, ReportAbuseRequest,
    SetMaintenanceRequest,
};

use super::{Guarding, origin};

#[async_trait]
impl BanService for Guarding {
    async fn create_ban(
        &self,
        request: Request<CreateBanRequest>,
    ) -> Result<Response<Ban>, Status> {
        let (call, client) = (Call::of(&request), origin::client(request.metadata()));
        self.create(&call.caller, client, request.get_ref()).await.rpc(&call, "ban")
    }

    async fn list_bans(
        &self,
        request: Request<ListBansRequest>,
    ) -> Result<Response<ListBansResponse>, Status> {
        let call = Call::of(&request);
        self.list(&call.caller, request.get_ref()).await.rpc(&call, "list bans")
    }

    async fn lift_ban(&self, request: Request<LiftBanRequest>) -> Result<Response<Ban>, Status> {
        let call = Call::of(&request);
        self.lift(&call.caller, request.get_ref()).await.rpc(&call, "lift a ban")
    }
}

#[async_trait]
impl MaintenanceService for Guarding {
    async fn get_maintenance(
        &self,
        request: Request<GetMaintenanceRequest>,
    ) -> Result<Response<Maintenance>, Status> {
        let call = Call::of(&request);
        self.maintenance(&call.caller).await.rpc(&call, "read the switch for maintenance")
    }

    async fn set_maintenance(
        &self,
        request: Request<SetMaintenanceRequest>,
    ) -> Result<Response<Maintenance>, Status> {
        let call = Call::of(&request);
        let set = self.set_maintenance(&call.caller, request.get_ref()).await;
        set.rpc(&call, "set the switch for maintenance")
    }
}

#[async_trait]
impl OriginService for Guarding {
    async fn get_origin(
        &self,
        request: Request<GetOriginRequest>,
    ) -> Result<Response<Origin>, Status> {
        Ok(Response::new(origin::origin(request.metadata())))
    }
}

#[async_trait]
impl GuardService for Guarding {
    async fn get_guard(
        &self,
        request: Request<GetGuardRequest>,
    ) -> Result<Response<Guard>, Status> {
        let call = Call::of(&request);
        self.guard(&call.caller, request.get_ref()).await.rpc(&call, "tell bans and maintenance")
    }

    async fn report_abuse(
        &self,
        request: Request<ReportAbuseRequest>,
    ) -> Result<Response<Ban>, Status> {
        let call = Call::of(&request);
        let report = self.report(&call.caller, &request.get_ref().address).await;
        report.rpc(&call, "ban an address that was reported")
    }
}
