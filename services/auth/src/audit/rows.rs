//! What is read of the trail. Row level security narrows a tenant's transaction to its own chain;
//! the chain is bound all the same.

use sqlx::{FromRow, PgConnection};
use time::OffsetDateTime;
use uuid::Uuid;
use yard_audit::{Entry, Root};
use yard_pg::PgError;

use super::chain_name;
use super::key_rows::SubjectKey;
use super::store::hash_of;

/// A stored entry.
#[derive(Debug, FromRow)]
pub(super) struct Stored {
    pub(super) tenant_id: Uuid,
    pub(super) sequence: i64,
    pub(super) event_id: Uuid,
    pub(super) kind: String,
    pub(super) occurred_at: OffsetDateTime,
    pub(super) recorded_at: OffsetDateTime,
    pub(super) service: String,
    pub(super) actor: String,
    pub(super) acting_as: String,
    pub(super) session_id: String,
    pub(super) action: String,
    pub(super) object_type: String,
    pub(super) object_id: String,
    pub(super) outcome: String,
    pub(super) incident: String,
    pub(super) trace_id: String,
    pub(super) address_prefix: String,
    pub(super) changed_fields: Vec<String>,
    pub(super) repeats: i32,
    pub(super) resolves: i64,
    pub(super) subject_id: String,
    pub(super) personal_commitment: Option<Vec<u8>>,
    pub(super) sealed: Option<Vec<u8>>,
    pub(super) previous_hash: Vec<u8>,
    pub(super) hash: Vec<u8>,
}

impl Stored {
    /// What is hashed of it.
    pub(super) fn entry(&self) -> Entry {
        Entry {
            chain: chain_name(self.tenant_id),
            sequence: self.sequence,
            event_id: self.event_id.as_hyphenated().to_string(),
            kind: self.kind.clone(),
            occurred_at: self.occurred_at,
            recorded_at: self.recorded_at,
            service: self.service.clone(),
            actor: self.actor.clone(),
            acting_as: self.acting_as.clone(),
            session_id: self.session_id.clone(),
            action: self.action.clone(),
            object_type: self.object_type.clone(),
            object_id: self.object_id.clone(),
            outcome: self.outcome.clone(),
            incident: self.incident.clone(),
            trace_id: self.trace_id.clone(),
            address_prefix: self.address_prefix.clone(),
            changed_fields: self.changed_fields.clone(),
            repeats: self.repeats,
            resolves: self.resolves,
            subject_id: self.subject_id.clone(),
            personal_commitment: self.personal_commitment.as_deref().map(hash_of),
        }
    }
}

/// What a search asks for; empty and `None` do not narrow.
#[derive(Debug, Default)]
pub(super) struct Filter {
    pub(super) before: Option<i64>,
    pub(super) from: Option<OffsetDateTime>,
    pub(super) to: Option<OffsetDateTime>,
    pub(super) actor: String,
    pub(super) action: String,
    pub(super) object_type: String,
    pub(super) object_id: String,
    pub(super) outcome: String,
    pub(super) incident: String,
    pub(super) kind: String,
}

/// Newest first.
pub(super) async fn search(
    tx: &mut PgConnection,
    chain: Uuid,
    filter: &Filter,
    most: i64,
) -> Result<Vec<Stored>, PgError> {
    let rows = sqlx::query_as(
        "select tenant_id, sequence, event_id, kind, occurred_at, recorded_at, service, actor, \
           acting_as, session_id, action, object_type, object_id, outcome, incident, trace_id, \
           address_prefix, changed_fields, repeats, resolves, subject_id, personal_commitment, \
           sealed, previous_hash, hash \
         from platform.audit_events where tenant_id = $1 \
           and ($2::bigint is null or sequence < $2) \
           and ($3::timestamptz is null or occurred_at >= $3) \
           and ($4::timestamptz is null or occurred_at < $4) \
           and ($5 = '' or actor = $5) and ($6 = '' or starts_with(action, $6)) \
           and ($7 = '' or object_type = $7) and ($8 = '' or object_id = $8) \
           and ($9 = '' or outcome = $9 or ($9 = 'refused' and outcome <> 'ok')) \
           and ($10 = '' or incident = $10) and ($11 = '' or kind = $11) \
         order by sequence desc limit $12",
    )
    .bind(chain)
    .bind(filter.before)
    .bind(filter.from)
    .bind(filter.to)
    .bind(&filter.actor)
    .bind(&filter.action)
    .bind(&filter.object_type)
    .bind(&filter.object_id)
    .bind(&filter.outcome)
    .bind(&filter.incident)
    .bind(&filter.kind)
    .bind(most)
    .fetch_all(tx)
    .await?;
    Ok(rows)
}

/// Oldest first, from behind `after` up to `last`.
pub(super) async fn onwards(
    tx: &mut PgConnection,
    chain: Uuid,
    after: i64,
    last: i64,
    most: i64,
) -> Result<Vec<Stored>, PgError> {
    let rows = sqlx::query_as(
        "select tenant_id, sequence, event_id, kind, occurred_at, recorded_at, service, actor, \
           acting_as, session_id, action, object_type, object_id, outcome, incident, trace_id, \
           address_prefix, changed_fields, repeats, resolves, subject_id, personal_commitment, \
           sealed, previous_hash, hash \
         from platform.audit_events where tenant_id = $1 and sequence > $2 and sequence <= $3 \
         order by sequence limit $4",
    )
    .bind(chain)
    .bind(after)
    .bind(last)
    .bind(most)
    .fetch_all(tx)
    .await?;
    Ok(rows)
}

