use sqlx::FromRow;
use time::OffsetDateTime;
use uuid::Uuid;
use yard_ids::{DeviceId, TenantId};
use yard_pg::{PgError, PlatformTx, TenantTx};

use crate::ca::Issued;

/// A certificate as operators see it.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Certificate {
    pub(super) serial: String,
    pub(super) device_id: Uuid,
    pub(super) not_before: OffsetDateTime,
    pub(super) not_after: OffsetDateTime,
    pub(super) revoked_at: Option<OffsetDateTime>,
    pub(super) enforced_at: Option<OffsetDateTime>,
    pub(super) superseded_at: Option<OffsetDateTime>,
    pub(super) renews: Option<String>,
}

/// A claim code to be stored.
pub(super) struct NewClaim {
    pub(super) code_hash: [u8; 32],
    pub(super) device: DeviceId,
    pub(super) created_by: String,
    pub(super) created_at: OffsetDateTime,
    pub(super) expires_at: OffsetDateTime,
}

/// Where a page of certificates goes on.
pub(super) struct After {
    pub(super) not_before: OffsetDateTime,
    pub(super) serial: String,
}

pub(super) async fn tenant_state(
    tx: &mut PlatformTx,
    tenant: TenantId,
) -> Result<Option<String>, PgError> {
    let state = sqlx::query_scalar("select state from platform.tenants where id = $1")
        .bind(tenant.uuid())
        .fetch_optional(&mut **tx)
        .await?;
    Ok(state)
}

/// Makes the principal unless it is there; returns whose it is then.
pub(super) async fn ensure_principal(
    tx: &mut PlatformTx,
    tenant: TenantId,
    device: DeviceId,
    display_name: &str,
    now: OffsetDateTime,
) -> Result<Option<Uuid>, PgError> {
    sqlx::query(
        "insert into platform.principals (id, kind, tenant_id, display_name, created_at) \
         values ($1, 'device', $2, $3, $4) on conflict (id) do nothing",
    )
    .bind(device.uuid())
    .bind(tenant.uuid())
    .bind(display_name)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    let owner = sqlx::query_scalar("select tenant_id from platform.principals where id = $1")
        .bind(device.uuid())
        .fetch_one(&mut **tx)
        .await?;
    Ok(owner)
}

/// Expects a serial number of a device that has not used one up; false when it is another's.
pub(super) async fn expect(
    tx: &mut PlatformTx,
    tenant: TenantId,
    device: DeviceId,
    serial: &str,
    now: OffsetDateTime,
) -> Result<bool, PgError> {
    sqlx::query(
        "insert into platform.expected_devices (tenant_id, serial, device_id, created_at) \
         values ($1, $2, $3, $4) on conflict do nothing",
    )
    .bind(tenant.uuid())
    .bind(serial)
    .bind(device.uuid())
    .bind(now)
    .execute(&mut **tx)
    .await?;
    // It may have been expected under another number before.
    sqlx::query(
        "update platform.expected_devices e set serial = $2 \
         where e.device_id = $3 and e.tenant_id = $1 and e.used_at is null and e.serial <> $2 \
           and not exists (select 1 from platform.expected_devices o \
             where o.tenant_id = $1 and o.serial = $2)",
    )
    .bind(tenant.uuid())
    .bind(serial)
    .bind(device.uuid())
    .execute(&mut **tx)
    .await?;
    let other: Option<i32> = sqlx::query_scalar(
        "select 1 from platform.expected_devices \
         where tenant_id = $1 and serial = $2 and device_id <> $3",
    )
    .bind(tenant.uuid())
    .bind(serial)
    .bind(device.uuid())
    .fetch_optional(&mut **tx)
    .await?;
    Ok(other.is_none())
}

