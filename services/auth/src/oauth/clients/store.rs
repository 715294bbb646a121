use time::OffsetDateTime;
use uuid::Uuid;
use yard_pg::{PgError, PlatformTx};

use super::Client;

/// How many clients the tenant has. Who counts at the same time waits until the transaction ends, so
/// that two cannot both be the last.
pub(super) async fn count(tx: &mut PlatformTx, tenant: Uuid) -> Result<i64, PgError> {
    sqlx::query("select pg_advisory_xact_lock(hashtextextended('oauth clients ' || $1::text, 0))")
        .bind(tenant)
        .execute(&mut **tx)
        .await?;
    let count = sqlx::query_scalar(
        "select count(*) from platform.oauth_clients \
         where tenant_id = $1 and deleted_at is null",
    )
    .bind(tenant)
    .fetch_one(&mut **tx)
    .await?;
    Ok(count)
}

pub(super) async fn insert(
    tx: &mut PlatformTx,
    client: &Client,
    created_by: &str,
) -> Result<(), PgError> {
    sqlx::query(
        "insert into platform.oauth_clients \
           (id, tenant_id, name, redirect_uris, abilities, first_party, created_by, created_at) \
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(client.id)
    .bind(client.tenant_id)
    .bind(&client.name)
    .bind(&client.redirect_uris)
    .bind(&client.abilities)
    .bind(client.first_party)
    .bind(created_by)
    .bind(client.created_at)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Newest first, from behind `after`.
pub(super) async fn page(
    tx: &mut PlatformTx,
    tenant: Uuid,
    after: Option<Uuid>,
    most: i64,
) -> Result<Vec<Client>, PgError> {
    let rows = sqlx::query_as(
        "select id, tenant_id, name, redirect_uris, abilities, first_party, created_at, deleted_at \
         from platform.oauth_clients \
         where tenant_id = $1 and deleted_at is null and ($2::uuid is null or id < $2) \
         order by id desc limit $3",
    )
    .bind(tenant)
    .bind(after)
    .bind(most)
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows)
}

pub(super) async fn delete(
    tx: &mut PlatformTx,
    tenant: Uuid,
    id: Uuid,
    now: OffsetDateTime,
) -> Result<Option<Client>, PgError> {
    let row = sqlx::query_as(
        "update platform.oauth_clients set deleted_at = coalesce(deleted_at, $3) \
         where id = $1 and tenant_id = $2 \
         returning id, tenant_id, name, redirect_uris, abilities, first_party, created_at, \
           deleted_at",
    )
    .bind(id)
    .bind(tenant)
    .bind(now)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row)
}

/// Ends all sessions that a client was granted; the table's trigger tells the feed.
pub(super) async fn end_grants(
    tx: &mut PlatformTx,
    client: Uuid,
    now: OffsetDateTime,
) -> Result<(), PgError> {
    sqlx::query(
        "update platform.sessions s set revoked_at = $2 \
         from platform.oauth_families f \
         where f.client_id = $1 and s.id = f.session_id and s.revoked_at is null",
    )
    .bind(client)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
