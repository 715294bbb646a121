use serde_json::Value;
use sqlx::FromRow;
use time::OffsetDateTime;
use uuid::Uuid;
use yard_ids::{CommandId, DeviceId};
use yard_pg::{PgError, TenantTx};

use super::State;

/// A command as stored.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Row {
    pub(super) id: Uuid,
    pub(super) device_id: Uuid,
    pub(super) name: String,
    pub(super) arguments: Value,
    pub(super) state: String,
    pub(super) deadline: OffsetDateTime,
    pub(super) created_by: String,
    pub(super) created_at: OffsetDateTime,
    pub(super) updated_at: OffsetDateTime,
    pub(super) result: Option<Value>,
}

impl Row {
    /// The state; the database's own check keeps others out.
    pub(super) fn state(&self) -> State {
        State::from_text(&self.state).unwrap_or(State::Unknown)
    }

    pub(super) const fn command(&self) -> CommandId {
        CommandId::from_uuid(self.id)
    }

    pub(super) const fn device(&self) -> DeviceId {
        DeviceId::from_uuid(self.device_id)
    }
}

/// A step of a command as stored.
#[derive(Debug, Clone, FromRow)]
pub(super) struct EventRow {
    pub(super) command_id: Uuid,
    pub(super) state: String,
    pub(super) at: OffsetDateTime,
    pub(super) actor: String,
    pub(super) evidence: String,
}

/// Why a command is in its state.
#[derive(Debug, Clone, Copy)]
pub(super) struct Proof<'p> {
    pub(super) at: OffsetDateTime,
    /// `principal`, `service` or `device`, a colon and its id.
    pub(super) actor: &'p str,
    pub(super) evidence: &'p str,
}

/// The contract of a device of this tenant.
pub(super) async fn contract_of(
    tx: &mut TenantTx,
    device: DeviceId,
) -> Result<Option<Uuid>, PgError> {
    let row: Option<(Uuid,)> = sqlx::query_as("select contract_id from devices where id = $1")
        .bind(device.uuid())
        .fetch_optional(&mut **tx)
        .await?;
    Ok(row.map(|(contract,)| contract))
}

