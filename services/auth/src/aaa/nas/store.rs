use sqlx::FromRow;
use time::OffsetDateTime;
use uuid::Uuid;
use yard_pg::{PgError, TenantTx};

/// A NAS without its secret.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Nas {
    pub(super) id: Uuid,
    pub(super) name: String,
    pub(super) address: String,
    pub(super) disabled_at: Option<OffsetDateTime>,
    pub(super) created_at: OffsetDateTime,
    pub(super) changed_at: Option<OffsetDateTime>,
}

/// How many the tenant has. Who counts at the same time waits until the transaction ends, so that two
/// cannot both be the last.
pub(super) async fn count(tx: &mut TenantTx) -> Result<i64, PgError> {
    let tenant = tx.tenant();
    sqlx::query("select pg_advisory_xact_lock(hashtextextended('radius nas ' || $1::text, 0))")
        .bind(tenant.uuid())
        .execute(&mut **tx)
        .await?;
    Ok(sqlx::query_scalar("select count(*) from radius_nas").fetch_one(&mut **tx).await?)
}

/// Puts it into the tenant's schema, and its address where it is found by.
pub(super) async fn insert(
    tx: &mut TenantTx,
    nas: &Nas,
    secret_sealed: &[u8],
    created_by: &str,
) -> Result<(), PgError> {
    let tenant = tx.tenant();
    sqlx::query(
        "insert into radius_nas \
           (id, tenant_id, name, secret_sealed, disabled_at, created_by, created_at) \
         values ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(nas.id)
    .bind(tenant.uuid())
    .bind(&nas.name)
    .bind(secret_sealed)
    .bind(nas.disabled_at)
    .bind(created_by)
    .bind(nas.created_at)
    .execute(&mut **tx)
    .await?;
    sqlx::query(
        "insert into platform.radius_clients (nas_id, tenant_id, address, created_at) \
         values ($1, $2, $3, $4)",
    )
    .bind(nas.id)
    .bind(tenant.uuid())
    .bind(&nas.address)
    .bind(nas.created_at)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// By name, from behind `after`.
pub(super) async fn page(
    tx: &mut TenantTx,
    after: Option<&str>,
    most: i64,
) -> Result<Vec<Nas>, PgError> {
    let rows = sqlx::query_as(
        "select n.id, n.name, c.address, n.disabled_at, n.created_at, n.changed_at \
         from radius_nas n join platform.radius_clients c on c.nas_id = n.id \
         where $1::text is null or n.name > $1 order by n.name limit $2",
    )
    .bind(after)
    .bind(most)
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows)
}

/// One; nobody else changes it before the transaction ends.
pub(super) async fn keep(tx: &mut TenantTx, id: Uuid) -> Result<Option<Nas>, PgError> {
    let row = sqlx::query_as(
        "select n.id, n.name, c.address, n.disabled_at, n.created_at, n.changed_at \
         from radius_nas n join platform.radius_clients c on c.nas_id = n.id \
         where n.id = $1 for update of n",
    )
    .bind(id)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row)
}

pub(super) async fn update(tx: &mut TenantTx, nas: &Nas) -> Result<(), PgError> {
    sqlx::query("update radius_nas set name = $2, disabled_at = $3, changed_at = $4 where id = $1")
        .bind(nas.id)
        .bind(&nas.name)
        .bind(nas.disabled_at)
        .bind(nas.changed_at)
        .execute(&mut **tx)
        .await?;
    sqlx::query("update platform.radius_clients set address = $2 where nas_id = $1")
        .bind(nas.id)
        .bind(&nas.address)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// `false` if there is no such NAS.
pub(super) async fn replace_secret(
    tx: &mut TenantTx,
    id: Uuid,
    sealed: &[u8],
    now: OffsetDateTime,
) -> Result<bool, PgError> {
    let done =
        sqlx::query("update radius_nas set secret_sealed = $2, changed_at = $3 where id = $1")
            .bind(id)
            .bind(sealed)
            .bind(now)
            .execute(&mut **tx)
            .await?;
    Ok(done.rows_affected() == 1)
}

/// `false` if there is no such NAS.
pub(super) async fn delete(tx: &mut TenantTx, id: Uuid) -> Result<bool, PgError> {
    sqlx::query("delete from platform.radius_clients where nas_id = $1")
        .bind(id)
        .execute(&mut **tx)
        .await?;
    let done =
        sqlx::query("delete from radius_nas where id = $1").bind(id).execute(&mut **tx).await?;
    Ok(done.rows_affected() == 1)
}
