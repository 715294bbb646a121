use time::OffsetDateTime;
use uuid::Uuid;
use yard_ids::{DeviceId, TenantId};
use yard_pg::{PgError, PlatformTx};

use super::{Change, State, Stored};

/// Locks a device's row.
pub(super) async fn lock(tx: &mut PlatformTx, device: DeviceId) -> Result<Option<Stored>, PgError> {
    let row: Option<(String, i64)> = sqlx::query_as(
        "select state, epoch from platform.device_presence where device_id = $1 for update",
    )
    .bind(device.uuid())
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row.and_then(|(state, epoch)| Some(Stored { state: State::from_text(&state)?, epoch })))
}

/// What is written of a report.
pub(super) struct Written<'r> {
    pub(super) device: DeviceId,
    pub(super) tenant: TenantId,
    pub(super) state: State,
    pub(super) epoch: i64,
    pub(super) cause: &'r str,
    pub(super) at: OffsetDateTime,
}

/// Writes a report; `changed_at` stays while the state does.
pub(super) async fn write(tx: &mut PlatformTx, row: &Written<'_>) -> Result<(), PgError> {
    sqlx::query(
        "insert into platform.device_presence as p \
         (device_id, tenant_id, state, epoch, cause, changed_at, last_seen_at) \
         values ($1, $2, $3, $4, $5, $6, $6) \
         on conflict (device_id) do update set \
         state = excluded.state, epoch = excluded.epoch, cause = excluded.cause, \
         changed_at = case when p.state = excluded.state then p.changed_at \
             else excluded.changed_at end, \
         last_seen_at = greatest(p.last_seen_at, excluded.last_seen_at)",
    )
    .bind(row.device.uuid())
    .bind(row.tenant.uuid())
    .bind(row.state.as_str())
    .bind(row.epoch)
    .bind(row.cause)
    .bind(row.at)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

type ChangeRow = (Uuid, Uuid, String, OffsetDateTime);

fn changes(rows: Vec<ChangeRow>) -> Vec<Change> {
    let change = |(device, tenant, state, at): ChangeRow| {
        Some(Change {
            device: DeviceId::from_uuid(device),
            tenant: TenantId::from_uuid(tenant),
            state: State::from_text(&state)?,
            at,
        })
    };
    rows.into_iter().filter_map(change).collect()
}

/// Renews the leases of devices that were heard, and gives back those that are online by it: the
/// stale, and those never seen. One that said goodbye stays offline until it says it is back.
pub(super) async fn renew(
    tx: &mut PlatformTx,
    devices: &[Uuid],
    tenants: &[Uuid],
    heard_at: &[OffsetDateTime],
) -> Result<Vec<Change>, PgError> {
    let rows: Vec<ChangeRow> = sqlx::query_as(
        "with heard as (\
             select * from unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) \
             as h(device_id, tenant_id, at)), \
         before as (\
             select p.device_id, p.state from platform.device_presence p \
             join heard using (device_id)), \
         written as (\
             insert into platform.device_presence as p \
             (device_id, tenant_id, state, epoch, cause, changed_at, last_seen_at) \
             select h.device_id, h.tenant_id, 'online', 0, 'heard', h.at, h.at from heard h \
             join platform.device_directory d using (device_id) \
             order by h.device_id \
             on conflict (device_id) do update set \
             last_seen_at = greatest(p.last_seen_at, excluded.last_seen_at), \
             state = case when p.state = 'stale' then 'online' else p.state end, \
             cause = case when p.state = 'stale' then 'heard' else p.cause end, \
             changed_at = case when p.state = 'stale' then excluded.changed_at \
                 else p.changed_at end \
             returning device_id, tenant_id, state, changed_at) \
         select w.device_id, w.tenant_id, w.state, w.changed_at from written w \
         left join before b using (device_id) where b.state is distinct from w.state",
    )
    .bind(devices)
    .bind(tenants)
    .bind(heard_at)
    .fetch_all(&mut **tx)
    .await?;
    Ok(changes(rows))
}

/// Marks devices as stale that are online and were not heard since `silent_since`.
pub(super) async fn mark_stale(
    tx: &mut PlatformTx,
    silent_since: OffsetDateTime,
    now: OffsetDateTime,
) -> Result<Vec<Change>, PgError> {
    let rows: Vec<ChangeRow> = sqlx::query_as(
        "update platform.device_presence set state = 'stale', cause = 'silent', changed_at = $2 \
         where state = 'online' and last_seen_at < $1 \
         returning device_id, tenant_id, state, changed_at",
    )
    .bind(silent_since)
    .bind(now)
    .fetch_all(&mut **tx)
    .await?;
    Ok(changes(rows))
}
