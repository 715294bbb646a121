//! `yard organizations`.

use serde_json::{Value, json};

use crate::gateway::{TOKEN, ok, problem, yard};

fn membership(slug: &str, marks: &[&str]) -> Value {
    json!({
        "tenant_slug": slug, "tenant_name": slug.to_uppercase(), "role": "viewer",
        "second_factor_required": marks.contains(&"factor"),
        "suspended": marks.contains(&"suspended"), "current": marks.contains(&"current"),
    })
}

#[tokio::test]
async fn memberships_of_all_pages_are_one_table_with_what_is_special() {
    let pages = || {
        let first = [membership("acme", &["current", "factor"]), membership("byte", &[])];
        [
            ok(json!({"memberships": first, "next_page_token": "byte"})),
            ok(json!({"memberships": [membership("core", &["suspended"])], "next_page_token": ""})),
        ]
    };
    let ran = yard(&["organizations"]).run(pages()).await.done();
    let next = "GET /api/v1/me/memberships?page_token=byte";
    let expected = [("GET /api/v1/me/memberships", &Value::Null), (next, &Value::Null)];
    assert_eq!(ran.requests(), expected);
    let table = [
        "tenant  name  role",
        "acme    ACME  viewer  here, requires a second factor",
        "byte    BYTE  viewer",
        "core    CORE  viewer  suspended",
    ];
    assert_eq!(ran.lines(), table);
    let ran = yard(&["organizations", "list", "--json"]).run(pages()).await.done();
    assert_eq!(ran.json()["memberships"].as_array().unwrap().len(), 3);
}

fn arrived(slug: &str) -> Value {
    json!({
        "session_token": "yss_of-the-other-place",
        "me": {
            "principal_id": "0197a3c2-5c1e-7d44-9b1f-3a5d2e8c0001", "email": "ann@example.org",
            "display_name": "Ann Lee", "tenant_id": "", "tenant_slug": slug, "tenant_name": "",
            "role": "viewer", "permissions": [],
        },
    })
}

#[tokio::test]
async fn session_goes_over_and_its_new_token_is_kept_and_not_shown() {
    for (slug, said) in [("byte", "in byte as"), ("", "in the platform as")] {
        let ran = yard(&["organizations", "switch", slug]).run([ok(arrived(slug))]).await.done();
        let body = json!({"tenant": slug, "delivery": "SESSION_DELIVERY_TOKEN"});
        assert_eq!(ran.requests(), [("POST /api/v1/sessions/current/tenant", &body)]);
        assert_eq!(ran.lines(), [format!("{said} ann@example.org (viewer)")]);
        assert!(ran.profile.contains("yss_of-the-other-place"), "{}", ran.profile);
        assert!(!ran.profile.contains(TOKEN), "{}", ran.profile);
    }
    let ran = yard(&["organizations", "switch", "byte", "--json"]).run([ok(arrived("byte"))]).await;
    let ran = ran.done();
    assert_eq!(ran.json()["tenant_slug"], "byte");
    assert!(!ran.out.contains("yss_"), "{}", ran.out);
}

#[tokio::test]
async fn session_that_may_not_go_over_stays_as_it_was() {
    let ran =
        yard(&["organizations", "switch", "core"]).run([problem(403, "tenant.suspended")]).await;
    ran.refused("tenant.suspended");
    assert!(ran.profile.contains(TOKEN), "{}", ran.profile);
}
