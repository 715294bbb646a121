use time::OffsetDateTime;
use uuid::Uuid;
use yard_pg::{Actor, Pg, PgError, TenantTx};

use super::row::Row;

const INSERT: &str = "insert into series.telemetry \
     (tenant_id, device_id, occurred_at, message_id, received_at, epoch, sequence, payload) \
     select $1, r.device_id, r.occurred_at, r.message_id, r.received_at, r.epoch, r.sequence, \
       r.payload::jsonb \
     from unnest($2::uuid[], $3::timestamptz[], $4::uuid[], $5::timestamptz[], $6::bigint[], \
       $7::bigint[], $8::text[]) \
       as r(device_id, occurred_at, message_id, received_at, epoch, sequence, payload) \
     on conflict do nothing";

/// Writes rows, which are sorted by [`Row::key`], in one transaction; answers how many were new.
pub(super) async fn insert(pg: &Pg, rows: &[Row]) -> Result<u64, PgError> {
    let actor = Actor::service("worker");
    let mut groups = rows.chunk_by(|a, b| a.tenant == b.tenant);
    let Some(first) = groups.next() else {
        return Ok(0);
    };
    let Some(head) = first.first() else {
        return Ok(0);
    };
    let mut tx = TenantTx::begin(pg, head.tenant, &actor).await?;
    let mut new = insert_group(&mut tx, first).await?;
    for group in groups {
        let Some(head) = group.first() else { continue };
        tx.switch_tenant(head.tenant, &actor).await?;
        new += insert_group(&mut tx, group).await?;
    }
    tx.commit().await?;
    Ok(new)
}

/// The tenant is bound from the transaction and not from the rows; row level security holds it
/// against the transaction's context once more.
async fn insert_group(tx: &mut TenantTx, rows: &[Row]) -> Result<u64, PgError> {
    let tenant = tx.tenant().uuid();
    let devices: Vec<Uuid> = rows.iter().map(|row| row.device.uuid()).collect();
    let occurred: Vec<OffsetDateTime> = rows.iter().map(|row| row.occurred_at).collect();
    let messages: Vec<Uuid> = rows.iter().map(|row| row.message_id).collect();
    let received: Vec<OffsetDateTime> = rows.iter().map(|row| row.received_at).collect();
    let epochs: Vec<i64> = rows.iter().map(|row| row.epoch).collect();
    let sequences: Vec<i64> = rows.iter().map(|row| row.sequence).collect();
    let payloads: Vec<&str> = rows.iter().map(|row| row.values.as_str()).collect();
    let done = sqlx::query(INSERT)
        .bind(tenant)
        .bind(&devices)
        .bind(&occurred)
        .bind(&messages)
        .bind(&received)
        .bind(&epochs)
        .bind(&sequences)
        .bind(&payloads)
        .execute(&mut **tx)
        .await?;
    Ok(done.rows_affected())
}

/// The SQLSTATE of a refusal.
pub(super) fn sqlstate(error: &PgError) -> Option<String> {
    let (PgError::Refused(source) | PgError::Taken { source, .. }) = error else {
        return None;
    };
    let code = source.as_database_error()?.code()?;
    Some(code.into_owned())
}
