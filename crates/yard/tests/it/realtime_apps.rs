//! `yard realtime-apps`.

use serde_json::{Value, json};

use crate::gateway::{ok, problem, yard};

const FAMILY: &str = "realtime-apps";
const PATH: &str = "/api/v1/realtime-apps";
const ID: &str = "1234567890";
const KEY: &str = "0123456789abcdef0123";
const OLD: &str = "0197a3c2-5c1e-7d44-9b1f-3a5d2e8c0031";
const SECRET: &str = "5ec2e7";
const HOOK: &str = "https://a.b/";

fn shop() -> Value {
    json!({
        "app_id": ID, "key": KEY, "name": "Shop", "disabled": false, "client_events": true,
        "client_events_per_second": 10, "allowed_origins": ["https://shop.example"],
        "max_connections": 0, "max_members": 100, "max_event_bytes": 10240,
        "subscription_count": false, "recoverable_prefixes": ["private-orders."],
        "history_events": 300, "history_seconds": 60,
        "secrets": [{"secret_id": OLD, "created_at": "2026-03-01T12:00:00Z"}],
        "created_at": "2026-03-01T12:00:00Z", "changed_at": "2026-03-02T12:00:00Z",
        "webhooks": [{"url": HOOK, "kinds": ["cache_miss"], "channel_prefix": "a-", "disabled": true}],
    })
}

#[tokio::test]
async fn apps_are_a_table_of_what_their_clients_connect_with() {
    let other =
        json!({"app_id": "2234567890", "key": "f".repeat(20), "name": "T", "disabled": true});
    let both = json!({"apps": [shop(), other]});
    let ran = yard(&[FAMILY]).run([ok(both.clone())]).await.done();
    assert_eq!(ran.requests(), [(format!("GET {PATH}").as_str(), &Value::Null)]);
    let expected = [
        format!("name  id          {:20}  secrets  state", "key"),
        format!("Shop  {ID}  {KEY}  1        enabled"),
        format!("T     2234567890  {}  0        disabled", "f".repeat(20)),
    ];
    assert_eq!(ran.lines(), expected);
    let ran = yard(&[FAMILY, "list", "--json"]).run([ok(both)]).await.done();
    assert_eq!(ran.json()["apps"][1]["disabled"], true);
    yard(&[FAMILY]).run([problem(403, "auth.forbidden")]).await.refused("auth.forbidden");
}

#[tokio::test]
async fn app_is_shown_with_its_secrets_ids() {
    let ran = yard(&[FAMILY, "show", ID]).run([ok(shop())]).await.done();
    assert_eq!(ran.requests(), [(format!("GET {PATH}/{ID}").as_str(), &Value::Null)]);
    let secret = format!("secret         {OLD} since 2026-03-01T12:00:00Z");
    for fact in [
        "client events  10 a second and socket",
        "origins        https://shop.example",
        "sockets        as many as an instance takes",
        "members        100 in a presence channel",
        "state          enabled",
        "recoverable    private-orders. (300 events, 60 s)",
        "changed        2026-03-02T12:00:00Z",
        &secret,
        "webhook        https://a.b/: cache_miss of a-…, disabled",
    ] {
        assert!(ran.lines().contains(&fact), "{fact}: {}", ran.out);
    }
    let ran = yard(&[FAMILY, "show", ID, "--json"]).run([ok(shop())]).await.done();
    assert_eq!(ran.json(), shop());
}

