use sqlx::FromRow;
use time::OffsetDateTime;
use uuid::Uuid;
use yard_pg::{PgError, PlatformTx, TenantTx};

/// A NAS as the platform knows it: whose it is, and no more.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Found {
    pub(super) nas_id: Uuid,
    pub(super) tenant_id: Uuid,
    /// Neither suspended nor on its way out.
    pub(super) tenant_is_open: bool,
    /// The tenant's key.
    pub(super) key_sealed: Vec<u8>,
}

/// What is decided by of a subscriber.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Subscriber {
    pub(super) id: Uuid,
    pub(super) password_verifier: Vec<u8>,
    pub(super) password_sealed: Option<Vec<u8>>,
    pub(super) disabled_at: Option<OffsetDateTime>,
    pub(super) valid_until: Option<OffsetDateTime>,
    pub(super) session_timeout_seconds: i32,
    pub(super) idle_timeout_seconds: i32,
    pub(super) upload_kbps: i32,
    pub(super) download_kbps: i32,
}

pub(super) async fn by_address(
    tx: &mut PlatformTx,
    address: &str,
) -> Result<Option<Found>, PgError> {
    let row = sqlx::query_as(
        "select c.nas_id, c.tenant_id, t.state = 'ready' as tenant_is_open, k.sealed as key_sealed \
         from platform.radius_clients c \
         join platform.tenants t on t.id = c.tenant_id \
         join platform.radius_keys k on k.tenant_id = c.tenant_id \
         where c.address = $1",
    )
    .bind(address)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row)
}

pub(super) async fn by_nas(tx: &mut PlatformTx, nas: Uuid) -> Result<Option<Found>, PgError> {
    let row = sqlx::query_as(
        "select c.nas_id, c.tenant_id, t.state = 'ready' as tenant_is_open, k.sealed as key_sealed \
         from platform.radius_clients c \
         join platform.tenants t on t.id = c.tenant_id \
         join platform.radius_keys k on k.tenant_id = c.tenant_id \
         where c.nas_id = $1",
    )
    .bind(nas)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row)
}

/// The sealed secret of a NAS that is not disabled.
pub(super) async fn nas_secret(tx: &mut TenantTx, nas: Uuid) -> Result<Option<Vec<u8>>, PgError> {
    let row = sqlx::query_scalar(
        "select secret_sealed from radius_nas where id = $1 and disabled_at is null",
    )
    .bind(nas)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row)
}

pub(super) async fn subscriber(
    tx: &mut TenantTx,
    user_name: &str,
) -> Result<Option<Subscriber>, PgError> {
    let row = sqlx::query_as(
        "select id, password_verifier, password_sealed, disabled_at, valid_until, \
           session_timeout_seconds, idle_timeout_seconds, upload_kbps, download_kbps \
         from radius_subscribers where user_name = $1",
    )
    .bind(user_name)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row)
}
