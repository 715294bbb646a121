//! What has to hold of texts, ids and moments that come in, and of who hands on what.

use time::{Duration, OffsetDateTime};
use uuid::Uuid;
use yard_authn::{Caller, TENANT_PERMISSIONS};
use yard_contracts::rights::v1::GrantScope;
use yard_contracts::values::moment;
use yard_fault::{Code, Fault};

use super::set::{BUILT_IN, PermissionSet};

const LONGEST_NAME: usize = 120;
const LONGEST_REASON: usize = 500;
const LONGEST_KEY: usize = 64;
/// Keys that mean something else.
const RESERVED: [&str; 2] = ["system-administrator", "break-glass"];

pub(super) fn wrong(text: impl Into<String>, pointer: &'static str) -> Fault {
    Fault::invalid(text.into()).with_pointer(pointer)
}

/// A field that a mask named and nobody may change.
pub(super) fn not_changeable(those: &str) -> Fault {
    wrong(format!("update_mask may name {those}"), "/update_mask")
}

/// 1 to 120 characters on one line, trimmed.
pub(super) fn name(text: &str, pointer: &'static str) -> Result<String, Fault> {
    let text = text.trim();
    let fits = (1..=LONGEST_NAME).contains(&text.chars().count());
    if fits && !text.contains(char::is_control) {
        return Ok(text.to_owned());
    }
    Err(wrong("has to be 1 to 120 characters on one line", pointer))
}

/// 1 to 500 bytes on one line, trimmed.
pub(super) fn reason(text: &str) -> Result<String, Fault> {
    let text = text.trim();
    if text.is_empty() {
        return Err(wrong("reason has to be 1 to 500 bytes on one line", "/reason"));
    }
    note(text, "/reason")
}

/// At most 500 bytes on one line, trimmed.
pub(super) fn note(text: &str, pointer: &'static str) -> Result<String, Fault> {
    let text = text.trim();
    if text.len() <= LONGEST_REASON && !text.contains(char::is_control) {
        return Ok(text.to_owned());
    }
    Err(wrong("has to be at most 500 bytes on one line", pointer))
}

/// Whether a text can be the key of a role.
pub(super) fn is_key(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=LONGEST_KEY).contains(&text.len())
        && text.bytes().all(plain)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// The key of a role that is to be made.
pub(super) fn new_role(text: &str) -> Result<&str, Fault> {
    if !is_key(text) {
        let rule = "role has to be 1 to 64 lower-case letters, digits and hyphens";
        return Err(wrong(rule, "/role"));
    }
    if BUILT_IN.contains(&text) || RESERVED.contains(&text) {
        return Err(Code::ResourceExists.into());
    }
    Ok(text)
}

/// Permissions of the catalogue, sorted, each once.
pub(super) fn permissions(asked: &[String]) -> Result<Vec<String>, Fault> {
    if let Some(unknown) = asked.iter().find(|name| !TENANT_PERMISSIONS.contains(&name.as_str())) {
        let shown: String = unknown.chars().take(64).collect();
        return Err(wrong(format!("there is no permission {shown:?}"), "/permissions"));
    }
    let mut sorted = asked.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    Ok(sorted)
}

/// One permission of the catalogue.
pub(super) fn permission(name: &str) -> Result<PermissionSet, Fault> {
    let one = PermissionSet::one(name);
    if one.is_empty() { Err(wrong("there is no such permission", "/permission")) } else { Ok(one) }
}

/// An id in a request's own field.
pub(super) fn id(text: &str, pointer: &'static str) -> Result<Uuid, Fault> {
    Uuid::try_parse(text).map_err(|_no_uuid| wrong("is not an id", pointer))
}

/// An id that may be left out.
pub(super) fn optional_id(text: &str, pointer: &'static str) -> Result<Option<Uuid>, Fault> {
    if text.is_empty() { Ok(None) } else { id(text, pointer).map(Some) }
}

/// The id of what a call is about; one that is none names nothing.
pub(crate) fn named(text: &str) -> Result<Uuid, Fault> {
    Uuid::try_parse(text).map_err(|_no_uuid| Code::ResourceNotFound.into())
}

/// The id that a page goes on from.
pub(crate) fn page_after(token: &str) -> Result<Option<Uuid>, Fault> {
    let Some([id]) = yard_pg::page::parts::<1>(token)? else { return Ok(None) };
    Uuid::try_parse(&id).map(Some).map_err(|_no_uuid| Code::PageTokenInvalid.into())
}

