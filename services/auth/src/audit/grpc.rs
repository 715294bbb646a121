use futures::stream::{BoxStream, StreamExt as _};
use tonic::{Request, Response, Status, async_trait};
use uuid::Uuid;
use yard_authn::{Call, Caller, RpcResult as _};
use yard_contracts::audit::v1::audit_service_server::AuditService;
use yard_contracts::audit::v1::{
    AuditExportItem, AuditKind, AuditStatus, EraseSubjectRequest, EraseSubjectResponse,
    ExportAuditEventsRequest, GetAuditStatusRequest, ListAuditRootsRequest, ListAuditRootsResponse,
    SearchAuditEventsRequest, SearchAuditEventsResponse,
};
use yard_contracts::values::{moment, timestamp};
use yard_fault::{Code, Fault};
use yard_pg::{Actor, PlatformTx, page};

use super::rows::{self, Filter};
use super::{ChainTx, Desk, PLATFORM, export, read};

const USUAL_PAGE: u16 = 50;
const LARGEST_PAGE: u16 = 200;
const LONGEST: usize = 128;

/// Serves `AuditService`.
pub(crate) struct AuditGrpc {
    pub(crate) desk: Desk,
}

type Items = BoxStream<'static, Result<AuditExportItem, Status>>;

#[async_trait]
impl AuditService for AuditGrpc {
    type ExportAuditEventsStream = Items;
    type ExportPlatformAuditEventsStream = Items;

    async fn search_audit_events(
        &self,
        request: Request<SearchAuditEventsRequest>,
    ) -> Result<Response<SearchAuditEventsResponse>, Status> {
        let call = Call::of(&request);
        let found =
            async { self.search(own(&call.caller)?, &call.caller, &request.into_inner()).await };
        found.await.rpc(&call, "search the audit trail")
    }

    async fn search_platform_audit_events(
        &self,
        request: Request<SearchAuditEventsRequest>,
    ) -> Result<Response<SearchAuditEventsResponse>, Status> {
        let call = Call::of(&request);
        let found = self.search(PLATFORM, &call.caller, &request.into_inner()).await;
        found.rpc(&call, "search the platform's audit trail")
    }

    async fn export_audit_events(
        &self,
        request: Request<ExportAuditEventsRequest>,
    ) -> Result<Response<Items>, Status> {
        let call = Call::of(&request);
        let items = async { self.export(own(&call.caller)?, &call).await };
        items.await.rpc(&call, "export the audit trail")
    }

    async fn export_platform_audit_events(
        &self,
        request: Request<ExportAuditEventsRequest>,
    ) -> Result<Response<Items>, Status> {
        let call = Call::of(&request);
        self.export(PLATFORM, &call).await.rpc(&call, "export the platform's audit trail")
    }

    async fn get_audit_status(
        &self,
        request: Request<GetAuditStatusRequest>,
    ) -> Result<Response<AuditStatus>, Status> {
        let call = Call::of(&request);
        let status = async { self.status(own(&call.caller)?, &call.caller).await };
        status.await.rpc(&call, "tell the state of the audit trail")
    }

    async fn get_platform_audit_status(
        &self,
        request: Request<GetAuditStatusRequest>,
    ) -> Result<Response<AuditStatus>, Status> {
        let call = Call::of(&request);
        let status = self.status(PLATFORM, &call.caller).await;
        status.rpc(&call, "tell the state of the platform's audit trail")
    }

    async fn erase_subject(
        &self,
        request: Request<EraseSubjectRequest>,
    ) -> Result<Response<EraseSubjectResponse>, Status> {
        let call = Call::of(&request);
        let erased = self.erase(&call.caller, &request.into_inner().subject_id).await;
        erased.rpc(&call, "erase a person from the audit trail")
    }

    async fn list_audit_roots(
        &self,
        request: Request<ListAuditRootsRequest>,
    ) -> Result<Response<ListAuditRootsResponse>, Status> {
        let call = Call::of(&request);
        self.roots(&request.into_inner()).await.rpc(&call, "list the audit trail's roots")
    }
}

/// The chain of the caller's tenant.
fn own(caller: &Caller) -> Result<Uuid, Fault> {
    Ok(caller.tenant()?.uuid())
}

impl AuditGrpc {
    async fn search(
        &self,
        chain: Uuid,
        caller: &Caller,
        request: &SearchAuditEventsRequest,
    ) -> Result<SearchAuditEventsResponse, Fault> {
        let most = page::size(request.page_size, USUAL_PAGE, LARGEST_PAGE)?;
        let filter = filter(request)?;
        let actor = Actor::of_subject(caller.subject());
        let mut tx = ChainTx::begin_reader(&self.desk.pg, chain, &actor).await?;
        let rows = rows::search(&mut tx, chain, &filter, most).await?;
        let full = i64::try_from(rows.len()) == Ok(most);
        let next =
            rows.last().filter(|_| full).map(|row| page::token(&[&row.sequence.to_string()]));
        let events = read::events(&mut tx, &self.desk.sealer, chain, rows).await?;
        tx.commit().await?;
        Ok(SearchAuditEventsResponse { events, next_page_token: next.unwrap_or_default() })
    }