/// The state of a chain.
#[derive(Debug, Clone, FromRow)]
pub(super) struct HeadRow {
    pub(super) tenant_id: Uuid,
    pub(super) sequence: i64,
    pub(super) hash: Vec<u8>,
    pub(super) first_sequence: i64,
    pub(super) first_previous_hash: Vec<u8>,
    pub(super) anchored_sequence: i64,
    pub(super) verified_sequence: i64,
    pub(super) verified_at: Option<OffsetDateTime>,
    pub(super) problem: String,
}

pub(super) async fn head(tx: &mut PgConnection, chain: Uuid) -> Result<Option<HeadRow>, PgError> {
    let row = sqlx::query_as(
        "select tenant_id, sequence, hash, first_sequence, first_previous_hash, \
           anchored_sequence, verified_sequence, verified_at, problem \
         from platform.audit_heads where tenant_id = $1",
    )
    .bind(chain)
    .fetch_optional(tx)
    .await?;
    Ok(row)
}

/// Every chain, in the order of the leaves.
pub(super) async fn heads(tx: &mut PgConnection) -> Result<Vec<HeadRow>, PgError> {
    let rows = sqlx::query_as(
        "select tenant_id, sequence, hash, first_sequence, first_previous_hash, \
           anchored_sequence, verified_sequence, verified_at, problem \
         from platform.audit_heads where sequence > 0 order by tenant_id",
    )
    .fetch_all(tx)
    .await?;
    Ok(rows)
}

/// A root as stored.
#[derive(Debug, FromRow)]
pub(super) struct RootRow {
    number: i64,
    made_at: OffsetDateTime,
    merkle_root: Vec<u8>,
    previous_digest: Vec<u8>,
    key_id: String,
    signature: Vec<u8>,
}

impl From<RootRow> for Root {
    fn from(row: RootRow) -> Self {
        Self {
            number: row.number,
            made_at: row.made_at,
            merkle_root: hash_of(&row.merkle_root),
            previous_digest: hash_of(&row.previous_digest),
            key_id: row.key_id,
            signature: row.signature,
        }
    }
}

/// Newest first, from before a number.
pub(super) async fn roots(
    tx: &mut PgConnection,
    before: Option<i64>,
    most: i64,
) -> Result<Vec<Root>, PgError> {
    let rows: Vec<RootRow> = sqlx::query_as(
        "select number, made_at, merkle_root, previous_digest, key_id, signature \
         from platform.audit_roots where $1::bigint is null or number < $1 \
         order by number desc limit $2",
    )
    .bind(before)
    .bind(most)
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().map(Root::from).collect())
}

/// Where a root covers an entry.
#[derive(Debug, FromRow)]
pub(super) struct AnchorRow {
    pub(super) sequence: i64,
    pub(super) path: Vec<String>,
    #[sqlx(flatten)]
    pub(super) root: RootRow,
}

/// Anchors of entries from behind `after` up to `last`.
pub(super) async fn anchors(
    tx: &mut PgConnection,
    chain: Uuid,
    after: i64,
    last: i64,
) -> Result<Vec<AnchorRow>, PgError> {
    let rows = sqlx::query_as(
        "select a.sequence, a.path, r.number, r.made_at, r.merkle_root, r.previous_digest, \
           r.key_id, r.signature \
         from platform.audit_anchors a join platform.audit_roots r on r.number = a.root_number \
         where a.tenant_id = $1 and a.sequence > $2 and a.sequence <= $3 order by a.sequence",
    )
    .bind(chain)
    .bind(after)
    .bind(last)
    .fetch_all(tx)
    .await?;
    Ok(rows)
}

/// Keys of the people in some entries of a chain.
pub(super) async fn keys_of(
    tx: &mut PgConnection,
    chain: Uuid,
    subjects: &[&str],
) -> Result<Vec<SubjectKey>, PgError> {
    let rows = sqlx::query_as(
        "select tenant_id, subject_id, sealed_key from platform.audit_subject_keys \
         where tenant_id = $1 and subject_id = any($2)",
    )
    .bind(chain)
    .bind(subjects)
    .fetch_all(tx)
    .await?;
    Ok(rows)
}

/// Destroys a person's key. The number of entries that it opened; `None` if there is no such key.
pub(super) async fn erase(
    tx: &mut PgConnection,
    chain: Uuid,
    subject: &str,
    now: OffsetDateTime,
) -> Result<Option<i64>, PgError> {
    let done = sqlx::query(
        "update platform.audit_subject_keys set sealed_key = null, erased_at = $3 \
         where tenant_id = $1 and subject_id = $2 and sealed_key is not null",
    )
    .bind(chain)
    .bind(subject)
    .bind(now)
    .execute(&mut *tx)
    .await?;
    let (entries, known): (i64, bool) = sqlx::query_as(
        "select (select count(*) from platform.audit_events \
                 where tenant_id = $1 and subject_id = $2 and sealed is not null), \
           exists (select from platform.audit_subject_keys \
                   where tenant_id = $1 and subject_id = $2)",
    )
    .bind(chain)
    .bind(subject)
    .fetch_one(tx)
    .await?;
    let erased = if done.rows_affected() > 0 { entries } else { 0 };
    Ok(known.then_some(erased))
}
