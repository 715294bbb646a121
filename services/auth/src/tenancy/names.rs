//! What a tenant, its plan and its settings may be called.

use yard_fault::Fault;

const LONGEST_SLUG: usize = 63;
const LONGEST_PLAN: usize = 32;
const LONGEST_NAME: usize = 120;
const LONGEST_REASON: usize = 500;
const LONGEST_LOCALE: usize = 35;

/// Lower-case letters, digits and hyphens, no hyphen at an end: it becomes part of host names.
fn is_label(text: &str, longest: usize) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=longest).contains(&text.len())
        && text.bytes().all(plain)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn refuse(text: &str, pointer: &str) -> Fault {
    Fault::invalid(text.to_owned()).with_pointer(pointer)
}

pub(crate) fn slug(text: &str) -> Result<&str, Fault> {
    let rule = "slug has to be 1 to 63 lower-case letters, digits and hyphens";
    is_label(text, LONGEST_SLUG).then_some(text).ok_or_else(|| refuse(rule, "/slug"))
}

pub(crate) fn plan(text: &str) -> Result<&str, Fault> {
    let text = if text.is_empty() { "standard" } else { text };
    let rule = "plan has to be 1 to 32 lower-case letters, digits and hyphens";
    is_label(text, LONGEST_PLAN).then_some(text).ok_or_else(|| refuse(rule, "/plan"))
}

/// 1 to 120 characters on one line, trimmed.
pub(crate) fn name(text: &str) -> Result<String, Fault> {
    let text = text.trim();
    let length = text.chars().count();
    let fits = (1..=LONGEST_NAME).contains(&length) && !text.chars().any(char::is_control);
    let rule = "name has to be 1 to 120 characters on one line";
    if fits { Ok(text.to_owned()) } else { Err(refuse(rule, "/name")) }
}

/// 1 to 500 bytes without control characters, trimmed.
pub(super) fn reason(text: &str) -> Result<String, Fault> {
    let text = text.trim();
    let fits = (1..=LONGEST_REASON).contains(&text.len()) && !text.chars().any(char::is_control);
    let rule = "reason has to be 1 to 500 bytes on one line";
    if fits { Ok(text.to_owned()) } else { Err(refuse(rule, "/reason")) }
}

/// At most 500 bytes without control characters, trimmed.
pub(super) fn description(text: &str) -> Result<String, Fault> {
    let text = text.trim();
    let fits = text.len() <= LONGEST_REASON && !text.chars().any(char::is_control);
    let rule = "description may be 500 bytes on one line";
    if fits { Ok(text.to_owned()) } else { Err(refuse(rule, "/description")) }
}

/// An IANA zone that this program's own zone rules know.
pub(crate) fn time_zone(text: &str) -> Result<String, Fault> {
    let known = jiff::tz::TimeZone::get(text).is_ok();
    let rule = "time_zone has to be an IANA zone, for example Europe/Paris";
    if known { Ok(text.to_owned()) } else { Err(refuse(rule, "/time_zone")) }
}

/// Shape of a BCP 47 tag: letters first, then subtags of letters and digits.
pub(crate) fn locale(text: &str) -> Result<String, Fault> {
    let mut parts = text.split('-');
    let language = parts.next().unwrap_or_default();
    let fits = (2..=LONGEST_LOCALE).contains(&text.len())
        && (2..=8).contains(&language.len())
        && language.bytes().all(|b| b.is_ascii_alphabetic())
        && parts.all(|part| {
            (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric())
        });
    let rule = "locale has to be a BCP 47 tag, for example en or ar-EG";
    if fits { Ok(text.to_owned()) } else { Err(refuse(rule, "/locale")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slug_is_a_label_of_a_host_name() {
        for good in ["a", "acme-water", "0", &"a".repeat(63)] {
            assert!(slug(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "Acme", "a_b", "ä", "a b", &"a".repeat(64)] {
            assert_eq!(slug(bad).unwrap_err().pointer(), Some("/slug"), "{bad}");
        }
    }

    #[test]
    fn name_and_reason_are_one_line_within_their_bounds() {
        assert_eq!(name("  Acme Water ").unwrap(), "Acme Water");
        assert!(name(&"é".repeat(120)).is_ok() && name(&"é".repeat(121)).is_err());
        assert!(name(" ").is_err() && name("a\nb").is_err());
        assert!(reason(&"x".repeat(500)).is_ok() && reason(&"x".repeat(501)).is_err());
    }

    #[test]
    fn zone_and_locale_are_checked() {
        assert!(time_zone("Africa/Nairobi").is_ok() && time_zone("UTC").is_ok());
        assert!(time_zone("Mars/Olympus").is_err() && time_zone("").is_err());
        assert!(locale("en").is_ok() && locale("zh-Hant-TW").is_ok());
        for bad in ["", "e", "en_US", "en-", "1n", &format!("en{}", "-abcdefgh".repeat(4))] {
            assert!(locale(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn plan_left_out_is_the_standard_one() {
        assert_eq!(plan("").unwrap(), "standard");
        assert!(plan("enterprise-2").is_ok() && plan("Gold").is_err());
    }
}
