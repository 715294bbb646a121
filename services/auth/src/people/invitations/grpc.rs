use std::sync::Arc;

use tonic::{Request, Response, Status, async_trait};
use yard_authn::{Call, RpcResult as _};
use yard_contracts::identity::v1 as wire;
use yard_contracts::identity::v1::invitation_service_server::InvitationService;

use crate::people::PeopleParts;

/// Serves `InvitationService`.
pub(crate) struct InvitationsGrpc {
    pub(crate) parts: Arc<PeopleParts>,
}

#[async_trait]
impl InvitationService for InvitationsGrpc {
    async fn create_invitation(
        &self,
        request: Request<wire::CreateInvitationRequest>,
    ) -> Result<Response<wire::Invitation>, Status> {
        let call = Call::of(&request);
        self.create(&call.caller, &request.into_inner()).await.rpc(&call, "invite somebody")
    }

    async fn list_invitations(
        &self,
        request: Request<wire::ListInvitationsRequest>,
    ) -> Result<Response<wire::ListInvitationsResponse>, Status> {
        let call = Call::of(&request);
        self.list(&call.caller, &request.into_inner()).await.rpc(&call, "list invitations")
    }

    async fn resend_invitation(
        &self,
        request: Request<wire::ResendInvitationRequest>,
    ) -> Result<Response<wire::Invitation>, Status> {
        let call = Call::of(&request);
        let id = request.into_inner().invitation_id;
        self.resend(&call.caller, &id).await.rpc(&call, "send an invitation again")
    }

    async fn withdraw_invitation(
        &self,
        request: Request<wire::WithdrawInvitationRequest>,
    ) -> Result<Response<wire::Invitation>, Status> {
        let call = Call::of(&request);
        let id = request.into_inner().invitation_id;
        self.withdraw(&call.caller, &id).await.rpc(&call, "withdraw an invitation")
    }

    async fn show_invitation(
        &self,
        request: Request<wire::ShowInvitationRequest>,
    ) -> Result<Response<wire::OpenInvitation>, Status> {
        let call = Call::of(&request);
        let token = request.into_inner().token;
        self.show(&call.caller, &token).await.rpc(&call, "show an invitation")
    }

    async fn accept_invitation(
        &self,
        request: Request<wire::AcceptInvitationRequest>,
    ) -> Result<Response<wire::AcceptInvitationResponse>, Status> {
        let call = Call::of(&request);
        self.accept(&call, request.into_inner()).await.rpc(&call, "accept an invitation")
    }

    async fn join_tenant(
        &self,
        request: Request<wire::JoinTenantRequest>,
    ) -> Result<Response<wire::AcceptInvitationResponse>, Status> {
        let call = Call::of(&request);
        let token = request.into_inner().token;
        self.join(&call, &token).await.rpc(&call, "join a tenant")
    }
}
