//! Rows of the trail. Entries are inserted and read, never changed.

use std::collections::HashMap;

use prost::Message as _;
use sqlx::FromRow;
use time::OffsetDateTime;
use uuid::Uuid;
use yard_audit::{Entry, Hash};
use yard_pg::{PgError, PlatformTx};

use super::incoming::Incoming;

/// The end of a chain.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    pub(super) sequence: i64,
    pub(super) hash: Hash,
}

/// An entry that an event has already.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Known {
    pub(super) tenant_id: Uuid,
    pub(super) event_id: Uuid,
    pub(super) sequence: i64,
    pub(super) outcome: String,
}

/// An entry to be stored.
#[derive(Debug)]
pub(super) struct NewRow {
    pub(super) chain: Uuid,
    pub(super) entry: Entry,
    pub(super) sealed: Option<Vec<u8>>,
    pub(super) previous_hash: Hash,
    pub(super) hash: Hash,
}

/// Locks the heads, made where missing, always in the same order; others that write to one of
/// these chains wait for the end of the transaction.
pub(super) async fn lock_heads(
    tx: &mut PlatformTx,
    chains: &[Uuid],
) -> Result<HashMap<Uuid, Head>, PgError> {
    if chains.is_empty() {
        return Ok(HashMap::new());
    }
    sqlx::query(
        "insert into platform.audit_heads (tenant_id) \
         select c.id from unnest($1::uuid[]) as c(id) order by c.id \
         on conflict (tenant_id) do nothing",
    )
    .bind(chains)
    .execute(&mut **tx)
    .await?;
    let rows: Vec<(Uuid, i64, Vec<u8>)> = sqlx::query_as(
        "select tenant_id, sequence, hash from platform.audit_heads \
         where tenant_id = any($1) order by tenant_id for update",
    )
    .bind(chains)
    .fetch_all(&mut **tx)
    .await?;
    let head = |(chain, sequence, hash): (Uuid, i64, Vec<u8>)| {
        (chain, Head { sequence, hash: hash_of(&hash) })
    };
    Ok(rows.into_iter().map(head).collect())
}

/// From a column that holds 32 bytes by its check.
pub(super) fn hash_of(bytes: &[u8]) -> Hash {
    Hash::from_slice(bytes).unwrap_or(Hash::ZERO)
}

pub(super) async fn known(tx: &mut PlatformTx, events: &[Uuid]) -> Result<Vec<Known>, PgError> {
    let rows = sqlx::query_as(
        "select tenant_id, event_id, sequence, outcome from platform.audit_events \
         where event_id = any($1) order by sequence",
    )
    .bind(events)
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows)
}