#[tokio::test]
async fn new_apps_secret_is_the_answer_and_is_shown_once() {
    let made = || ok(json!({"app": shop(), "secret": SECRET}));
    let arguments =
        [FAMILY, "create", "--name", "Shop", "--client-events", "true", "--origin", "https://a.b"];
    let body = json!({"name": "Shop", "client_events": true, "allowed_origins": ["https://a.b"]});
    let ran = yard(&arguments).run([made()]).await;
    assert_eq!(ran.requests(), [(format!("POST {PATH}").as_str(), &body)]);
    assert_eq!((ran.code, ran.lines()), (0, vec![SECRET]));
    assert!(ran.err.contains(ID) && ran.err.contains(KEY), "{}", ran.err);
    let ran = yard(&[&arguments[..], &["--json"]].concat()).run([made()]).await.done();
    assert_eq!(ran.json(), json!({"app": shop(), "secret": SECRET}));
    let refused = [problem(409, "limit.reached")];
    yard(&arguments).run(refused).await.refused("limit.reached");
}

#[tokio::test]
async fn change_sends_what_was_named_and_nothing_else() {
    let patch = format!("PATCH {PATH}/{ID}");
    for (options, body) in [
        (&["--name", "Till"][..], json!({"name": "Till"})),
        (&["--disable"], json!({"disabled": true})),
        (&["--enable", "--max-members", "7"], json!({"disabled": false, "max_members": 7})),
        (
            &["--origin", "*", "--origin", "https://a.b"],
            json!({"allowed_origins": ["*", "https://a.b"]}),
        ),
        (&["--client-events", "false"], json!({"client_events": false})),
        (
            &["--max-connections", "0", "--subscription-count", "true"],
            json!({"max_connections": 0, "subscription_count": true}),
        ),
        (
            &["--recoverable", "a.", "--recoverable", "b.", "--history-events", "9"],
            json!({"recoverable_prefixes": ["a.", "b."], "history_events": 9}),
        ),
        (
            &["--recoverable", "", "--history-seconds", "60"],
            json!({"recoverable_prefixes": [], "history_seconds": 60}),
        ),
    ] {
        let arguments = [&[FAMILY, "update", ID][..], options].concat();
        let ran = yard(&arguments).run([ok(shop())]).await.done();
        assert_eq!(ran.requests(), [(patch.as_str(), &body)]);
        assert!(ran.lines().contains(&"state          enabled"), "{}", ran.out);
    }
    for options in [&[][..], &["--enable", "--disable"], &["--key", KEY], &["--max-members", "-1"]]
    {
        let arguments = [&[FAMILY, "update", ID][..], options].concat();
        let ran = yard(&arguments).run([]).await;
        assert_eq!((ran.code, ran.out.as_str(), ran.asked.len()), (2, "", 0), "{options:?}");
    }
}

#[tokio::test]
async fn secrets_rotate_by_adding_one_and_ending_the_other() {
    let path = format!("{PATH}/{ID}/secrets");
    let made = ok(json!({"app": shop(), "secret_id": OLD, "secret": SECRET}));
    let ran = yard(&[FAMILY, "add-secret", ID]).run([made]).await;
    assert_eq!(ran.requests(), [(format!("POST {path}").as_str(), &json!({}))]);
    assert_eq!((ran.code, ran.lines()), (0, vec![SECRET]));
    let ran = yard(&[FAMILY, "end-secret", ID, OLD]).run([ok(shop())]).await.done();
    assert_eq!(ran.requests(), [(format!("DELETE {path}/{OLD}").as_str(), &Value::Null)]);
    assert_eq!(ran.lines().len(), 1);
    let last = [problem(422, "request.invalid")];
    yard(&[FAMILY, "end-secret", ID, OLD]).run(last).await.refused("request.invalid");
    let full = [problem(409, "limit.reached")];
    yard(&[FAMILY, "add-secret", ID]).run(full).await.refused("limit.reached");
}

#[tokio::test]
async fn app_is_deleted_by_its_number() {
    let gone = json!({"app_id": ID});
    let ran = yard(&[FAMILY, "delete", ID, "--json"]).run([ok(gone.clone())]).await.done();
    assert_eq!(ran.requests(), [(format!("DELETE {PATH}/{ID}").as_str(), &Value::Null)]);
    assert_eq!(ran.json(), gone);
    let ran = yard(&[FAMILY, "delete", ID]).run([ok(gone)]).await.done();
    assert_eq!(ran.lines().len(), 1);
    let ran = yard(&[FAMILY, "delete", "shop"]).run([]).await;
    assert_eq!((ran.code, ran.asked.len()), (2, 0), "{}", ran.err);
}

