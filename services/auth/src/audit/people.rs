use std::collections::HashMap;

use sqlx::FromRow;
use uuid::Uuid;
use yard_pg::{PgError, PlatformTx};

use super::incoming::Incoming;

/// What a person was called at the time.
#[derive(Debug, Clone, Default, FromRow)]
pub(super) struct Names {
    pub(super) email: String,
    pub(super) display_name: String,
}

#[derive(FromRow)]
struct Row {
    principal_id: Uuid,
    #[sqlx(flatten)]
    names: Names,
}

/// The people that records are about. Who is none, such as a device, has no names.
pub(super) async fn names(
    tx: &mut PlatformTx,
    records: &[&Incoming],
) -> Result<HashMap<Uuid, Names>, PgError> {
    let mut ids: Vec<Uuid> = records.iter().filter_map(|record| record.subject).collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<Row> = sqlx::query_as(
        "select p.principal_id, p.email, pr.display_name from platform.people p \
         join platform.principals pr on pr.id = p.principal_id where p.principal_id = any($1)",
    )
    .bind(ids)
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows.into_iter().map(|row| (row.principal_id, row.names)).collect())
}
