//! `yard channels`.

use serde_json::{Value, json};

use crate::gateway::{ok, problem, yard};

const FAMILY: &str = "channels";
const APP: &str = "1234567890";
const PATH: &str = "/api/v1/realtime-apps/1234567890";

fn channel(name: &str, kind: &str) -> Value {
    json!({
        "name": name, "kind": format!("REALTIME_CHANNEL_KIND_{kind}"), "cache": name.contains("cache-"),
        "subscription_count": 3, "user_count": 0, "messages_per_second": 0.5, "messages": [1, 4],
    })
}

fn whole() -> Value {
    json!({"answered": 2, "known": 2})
}

#[tokio::test]
async fn channels_of_all_pages_are_one_table() {
    let first = json!({
        "channels": [channel("cache-a", "PUBLIC")], "next_page_token": "n", "instances": whole(),
    });
    let second = json!({
        "channels": [channel("private-b", "PRIVATE")], "next_page_token": "", "instances": whole(),
    });
    let ran = yard(&[FAMILY, "list", APP, "--prefix", "a b"]).run([ok(first), ok(second)]).await;
    let ran = ran.done();
    let asked = format!("GET {PATH}/channels?prefix=a+b&page_size=200");
    let next = format!("{asked}&page_token=n");
    assert_eq!(ran.requests(), [(asked.as_str(), &Value::Null), (next.as_str(), &Value::Null)]);
    let expected = [
        "name       kind           subscriptions  users  events/s",
        "cache-a    public, cache  3              0      0.5",
        "private-b  private        3              0      0.5",
    ];
    assert_eq!(ran.lines(), expected);
}

#[tokio::test]
async fn numbers_that_are_too_small_are_said_to_be() {
    let found = json!({
        "app_id": APP, "socket_count": 7, "published_per_second": 1.5,
        "instances": {"answered": 1, "known": 2},
    });
    let ran = yard(&[FAMILY, "activity", APP]).run([ok(found)]).await;
    assert_eq!(ran.code, 0);
    assert!(ran.lines().contains(&"sockets        7"), "{}", ran.out);
    assert!(ran.lines().contains(&"published      1.5 a second"), "{}", ran.out);
    assert!(ran.err.contains("only 1 of 2 instances"), "{}", ran.err);
}

#[tokio::test]
async fn presence_channel_is_shown_with_who_is_in_it() {
    let found = json!({
        "channel": channel("presence-room", "PRESENCE"), "instances": whole(),
        "members": [{"user_id": "7", "user_info": "{}", "socket_count": 2}],
    });
    let ran = yard(&[FAMILY, "show", APP, "presence-room"]).run([ok(found)]).await.done();
    let asked = format!("GET {PATH}/channels/presence-room?page_size=500");
    assert_eq!(ran.requests(), [(asked.as_str(), &Value::Null)]);
    assert_eq!(ran.lines().last(), Some(&"7     2        {}"), "{}", ran.out);
    let none = yard(&[FAMILY, "show", APP, "a b"]).run([problem(422, "channel.invalid")]).await;
    none.refused("channel.invalid");
}

#[tokio::test]
async fn refusals_are_told_with_their_reasons() {
    let refusal = json!({
        "at": "2026-03-01T12:00:00Z", "channel": "private-a", "socket_id": "1.2",
        "reason": "signature", "detail": "the signature does not allow it", "code": 401,
    });
    let found = json!({"refusals": [refusal], "instances": whole()});
    let ran = yard(&[FAMILY, "refused", APP]).run([ok(found)]).await.done();
    let last =
        "2026-03-01T12:00:00Z  signature  401   private-a  1.2     the signature does not allow it";
    assert_eq!(ran.lines().last(), Some(&last), "{}", ran.out);
}

#[tokio::test]
async fn test_event_is_published_and_says_how_many_subscribed() {
    let done = json!({"published_at": "2026-03-01T12:00:00Z", "subscription_count": 3});
    let arguments = [FAMILY, "publish", APP, "private-a", "--event", "e", "--data", "[1]"];
    let ran = yard(&arguments).run([ok(done)]).await.done();
    let body = json!({"channel": "private-a", "event": "e", "data": "[1]"});
    assert_eq!(ran.requests(), [(format!("POST {PATH}/test-events").as_str(), &body)]);
    assert_eq!(ran.lines(), ["e was said in private-a, where 3 subscribed"]);
    let refused = [problem(413, "request.too_large")];
    yard(&arguments).run(refused).await.refused("request.too_large");
}

#[tokio::test]
async fn trace_asks_for_what_was_named_and_tells_why_it_is_refused() {
    let arguments = [
        FAMILY,
        "trace",
        APP,
        "--prefix",
        "private-",
        "--kind",
        "event",
        "--kind",
        "client-event",
        "--data",
    ];
    let ran = yard(&arguments).run([problem(429, "rate.limited")]).await;
    let query = "channel_prefix=private-&with_data=true&kinds=REALTIME_TRACE_KIND_EVENT\
                 &kinds=REALTIME_TRACE_KIND_CLIENT_EVENT";
    assert_eq!(ran.requests(), [(format!("GET {PATH}/trace?{query}").as_str(), &Value::Null)]);
    ran.refused("rate.limited");
}
