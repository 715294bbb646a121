use sqlx::FromRow;
use time::OffsetDateTime;
use uuid::Uuid;
use yard_ids::DeviceId;
use yard_pg::{PgError, TenantTx};

/// A quarantined message as stored.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Row {
    pub(super) message_id: Uuid,
    pub(super) device_id: Uuid,
    pub(super) topic: String,
    pub(super) reason_code: String,
    pub(super) pointer: String,
    pub(super) detail: String,
    pub(super) payload: Vec<u8>,
    pub(super) received_at: OffsetDateTime,
}

/// Keeps a message; one that is there already stays as it is.
pub(super) async fn insert(tx: &mut TenantTx, row: &Row) -> Result<(), PgError> {
    sqlx::query(
        "insert into quarantine (message_id, tenant_id, device_id, topic, reason_code, pointer, \
         detail, payload, received_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
         on conflict (message_id) do nothing",
    )
    .bind(row.message_id)
    .bind(tx.tenant().uuid())
    .bind(row.device_id)
    .bind(&row.topic)
    .bind(&row.reason_code)
    .bind(&row.pointer)
    .bind(&row.detail)
    .bind(&row.payload)
    .bind(row.received_at)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Messages of a device, newest first, after a key.
pub(super) async fn list(
    tx: &mut TenantTx,
    device: DeviceId,
    after: Option<(OffsetDateTime, Uuid)>,
    most: i64,
) -> Result<Vec<Row>, PgError> {
    Ok(sqlx::query_as(
        "select message_id, device_id, topic, reason_code, pointer, detail, payload, received_at \
         from quarantine where device_id = $1 \
         and ($2::timestamptz is null or (received_at, message_id) < ($2, $3)) \
         order by received_at desc, message_id desc limit $4",
    )
    .bind(device.uuid())
    .bind(after.map(|(at, _)| at))
    .bind(after.map(|(_, id)| id))
    .bind(most)
    .fetch_all(&mut **tx)
    .await?)
}