/// The device does not enrol by its manufacturer's certificate any more. That it did, stays.
pub(super) async fn expect_no_longer(
    tx: &mut PlatformTx,
    tenant: TenantId,
    device: DeviceId,
) -> Result<(), PgError> {
    sqlx::query(
        "delete from platform.expected_devices \
         where tenant_id = $1 and device_id = $2 and used_at is null",
    )
    .bind(tenant.uuid())
    .bind(device.uuid())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Whether the device is the tenant's and not disabled.
pub(super) async fn is_device(tx: &mut TenantTx, device: DeviceId) -> Result<bool, PgError> {
    let found: Option<i32> = sqlx::query_scalar(
        "select 1 from platform.principals \
         where id = $1 and tenant_id = $2 and kind = 'device' and disabled_at is null",
    )
    .bind(device.uuid())
    .bind(tx.tenant().uuid())
    .fetch_optional(&mut **tx)
    .await?;
    Ok(found.is_some())
}

pub(super) async fn insert_claim(tx: &mut TenantTx, claim: &NewClaim) -> Result<(), PgError> {
    sqlx::query(
        "insert into platform.claim_codes \
           (code_hash, tenant_id, device_id, created_by, created_at, expires_at) \
         values ($1, $2, $3, $4, $5, $6)",
    )
    .bind(claim.code_hash.as_slice())
    .bind(tx.tenant().uuid())
    .bind(claim.device.uuid())
    .bind(&claim.created_by)
    .bind(claim.created_at)
    .bind(claim.expires_at)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Uses the code up. Of two that try, the second waits for the first and finds it used.
pub(super) async fn use_claim(
    tx: &mut PlatformTx,
    code_hash: &[u8; 32],
    now: OffsetDateTime,
) -> Result<Option<(TenantId, DeviceId)>, PgError> {
    let row: Option<(Uuid, Uuid)> = sqlx::query_as(
        "update platform.claim_codes c set used_at = $2 \
         from platform.principals p, platform.tenants t \
         where c.code_hash = $1 and c.used_at is null and c.expires_at > $2 \
           and p.id = c.device_id and p.tenant_id = c.tenant_id and p.disabled_at is null \
           and t.id = c.tenant_id and t.state = 'ready' \
         returning c.tenant_id, c.device_id",
    )
    .bind(code_hash.as_slice())
    .bind(now)
    .fetch_optional(&mut **tx)
    .await?;
    let typed = |(tenant, device)| (TenantId::from_uuid(tenant), DeviceId::from_uuid(device));
    Ok(row.map(typed))
}

/// False when the key has a certificate already, anybody's, in force or not.
pub(crate) async fn insert_certificate(
    tx: &mut PlatformTx,
    tenant: TenantId,
    device: DeviceId,
    key_sha256: &[u8; 32],
    issued: &Issued,
) -> Result<bool, PgError> {
    let done = sqlx::query(
        "insert into platform.device_certificates \
           (serial, tenant_id, device_id, certificate_pem, not_before, not_after, key_sha256, \
            public_key_sha256, authority) \
         values ($1, $2, $3, $4, $5, $6, $7, $7, $8) on conflict (key_sha256) do nothing",
    )
    .bind(&issued.serial)
    .bind(tenant.uuid())
    .bind(device.uuid())
    .bind(&issued.pem)
    .bind(issued.not_before)
    .bind(issued.not_after)
    .bind(key_sha256.as_slice())
    .bind(&issued.authority)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Newest first.
pub(super) async fn certificates(
    tx: &mut TenantTx,
    device: DeviceId,
    after: Option<&After>,
    most: i64,
) -> Result<Vec<Certificate>, PgError> {
    let rows = sqlx::query_as(
        "select serial, device_id, not_before, not_after, revoked_at, enforced_at, \
           superseded_at, renews \
         from platform.device_certificates \
         where tenant_id = $1 and device_id = $2 and ($3::timestamptz is null \
           or not_before < $3 or (not_before = $3 and serial > $4)) \
         order by not_before desc, serial limit $5",
    )
    .bind(tx.tenant().uuid())
    .bind(device.uuid())
    .bind(after.map(|after| after.not_before))
    .bind(after.map(|after| after.serial.as_str()))
    .bind(most)
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows)
}

/// `None` when it is not there, not the tenant's, or revoked already.
pub(super) async fn revoke(
    tx: &mut TenantTx,
    serial: &str,
    now: OffsetDateTime,
) -> Result<Option<Certificate>, PgError> {
    let row = sqlx::query_as(
        "update platform.device_certificates set revoked_at = $3 \
         where serial = $1 and tenant_id = $2 and revoked_at is null \
         returning serial, device_id, not_before, not_after, revoked_at, enforced_at, \
           superseded_at, renews",
    )
    .bind(serial)
    .bind(tx.tenant().uuid())
    .bind(now)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row)
}

pub(super) async fn certificate_exists(tx: &mut TenantTx, serial: &str) -> Result<bool, PgError> {
    let found: Option<i32> = sqlx::query_scalar(
        "select 1 from platform.device_certificates where serial = $1 and tenant_id = $2",
    )
    .bind(serial)
    .bind(tx.tenant().uuid())
    .fetch_optional(&mut **tx)
    .await?;
    Ok(found.is_some())
}
