//! The proof that a tenant is gone.

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;
use yard_contracts::tenancy::v1::{DroppedRelation, TenantClosure};
use yard_contracts::values::timestamp;
use yard_fault::Fault;

use super::store::ClosureRow;

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
        digest: fingerprint(tenant, row.closed_at, &relations)?,
        relations,
    })
}

fn fingerprint(
    tenant: Uuid,
    at: OffsetDateTime,
    relations: &[DroppedRelation],
) -> Result<String, Fault> {
    let at =
        at.format(&Rfc3339).map_err(|e| Fault::internal("time of a closure").with_source(e))?;
    let mut text = format!("{}\n{at}\n", tenant.as_hyphenated());
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
        assert_eq!(fingerprint(Uuid::from_u128(1), at, &relations).unwrap(), known);
    }

    #[test]
    fn what_went_is_kept_in_its_order() {
        let went = [("b".to_owned(), 2), ("a".to_owned(), 0)];
        let back = from_json(&to_json(&went));
        assert_eq!(back.iter().map(|r| r.relation.as_str()).collect::<Vec<_>>(), ["b", "a"]);
    }
}
