use sqlx::FromRow;
use time::OffsetDateTime;
use uuid::Uuid;
use yard_pg::{PgError, PlatformTx};

use super::Enrolled;

/// An authenticator app's secret, sealed.
#[derive(Debug, Clone, FromRow)]
pub(super) struct TotpSecret {
    pub(super) id: Uuid,
    pub(super) secret: Vec<u8>,
    pub(super) created_at: OffsetDateTime,
}

/// Factors as their owner sees them.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Overview {
    pub(super) totp_since: Option<OffsetDateTime>,
    pub(super) passkeys: i64,
    pub(super) former_passkeys: i64,
    pub(super) recovery_codes: i64,
    pub(super) required: bool,
}

#[derive(FromRow)]
struct EnrolledRow {
    totp: bool,
    passkeys: i64,
    former_passkeys: i64,
    recovery_codes: i64,
}

/// Keeps others from changing a person's factors until the transaction ends. Sessions may be opened
/// meanwhile: who opens one by a factor holds that factor's row.
pub(crate) async fn lock(tx: &mut PlatformTx, person: Uuid) -> Result<(), PgError> {
    sqlx::query("select from platform.people where principal_id = $1 for no key update")
        .bind(person)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Of passkeys those count that were made for `domain`; without one none do.
pub(super) async fn enrolled(
    tx: &mut PlatformTx,
    domain: Option<&str>,
    person: Uuid,
) -> Result<Enrolled, PgError> {
    let row: EnrolledRow = sqlx::query_as(
        "select exists (select from platform.totp_secrets \
             where principal_id = $1 and confirmed_at is not null) as totp, \
           p.own as passkeys, p.registered - p.own as former_passkeys, \
           (select count(*) from platform.recovery_codes \
             where principal_id = $1 and used_at is null) as recovery_codes \
         from (select count(*) as registered, \
             count(*) filter (where coalesce(rp_id, $2) = $2) as own \
           from platform.passkeys where principal_id = $1) p",
    )
    .bind(person)
    .bind(domain)
    .fetch_one(&mut **tx)
    .await?;
    let EnrolledRow { totp, passkeys, former_passkeys, recovery_codes } = row;
    Ok(Enrolled { totp, passkeys, former_passkeys, recovery_codes })
}

pub(super) async fn overview(
    tx: &mut PlatformTx,
    domain: Option<&str>,
    person: Uuid,
) -> Result<Overview, PgError> {
    let row = sqlx::query_as(
        "select (select confirmed_at from platform.totp_secrets \
             where principal_id = $1 and confirmed_at is not null) as totp_since, \
           p.own as passkeys, p.registered - p.own as former_passkeys, \
           (select count(*) from platform.recovery_codes \
             where principal_id = $1 and used_at is null) as recovery_codes, \
           exists (select from platform.memberships m join platform.tenants t on t.id = m.tenant_id \
             where m.principal_id = $1 and t.second_factor_required) as required \
         from (select count(*) as registered, \
             count(*) filter (where coalesce(rp_id, $2) = $2) as own \
           from platform.passkeys where principal_id = $1) p",
    )
    .bind(person)
    .bind(domain)
    .fetch_one(&mut **tx)
    .await?;
    Ok(row)
}

pub(super) async fn email(tx: &mut PlatformTx, person: Uuid) -> Result<String, PgError> {
    let email = sqlx::query_scalar("select email from platform.people where principal_id = $1")
        .bind(person)
        .fetch_one(&mut **tx)
        .await?;
    Ok(email)
}

pub(super) async fn totp_in_force(
    tx: &mut PlatformTx,
    person: Uuid,
) -> Result<Option<TotpSecret>, PgError> {
    let row = sqlx::query_as(
        "select id, secret, created_at from platform.totp_secrets \
         where principal_id = $1 and confirmed_at is not null",
    )
    .bind(person)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row)
}

pub(super) async fn totp_waiting(
    tx: &mut PlatformTx,
    person: Uuid,
) -> Result<Option<TotpSecret>, PgError> {
    let row = sqlx::query_as(
        "select id, secret, created_at from platform.totp_secrets \
         where principal_id = $1 and confirmed_at is null",
    )
    .bind(person)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row)
}

