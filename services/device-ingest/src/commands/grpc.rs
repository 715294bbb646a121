use std::time::Duration;

use prost::Message as _;
use serde_json::Value;
use tonic::{Request, Response, Status};
use uuid::Uuid;
use yard_authn::{Call, RpcResult as _};
use yard_contracts::command::v1::command_service_server::CommandService;
use yard_contracts::command::v1::{
    CancelCommandRequest, Command, CommandEvent, GetCommandRequest, ListCommandsRequest,
    ListCommandsResponse, SendCommandRequest,
};
use yard_contracts::values::{from_struct, timestamp, to_struct};
use yard_fault::{Code, Fault};
use yard_ids::{CommandId, ContractId, DeviceId, TenantId};
use yard_pg::limit::{self, Limit};
use yard_pg::{Actor, TenantTx, page};

use super::store::{self, EventRow, Proof, Row};
use super::{Desk, State, Step, live, redispatch};
use crate::idempotency::{self, Claim, Key};
use crate::registry::Registry;

const LONGEST_DEADLINE: i32 = 604_800;
const LARGEST_ARGUMENTS: usize = 64 * 1024;

/// `CommandService`.
pub(crate) struct Commands {
    pub(crate) desk: Desk,
    pub(crate) registry: Registry,
}

#[tonic::async_trait]
impl CommandService for Commands {
    async fn send_command(
        &self,
        request: Request<SendCommandRequest>,
    ) -> Result<Response<Command>, Status> {
        let call = Call::of(&request);
        self.send(&call, request.into_inner()).await.rpc(&call, "send a command")
    }

    async fn get_command(
        &self,
        request: Request<GetCommandRequest>,
    ) -> Result<Response<Command>, Status> {
        let call = Call::of(&request);
        let id = request.into_inner().command_id;
        self.get(&call, &id).await.rpc(&call, "read a command")
    }

    async fn list_commands(
        &self,
        request: Request<ListCommandsRequest>,
    ) -> Result<Response<ListCommandsResponse>, Status> {
        let call = Call::of(&request);
        self.list(&call, &request.into_inner()).await.rpc(&call, "list commands")
    }

    async fn cancel_command(
        &self,
        request: Request<CancelCommandRequest>,
    ) -> Result<Response<Command>, Status> {
        let call = Call::of(&request);
        let id = request.into_inner().command_id;
        self.cancel(&call, &id).await.rpc(&call, "cancel a command")
    }
}

impl Commands {
    async fn send(&self, call: &Call, request: SendCommandRequest) -> Result<Command, Fault> {
        let tenant = call.caller.tenant()?;
        let key = Key::of(call, "SendCommand", &request.encode_to_vec())?;
        let device: DeviceId =
            request.device_id.parse().map_err(|_unreadable| Fault::new(Code::DeviceUnknown))?;
        let lifetime = lifetime(request.deadline_seconds)?;
        let arguments = Value::Object(from_struct(request.arguments.unwrap_or_default()));
        self.check(call, device, &request.name, &arguments).await?;

        // As the database keeps it, so that the first answer and every later one are the same.
        let now = self.desk.clock.now();
        let now = now.replace_microsecond(now.microsecond()).unwrap_or(now);
        let row = Row {
            id: self.desk.ids.uuid7(),
            device_id: device.uuid(),
            name: request.name,
            arguments,
            state: State::Queued.as_str().to_owned(),
            deadline: now + lifetime,
            created_by: principal(call),
            created_at: now,
            updated_at: now,
            result: None,
        };
        let mut tx = self.begin(call).await?;
        if let Claim::Again(first) = idempotency::claim(key.as_ref(), &mut tx, row.id, now).await? {
            return first_answer(&mut tx, first).await;
        }
        limit::hold(&mut tx, tenant, Limit::CommandsPerDay, now).await?;
        store::insert(&mut tx, &row).await?;
        let actor = format!("principal:{}", row.created_by);
        let proof = Proof { at: now, actor: &actor, evidence: "accepted" };
        store::insert_event(&mut tx, row.id, State::Queued, proof).await?;
        store::insert_deadline(&mut tx, &row).await?;
        redispatch::enqueue(&self.desk, &mut tx, &row).await?;
        let answer = with_events(&mut tx, vec![row.clone()]).await?.pop();
        tx.commit().await?;
        self.desk.nudge.notify_one();
        live::announce(&self.desk.nats, tenant, &row, State::Queued, now, proof.evidence).await;
        answer.ok_or_else(|| Fault::internal("a command lost its own answer"))
    }

    /// The device is the tenant's, knows the command, and the arguments fit.
    async fn check(
        &self,
        call: &Call,
        device: DeviceId,
        name: &str,
        arguments: &Value,
    ) -> Result<(), Fault> {
        if arguments.to_string().len() > LARGEST_ARGUMENTS {
            let fault = Fault::new(Code::RequestTooLarge).with_pointer("/arguments");
            return Err(fault.with_public("The arguments are larger than 64 KiB."));
        }
        let contract = {
            let mut tx = self.begin(call).await?;
            store::contract_of(&mut tx, device).await?
        };
        let contract = contract.ok_or_else(|| Fault::new(Code::DeviceUnknown))?;
        let tenant: TenantId = call.caller.tenant()?;
        let contract = self.registry.contract(tenant, ContractId::from_uuid(contract)).await?;
        match contract.check_arguments(name, arguments) {
            None => Err(Fault::new(Code::CommandUnknownKind).with_pointer("/name")),
            Some(Ok(())) => Ok(()),
            Some(Err(violation)) => Err(Fault::new(Code::CommandArgumentsInvalid)
                .with_pointer(format!("/arguments{}", violation.pointer))
                .with_public(format!("The arguments do not fit: {}", violation.detail))),
        }
    }

