//! One key for each tenant, which lies sealed by auth's own. It seals what is in the tenant's schema, so
//! that a change of auth's key touches one row of a tenant, and what is left of a tenant without that row
//! opens for nobody.

use time::OffsetDateTime;
use uuid::Uuid;
use yard_authn::data_key::DataKey;
use yard_authn::seal::Sealer;
use yard_fault::Fault;
use yard_ids::TenantId;
use yard_pg::{PgError, PlatformTx, TenantTx};

use crate::resealing::SealedRows;

const PURPOSE: &str = "radius-tenant-key";

/// The key of the transaction's tenant, made at first use.
pub(super) async fn of_tenant(
    tx: &mut TenantTx,
    sealer: &Sealer,
    now: OffsetDateTime,
) -> Result<DataKey, Fault> {
    let tenant = tx.tenant();
    if let Some(sealed) = sealed(tx).await? {
        return opened(sealer, tenant, &sealed);
    }
    let fresh = sealer.seal(PURPOSE, tenant.uuid().as_bytes(), &DataKey::make()?)?;
    insert(tx, &fresh, now).await?;
    // Somebody else may have been first.
    let sealed = sealed(tx).await?.ok_or_else(|| Fault::internal("a tenant's key is not there"))?;
    opened(sealer, tenant, &sealed)
}

/// A tenant's key, of its row.
pub(super) fn opened(sealer: &Sealer, tenant: TenantId, sealed: &[u8]) -> Result<DataKey, Fault> {
    DataKey::of(&sealer.open(PURPOSE, tenant.uuid().as_bytes(), sealed)?)
}

async fn sealed(tx: &mut TenantTx) -> Result<Option<Vec<u8>>, PgError> {
    let tenant = tx.tenant();
    let row = sqlx::query_scalar("select sealed from platform.radius_keys where tenant_id = $1")
        .bind(tenant.uuid())
        .fetch_optional(&mut **tx)
        .await?;
    Ok(row)
}

async fn insert(tx: &mut TenantTx, sealed: &[u8], now: OffsetDateTime) -> Result<(), PgError> {
    let tenant = tx.tenant();
    sqlx::query(
        "insert into platform.radius_keys (tenant_id, sealed, created_at) values ($1, $2, $3) \
         on conflict (tenant_id) do nothing",
    )
    .bind(tenant.uuid())
    .bind(sealed)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Tenants' keys, to be sealed anew when auth's key changes.
pub(super) struct TenantKeys;

impl SealedRows for TenantKeys {
    const PURPOSE: &'static str = PURPOSE;
    const TASK: &'static str = "radius keys";

    async fn kids(tx: &mut PlatformTx) -> Result<Vec<String>, PgError> {
        let kids = sqlx::query_scalar(
            "select distinct convert_from(substring(sealed from 3 for get_byte(sealed, 1)), 'UTF8') \
             from platform.radius_keys",
        )
        .fetch_all(&mut **tx)
        .await?;
        Ok(kids)
    }

    async fn sealed_before(
        tx: &mut PlatformTx,
        kid: &str,
        most: i64,
    ) -> Result<Vec<(Uuid, Vec<u8>)>, PgError> {
        let rows = sqlx::query_as(
            "select tenant_id, sealed from platform.radius_keys \
             where convert_from(substring(sealed from 3 for get_byte(sealed, 1)), 'UTF8') <> $1 \
             limit $2 for update skip locked",
        )
        .bind(kid)
        .bind(most)
        .fetch_all(&mut **tx)
        .await?;
        Ok(rows)
    }

    async fn replace(tx: &mut PlatformTx, id: Uuid, sealed: &[u8]) -> Result<(), PgError> {
        sqlx::query("update platform.radius_keys set sealed = $2 where tenant_id = $1")
            .bind(id)
            .bind(sealed)
            .execute(&mut **tx)
            .await?;
        Ok(())
    }
}
