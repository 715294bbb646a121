//! The proof that a tenant is gone.

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;
use yard_contracts::tenancy::v1::{CloseTenantRequest, DroppedRelation, TenantClosure};
use yard_contracts::values::timestamp;
use yard_fault::{Code, Fault};
use yard_pg::PlatformTx;

use super::export;
use super::store::ClosureRow;

/// How old the export may be that a closing goes by.
const EXPORT_HOLDS: Duration = Duration::hours(24);

/// What a closing goes by, as it is stored: the digest of an export, or `none`.
///
/// # Errors
/// `tenant.export_missing` when there is no such export and none was not asked for.
pub(super) async fn export<'r>(
    tx: &mut PlatformTx,
    tenant: Uuid,
    request: &'r CloseTenantRequest,
    now: OffsetDateTime,
) -> Result<&'r str, Fault> {
    let digest = request.export_digest.as_str();
    match (digest.is_empty(), request.without_export) {
        (true, true) => Ok("none"),
        (true, false) => Err(Code::TenantExportMissing.into()),
        (false, true) => {
            let text = "give export_digest or without_export, not both";
            Err(Fault::invalid(text).with_pointer("/without_export"))
        }
        (false, false) if export::is_recent(tx, tenant, digest, now - EXPORT_HOLDS).await? => {
            Ok(digest)
        }
        (false, false) => Err(Code::TenantExportMissing.into()),
    }
}

/// What went, as it is stored.
pub(super) fn to_json(went: &[(String, i64)]) -> Value {
    went.iter().map(|(relation, rows)| json!({"relation": relation, "rows": rows})).collect()
}

fn from_json(relations: &Value) -> Vec<DroppedRelation> {
    let of = |entry: &Value| {
        let relation = entry.get("relation")?.as_str()?.to_owned();
        Some(DroppedRelation { relation, rows: entry.get("rows")?.as_i64()? })
    };
    relations.as_array().into_iter().flatten().filter_map(of).collect()
}

/// With the digest that lets a copy of the proof be compared with ours.
pub(super) fn closure(tenant: Uuid, row: ClosureRow) -> Result<TenantClosure, Fault> {
    let relations = from_json(&row.relations);
    Ok(TenantClosure {
        tenant_id: tenant.as_hyphenated().to_string(),
        slug: row.slug,
        closed_at: Some(timestamp(row.closed_at)),
        closed_by: row.closed_by,
        digest: fingerprint(tenant, row.closed_at, &row.export_digest, &relations)?,
        export_digest: row.export_digest,
        relations,
    })
}

fn fingerprint(
    tenant: Uuid,
    at: OffsetDateTime,
    export: &str,
    relations: &[DroppedRelation],
) -> Result<String, Fault> {
    let at =
        at.format(&Rfc3339).map_err(|e| Fault::internal("time of a closure").with_source(e))?;
    let mut text = format!("{}\n{at}\n", tenant.as_hyphenated());
    if !export.is_empty() {
        text.push_str(&format!("export\t{export}\n"));
    }
    for DroppedRelation { relation, rows } in relations {
        text.push_str(&format!("{relation}\t{rows}\n"));
    }
    let hash = digest(&SHA256, text.as_bytes());
    Ok(hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn digest_is_of_the_documented_lines() {
        let at = datetime!(2026-11-21 08:00 UTC);
        let relations = [DroppedRelation { relation: "ts_x.devices".to_owned(), rows: 3 }];
        // printf '00000000-0000-0000-0000-000000000001\n2026-11-21T08:00:00Z\nts_x.devices\t3\n' | sha256sum
        let known = "8d1b73c8e1208fb0535ed2d1075c5caefc104cc98541265d953fcd75aeb30ea9";
        assert_eq!(fingerprint(Uuid::from_u128(1), at, "", &relations).unwrap(), known);
        // printf '00000000-0000-0000-0000-000000000001\n2026-11-21T08:00:00Z\nexport\tnone\nts_x.devices\t3\n' | sha256sum
        let known = "f935739e75cb30dfecd751f50a8da11b9aaadf28ff94f73adcd0ffc17dcfb4c2";
        assert_eq!(fingerprint(Uuid::from_u128(1), at, "none", &relations).unwrap(), known);
    }

    #[test]
    fn what_went_is_kept_in_its_order() {
        let went = [("b".to_owned(), 2), ("a".to_owned(), 0)];
        let back = from_json(&to_json(&went));
        assert_eq!(back.iter().map(|r| r.relation.as_str()).collect::<Vec<_>>(), ["b", "a"]);
    }
}