/// Inserts a queued command.
pub(super) async fn insert(tx: &mut TenantTx, row: &Row) -> Result<(), PgError> {
    sqlx::query(
        "insert into commands (id, tenant_id, device_id, name, arguments, state, deadline, \
         created_by, created_at, updated_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)",
    )
    .bind(row.id)
    .bind(tx.tenant().uuid())
    .bind(row.device_id)
    .bind(&row.name)
    .bind(&row.arguments)
    .bind(&row.state)
    .bind(row.deadline)
    .bind(&row.created_by)
    .bind(row.created_at)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Puts a command on the list that the deadline sweep reads.
pub(super) async fn insert_deadline(tx: &mut TenantTx, row: &Row) -> Result<(), PgError> {
    sqlx::query(
        "insert into platform.command_deadlines (command_id, tenant_id, device_id, deadline) \
         values ($1, $2, $3, $4)",
    )
    .bind(row.id)
    .bind(tx.tenant().uuid())
    .bind(row.device_id)
    .bind(row.deadline)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Takes a command off that list.
pub(super) async fn delete_deadline(tx: &mut TenantTx, command: Uuid) -> Result<(), PgError> {
    sqlx::query("delete from platform.command_deadlines where command_id = $1")
        .bind(command)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// One command.
pub(super) async fn get(tx: &mut TenantTx, command: CommandId) -> Result<Option<Row>, PgError> {
    Ok(sqlx::query_as(
        "select id, device_id, name, arguments, state, deadline, created_by, created_at, \
         updated_at, result from commands where id = $1",
    )
    .bind(command.uuid())
    .fetch_optional(&mut **tx)
    .await?)
}

/// One command, locked until the transaction ends.
pub(super) async fn lock(tx: &mut TenantTx, command: CommandId) -> Result<Option<Row>, PgError> {
    Ok(sqlx::query_as(
        "select id, device_id, name, arguments, state, deadline, created_by, created_at, \
         updated_at, result from commands where id = $1 for update",
    )
    .bind(command.uuid())
    .fetch_optional(&mut **tx)
    .await?)
}

/// Commands of a device, newest first, after a key.
pub(super) async fn list(
    tx: &mut TenantTx,
    device: DeviceId,
    after: Option<(OffsetDateTime, Uuid)>,
    most: i64,
) -> Result<Vec<Row>, PgError> {
    Ok(sqlx::query_as(
        "select id, device_id, name, arguments, state, deadline, created_by, created_at, \
         updated_at, result from commands \
         where device_id = $1 and ($2::timestamptz is null or (created_at, id) < ($2, $3)) \
         order by created_at desc, id desc limit $4",
    )
    .bind(device.uuid())
    .bind(after.map(|(at, _)| at))
    .bind(after.map(|(_, id)| id))
    .bind(most)
    .fetch_all(&mut **tx)
    .await?)
}

/// Commands that a device may not have: queued, or handed to the broker before `sent_before`.
pub(super) async fn undelivered(
    tx: &mut TenantTx,
    device: DeviceId,
    now: OffsetDateTime,
    sent_before: OffsetDateTime,
) -> Result<Vec<Row>, PgError> {
    Ok(sqlx::query_as(
        "select id, device_id, name, arguments, state, deadline, created_by, created_at, \
         updated_at, result from commands \
         where device_id = $1 and state in ('queued', 'dispatched') and deadline > $2 \
         and (state = 'queued' or updated_at < $3) order by created_at, id",
    )
    .bind(device.uuid())
    .bind(now)
    .bind(sent_before)
    .fetch_all(&mut **tx)
    .await?)
}

/// Steps of commands, oldest first.
pub(super) async fn events(tx: &mut TenantTx, commands: &[Uuid]) -> Result<Vec<EventRow>, PgError> {
    Ok(sqlx::query_as(
        "select command_id, state, at, actor, evidence from command_events \
         where command_id = any($1) order by command_id, step",
    )
    .bind(commands)
    .fetch_all(&mut **tx)
    .await?)
}

/// Writes the next step's event.
pub(super) async fn insert_event(
    tx: &mut TenantTx,
    command: Uuid,
    state: State,
    proof: Proof<'_>,
) -> Result<(), PgError> {
    sqlx::query(
        "insert into command_events (command_id, tenant_id, step, state, at, actor, evidence) \
         select $1, $2, coalesce(max(step), 0) + 1, $3, $4, $5, $6 from command_events \
         where command_id = $1",
    )
    .bind(command)
    .bind(tx.tenant().uuid())
    .bind(state.as_str())
    .bind(proof.at)
    .bind(proof.actor)
    .bind(proof.evidence)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Moves a command from the state it was read in to the next, with its event. `false` when it is
/// in another state by now.
pub(super) async fn advance(
    tx: &mut TenantTx,
    row: &Row,
    next: State,
    proof: Proof<'_>,
    result: Option<&Value>,
) -> Result<bool, PgError> {
    let done = sqlx::query(
        "update commands set state = $3, updated_at = $4, result = coalesce($5, result) \
         where id = $1 and state = $2",
    )
    .bind(row.id)
    .bind(&row.state)
    .bind(next.as_str())
    .bind(proof.at)
    .bind(result)
    .execute(&mut **tx)
    .await?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    insert_event(tx, row.id, next, proof).await?;
    if next.is_terminal() || next == State::Unknown {
        delete_deadline(tx, row.id).await?;
    }
    Ok(true)
}

/// Whether a device is online now.
pub(super) async fn is_online(tx: &mut TenantTx, device: DeviceId) -> Result<bool, PgError> {
    let row: Option<(bool,)> = sqlx::query_as(
        "select state = 'online' from platform.device_presence where device_id = $1",
    )
    .bind(device.uuid())
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row.is_some_and(|(online,)| online))
}
