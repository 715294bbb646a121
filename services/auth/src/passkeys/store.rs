use sqlx::FromRow;
use time::OffsetDateTime;
use uuid::Uuid;
use yard_pg::{PgError, PlatformTx};

use super::verify::{Registered, Signed};

/// A credential, for whoever has to verify a signature by it.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Credential {
    pub(super) id: Uuid,
    pub(super) principal_id: Uuid,
    pub(super) public_key: Vec<u8>,
    pub(super) backup_eligible: bool,
}

/// A passkey as its owner sees it.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Row {
    pub(super) id: Uuid,
    pub(super) name: String,
    pub(super) created_at: OffsetDateTime,
    pub(super) last_used_at: Option<OffsetDateTime>,
    pub(super) backup_eligible: bool,
    pub(super) backed_up: bool,
    pub(super) transports: Vec<String>,
    /// The domain that it was made for; none for one of before that was written down.
    pub(super) rp_id: Option<String>,
}

/// What a browser has to know to ask for a passkey, or to make no second one.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Descriptor {
    pub(super) credential_id: Vec<u8>,
    pub(super) transports: Vec<String>,
}

/// How a person is called in an authenticator.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Names {
    pub(super) email: String,
    pub(super) display_name: String,
}

/// Of a domain alone. Held until the transaction ends: who takes it away waits, and whoever comes after
/// that finds none.
pub(super) async fn credential(
    tx: &mut PlatformTx,
    domain: &str,
    credential_id: &[u8],
) -> Result<Option<Credential>, PgError> {
    let row = sqlx::query_as(
        "select id, principal_id, public_key, backup_eligible from platform.passkeys \
         where credential_id = $1 and coalesce(rp_id, $2) = $2 for update",
    )
    .bind(credential_id)
    .bind(domain)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row)
}

/// Of a person's passkeys those that a domain can ask for.
pub(super) async fn descriptors(
    tx: &mut PlatformTx,
    domain: &str,
    person: Uuid,
) -> Result<Vec<Descriptor>, PgError> {
    let rows = sqlx::query_as(
        "select credential_id, transports from platform.passkeys \
         where principal_id = $1 and coalesce(rp_id, $2) = $2 order by created_at, id",
    )
    .bind(person)
    .bind(domain)
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows)
}

pub(super) async fn names(tx: &mut PlatformTx, person: Uuid) -> Result<Names, PgError> {
    let row = sqlx::query_as(
        "select p.email, pr.display_name \
         from platform.people p join platform.principals pr on pr.id = p.principal_id \
         where p.principal_id = $1",
    )
    .bind(person)
    .fetch_one(&mut **tx)
    .await?;
    Ok(row)
}

pub(super) async fn insert(
    tx: &mut PlatformTx,
    person: Uuid,
    row: &Row,
    made: &Registered,
) -> Result<(), PgError> {
    sqlx::query(
        "insert into platform.passkeys \
           (id, principal_id, credential_id, public_key, sign_count, transports, backup_eligible, \
            backed_up, name, created_at, rp_id) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
    .bind(row.id)
    .bind(person)
    .bind(&made.credential_id)
    .bind(&made.public_key)
    .bind(i64::from(made.sign_count))
    .bind(&row.transports)
    .bind(row.backup_eligible)
    .bind(row.backed_up)
    .bind(&row.name)
    .bind(row.created_at)
    .bind(&row.rp_id)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Notes a use, under the domain that it was signed for. False when the authenticator's counter did not
/// go on: some count not, and stay at zero, but one that did never goes back.
pub(super) async fn note_use(
    tx: &mut PlatformTx,
    domain: &str,
    id: Uuid,
    signed: &Signed,
    now: OffsetDateTime,
) -> Result<bool, PgError> {
    let done = sqlx::query(
        "update platform.passkeys set sign_count = $2, backed_up = $3, last_used_at = $4, \
           rp_id = coalesce(rp_id, $5) \
         where id = $1 and (sign_count < $2 or (sign_count = 0 and $2 = 0))",
    )
    .bind(id)
    .bind(i64::from(signed.sign_count))
    .bind(signed.backed_up)
    .bind(now)
    .bind(domain)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn list(tx: &mut PlatformTx, person: Uuid) -> Result<Vec<Row>, PgError> {
    let rows = sqlx::query_as(
        "select id, name, created_at, last_used_at, backup_eligible, backed_up, transports, rp_id \
         from platform.passkeys where principal_id = $1 order by created_at, id",
    )
    .bind(person)
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows)
}

pub(super) async fn rename(
    tx: &mut PlatformTx,
    person: Uuid,
    id: Uuid,
    name: &str,
) -> Result<Option<Row>, PgError> {
    let row = sqlx::query_as(
        "update platform.passkeys set name = $3 where principal_id = $1 and id = $2 \
         returning id, name, created_at, last_used_at, backup_eligible, backed_up, transports, rp_id",
    )
    .bind(person)
    .bind(id)
    .bind(name)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row)
}

/// False when it is not there.
pub(super) async fn remove(tx: &mut PlatformTx, person: Uuid, id: Uuid) -> Result<bool, PgError> {
    let done = sqlx::query("delete from platform.passkeys where principal_id = $1 and id = $2")
        .bind(person)
        .bind(id)
        .execute(&mut **tx)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Gives those a domain that have none.
pub(super) async fn adopt(tx: &mut PlatformTx, domain: &str) -> Result<(), PgError> {
    sqlx::query("update platform.passkeys set rp_id = $1 where rp_id is null")
        .bind(domain)
        .execute(&mut **tx)
        .await?;
    Ok(())
}