    async fn get(&self, call: &Call, id: &str) -> Result<Command, Fault> {
        let mut tx = self.begin(call).await?;
        let row = store::get(&mut tx, command_id(id)?).await?;
        let row = row.ok_or_else(|| Fault::new(Code::ResourceNotFound))?;
        one(&mut tx, row).await
    }

    async fn list(
        &self,
        call: &Call,
        request: &ListCommandsRequest,
    ) -> Result<ListCommandsResponse, Fault> {
        let device: DeviceId =
            request.device_id.parse().map_err(|_unreadable| Fault::new(Code::DeviceUnknown))?;
        let size = page::size(request.page_size, 50, 200)?;
        let after = crate::paging::moment_key(&request.page_token)?;
        let mut tx = self.begin(call).await?;
        if store::contract_of(&mut tx, device).await?.is_none() {
            return Err(Code::DeviceUnknown.into());
        }
        let mut rows = store::list(&mut tx, device, after, size + 1).await?;
        let next_page_token = crate::paging::cut(&mut rows, size, |last| {
            crate::paging::moment_token(last.created_at, last.id)
        });
        Ok(ListCommandsResponse { commands: with_events(&mut tx, rows).await?, next_page_token })
    }

    async fn cancel(&self, call: &Call, id: &str) -> Result<Command, Fault> {
        let mut tx = self.begin(call).await?;
        let row = store::lock(&mut tx, command_id(id)?).await?;
        let row = row.ok_or_else(|| Fault::new(Code::ResourceNotFound))?;
        if row.state() == State::Cancelled {
            return one(&mut tx, row).await;
        }
        let Some(next) = row.state().after(Step::Cancel) else {
            return Err(Code::CommandNotCancellable.into());
        };
        let at = self.desk.clock.now();
        let actor = format!("principal:{}", principal(call));
        let proof = Proof { at, actor: &actor, evidence: "cancelled on request" };
        store::advance(&mut tx, &row, next, proof, None).await?;
        let changed = Row { state: next.as_str().to_owned(), updated_at: at, ..row.clone() };
        let answer = one(&mut tx, changed).await?;
        let tenant = tx.tenant();
        tx.commit().await?;
        live::announce(&self.desk.nats, tenant, &row, next, at, proof.evidence).await;
        Ok(answer)
    }

    async fn begin(&self, call: &Call) -> Result<TenantTx, Fault> {
        let actor = Actor::of_subject(call.caller.subject());
        Ok(TenantTx::begin(&self.desk.pg, call.caller.tenant()?, &actor).await?)
    }
}

/// The answer of the request that first used the key.
async fn first_answer(tx: &mut TenantTx, first: Uuid) -> Result<Command, Fault> {
    let row = store::get(tx, CommandId::from_uuid(first)).await?;
    one(tx, row.ok_or_else(|| Fault::internal("a command lost its row"))?).await
}

async fn one(tx: &mut TenantTx, row: Row) -> Result<Command, Fault> {
    let found = with_events(tx, vec![row]).await?.pop();
    found.ok_or_else(|| Fault::internal("one command in, none out"))
}

async fn with_events(tx: &mut TenantTx, rows: Vec<Row>) -> Result<Vec<Command>, Fault> {
    let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
    let events = store::events(tx, &ids).await?;
    let of = |row: &Row| events.iter().filter(|e| e.command_id == row.id).map(event).collect();
    Ok(rows
        .into_iter()
        .map(|row| {
            let events = of(&row);
            command(row, events)
        })
        .collect())
}

fn command(row: Row, events: Vec<CommandEvent>) -> Command {
    let object = |value: Value| match value {
        Value::Object(object) => Some(to_struct(object)),
        _ => None,
    };
    Command {
        command_id: row.command().to_string(),
        device_id: row.device().to_string(),
        state: row.state().wire().into(),
        name: row.name,
        arguments: object(row.arguments),
        deadline: Some(timestamp(row.deadline)),
        created_at: Some(timestamp(row.created_at)),
        updated_at: Some(timestamp(row.updated_at)),
        created_by: row.created_by,
        result: row.result.and_then(object),
        events,
    }
}

fn event(row: &EventRow) -> CommandEvent {
    let state = State::from_text(&row.state).unwrap_or(State::Unknown);
    CommandEvent {
        state: state.wire().into(),
        at: Some(timestamp(row.at)),
        actor: row.actor.clone(),
        evidence: row.evidence.clone(),
    }
}

fn lifetime(seconds: i32) -> Result<Duration, Fault> {
    match seconds {
        0 => Ok(Duration::from_secs(60)),
        1..=LONGEST_DEADLINE => Ok(Duration::from_secs(u64::try_from(seconds).unwrap_or(60))),
        _ => Err(Fault::invalid(format!("deadline_seconds has to be 1 to {LONGEST_DEADLINE}"))
            .with_pointer("/deadline_seconds")),
    }
}

fn command_id(text: &str) -> Result<CommandId, Fault> {
    text.parse().map_err(|_unreadable| Fault::new(Code::ResourceNotFound))
}

/// The person's id, or a service's whole subject.
fn principal(call: &Call) -> String {
    let subject = call.caller.subject();
    subject.strip_prefix("person:").unwrap_or(subject).to_owned()
}