    async fn export(&self, chain: Uuid, call: &Call) -> Result<Items, Fault> {
        let actor = Actor::of_subject(call.caller.subject());
        let items = export::items(self.desk.clone(), chain, actor).await?;
        let incident = call.incident.clone();
        let told = move |fault: Fault| {
            fault.log(&incident, "export the audit trail");
            fault.to_status(&incident)
        };
        Ok(items.map(move |item| item.map_err(&told)).boxed())
    }

    async fn status(&self, chain: Uuid, caller: &Caller) -> Result<AuditStatus, Fault> {
        let actor = Actor::of_subject(caller.subject());
        let mut tx = ChainTx::begin(&self.desk.pg, chain, &actor).await?;
        let head = rows::head(&mut tx, chain).await?;
        let last = rows::roots(&mut tx, None, 1).await?;
        tx.commit().await?;
        let last_root = last.first().map(read::root);
        let Some(head) = head else {
            return Ok(AuditStatus { first_sequence: 1, last_root, ..AuditStatus::default() });
        };
        Ok(AuditStatus {
            head_sequence: head.sequence,
            head_hash: yard_audit::to_hex(&head.hash),
            first_sequence: head.first_sequence,
            last_root,
            anchored_sequence: head.anchored_sequence,
            verified_sequence: head.verified_sequence,
            verified_at: head.verified_at.map(timestamp),
            problem: head.problem,
        })
    }

    async fn erase(&self, caller: &Caller, subject: &str) -> Result<EraseSubjectResponse, Fault> {
        let wrong = || Fault::invalid("subject_id has to be a UUID").with_pointer("/subject_id");
        let subject = Uuid::try_parse(subject).map_err(|e| wrong().with_source(e))?;
        let (chain, actor) = (own(caller)?, Actor::of_subject(caller.subject()));
        let now = self.desk.clock.now();
        let mut tx = ChainTx::begin(&self.desk.pg, chain, &actor).await?;
        let erased = rows::erase(&mut tx, chain, &subject.to_string(), now).await?;
        let entries = erased.ok_or(Code::ResourceNotFound)?;
        tx.commit().await?;
        Ok(EraseSubjectResponse { entries })
    }

    async fn roots(
        &self,
        request: &ListAuditRootsRequest,
    ) -> Result<ListAuditRootsResponse, Fault> {
        let most = page::size(request.page_size, USUAL_PAGE, LARGEST_PAGE)?;
        let before = number(&request.page_token)?;
        let mut tx = PlatformTx::begin(&self.desk.pg, &Actor::service("auth")).await?;
        let roots = rows::roots(&mut tx, before, most).await?;
        tx.commit().await?;
        let full = i64::try_from(roots.len()) == Ok(most);
        let last = roots.last().filter(|root| full && root.number > 1);
        let next = last.map(|root| page::token(&[&root.number.to_string()]));
        Ok(ListAuditRootsResponse {
            roots: roots.iter().map(read::root).collect(),
            next_page_token: next.unwrap_or_default(),
        })
    }
}

/// The number in a page token.
fn number(token: &str) -> Result<Option<i64>, Fault> {
    let part = page::parts::<1>(token)?;
    let read = |[text]: [String; 1]| {
        text.parse::<i64>().map_err(|e| Fault::new(Code::PageTokenInvalid).with_source(e))
    };
    part.map(read).transpose()
}

fn filter(request: &SearchAuditEventsRequest) -> Result<Filter, Fault> {
    let time = |at: Option<&prost_types::Timestamp>, name: &str| match at {
        None => Ok(None),
        Some(at) => moment(at).map(Some).ok_or_else(|| wrong(name, "has to be a time")),
    };
    let from = time(request.from.as_ref(), "from")?;
    let to = time(request.to.as_ref(), "to")?;
    if from.zip(to).is_some_and(|(from, to)| from >= to) {
        return Err(wrong("to", "has to be later than from"));
    }
    Ok(Filter {
        before: number(&request.page_token)?,
        from,
        to,
        actor: text(&request.actor, "actor")?,
        action: text(&request.action, "action")?,
        object_type: text(&request.object_type, "object_type")?,
        object_id: text(&request.object_id, "object_id")?,
        outcome: text(&request.outcome, "outcome")?,
        incident: text(&request.incident, "incident")?,
        kind: match request.kind() {
            AuditKind::Unspecified => "",
            AuditKind::Call => "call",
            AuditKind::SignIn => "sign_in",
            AuditKind::Denial => "denial",
            AuditKind::BreakGlass => "break_glass",
        }
        .to_owned(),
    })
}

fn text(text: &str, name: &str) -> Result<String, Fault> {
    if text.len() > LONGEST || text.contains(char::is_control) {
        return Err(wrong(name, "has to be at most 128 bytes without control characters"));
    }
    Ok(text.to_owned())
}

fn wrong(name: &str, problem: &str) -> Fault {
    Fault::invalid(format!("{name} {problem}")).with_pointer(format!("/{name}"))
}
