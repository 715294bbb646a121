//! Where a tenant may have an app tell of what happens in it.

use std::collections::HashSet;

use yard_contracts::realtime::v1::RealtimeWebhook;
use yard_fault::Fault;
use yard_outbound::Guard;

use super::store::WebhookRow;
use crate::webhook::{Endpoint, Kind, Kinds};

const MOST: usize = 5;
const LONGEST_PREFIX: usize = 200;

fn wrong<T>(problem: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::invalid(problem).with_pointer("/realtime_app/webhooks"))
}

/// Holds a wish to the rules; the app is filled in later.
pub(super) fn read(wishes: Vec<RealtimeWebhook>, guard: &Guard) -> Result<Vec<WebhookRow>, Fault> {
    if wishes.len() > MOST {
        return wrong(format!("an app has {MOST} webhooks at most"));
    }
    let mut urls = HashSet::new();
    let mut rows = Vec::with_capacity(wishes.len());
    for wish in wishes {
        let RealtimeWebhook { url, mut kinds, channel_prefix, disabled } = wish;
        let Some(url) = guard.url(&url).map(String::from) else {
            return wrong("a webhook's url has to be https, of a public host, without a user");
        };
        if let Some(unknown) = kinds.iter().find(|kind| Kind::of_name(kind).is_none()) {
            let known: Vec<&str> = Kind::ALL.into_iter().map(Kind::name).collect();
            let unknown: String = unknown.chars().take(64).collect();
            return wrong(format!("{unknown:?} is none of {}", known.join(", ")));
        }
        if channel_prefix.len() > LONGEST_PREFIX || channel_prefix.contains(char::is_control) {
            return wrong("channel_prefix has to be 200 characters at most");
        }
        if !urls.insert(url.clone()) {
            return wrong("two webhooks have the same url");
        }
        kinds.sort_unstable();
        kinds.dedup();
        rows.push(WebhookRow { app: 0, url, kinds, channel_prefix, disabled });
    }
    Ok(rows)
}

/// As the app's settings hold it.
pub(super) fn endpoint(row: &WebhookRow) -> Endpoint {
    Endpoint {
        url: row.url.as_str().into(),
        kinds: Kinds::of_names(row.kinds.iter().map(String::as_str)),
        channel_prefix: row.channel_prefix.as_str().into(),
    }
}

pub(super) fn to_wire(row: &WebhookRow) -> RealtimeWebhook {
    RealtimeWebhook {
        url: row.url.clone(),
        kinds: row.kinds.clone(),
        channel_prefix: row.channel_prefix.clone(),
        disabled: row.disabled,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(url: &str) -> RealtimeWebhook {
        RealtimeWebhook { url: url.to_owned(), ..RealtimeWebhook::default() }
    }

    fn taken(wishes: Vec<RealtimeWebhook>) -> bool {
        read(wishes, &Guard::new(Vec::new(), false)).is_ok()
    }

    #[test]
    fn webhook_is_held_to_its_limits_at_their_edges() {
        let numbered = |count: usize| (0..count).map(|n| wish(&format!("https://a.example/{n}")));
        assert!(taken(numbered(5).collect()) && !taken(numbered(6).collect()));
        assert!(!taken(vec![wish("https://a.example"), wish("https://a.example/")]));
        for bad in ["", "http://a.example", "https://127.0.0.1/", "https://u@a.example", "ftp://a"]
        {
            assert!(!taken(vec![wish(bad)]), "{bad}");
        }
        let prefix = |length: usize| {
            let channel_prefix = "p".repeat(length);
            vec![RealtimeWebhook { channel_prefix, ..wish("https://a.example") }]
        };
        assert!(taken(prefix(200)) && !taken(prefix(201)));
        let long = |length: usize| vec![wish(&format!("https://a.example/{}", "x".repeat(length)))];
        assert!(taken(long(2_048 - 18)) && !taken(long(2_049 - 18)));
    }

    #[test]
    fn kinds_are_named_as_the_protocol_has_them() {
        let guard = Guard::new(Vec::new(), false);
        let of = |kinds: &[&str]| {
            let kinds = kinds.iter().map(|&kind| kind.to_owned()).collect();
            read(vec![RealtimeWebhook { kinds, ..wish("https://a.example/x") }], &guard)
        };
        let rows = of(&["member_added", "cache_miss", "member_added"]).unwrap();
        assert_eq!(rows[0].kinds, ["cache_miss", "member_added"]);
        let refusal = of(&["member_added", "member_left"]).unwrap_err();
        assert!(refusal.public().contains("member_left"), "{}", refusal.public());
        let all = of(&[]).unwrap();
        assert!(endpoint(&all[0]).wants_any(Kinds::EDGES, "anything"));
    }
}