/// The token of the page after a full one.
pub(crate) fn page_next(ids: impl ExactSizeIterator<Item = Uuid>, most: i64) -> String {
    let full = i64::try_from(ids.len()) == Ok(most);
    let last = ids.last().filter(|_| full);
    last.map(|id| yard_pg::page::token(&[&id.as_hyphenated().to_string()])).unwrap_or_default()
}

pub(super) fn scope(asked: i32) -> Result<&'static str, Fault> {
    match GrantScope::try_from(asked) {
        Ok(GrantScope::Own) => Ok("own"),
        Ok(GrantScope::Department) => Ok("department"),
        Ok(GrantScope::Subtree) => Ok("subtree"),
        Ok(GrantScope::Tenant) => Ok("tenant"),
        Ok(GrantScope::Unspecified) | Err(_) => {
            Err(wrong("scope has to be own, department, subtree or tenant", "/scope"))
        }
    }
}

pub(super) fn wire_scope(stored: &str) -> GrantScope {
    match stored {
        "own" => GrantScope::Own,
        "department" => GrantScope::Department,
        "subtree" => GrantScope::Subtree,
        "tenant" => GrantScope::Tenant,
        _ => GrantScope::Unspecified,
    }
}

/// A moment in whole seconds: what begins or ends at one ends an access token exactly then.
pub(super) fn second(
    at: Option<&prost_types::Timestamp>,
    pointer: &'static str,
) -> Result<Option<OffsetDateTime>, Fault> {
    let Some(at) = at else { return Ok(None) };
    let at = moment(at).filter(|at| at.nanosecond() == 0);
    at.map(Some).ok_or_else(|| wrong("has to be a moment in whole seconds", pointer))
}

/// The whole second that it is.
pub(super) fn this_second(now: OffsetDateTime) -> OffsetDateTime {
    now - Duration::nanoseconds(i64::from(now.nanosecond()))
}

/// Nobody hands on what they do not hold themselves.
pub(super) fn within(caller: &Caller, given: PermissionSet) -> Result<(), Fault> {
    let beyond = given.without(PermissionSet::of(caller.permissions()));
    match beyond.names().next() {
        None => Ok(()),
        Some(first) => {
            let text = format!("You do not hold {first} yourself, so you cannot hand it on.");
            Err(Fault::new(Code::RightsBeyondOwn).with_public(text))
        }
    }
}

/// Nobody decides about those who hold more.
pub(super) fn above(caller: &Caller, theirs: PermissionSet) -> Result<(), Fault> {
    let beyond = theirs.without(PermissionSet::of(caller.permissions()));
    match beyond.names().next() {
        None => Ok(()),
        Some(first) => {
            let text = format!("This member holds {first}, which you do not hold yourself.");
            Err(Fault::new(Code::RightsBeyondOwn).with_public(text))
        }
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn key_of_a_role_is_a_label_and_not_one_that_is_taken() {
        assert!(new_role("night-shift-2").is_ok() && new_role(&"a".repeat(64)).is_ok());
        for bad in ["", "-a", "a-", "Night", "a_b", "a b", "é", &"a".repeat(65)] {
            assert_eq!(new_role(bad).unwrap_err().code(), Code::RequestInvalid, "{bad}");
        }
        for taken in ["owner", "operator", "viewer", "system-administrator", "break-glass"] {
            assert_eq!(new_role(taken).unwrap_err().code(), Code::ResourceExists, "{taken}");
        }
    }

    #[test]
    fn permissions_are_sorted_once_each_and_of_the_catalogue() {
        let asked = ["telemetry.read", "devices.read", "telemetry.read"].map(str::to_owned);
        assert_eq!(permissions(&asked).unwrap(), ["devices.read", "telemetry.read"]);
        for foreign in ["ops.manage", "devices", ""] {
            assert!(permissions(&[foreign.to_owned()]).is_err(), "{foreign}");
        }
    }

    #[test]
    fn texts_and_moments_are_held_to_their_bounds() {
        assert!(
            name(&"é".repeat(120), "/name").is_ok() && name(&"é".repeat(121), "/name").is_err()
        );
        assert!(name(" ", "/name").is_err() && name("a\nb", "/name").is_err());
        assert!(reason(&"x".repeat(500)).is_ok() && reason(&"x".repeat(501)).is_err());
        assert!(reason("  ").is_err() && note("", "/description").is_ok());
        let at = |nanos| prost_types::Timestamp { seconds: 1_800_000_000, nanos };
        assert!(second(Some(&at(0)), "/at").unwrap().is_some());
        assert!(second(Some(&at(1)), "/at").is_err() && second(None, "/at").unwrap().is_none());
        let now = datetime!(2026-03-01 12:00:05.999_999_999 UTC);
        assert_eq!(this_second(now), datetime!(2026-03-01 12:00:05 UTC));
    }
}
