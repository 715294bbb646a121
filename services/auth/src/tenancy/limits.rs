//! A tenant's limits: names to numbers, as JSON in its row and its plan's, and what is in use.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use time::OffsetDateTime;
use uuid::Uuid;
use yard_contracts::tenancy::v1::{LimitSource, LimitUse, TenantLimits};
use yard_fault::{Code, Fault};
use yard_pg::PlatformTx;
use yard_pg::limit::Limit;

use super::store;

/// What a caller sent, checked.
///
/// # Errors
/// `request.invalid` with the name that is at fault.
pub(super) fn checked<I>(limits: I) -> Result<Value, Fault>
where
    I: IntoIterator<Item = (String, i64)>,
{
    let limits: BTreeMap<String, i64> = limits.into_iter().collect();
    for (name, number) in &limits {
        if Limit::from_name(name).is_none() {
            let known = Limit::ALL.map(Limit::as_str).join(", ");
            let text = format!("there is a limit for {known} and nothing else");
            return Err(Fault::invalid(text).with_pointer("/limits"));
        }
        if *number < 0 {
            let pointer = format!("/limits/{name}");
            return Err(Fault::invalid("a limit has to be 0 or more").with_pointer(&pointer));
        }
    }
    Ok(Value::Object(limits.into_iter().map(|(name, number)| (name, number.into())).collect()))
}

/// As stored. A value that is no number is left out; our own writes hold none.
pub(super) fn stored(limits: &Value) -> impl Iterator<Item = (String, i64)> {
    let object = limits.as_object().cloned().unwrap_or_else(Map::new);
    object.into_iter().filter_map(|(name, number)| Some((name, number.as_i64()?)))
}

/// Every limit of a tenant with what it uses.
pub(super) async fn in_use(
    tx: &mut PlatformTx,
    tenant: Uuid,
    now: OffsetDateTime,
) -> Result<TenantLimits, Fault> {
    let given = store::limits(tx, tenant).await?;
    let (plan, own, of_plan) = given.ok_or_else(|| Fault::new(Code::TenantUnknown))?;
    let names = Limit::ALL.map(Limit::as_str);
    let uses: BTreeMap<String, i64> =
        store::uses(tx, tenant, &names, now).await?.into_iter().collect();
    let limits = Limit::ALL.map(|limit| {
        let number = |limits: &Value| limits.get(limit.as_str())?.as_i64();
        let (source, most) = match (number(&own), number(&of_plan)) {
            (Some(most), _) => (LimitSource::Tenant, most),
            (None, Some(most)) => (LimitSource::Plan, most),
            (None, None) => (LimitSource::None, 0),
        };
        LimitUse {
            name: limit.as_str().to_owned(),
            meaning: limit.meaning().to_owned(),
            holder: limit.holder().to_owned(),
            source: source.into(),
            most,
            used: uses.get(limit.as_str()).copied().unwrap_or_default(),
        }
    });
    Ok(TenantLimits { plan, limits: limits.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(limits: &[(&str, i64)]) -> bool {
        checked(limits.iter().map(|(name, number)| ((*name).to_owned(), *number))).is_err()
    }

    #[test]
    fn limits_are_known_names_with_numbers_from_zero() {
        assert!(!refused(&[]) && !refused(&[("devices", 0), ("people", i64::MAX)]));
        assert!(refused(&[("Devices", 1)]) && refused(&[("", 1)]) && refused(&[("devices", -1)]));
        assert!(refused(&[("devices", 1), ("gib", 1)]));
    }

    #[test]
    fn stored_limits_come_back_as_they_were() {
        let sent = [("devices".to_owned(), 7), ("people".to_owned(), 10)];
        let kept = checked(sent.clone()).unwrap();
        assert_eq!(stored(&kept).collect::<Vec<_>>(), sent);
    }
}
