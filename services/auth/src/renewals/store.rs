use sqlx::FromRow;
use time::OffsetDateTime;
use uuid::Uuid;
use yard_ids::{DeviceId, TenantId};
use yard_pg::{PgError, PlatformTx, TenantTx};

use crate::ca::Issued;

/// A certificate that asks to be renewed, of a device and a tenant that are in order.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Holder {
    tenant_id: Uuid,
    device_id: Uuid,
    pub(super) not_before: OffsetDateTime,
    pub(super) not_after: OffsetDateTime,
    pub(super) revoked_at: Option<OffsetDateTime>,
    pub(super) superseded_at: Option<OffsetDateTime>,
    pub(super) public_key_sha256: Option<Vec<u8>>,
}

impl Holder {
    pub(super) const fn tenant(&self) -> TenantId {
        TenantId::from_uuid(self.tenant_id)
    }

    pub(super) const fn device(&self) -> DeviceId {
        DeviceId::from_uuid(self.device_id)
    }
}

pub(super) async fn certificate_pem(
    tx: &mut PlatformTx,
    serial: &str,
) -> Result<Option<String>, PgError> {
    let pem = sqlx::query_scalar(
        "select certificate_pem from platform.device_certificates where serial = $1",
    )
    .bind(serial)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(pem)
}

/// Locks the device until the transaction ends: of two renewals the second sees the first.
pub(super) async fn lock_holder(
    tx: &mut PlatformTx,
    serial: &str,
) -> Result<Option<Holder>, PgError> {
    sqlx::query(
        "select 1 from platform.principals where id = \
           (select device_id from platform.device_certificates where serial = $1) for update",
    )
    .bind(serial)
    .execute(&mut **tx)
    .await?;
    let row = sqlx::query_as(
        "select c.tenant_id, c.device_id, c.not_before, c.not_after, c.revoked_at, \
           c.superseded_at, coalesce(c.public_key_sha256, c.key_sha256) as public_key_sha256 \
         from platform.device_certificates c \
         join platform.principals p on p.id = c.device_id and p.tenant_id = c.tenant_id \
         join platform.tenants t on t.id = c.tenant_id \
         where c.serial = $1 and p.disabled_at is null and t.state = 'ready'",
    )
    .bind(serial)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row)
}

/// What the same request was answered with before, if it can still be used.
pub(super) async fn successor(
    tx: &mut PlatformTx,
    serial: &str,
    key_sha256: &[u8; 32],
    now: OffsetDateTime,
) -> Result<Option<Issued>, PgError> {
    let row: Option<(String, String, OffsetDateTime, OffsetDateTime)> = sqlx::query_as(
        "select serial, certificate_pem, not_before, not_after \
         from platform.device_certificates \
         where renews = $1 and public_key_sha256 = $2 and revoked_at is null and not_after > $3",
    )
    .bind(serial)
    .bind(key_sha256.as_slice())
    .bind(now)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row.map(|(serial, pem, not_before, not_after)| Issued {
        serial,
        pem,
        not_before,
        not_after,
        authority: None,
    }))
}

/// What else a device holds.
#[derive(Debug, Clone, Copy, FromRow)]
pub(super) struct Others {
    /// Certificates in force, the asking one included.
    pub(super) in_force: i64,
    /// Of them, those that did not come of renewing the asking one.
    pub(super) unrelated: i64,
    /// As new as the asking one or newer, and revoked before their time.
    pub(super) revoked: i64,
}

pub(super) async fn others(
    tx: &mut PlatformTx,
    holder: &Holder,
    serial: &str,
    now: OffsetDateTime,
) -> Result<Others, PgError> {
    let counts = sqlx::query_as(
        "select \
           count(*) filter (where revoked_at is null and not_after > $4) as in_force, \
           count(*) filter (where revoked_at is null and not_after > $4 \
             and renews is distinct from $3) as unrelated, \
           count(*) filter (where not_before >= $5 \
             and revoked_at < coalesce(superseded_at, 'infinity')) as revoked \
         from platform.device_certificates where tenant_id = $1 and device_id = $2",
    )
    .bind(holder.tenant_id)
    .bind(holder.device_id)
    .bind(serial)
    .bind(now)
    .bind(holder.not_before)
    .fetch_one(&mut **tx)
    .await?;
    Ok(counts)
}

