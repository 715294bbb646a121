use sqlx::FromRow;
use time::OffsetDateTime;
use yard_pg::{PgError, PlatformTx};

use super::plan::{Key, State};

/// A key as stored.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Row {
    pub(super) kid: String,
    pub(super) public_x: String,
    pub(super) state: String,
    pub(super) sealed: Option<Vec<u8>>,
    pub(super) created_at: OffsetDateTime,
    pub(super) activated_at: Option<OffsetDateTime>,
    pub(super) retired_at: Option<OffsetDateTime>,
    pub(super) revoked_at: Option<OffsetDateTime>,
    pub(super) reason: String,
}

impl Row {
    pub(super) fn state(&self) -> State {
        match self.state.as_str() {
            "pending" => State::Pending,
            "active" => State::Active,
            "retiring" => State::Retiring,
            // The table takes no other.
            _ => State::Revoked,
        }
    }

    pub(super) fn key(&self) -> Key {
        Key {
            kid: self.kid.clone(),
            state: self.state(),
            created_at: self.created_at,
            activated_at: self.activated_at,
            retired_at: self.retired_at,
        }
    }
}

/// Keeps every other instance from changing keys until the transaction ends.
pub(super) async fn lock(tx: &mut PlatformTx) -> Result<(), PgError> {
    sqlx::query("select pg_catalog.pg_advisory_xact_lock(7203, 8)").execute(&mut **tx).await?;
    Ok(())
}

/// Keys that are not revoked, oldest first.
pub(super) async fn living(tx: &mut PlatformTx) -> Result<Vec<Row>, PgError> {
    let rows = sqlx::query_as(
        "select kid, public_x, state, sealed, created_at, activated_at, retired_at, revoked_at, \
           reason \
         from platform.signing_keys where state <> 'revoked' order by created_at, kid",
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows)
}

pub(super) async fn one(tx: &mut PlatformTx, kid: &str) -> Result<Option<Row>, PgError> {
    let row = sqlx::query_as(
        "select kid, public_x, state, sealed, created_at, activated_at, retired_at, revoked_at, \
           reason \
         from platform.signing_keys where kid = $1",
    )
    .bind(kid)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row)
}

/// Newest first, from behind `after` (creation and id of the last one seen).
pub(super) async fn page(
    tx: &mut PlatformTx,
    after: Option<(OffsetDateTime, &str)>,
    most: i64,
) -> Result<Vec<Row>, PgError> {
    let rows = sqlx::query_as(
        "select kid, public_x, state, sealed, created_at, activated_at, retired_at, revoked_at, \
           reason \
         from platform.signing_keys \
         where $1::timestamptz is null or (created_at, kid) < ($1, $2) \
         order by created_at desc, kid desc limit $3",
    )
    .bind(after.map(|(at, _)| at))
    .bind(after.map(|(_, kid)| kid))
    .bind(most)
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows)
}

/// Whether there ever was a key.
pub(super) async fn any(tx: &mut PlatformTx) -> Result<bool, PgError> {
    let any = sqlx::query_scalar("select exists (select from platform.signing_keys)")
        .fetch_one(&mut **tx)
        .await?;
    Ok(any)
}

/// Grows with every change, microseconds of the last one.
pub(super) async fn generation(tx: &mut PlatformTx) -> Result<i64, PgError> {
    let generation = sqlx::query_scalar(
        "select coalesce((extract(epoch from max(changed_at)) * 1000000)::bigint, 0) \
         from platform.signing_keys",
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok(generation)
}

pub(super) async fn insert(
    tx: &mut PlatformTx,
    kid: &str,
    public_x: &str,
    sealed: &[u8],
    now: OffsetDateTime,
) -> Result<(), PgError> {
    sqlx::query(
        "insert into platform.signing_keys (kid, public_x, state, sealed, created_at) \
         values ($1, $2, 'pending', $3, $4)",
    )
    .bind(kid)
    .bind(public_x)
    .bind(sealed)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The active key, if there is one, retires.
pub(super) async fn retire_active(tx: &mut PlatformTx, now: OffsetDateTime) -> Result<(), PgError> {
    sqlx::query(
        "update platform.signing_keys set state = 'retiring', retired_at = $1, \
           changed_at = clock_timestamp() where state = 'active'",
    )
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub(super) async fn activate(
    tx: &mut PlatformTx,
    kid: &str,
    now: OffsetDateTime,
) -> Result<(), PgError> {
    sqlx::query(
        "update platform.signing_keys set state = 'active', activated_at = $2, \
           changed_at = clock_timestamp() where kid = $1 and state = 'pending'",
    )
    .bind(kid)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Destroys the private half.
pub(super) async fn revoke(
    tx: &mut PlatformTx,
    kid: &str,
    reason: &str,
    now: OffsetDateTime,
) -> Result<(), PgError> {
    sqlx::query(
        "update platform.signing_keys set state = 'revoked', sealed = null, revoked_at = $3, \
           reason = $2, changed_at = clock_timestamp() where kid = $1 and state <> 'revoked'",
    )
    .bind(kid)
    .bind(reason)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The same private half under another sealing key; no change of the key itself.
pub(super) async fn reseal(tx: &mut PlatformTx, kid: &str, sealed: &[u8]) -> Result<(), PgError> {
    sqlx::query(
        "update platform.signing_keys set sealed = $2 where kid = $1 and sealed is not null",
    )
    .bind(kid)
    .bind(sealed)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
