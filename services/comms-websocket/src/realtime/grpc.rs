use std::pin::Pin;

use futures::Stream;
use serde_json::json;
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
use crate::channel::Topic;
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
            app_key: self.apps.own().key().to_owned(),
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
        let allowed = allowed(&call.caller, &request.channel_name).inspect_err(|fault| {
            telemetry::join_refused(fault.code().as_str());
        });
        let (name, topic) = allowed?;
        let grant = call.caller.grant().ok_or_else(|| Fault::new(Code::AuthRequired))?;
        let data = match topic {
            // Names are looked up by who wants to show them: people may not see all of each other.
            Topic::Online(_) => Some(json!({"user_id": grant.person, "user_info": {}}).to_string()),
            _ => None,
        };
        let (socket, data) = (&request.socket_id, data.as_deref());
        let auth = self.apps.own().sign_for(socket, name.as_str(), data, &grant);
        let auth = auth.ok_or_else(|| Fault::internal("a grant cannot be written"))?;
        let channel_data = data.unwrap_or_default().to_owned();
        Ok(AuthorizeChannelResponse { auth, channel_data })
    }
}
