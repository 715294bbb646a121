use sqlx::FromRow;
use uuid::Uuid;
use yard_authn::Revocation;
use yard_ids::{PrincipalId, SessionId, TenantId};
use yard_pg::{PgError, PlatformTx};

/// A row on its way to the feed.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Row {
    pub(super) id: i64,
    kind: String,
    tenant_id: Option<Uuid>,
    subject: String,
    pub(super) effective_ms: i64,
}

impl Row {
    /// `None` for a row that names nothing, which the triggers cannot write.
    pub(super) fn what(&self) -> Option<Revocation> {
        let tenant = self.tenant_id.map(TenantId::from_uuid);
        if self.kind == "key" {
            return Some(Revocation::Key(self.subject.clone()));
        }
        let id = Uuid::try_parse(&self.subject).ok()?;
        Some(match self.kind.as_str() {
            "session" => Revocation::Session(SessionId::from_uuid(id)),
            "person" => Revocation::Person(tenant, PrincipalId::from_uuid(id)),
            "tenant" => Revocation::Tenant(TenantId::from_uuid(id)),
            "api-token" => Revocation::ApiToken(id),
            _ => return None,
        })
    }
}

/// Takes rows that are not in the feed yet, oldest first, and fixes from when they hold: now, when
/// what they tell of is committed. Rounded up, as tokens' times are rounded down.
pub(super) async fn take(tx: &mut PlatformTx, most: i64) -> Result<Vec<Row>, PgError> {
    let rows = sqlx::query_as(
        "update platform.revocations r \
         set effective_at = coalesce(r.effective_at, clock_timestamp()) \
         from (select id from platform.revocations where stream_sequence is null \
               order by id limit $1 for update skip locked) t \
         where r.id = t.id \
         returning r.id, r.kind, r.tenant_id, r.subject, \
           ceil(extract(epoch from r.effective_at) * 1000)::bigint as effective_ms",
    )
    .bind(most)
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows)
}

pub(super) async fn mark(
    tx: &mut PlatformTx,
    ids: &[i64],
    sequences: &[i64],
) -> Result<(), PgError> {
    sqlx::query(
        "update platform.revocations r set stream_sequence = s.sequence \
         from unnest($1::bigint[], $2::bigint[]) as s(id, sequence) where r.id = s.id",
    )
    .bind(ids)
    .bind(sequences)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Has everything of the last `seconds` that lies above `sequence` sent again.
pub(super) async fn send_again(
    tx: &mut PlatformTx,
    sequence: i64,
    seconds: f64,
) -> Result<u64, PgError> {
    let done = sqlx::query(
        "update platform.revocations set stream_sequence = null \
         where stream_sequence > $1 \
           and created_at > clock_timestamp() - make_interval(secs => $2)",
    )
    .bind(sequence)
    .bind(seconds)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected())
}

/// Deletes what the feed has long forgotten.
pub(super) async fn prune(tx: &mut PlatformTx, seconds: f64) -> Result<u64, PgError> {
    let done = sqlx::query(
        "delete from platform.revocations where stream_sequence is not null \
           and created_at < clock_timestamp() - make_interval(secs => $1)",
    )
    .bind(seconds)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected())
}

/// The database's clock, milliseconds since 1970.
pub(super) async fn now_ms(tx: &mut PlatformTx) -> Result<i64, PgError> {
    let ms =
        sqlx::query_scalar("select floor(extract(epoch from clock_timestamp()) * 1000)::bigint")
            .fetch_one(&mut **tx)
            .await?;
    Ok(ms)
}