/// Takes the place of one that was waiting.
pub(super) async fn insert_totp(
    tx: &mut PlatformTx,
    person: Uuid,
    secret: &TotpSecret,
) -> Result<(), PgError> {
    sqlx::query(
        "delete from platform.totp_secrets where principal_id = $1 and confirmed_at is null",
    )
    .bind(person)
    .execute(&mut **tx)
    .await?;
    sqlx::query(
        "insert into platform.totp_secrets (id, principal_id, secret, created_at) \
         values ($1, $2, $3, $4)",
    )
    .bind(secret.id)
    .bind(person)
    .bind(&secret.secret)
    .bind(secret.created_at)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Puts the waiting secret into the place of the one in force; the code that confirmed it is used.
pub(super) async fn confirm_totp(
    tx: &mut PlatformTx,
    person: Uuid,
    id: Uuid,
    step: i64,
    now: OffsetDateTime,
) -> Result<(), PgError> {
    sqlx::query(
        "delete from platform.totp_secrets where principal_id = $1 and confirmed_at is not null",
    )
    .bind(person)
    .execute(&mut **tx)
    .await?;
    sqlx::query("update platform.totp_secrets set confirmed_at = $2, last_step = $3 where id = $1")
        .bind(id)
        .bind(now)
        .bind(step)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// False when a code of this or a later step was taken before.
pub(super) async fn take_step(tx: &mut PlatformTx, id: Uuid, step: i64) -> Result<bool, PgError> {
    let done = sqlx::query(
        "update platform.totp_secrets set last_step = $2 \
         where id = $1 and confirmed_at is not null and last_step < $2",
    )
    .bind(id)
    .bind(step)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn remove_totp(tx: &mut PlatformTx, person: Uuid) -> Result<(), PgError> {
    sqlx::query("delete from platform.totp_secrets where principal_id = $1")
        .bind(person)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// In the place of all earlier ones.
pub(super) async fn replace_recovery_codes(
    tx: &mut PlatformTx,
    person: Uuid,
    hashes: &[Vec<u8>],
    now: OffsetDateTime,
) -> Result<(), PgError> {
    sqlx::query("delete from platform.recovery_codes where principal_id = $1")
        .bind(person)
        .execute(&mut **tx)
        .await?;
    sqlx::query(
        "insert into platform.recovery_codes (principal_id, code_hash, created_at) \
         select $1, code_hash, $3 from unnest($2::bytea[]) as code_hash",
    )
    .bind(person)
    .bind(hashes)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// False when it is unknown or used.
pub(super) async fn use_recovery_code(
    tx: &mut PlatformTx,
    person: Uuid,
    hash: &[u8; 32],
    now: OffsetDateTime,
) -> Result<bool, PgError> {
    let done = sqlx::query(
        "update platform.recovery_codes set used_at = $3 \
         where principal_id = $1 and code_hash = $2 and used_at is null",
    )
    .bind(person)
    .bind(hash.as_slice())
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Ids of the keys that secrets are sealed with.
pub(super) async fn sealing_kids(tx: &mut PlatformTx) -> Result<Vec<String>, PgError> {
    let kids = sqlx::query_scalar(
        "select distinct convert_from(substring(secret from 3 for get_byte(secret, 1)), 'UTF8') \
         from platform.totp_secrets",
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
        "select id, secret from platform.totp_secrets \
         where convert_from(substring(secret from 3 for get_byte(secret, 1)), 'UTF8') <> $1 \
         limit $2 for update skip locked",
    )
    .bind(kid)
    .bind(most)
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows)
}

pub(super) async fn reseal(tx: &mut PlatformTx, id: Uuid, sealed: &[u8]) -> Result<(), PgError> {
    sqlx::query("update platform.totp_secrets set secret = $2 where id = $1")
        .bind(id)
        .bind(sealed)
        .execute(&mut **tx)
        .await?;
    Ok(())
}
