use uuid::Uuid;
use yard_pg::{PgError, PlatformTx};

/// Keys that clients' secrets are sealed with.
pub(super) async fn sealing_kids(tx: &mut PlatformTx) -> Result<Vec<String>, PgError> {
    let kids = sqlx::query_scalar(
        "select distinct convert_from( \
           substring(client_secret_sealed from 3 for get_byte(client_secret_sealed, 1)), 'UTF8') \
         from platform.identity_providers where client_secret_sealed is not null",
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(kids)
}

/// Secrets that another key than `kid` seals, at most so many, locked.
pub(super) async fn sealed_before(
    tx: &mut PlatformTx,
    kid: &str,
    most: i64,
) -> Result<Vec<(Uuid, Vec<u8>)>, PgError> {
    let rows = sqlx::query_as(
        "select id, client_secret_sealed from platform.identity_providers \
         where client_secret_sealed is not null and convert_from( \
           substring(client_secret_sealed from 3 for get_byte(client_secret_sealed, 1)), 'UTF8') \
           <> $1 limit $2 for update skip locked",
    )
    .bind(kid)
    .bind(most)
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows)
}

pub(super) async fn reseal(tx: &mut PlatformTx, id: Uuid, sealed: &[u8]) -> Result<(), PgError> {
    sqlx::query("update platform.identity_providers set client_secret_sealed = $2 where id = $1")
        .bind(id)
        .bind(sealed)
        .execute(&mut **tx)
        .await?;
    Ok(())
}
