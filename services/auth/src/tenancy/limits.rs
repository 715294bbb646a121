//! A tenant's limits: names to numbers, as JSON in its row.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use yard_fault::Fault;

const MOST: usize = 50;
const LONGEST_NAME: usize = 64;

/// What a caller sent, checked.
///
/// # Errors
/// `request.invalid` with the name that is at fault.
pub(super) fn checked<I>(limits: I) -> Result<Value, Fault>
where
    I: IntoIterator<Item = (String, i64)>,
{
    let limits: BTreeMap<String, i64> = limits.into_iter().collect();
    if limits.len() > MOST {
        return Err(Fault::invalid("limits may be 50 at most").with_pointer("/limits"));
    }
    for (name, number) in &limits {
        if !is_name(name) {
            let text =
                "a limit's name has to be 1 to 64 lower-case letters, digits, dots, underscores";
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

fn is_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_');
    (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(limits: &[(&str, i64)]) -> bool {
        checked(limits.iter().map(|(name, number)| ((*name).to_owned(), *number))).is_err()
    }

    #[test]
    fn limits_are_names_with_numbers_from_zero() {
        assert!(!refused(&[]) && !refused(&[("devices", 0), ("messages.per_minute", i64::MAX)]));
        assert!(refused(&[("Devices", 1)]) && refused(&[("", 1)]) && refused(&[("devices", -1)]));
        assert!(!refused(&[(&"a".repeat(64), 1)]) && refused(&[(&"a".repeat(65), 1)]));
        let many = |count: usize| (0..count).map(|n| (format!("l{n}"), 1)).collect::<Vec<_>>();
        assert!(checked(many(50)).is_ok() && checked(many(51)).is_err());
    }

    #[test]
    fn stored_limits_come_back_as_they_were() {
        let sent = [("devices".to_owned(), 7), ("gib".to_owned(), 10)];
        let kept = checked(sent.clone()).unwrap();
        assert_eq!(stored(&kept).collect::<Vec<_>>(), sent);
    }
}
