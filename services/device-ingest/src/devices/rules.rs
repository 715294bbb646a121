use std::collections::{BTreeMap, HashMap};

use yard_fault::Fault;

const LONGEST_NAME: usize = 120;
const MOST_LABELS: usize = 32;
const LONGEST_KEY: usize = 63;
const LONGEST_VALUE: usize = 255;

/// A name of 1 to 120 characters on one line; spaces around it are not part of it.
pub(crate) fn checked_name(name: &str, pointer: &str) -> Result<String, Fault> {
    let name = name.trim();
    let length = name.chars().count();
    if !(1..=LONGEST_NAME).contains(&length) || name.chars().any(char::is_control) {
        return Err(
            Fault::invalid("a name has 1 to 120 characters on one line").with_pointer(pointer)
        );
    }
    Ok(name.to_owned())
}

/// The owner's own number; `None` when it is empty.
pub(super) fn checked_external_id(id: &str, pointer: &str) -> Result<Option<String>, Fault> {
    if id.trim().is_empty() {
        return Ok(None);
    }
    checked_name(id, pointer).map(Some)
}

/// Labels in order of their keys.
pub(super) fn checked_labels(
    labels: HashMap<String, String>,
    pointer: &str,
) -> Result<BTreeMap<String, String>, Fault> {
    let fits = |key: &str, value: &str| {
        (1..=LONGEST_KEY).contains(&key.chars().count())
            && value.chars().count() <= LONGEST_VALUE
            && !key.chars().chain(value.chars()).any(char::is_control)
    };
    if labels.len() > MOST_LABELS || !labels.iter().all(|(key, value)| fits(key, value)) {
        let text = "at most 32 labels; keys have 1 to 63 and values 0 to 255 characters";
        return Err(Fault::invalid(text).with_pointer(pointer));
    }
    Ok(labels.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_counted_in_characters_on_one_line() {
        assert_eq!(checked_name("  Pumpe Süd ", "/name").unwrap(), "Pumpe Süd");
        checked_name(&"ü".repeat(120), "/name").unwrap();
        for name in ["", "   ", "a\nb", "a\0b", &"ü".repeat(121)] {
            assert_eq!(checked_name(name, "/name").unwrap_err().pointer(), Some("/name"));
        }
    }

    #[test]
    fn labels_are_limited_in_number_and_length() {
        let one = |key: &str, value: &str| HashMap::from([(key.to_owned(), value.to_owned())]);
        checked_labels(one("site", ""), "/labels").unwrap();
        for labels in [
            one("", "x"),
            one(&"k".repeat(64), "x"),
            one("k", &"v".repeat(256)),
            one("k", "a\nb"),
            (0..33).map(|n| (n.to_string(), String::new())).collect(),
        ] {
            checked_labels(labels, "/labels").unwrap_err();
        }
    }
}
