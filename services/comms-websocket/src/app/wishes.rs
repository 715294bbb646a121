//! What a tenant may set an app up with.

use std::collections::BTreeSet;

use time::OffsetDateTime;
use yard_contracts::realtime::v1::RealtimeApp;
use yard_fault::Fault;

use super::store::Row;
use crate::channel::ChannelName;

const LONGEST_NAME: usize = 60;
const MOST_ORIGINS: usize = 32;
const LONGEST_ORIGIN: usize = 255;
const MOST_PREFIXES: usize = 16;
const LONGEST_PREFIX: usize = 100;

/// The field that `webhooks.rs` reads.
pub(super) const WEBHOOKS: &str = "webhooks";

const CHANGEABLE: &str = "name, disabled, client_events, client_events_per_second, \
     allowed_origins, max_connections, max_members, max_event_bytes, subscription_count, \
     recoverable_prefixes, history_events, history_seconds, webhooks";

fn wrong<T>(field: &str, problem: &str) -> Result<T, Fault> {
    Err(Fault::invalid(format!("{field} {problem}")).with_pointer(format!("/realtime_app/{field}")))
}

/// A number of a range, where 0 takes the usual one.
fn number(field: &str, asked: i32, usual: i32, least: i32, most: i32) -> Result<i32, Fault> {
    match asked {
        0 => Ok(usual),
        asked if (least..=most).contains(&asked) => Ok(asked),
        _ => wrong(field, &format!("has to be {least} to {most}")),
    }
}

/// Whether a text has the form of an origin as browsers send it: `scheme://host[:port]` in lower
/// case, or `*` for any.
fn is_origin(text: &str) -> bool {
    let Some((scheme, host)) = text.split_once("://") else { return text == "*" };
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-._:[]".contains(&b);
    let scheme_fits = !scheme.is_empty()
        && scheme.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    text.len() <= LONGEST_ORIGIN && scheme_fits && !host.is_empty() && host.bytes().all(plain)
}

/// Starts of channels' names, each once. A whole name is one too.
fn prefixes(asked: Vec<String>) -> Result<Vec<String>, Fault> {
    let fits =
        |prefix: &String| prefix.len() <= LONGEST_PREFIX && ChannelName::parse(prefix).is_ok();
    if asked.len() > MOST_PREFIXES || !asked.iter().all(fits) {
        let problem = "has to hold at most 16 starts of channel names, each of 1 to 100 characters";
        return wrong("recoverable_prefixes", problem);
    }
    let each: BTreeSet<String> = asked.into_iter().collect();
    Ok(each.into_iter().collect())
}

/// All that is the tenant's to say; the rest is empty.
pub(super) fn read(wish: RealtimeApp, now: OffsetDateTime) -> Result<Row, Fault> {
    let name = wish.name.trim().to_owned();
    if !(1..=LONGEST_NAME).contains(&name.chars().count()) || name.contains(char::is_control) {
        return wrong("name", "has to be 1 to 60 characters");
    }
    let mut allowed_origins = wish.allowed_origins;
    if allowed_origins.is_empty() {
        allowed_origins.push("*".to_owned());
    }
    if allowed_origins.len() > MOST_ORIGINS
        || !allowed_origins.iter().all(|origin| is_origin(origin))
    {
        let problem = "has to hold at most 32 origins as https://app.example.org, or *";
        return wrong("allowed_origins", problem);
    }
    if wish.max_connections < 0 {
        return wrong("max_connections", "has to be 0 or more");
    }
    let rate = wish.client_events_per_second;
    Ok(Row {
        number: 0,
        key: String::new(),
        name,
        disabled_at: wish.disabled.then_some(now),
        client_events: wish.client_events,
        client_events_per_second: number("client_events_per_second", rate, 10, 1, 100)?,
        allowed_origins,
        max_connections: wish.max_connections,
        max_members: number("max_members", wish.max_members, 100, 1, 1_000)?,
        max_event_bytes: number("max_event_bytes", wish.max_event_bytes, 10_240, 1_024, 65_536)?,
        subscription_count: wish.subscription_count,
        recoverable_prefixes: prefixes(wish.recoverable_prefixes)?,
        history_events: number("history_events", wish.history_events, 300, 1, 1_000)?,
        history_seconds: number("history_seconds", wish.history_seconds, 300, 1, 86_400)?,
        created_at: now,
        changed_at: None,
    })
}

