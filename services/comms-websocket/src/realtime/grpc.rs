use std::pin::Pin;

use futures::Stream;
use tonic::{Request, Response, Status, async_trait};
use yard_authn::{Call, RpcResult as _};
use yard_contracts::realtime::v1::realtime_service_server::RealtimeService;
use yard_contracts::realtime::v1::{
    AuthorizeChannelRequest, AuthorizeChannelResponse, ChannelEvent, CreateSocketTicketRequest,
    GetRealtimeSettingsRequest, RealtimeSettings, SocketTicket, TailChannelRequest,
};
use yard_contracts::values::timestamp;
use yard_fault::{Code, Fault};

use super::{Realtime, allowed};
use crate::protocol::is_socket_id;
use crate::telemetry;
use crate::ticket::Issued;

#[async_trait]
impl RealtimeService for Realtime {
    async fn get_realtime_settings(
        &self,
        _request: Request<GetRealtimeSettingsRequest>,
    ) -> Result<Response<RealtimeSettings>, Status> {
        Ok(Response::new(RealtimeSettings {
            app_key: self.app.key().to_owned(),
            path: "/app".to_owned(),
            activity_timeout_seconds: self.activity_timeout_seconds,
        }))
    }

    async fn authorize_channel(
        &self,
        request: Request<AuthorizeChannelRequest>,
    ) -> Result<Response<AuthorizeChannelResponse>, Status> {
        let call = Call::of(&request);
        self.authorize(&call, request.get_ref()).rpc(&call, "authorise a channel")
    }

    async fn create_socket_ticket(
        &self,
        request: Request<CreateSocketTicketRequest>,
    ) -> Result<Response<SocketTicket>, Status> {
        let call = Call::of(&request);
        self.ticket(&call).await.rpc(&call, "make a socket ticket")
    }

    type TailChannelStream = Pin<Box<dyn Stream<Item = Result<ChannelEvent, Status>> + Send>>;

    async fn tail_channel(
        &self,
        request: Request<TailChannelRequest>,
    ) -> Result<Response<Self::TailChannelStream>, Status> {
        let call = Call::of(&request);
        self.tail(&call, &request.get_ref().channel).await.rpc(&call, "tail a channel")
    }
}

impl Realtime {
    async fn ticket(&self, call: &Call) -> Result<SocketTicket, Fault> {
        let grant = call.caller.grant().ok_or_else(|| Fault::new(Code::AuthRequired))?;
        let Issued { ticket, expires_at } = self.tickets.issue(&grant).await?;
        Ok(SocketTicket { ticket, expires_at: Some(timestamp(expires_at)) })
    }

    fn authorize(
        &self,
        call: &Call,
        request: &AuthorizeChannelRequest,
    ) -> Result<AuthorizeChannelResponse, Fault> {
        if !is_socket_id(&request.socket_id) {
            let fault = Fault::invalid("a socket id is two numbers joined by a dot");
            return Err(fault.with_pointer("/socket_id"));
        }
        let name = allowed(&call.caller, &request.channel_name).inspect_err(|fault| {
            telemetry::join_refused(fault.code().as_str());
        })?;
        let grant = call.caller.grant().ok_or_else(|| Fault::new(Code::AuthRequired))?;
        let auth = self.app.sign_for(&request.socket_id, name.as_str(), &grant);
        let auth = auth.ok_or_else(|| Fault::internal("a grant cannot be written"))?;
        Ok(AuthorizeChannelResponse { auth, channel_data: String::new() })
    }
}