/// A certificate that renews another.
pub(super) struct NewRenewal<'a> {
    pub(super) holder: &'a Holder,
    pub(super) renews: &'a str,
    pub(super) issued: &'a Issued,
    pub(super) key_sha256: &'a [u8; 32],
    /// The key is that of the renewed certificate.
    pub(super) same_key: bool,
}

/// False when the key has a certificate already that is not the renewed one.
pub(super) async fn insert(tx: &mut PlatformTx, new: &NewRenewal<'_>) -> Result<bool, PgError> {
    let done = sqlx::query(
        "insert into platform.device_certificates (serial, tenant_id, device_id, certificate_pem, \
           not_before, not_after, key_sha256, public_key_sha256, renews, authority) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) on conflict do nothing",
    )
    .bind(&new.issued.serial)
    .bind(new.holder.tenant_id)
    .bind(new.holder.device_id)
    .bind(&new.issued.pem)
    .bind(new.issued.not_before)
    .bind(new.issued.not_after)
    .bind((!new.same_key).then_some(new.key_sha256.as_slice()))
    .bind(new.key_sha256.as_slice())
    .bind(new.renews)
    .bind(&new.issued.authority)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Ends the renewed certificate and those before it at `at`.
pub(super) async fn supersede(
    tx: &mut PlatformTx,
    holder: &Holder,
    at: OffsetDateTime,
    successor: &str,
) -> Result<(), PgError> {
    sqlx::query(
        "update platform.device_certificates set superseded_at = $4 \
         where tenant_id = $1 and device_id = $2 and not_before <= $3 and serial <> $5 \
           and revoked_at is null and superseded_at is null",
    )
    .bind(holder.tenant_id)
    .bind(holder.device_id)
    .bind(holder.not_before)
    .bind(at)
    .bind(successor)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Puts a device into quarantine, or leaves it there.
pub(super) async fn quarantine(
    tx: &mut PlatformTx,
    holder: &Holder,
    now: OffsetDateTime,
) -> Result<(), PgError> {
    sqlx::query(
        "insert into platform.device_standing as s (device_id, tenant_id, state, since) \
         values ($1, $2, 'waiting', $3) \
         on conflict (device_id) do update set state = 'waiting', since = $3, decided_by = null, \
           version = s.version + 1 where s.state <> 'waiting'",
    )
    .bind(holder.device_id)
    .bind(holder.tenant_id)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// A device's standing as auth knows it.
#[derive(Debug, Clone, FromRow)]
pub(super) struct StandingRow {
    pub(super) device_id: Uuid,
    pub(super) tenant_id: Uuid,
    pub(super) display_name: String,
    pub(super) state: String,
    pub(super) since: OffsetDateTime,
    pub(super) version: i64,
    pub(super) told: i64,
}

impl StandingRow {
    pub(super) fn is_refused(&self) -> bool {
        self.state == "refused"
    }

    /// Approved is the only state in which a device is believed.
    pub(super) fn is_quarantined(&self) -> bool {
        self.state != "approved"
    }
}

pub(super) async fn standing(
    tx: &mut PlatformTx,
    device: DeviceId,
) -> Result<Option<StandingRow>, PgError> {
    let row = sqlx::query_as(
        "select s.device_id, s.tenant_id, p.display_name, s.state, s.since, s.version, s.told \
         from platform.device_standing s join platform.principals p on p.id = s.device_id \
         where s.device_id = $1",
    )
    .bind(device.uuid())
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row)
}

/// Standings that device-ingest does not know yet, oldest first.
pub(super) async fn untold(tx: &mut PlatformTx, most: i64) -> Result<Vec<StandingRow>, PgError> {
    let rows = sqlx::query_as(
        "select s.device_id, s.tenant_id, p.display_name, s.state, s.since, s.version, s.told \
         from platform.device_standing s join platform.principals p on p.id = s.device_id \
         where s.told < s.version order by s.since limit $1",
    )
    .bind(most)
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows)
}

pub(super) async fn waiting_count(tx: &mut PlatformTx) -> Result<i64, PgError> {
    let count =
        sqlx::query_scalar("select count(*) from platform.device_standing where state = 'waiting'")
            .fetch_one(&mut **tx)
            .await?;
    Ok(count)
}

pub(super) async fn told(
    tx: &mut PlatformTx,
    device: DeviceId,
    version: i64,
) -> Result<(), PgError> {
    sqlx::query("update platform.device_standing set told = $2 where device_id = $1 and told < $2")
        .bind(device.uuid())
        .bind(version)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Where a page of waiting devices goes on.
pub(super) struct After {
    pub(super) since: OffsetDateTime,
    pub(super) device: Uuid,
}

/// Longest waiting first.
pub(super) async fn waiting(
    tx: &mut TenantTx,
    after: Option<&After>,
    most: i64,
) -> Result<Vec<StandingRow>, PgError> {
    let rows = sqlx::query_as(
        "select s.device_id, s.tenant_id, p.display_name, s.state, s.since, s.version, s.told \
         from platform.device_standing s join platform.principals p on p.id = s.device_id \
         where s.tenant_id = $1 and s.state = 'waiting' \
           and ($2::timestamptz is null or (s.since, s.device_id) > ($2, $3)) \
         order by s.since, s.device_id limit $4",
    )
    .bind(tx.tenant().uuid())
    .bind(after.map(|after| after.since))
    .bind(after.map(|after| after.device))
    .bind(most)
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows)
}

/// Decides about a device that waits; `None` when none of that id does.
pub(super) async fn decide(
    tx: &mut TenantTx,
    device: DeviceId,
    state: &str,
    by: &str,
    now: OffsetDateTime,
) -> Result<Option<StandingRow>, PgError> {
    let row = sqlx::query_as(
        "update platform.device_standing s \
         set state = $3, decided_by = $4, since = $5, version = s.version + 1 \
         from platform.principals p \
         where s.device_id = $1 and s.tenant_id = $2 and s.state = 'waiting' \
           and p.id = s.device_id \
         returning s.device_id, s.tenant_id, p.display_name, s.state, s.since, s.version, s.told",
    )
    .bind(device.uuid())
    .bind(tx.tenant().uuid())
    .bind(state)
    .bind(by)
    .bind(now)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row)
}

/// Waits for a renewal of the device that is under way, and keeps the next one waiting.
pub(super) async fn lock_device(tx: &mut TenantTx, device: DeviceId) -> Result<(), PgError> {
    sqlx::query("select 1 from platform.principals where id = $1 and tenant_id = $2 for update")
        .bind(device.uuid())
        .bind(tx.tenant().uuid())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Revokes all that a device can connect with.
pub(super) async fn revoke_all(
    tx: &mut TenantTx,
    device: DeviceId,
    now: OffsetDateTime,
) -> Result<u64, PgError> {
    let done = sqlx::query(
        "update platform.device_certificates set revoked_at = $3 \
         where tenant_id = $2 and device_id = $1 and revoked_at is null and not_after > $3",
    )
    .bind(device.uuid())
    .bind(tx.tenant().uuid())
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected())
}

/// An operator's claim code is an approval.
pub(super) async fn approve_by_claim(
    tx: &mut PlatformTx,
    device: DeviceId,
    now: OffsetDateTime,
) -> Result<(), PgError> {
    sqlx::query(
        "update platform.device_standing set state = 'approved', decided_by = 'claim code', \
           since = $2, version = version + 1 where device_id = $1 and state <> 'approved'",
    )
    .bind(device.uuid())
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
