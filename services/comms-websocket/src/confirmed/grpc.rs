use tonic::{Request, Response, Status, async_trait};
use uuid::Uuid;
use yard_authn::{Call, Caller, RpcResult as _};
use yard_contracts::realtime::v1 as wire;
use yard_contracts::realtime::v1::realtime_message_service_server::RealtimeMessageService;
use yard_contracts::values::timestamp;
use yard_fault::{Code, Fault};
use yard_pg::{Actor, page};

use super::wish::Level;
use super::{Confirmed, Entry, Receipt, State};
use crate::app::stored_number;

const USUAL_PAGE: u16 = 50;
const LARGEST_PAGE: u16 = 200;

/// Serves `RealtimeMessageService`.
pub(crate) struct MessagesGrpc(pub(crate) Confirmed);

#[async_trait]
impl RealtimeMessageService for MessagesGrpc {
    async fn list_realtime_messages(
        &self,
        request: Request<wire::ListRealtimeMessagesRequest>,
    ) -> Result<Response<wire::ListRealtimeMessagesResponse>, Status> {
        let call = Call::of(&request);
        self.list(&call.caller, request.get_ref()).await.rpc(&call, "list confirmed messages")
    }

    async fn get_realtime_message(
        &self,
        request: Request<wire::GetRealtimeMessageRequest>,
    ) -> Result<Response<wire::RealtimeMessage>, Status> {
        let call = Call::of(&request);
        self.get(&call.caller, request.get_ref()).await.rpc(&call, "show a confirmed message")
    }
}

impl MessagesGrpc {
    async fn list(
        &self,
        caller: &Caller,
        request: &wire::ListRealtimeMessagesRequest,
    ) -> Result<wire::ListRealtimeMessagesResponse, Fault> {
        let app = stored_number(&request.app_id)?;
        let most = page::size(request.page_size, USUAL_PAGE, LARGEST_PAGE)?;
        let before = match page::parts::<1>(&request.page_token)? {
            None => None,
            Some([id]) => {
                Some(Uuid::try_parse(&id).map_err(|_e| Fault::new(Code::PageTokenInvalid))?)
            }
        };
        let reader = (caller.tenant()?, &Actor::of_subject(caller.subject()));
        let channel = (app, request.channel.as_str());
        let entries = self.0.page(reader, channel, before, most).await?;
        let last = entries.last().filter(|_| entries.len() as i64 == most);
        let next_page_token =
            last.map(|entry| page::token(&[&entry.id.to_string()])).unwrap_or_default();
        let messages = entries.into_iter().map(to_wire).collect();
        Ok(wire::ListRealtimeMessagesResponse { messages, next_page_token })
    }

    async fn get(
        &self,
        caller: &Caller,
        request: &wire::GetRealtimeMessageRequest,
    ) -> Result<wire::RealtimeMessage, Fault> {
        let app = stored_number(&request.app_id)?;
        let id = Uuid::try_parse(&request.message_id).map_err(|_e| Code::ResourceNotFound)?;
        let reader = Actor::of_subject(caller.subject());
        let found = self.0.read(caller.tenant()?, &reader, app, id).await?;
        let (entry, data, receipts) = found.ok_or(Code::ResourceNotFound)?;
        let receipts = receipts.into_iter().map(receipt_to_wire).collect();
        Ok(wire::RealtimeMessage { data, receipts, ..to_wire(entry) })
    }
}

fn to_wire(entry: Entry) -> wire::RealtimeMessage {
    let [queued, sent, acknowledged, expired] = entry.counts;
    let level = match entry.level {
        Level::Transport => wire::RealtimeMessageLevel::Transport,
        Level::App => wire::RealtimeMessageLevel::App,
    };
    wire::RealtimeMessage {
        message_id: entry.id.as_hyphenated().to_string(),
        app_id: entry.app.to_string(),
        channel: entry.channel,
        seq: entry.seq,
        event: entry.event,
        data: String::new(),
        level: level.into(),
        sender: entry.sender,
        created_at: Some(timestamp(entry.created_at)),
        expires_at: Some(timestamp(entry.expires_at)),
        queued,
        sent,
        acknowledged,
        expired,
        receipts: Vec::new(),
    }
}

fn receipt_to_wire(receipt: Receipt) -> wire::RealtimeReceipt {
    let state = match receipt.state {
        State::Queued => wire::RealtimeReceiptState::Queued,
        State::Sent => wire::RealtimeReceiptState::Sent,
        State::Acknowledged => wire::RealtimeReceiptState::Acknowledged,
        State::Expired => wire::RealtimeReceiptState::Expired,
    };
    wire::RealtimeReceipt {
        user_id: receipt.user,
        state: state.into(),
        attempts: receipt.attempts,
        sent_at: receipt.sent_at.map(timestamp),
        acknowledged_at: receipt.acknowledged_at.map(timestamp),
    }
}