/// What an app is with the fields that `paths` names, held to what a new one is held to.
pub(super) fn merged(
    before: Row,
    mut all: RealtimeApp,
    wanted: RealtimeApp,
    paths: &[String],
    now: OffsetDateTime,
) -> Result<Row, Fault> {
    for path in paths {
        match path.as_str() {
            "name" => all.name.clone_from(&wanted.name),
            "disabled" => all.disabled = wanted.disabled,
            "client_events" => all.client_events = wanted.client_events,
            "client_events_per_second" => {
                all.client_events_per_second = wanted.client_events_per_second;
            }
            "allowed_origins" => all.allowed_origins.clone_from(&wanted.allowed_origins),
            "max_connections" => all.max_connections = wanted.max_connections,
            "max_members" => all.max_members = wanted.max_members,
            "max_event_bytes" => all.max_event_bytes = wanted.max_event_bytes,
            "subscription_count" => all.subscription_count = wanted.subscription_count,
            "recoverable_prefixes" => {
                all.recoverable_prefixes.clone_from(&wanted.recoverable_prefixes);
            }
            "history_events" => all.history_events = wanted.history_events,
            "history_seconds" => all.history_seconds = wanted.history_seconds,
            // Stored by themselves.
            WEBHOOKS => {}
            _ => {
                let text = format!("update_mask may name {CHANGEABLE}");
                return Err(Fault::invalid(text).with_pointer("/update_mask"));
            }
        }
    }
    let after = read(all, now)?;
    Ok(Row {
        number: before.number,
        key: before.key,
        disabled_at: after.disabled_at.map(|now| before.disabled_at.unwrap_or(now)),
        created_at: before.created_at,
        changed_at: Some(now),
        ..after
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish() -> RealtimeApp {
        RealtimeApp { name: "shop".to_owned(), ..RealtimeApp::default() }
    }

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn refused(wish: RealtimeApp) -> bool {
        read(wish, NOW).is_err()
    }

    #[test]
    fn origins_are_taken_as_browsers_send_them_and_in_no_other_form() {
        for good in
            ["*", "https://a.example", "http://localhost:5173", "http://[::1]:80", "app-x://y"]
        {
            assert!(is_origin(good), "{good}");
        }
        let long = format!("https://{}", "a".repeat(LONGEST_ORIGIN));
        for bad in ["", "a.example", "https://", "://x", "https://A.example", "https://a/", &long] {
            assert!(!is_origin(bad), "{bad}");
        }
    }

    #[test]
    fn zero_takes_the_usual_number_and_edges_hold() {
        let row = read(wish(), OffsetDateTime::UNIX_EPOCH).unwrap();
        assert_eq!(
            (row.client_events_per_second, row.max_members, row.max_event_bytes),
            (10, 100, 10_240)
        );
        assert_eq!(row.allowed_origins, ["*"]);
        let edge = |client_events_per_second, max_members, max_event_bytes| RealtimeApp {
            client_events_per_second,
            max_members,
            max_event_bytes,
            ..wish()
        };
        assert!(!refused(edge(1, 1, 1_024)) && !refused(edge(100, 1_000, 65_536)));
        for beyond in [
            edge(-1, 0, 0),
            edge(101, 0, 0),
            edge(0, -1, 0),
            edge(0, 1_001, 0),
            edge(0, 0, 1_023),
            edge(0, 0, 65_537),
        ] {
            assert!(refused(beyond));
        }
        let origins = |count| RealtimeApp {
            allowed_origins: vec!["https://a.example".to_owned(); count],
            ..wish()
        };
        assert!(!refused(origins(32)) && refused(origins(33)));
        let named = |name: String| RealtimeApp { name, ..RealtimeApp::default() };
        assert!(!refused(named("é".repeat(60))) && refused(named("é".repeat(61))));
        assert!(refused(named("  ".to_owned())) && refused(named("a\nb".to_owned())));
    }

    #[test]
    fn recoverable_channels_are_named_by_few_short_prefixes_and_keep_within_limits() {
        let named =
            |prefixes: Vec<String>| RealtimeApp { recoverable_prefixes: prefixes, ..wish() };
        let many = |count: usize| (0..count).map(|n| format!("private-{n}.")).collect::<Vec<_>>();
        assert!(!refused(named(many(16))) && refused(named(many(17))));
        assert!(!refused(named(vec!["x".repeat(100)])) && refused(named(vec!["x".repeat(101)])));
        for bad in ["", "a b", "*", "private-ä"] {
            assert!(refused(named(vec![bad.to_owned()])), "{bad}");
        }
        let twice = read(named(vec!["b".to_owned(), "a".to_owned(), "b".to_owned()]), NOW).unwrap();
        assert_eq!(twice.recoverable_prefixes, ["a", "b"]);
        assert_eq!((twice.history_events, twice.history_seconds), (300, 300));
        let kept = |history_events, history_seconds| RealtimeApp {
            history_events,
            history_seconds,
            ..wish()
        };
        assert!(!refused(kept(1, 1)) && !refused(kept(1_000, 86_400)));
        assert!(refused(kept(-1, 1)) && refused(kept(1_001, 1)));
        assert!(refused(kept(1, -1)) && refused(kept(1, 86_401)));
    }

    #[test]
    fn change_of_an_unknown_field_is_refused_and_others_leave_the_rest_alone() {
        let before = read(wish(), OffsetDateTime::UNIX_EPOCH).unwrap();
        let all = RealtimeApp { max_members: 7, ..wish() };
        let now = OffsetDateTime::UNIX_EPOCH + time::Duration::hours(1);
        let wanted = RealtimeApp { disabled: true, name: "other".to_owned(), ..wish() };
        let change = |paths: &[&str]| {
            let paths: Vec<String> = paths.iter().map(|&path| path.to_owned()).collect();
            merged(before.clone(), all.clone(), wanted.clone(), &paths, now)
        };
        let after = change(&["disabled"]).unwrap();
        assert_eq!((after.name.as_str(), after.max_members), ("shop", 7));
        assert_eq!((after.disabled_at, after.changed_at), (Some(now), Some(now)));
        assert!(change(&["key"]).is_err() && change(&["secrets"]).is_err());
    }
}