pub(super) async fn insert_rows(tx: &mut PlatformTx, rows: &[NewRow]) -> Result<(), PgError> {
    if rows.is_empty() {
        return Ok(());
    }
    let texts = |of: fn(&Entry) -> &String| -> Vec<&str> {
        rows.iter().map(|row| of(&row.entry).as_str()).collect()
    };
    let events: Vec<Uuid> =
        rows.iter().map(|r| Uuid::try_parse(&r.entry.event_id).unwrap_or_default()).collect();
    let changed: Vec<String> = rows.iter().map(|r| r.entry.changed_fields.join(",")).collect();
    let commitments: Vec<Option<&[u8]>> = rows
        .iter()
        .map(|r| r.entry.personal_commitment.as_ref().map(|hash| hash.as_bytes().as_slice()))
        .collect();
    sqlx::query(
        "insert into platform.audit_events (tenant_id, sequence, event_id, kind, occurred_at, \
           recorded_at, service, actor, acting_as, session_id, action, object_type, object_id, \
           outcome, incident, trace_id, address_prefix, changed_fields, repeats, resolves, \
           subject_id, personal_commitment, sealed, previous_hash, hash) \
         select r.tenant_id, r.sequence, r.event_id, r.kind, r.occurred_at, r.recorded_at, \
           r.service, r.actor, r.acting_as, r.session_id, r.action, r.object_type, r.object_id, \
           r.outcome, r.incident, r.trace_id, r.address_prefix, \
           string_to_array(r.changed, ','), r.repeats, r.resolves, r.subject_id, r.commitment, \
           r.sealed, r.previous_hash, r.hash \
         from unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::text[], $5::timestamptz[], \
           $6::timestamptz[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[], \
           $12::text[], $13::text[], $14::text[], $15::text[], $16::text[], $17::text[], \
           $18::text[], $19::int[], $20::bigint[], $21::text[], $22::bytea[], $23::bytea[], \
           $24::bytea[], $25::bytea[]) \
         as r(tenant_id, sequence, event_id, kind, occurred_at, recorded_at, service, actor, \
           acting_as, session_id, action, object_type, object_id, outcome, incident, trace_id, \
           address_prefix, changed, repeats, resolves, subject_id, commitment, sealed, \
           previous_hash, hash)",
    )
    .bind(rows.iter().map(|r| r.chain).collect::<Vec<_>>())
    .bind(rows.iter().map(|r| r.entry.sequence).collect::<Vec<_>>())
    .bind(events)
    .bind(texts(|e| &e.kind))
    .bind(rows.iter().map(|r| r.entry.occurred_at).collect::<Vec<_>>())
    .bind(rows.iter().map(|r| r.entry.recorded_at).collect::<Vec<_>>())
    .bind(texts(|e| &e.service))
    .bind(texts(|e| &e.actor))
    .bind(texts(|e| &e.acting_as))
    .bind(texts(|e| &e.session_id))
    .bind(texts(|e| &e.action))
    .bind(texts(|e| &e.object_type))
    .bind(texts(|e| &e.object_id))
    .bind(texts(|e| &e.outcome))
    .bind(texts(|e| &e.incident))
    .bind(texts(|e| &e.trace_id))
    .bind(texts(|e| &e.address_prefix))
    .bind(changed)
    .bind(rows.iter().map(|r| r.entry.repeats).collect::<Vec<_>>())
    .bind(rows.iter().map(|r| r.entry.resolves).collect::<Vec<_>>())
    .bind(texts(|e| &e.subject_id))
    .bind(commitments)
    .bind(rows.iter().map(|r| r.sealed.as_deref()).collect::<Vec<_>>())
    .bind(rows.iter().map(|r| r.previous_hash.as_bytes().as_slice()).collect::<Vec<_>>())
    .bind(rows.iter().map(|r| r.hash.as_bytes().as_slice()).collect::<Vec<_>>())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub(super) async fn move_heads(
    tx: &mut PlatformTx,
    heads: &HashMap<Uuid, Head>,
) -> Result<(), PgError> {
    if heads.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "update platform.audit_heads h set sequence = m.sequence, hash = m.hash \
         from unnest($1::uuid[], $2::bigint[], $3::bytea[]) as m(tenant_id, sequence, hash) \
         where h.tenant_id = m.tenant_id",
    )
    .bind(heads.keys().copied().collect::<Vec<_>>())
    .bind(heads.values().map(|head| head.sequence).collect::<Vec<_>>())
    .bind(heads.values().map(|head| head.hash.as_bytes().as_slice()).collect::<Vec<_>>())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub(super) async fn insert_open(
    tx: &mut PlatformTx,
    begun: &[&Incoming],
    now: OffsetDateTime,
) -> Result<(), PgError> {
    if begun.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into platform.audit_open (event_id, tenant_id, record, begun_at) \
         select o.event_id, o.tenant_id, o.record, $4 \
         from unnest($1::uuid[], $2::uuid[], $3::bytea[]) as o(event_id, tenant_id, record) \
         on conflict (event_id) do nothing",
    )
    .bind(begun.iter().map(|r| r.event_id).collect::<Vec<_>>())
    .bind(begun.iter().map(|r| r.chain).collect::<Vec<_>>())
    .bind(begun.iter().map(|r| r.record.encode_to_vec()).collect::<Vec<_>>())
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub(super) async fn delete_open(tx: &mut PlatformTx, events: &[Uuid]) -> Result<(), PgError> {
    sqlx::query("delete from platform.audit_open where event_id = any($1)")
        .bind(events)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Announcements from before a moment that nothing has followed.
pub(super) async fn forgotten(
    tx: &mut PlatformTx,
    before: OffsetDateTime,
    most: i64,
) -> Result<Vec<Vec<u8>>, PgError> {
    let rows = sqlx::query_scalar(
        "select record from platform.audit_open where begun_at < $1 order by begun_at limit $2",
    )
    .bind(before)
    .bind(most)
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows)
}
