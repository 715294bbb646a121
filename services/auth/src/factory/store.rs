use sqlx::FromRow;
use time::OffsetDateTime;
use uuid::Uuid;
use yard_ids::{DeviceId, TenantId};
use yard_pg::{PgError, PlatformTx, TenantTx};

use super::birth::Authority;
use crate::ca::Issued;

/// A manufacturer's CA as operators see it.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Row {
    pub(super) id: Uuid,
    pub(super) name: String,
    pub(super) subject: String,
    pub(super) fingerprint: Vec<u8>,
    pub(super) not_after: OffsetDateTime,
    pub(super) created_at: OffsetDateTime,
    pub(super) withdrawn_at: Option<OffsetDateTime>,
}

/// A CA to be registered.
pub(super) struct New<'a> {
    pub(super) id: Uuid,
    pub(super) name: &'a str,
    pub(super) authority: &'a Authority,
    pub(super) fingerprint: &'a [u8; 32],
    pub(super) created_by: &'a str,
    pub(super) now: OffsetDateTime,
}

/// Lets one registration of a tenant pass at a time; how many are in force.
pub(super) async fn in_force(tx: &mut TenantTx) -> Result<i64, PgError> {
    sqlx::query("select pg_advisory_xact_lock(hashtextextended($1, 30))")
        .bind(tx.tenant().to_string())
        .execute(&mut **tx)
        .await?;
    let count = sqlx::query_scalar(
        "select count(*) from platform.factory_authorities \
         where tenant_id = $1 and withdrawn_at is null",
    )
    .bind(tx.tenant().uuid())
    .fetch_one(&mut **tx)
    .await?;
    Ok(count)
}

/// `None` when a CA of that key is in force already, here or in another tenant.
pub(super) async fn insert(tx: &mut TenantTx, new: &New<'_>) -> Result<Option<Row>, PgError> {
    let row = sqlx::query_as(
        "insert into platform.factory_authorities (id, tenant_id, name, certificate, issuer_name, \
           subject, fingerprint, key_sha256, not_after, created_at, created_by) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) on conflict do nothing \
         returning id, name, subject, fingerprint, not_after, created_at, withdrawn_at",
    )
    .bind(new.id)
    .bind(tx.tenant().uuid())
    .bind(new.name)
    .bind(&new.authority.der)
    .bind(&new.authority.name)
    .bind(&new.authority.subject)
    .bind(new.fingerprint.as_slice())
    .bind(new.authority.key.as_slice())
    .bind(new.authority.not_after)
    .bind(new.now)
    .bind(new.created_by)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row)
}

/// Newest first.
pub(super) async fn list(tx: &mut TenantTx, most: i64) -> Result<Vec<Row>, PgError> {
    let rows = sqlx::query_as(
        "select id, name, subject, fingerprint, not_after, created_at, withdrawn_at \
         from platform.factory_authorities where tenant_id = $1 \
         order by created_at desc, id desc limit $2",
    )
    .bind(tx.tenant().uuid())
    .bind(most)
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows)
}

pub(super) async fn withdraw(
    tx: &mut TenantTx,
    id: Uuid,
    now: OffsetDateTime,
) -> Result<Option<Row>, PgError> {
    let row = sqlx::query_as(
        "update platform.factory_authorities set withdrawn_at = coalesce(withdrawn_at, $3) \
         where id = $1 and tenant_id = $2 \
         returning id, name, subject, fingerprint, not_after, created_at, withdrawn_at",
    )
    .bind(id)
    .bind(tx.tenant().uuid())
    .bind(now)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row)
}

/// CAs in force that bear that name, and whose they are.
pub(super) async fn of_name(
    tx: &mut PlatformTx,
    name: &[u8],
    now: OffsetDateTime,
) -> Result<Vec<(TenantId, Vec<u8>)>, PgError> {
    let rows: Vec<(Uuid, Vec<u8>)> = sqlx::query_as(
        "select a.tenant_id, a.certificate from platform.factory_authorities a \
         join platform.tenants t on t.id = a.tenant_id \
         where a.issuer_name = $1 and a.withdrawn_at is null and a.not_after > $2 \
           and t.state = 'ready' order by a.created_at limit 1024",
    )
    .bind(name)
    .bind(now)
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows.into_iter().map(|(tenant, der)| (TenantId::from_uuid(tenant), der)).collect())
}

/// Uses an expected serial up. Of two that try, the second waits for the first and finds it used.
/// A device that ever had a certificate is none that comes from its manufacturer.
pub(super) async fn use_expected(
    tx: &mut PlatformTx,
    tenant: TenantId,
    serial: &str,
    now: OffsetDateTime,
) -> Result<Option<DeviceId>, PgError> {
    let device: Option<Uuid> = sqlx::query_scalar(
        "update platform.expected_devices e set used_at = $3 from platform.principals p \
         where e.tenant_id = $1 and e.serial = $2 and e.used_at is null \
           and p.id = e.device_id and p.tenant_id = e.tenant_id and p.disabled_at is null \
           and not exists (select 1 from platform.device_certificates c \
             where c.device_id = e.device_id) \
         returning e.device_id",
    )
    .bind(tenant.uuid())
    .bind(serial)
    .bind(now)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(device.map(DeviceId::from_uuid))
}

/// What a serial that is used up was answered with, when the same key asks again and the
/// certificate still holds.
pub(super) async fn given(
    tx: &mut PlatformTx,
    tenant: TenantId,
    serial: &str,
    key_sha256: &[u8; 32],
    now: OffsetDateTime,
) -> Result<Option<(DeviceId, Issued)>, PgError> {
    let row: Option<(Uuid, String, String, OffsetDateTime, OffsetDateTime)> = sqlx::query_as(
        "select e.device_id, c.serial, c.certificate_pem, c.not_before, c.not_after \
         from platform.expected_devices e \
         join platform.principals p on p.id = e.device_id and p.tenant_id = e.tenant_id \
         join platform.device_certificates c \
           on c.device_id = e.device_id and c.tenant_id = e.tenant_id \
         where e.tenant_id = $1 and e.serial = $2 and e.used_at is not null \
           and p.disabled_at is null and c.key_sha256 = $3 and c.renews is null \
           and c.revoked_at is null and c.superseded_at is null and c.not_after > $4",
    )
    .bind(tenant.uuid())
    .bind(serial)
    .bind(key_sha256.as_slice())
    .bind(now)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row.map(|(device, serial, pem, not_before, not_after)| {
        (
            DeviceId::from_uuid(device),
            Issued { serial, pem, not_before, not_after, authority: None },
        )
    }))
}