#[tokio::test]
async fn confirmed_messages_are_a_table_and_one_is_shown_with_its_recipients() {
    let message = json!({
        "message_id": OLD, "app_id": ID, "channel": "private-orders", "seq": 7,
        "event": "order.shipped", "data": "{}", "level": "REALTIME_MESSAGE_LEVEL_APP",
        "sender": format!("app:{ID}"), "created_at": "2026-03-01T12:00:00Z",
        "expires_at": "2026-03-01T13:00:00Z", "queued": 1, "sent": 0, "acknowledged": 2,
        "expired": 0, "receipts": [{
            "user_id": "42", "state": "REALTIME_RECEIPT_STATE_ACKNOWLEDGED", "attempts": 1,
            "sent_at": "2026-03-01T12:00:01Z", "acknowledged_at": "2026-03-01T12:00:02Z",
        }],
    });
    let page = json!({"messages": [message.clone()], "next_page_token": ""});
    let ran = yard(&[FAMILY, "messages", ID]).run([ok(page)]).await.done();
    let asked = format!("GET {PATH}/{ID}/messages?page_size=50");
    assert_eq!(ran.requests(), [(asked.as_str(), &Value::Null)]);
    let row = format!("{OLD}  private-orders  7    order.shipped  app    1       0     2      0");
    assert!(ran.lines().contains(&row.as_str()), "{}", ran.out);

    let ran = yard(&[FAMILY, "message", ID, OLD]).run([ok(message)]).await.done();
    let asked = format!("GET {PATH}/{ID}/messages/{OLD}");
    assert_eq!(ran.requests(), [(asked.as_str(), &Value::Null)]);
    for part in ["channel  private-orders", "42         acknowledged  1"] {
        assert!(ran.out.contains(part), "{part}: {}", ran.out);
    }
}

#[tokio::test]
async fn webhook_is_set_changed_and_removed_and_the_others_stay() {
    let (get, patch) = (format!("GET {PATH}/{ID}"), format!("PATCH {PATH}/{ID}"));
    let new = json!({"url": "https://c.d/x", "kinds": ["member_added", "member_removed"],
        "channel_prefix": "presence-", "disabled": false});
    let all = json!({"webhooks": [shop()["webhooks"][0], new]});
    let arguments = [
        FAMILY,
        "set-webhook",
        ID,
        "https://c.d/x",
        "--kind",
        "member_added",
        "--kind",
        "member_removed",
        "--channel-prefix",
        "presence-",
    ];
    let ran = yard(&arguments).run([ok(shop()), ok(shop())]).await.done();
    assert_eq!(ran.requests(), [(get.as_str(), &Value::Null), (patch.as_str(), &all)]);
    let again = json!({"webhooks": [
        {"url": "https://a.b", "kinds": [], "channel_prefix": "", "disabled": false}]});
    let ran = yard(&[FAMILY, "set-webhook", ID, "https://a.b"]).run([ok(shop()), ok(shop())]).await;
    assert_eq!(ran.requests()[1], (patch.as_str(), &again));
    let none = json!({"webhooks": []});
    let remove = [FAMILY, "remove-webhook", ID, HOOK];
    let ran = yard(&remove).run([ok(shop()), ok(shop())]).await.done();
    assert_eq!(ran.requests()[1], (patch.as_str(), &none));
    let ran = yard(&[FAMILY, "remove-webhook", ID, "https://x.y"]).run([ok(shop())]).await;
    assert_eq!((ran.code, ran.asked.len()), (2, 1), "{}", ran.err);
    let wrong = [ok(shop()), problem(422, "request.invalid")];
    yard(&arguments).run(wrong).await.refused("request.invalid");
}
