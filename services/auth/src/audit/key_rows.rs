//! Rows of people's keys.

use sqlx::FromRow;
use time::OffsetDateTime;
use uuid::Uuid;
use yard_pg::{PgError, PlatformTx};

/// A person's key, sealed; none once erased.
#[derive(Debug, FromRow)]
pub(super) struct SubjectKey {
    pub(super) tenant_id: Uuid,
    pub(super) subject_id: String,
    pub(super) sealed_key: Option<Vec<u8>>,
}

pub(super) async fn subject_keys(
    tx: &mut PlatformTx,
    subjects: &[(Uuid, String)],
) -> Result<Vec<SubjectKey>, PgError> {
    let rows = sqlx::query_as(
        "select k.tenant_id, k.subject_id, k.sealed_key from platform.audit_subject_keys k \
         join unnest($1::uuid[], $2::text[]) as s(tenant_id, subject_id) \
           on s.tenant_id = k.tenant_id and s.subject_id = k.subject_id \
         order by k.tenant_id, k.subject_id for share of k",
    )
    .bind(subjects.iter().map(|(chain, _)| *chain).collect::<Vec<_>>())
    .bind(subjects.iter().map(|(_, subject)| subject.as_str()).collect::<Vec<_>>())
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows)
}

pub(super) async fn insert_subject_keys(
    tx: &mut PlatformTx,
    keys: &[(Uuid, String, Vec<u8>)],
    now: OffsetDateTime,
) -> Result<(), PgError> {
    sqlx::query(
        "insert into platform.audit_subject_keys (tenant_id, subject_id, sealed_key, created_at) \
         select k.tenant_id, k.subject_id, k.sealed_key, $4 \
         from unnest($1::uuid[], $2::text[], $3::bytea[]) as k(tenant_id, subject_id, sealed_key) \
         order by 1, 2 on conflict (tenant_id, subject_id) do nothing",
    )
    .bind(keys.iter().map(|(chain, ..)| *chain).collect::<Vec<_>>())
    .bind(keys.iter().map(|(_, subject, _)| subject.as_str()).collect::<Vec<_>>())
    .bind(keys.iter().map(|(.., sealed)| sealed.as_slice()).collect::<Vec<_>>())
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Ids of the keys that people's keys are sealed with. A sealed text begins with a version, the
/// length of its key's id, and the id.
pub(super) async fn sealing_kids(tx: &mut PlatformTx) -> Result<Vec<String>, PgError> {
    let kids = sqlx::query_scalar(
        "select distinct convert_from(substring(sealed_key from 3 for get_byte(sealed_key, 1)), \
           'UTF8') from platform.audit_subject_keys where sealed_key is not null",
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(kids)
}

/// Keys that are sealed with another key than this one.
pub(super) async fn sealed_before(
    tx: &mut PlatformTx,
    active: &str,
    most: i64,
) -> Result<Vec<SubjectKey>, PgError> {
    let rows = sqlx::query_as(
        "select tenant_id, subject_id, sealed_key from platform.audit_subject_keys \
         where sealed_key is not null \
           and substring(sealed_key from 3 for get_byte(sealed_key, 1)) <> convert_to($1, 'UTF8') \
         limit $2 for update skip locked",
    )
    .bind(active)
    .bind(most)
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows)
}

pub(super) async fn replace_key(
    tx: &mut PlatformTx,
    chain: Uuid,
    subject: &str,
    sealed: &[u8],
) -> Result<(), PgError> {
    sqlx::query(
        "update platform.audit_subject_keys set sealed_key = $3 \
         where tenant_id = $1 and subject_id = $2 and sealed_key is not null",
    )
    .bind(chain)
    .bind(subject)
    .bind(sealed)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
