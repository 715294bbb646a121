use time::OffsetDateTime;
use yard_pg::{PgError, PlatformTx};

/// Deletions of this transaction are no news: what they are about ended long ago.
pub(super) async fn begin_upkeep(tx: &mut PlatformTx) -> Result<(), PgError> {
    sqlx::query("select set_config('app.upkeep', 'on', true)").execute(&mut **tx).await?;
    Ok(())
}

/// Sessions that ended, by their time or before it.
pub(super) async fn sessions(
    tx: &mut PlatformTx,
    before: OffsetDateTime,
    most: i64,
) -> Result<u64, PgError> {
    let sql = "delete from platform.sessions where id in (select id from platform.sessions \
           where expires_at < $1 order by expires_at limit $2 for update skip locked)";
    take_out(tx, sql, before, most).await
}

pub(super) async fn claim_codes(
    tx: &mut PlatformTx,
    before: OffsetDateTime,
    most: i64,
) -> Result<u64, PgError> {
    let sql = "delete from platform.claim_codes where code_hash in \
           (select code_hash from platform.claim_codes \
           where expires_at < $1 order by expires_at limit $2 for update skip locked)";
    take_out(tx, sql, before, most).await
}

pub(super) async fn links(
    tx: &mut PlatformTx,
    before: OffsetDateTime,
    most: i64,
) -> Result<u64, PgError> {
    let sql = "delete from platform.person_links where token_hash in \
           (select token_hash from platform.person_links \
           where expires_at < $1 order by expires_at limit $2 for update skip locked)";
    take_out(tx, sql, before, most).await
}

/// One for a person at most, so there are never many.
pub(super) async fn email_changes(
    tx: &mut PlatformTx,
    before: OffsetDateTime,
    most: i64,
) -> Result<u64, PgError> {
    let sql = "delete from platform.email_changes where principal_id in \
           (select principal_id from platform.email_changes \
           where expires_at < $1 limit $2 for update skip locked)";
    take_out(tx, sql, before, most).await
}

pub(super) async fn federated_sign_ins(
    tx: &mut PlatformTx,
    before: OffsetDateTime,
    most: i64,
) -> Result<u64, PgError> {
    let sql = "delete from platform.federated_sign_ins where state_hash in \
           (select state_hash from platform.federated_sign_ins \
           where expires_at < $1 limit $2 for update skip locked)";
    take_out(tx, sql, before, most).await
}

pub(super) async fn mails(
    tx: &mut PlatformTx,
    before: OffsetDateTime,
    most: i64,
) -> Result<u64, PgError> {
    let sql = "delete from platform.mails where id in (select id from platform.mails \
           where sealed is null and ended_at < $1 order by ended_at limit $2 \
           for update skip locked)";
    take_out(tx, sql, before, most).await
}

pub(super) async fn invitations(
    tx: &mut PlatformTx,
    before: OffsetDateTime,
    most: i64,
) -> Result<u64, PgError> {
    let sql = "delete from platform.invitations where id in (select id from platform.invitations \
           where expires_at < $1 order by expires_at limit $2 for update skip locked)";
    take_out(tx, sql, before, most).await
}

/// `sql` deletes at most `$2` rows that were over before `$1`; how many there were.
async fn take_out(
    tx: &mut PlatformTx,
    sql: &'static str,
    before: OffsetDateTime,
    most: i64,
) -> Result<u64, PgError> {
    let done = sqlx::query(sql).bind(before).bind(most).execute(&mut **tx).await?;
    Ok(done.rows_affected())
}
