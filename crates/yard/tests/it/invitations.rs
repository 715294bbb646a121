//! `yard invitations`.

use serde_json::{Value, json};

use crate::gateway::{ok, problem, yard};

const FIRST: &str = "0197a3c2-5c1e-7d44-9b1f-3a5d2e8c0011";
const SECOND: &str = "0197a3c2-5c1e-7d44-9b1f-3a5d2e8c0012";

fn invitation(id: &str, email: &str, state: &str) -> Value {
    json!({
        "invitation_id": id, "email": email, "role": "viewer",
        "expires_at": "2026-03-08T12:00:00Z", "mailed_at": "2026-03-01T12:00:00Z",
        "invited_by": "ann@example.org", "state": state,
    })
}

#[tokio::test]
async fn invitations_of_all_pages_are_one_table_that_says_which_are_over() {
    let new = invitation(FIRST, "new@example.org", "INVITATION_STATE_PENDING");
    let old = invitation(SECOND, "old@example.org", "INVITATION_STATE_EXPIRED");
    let pages = || {
        [
            ok(json!({"invitations": [new], "next_page_token": "2"})),
            ok(json!({"invitations": [old], "next_page_token": ""})),
        ]
    };
    let ran = yard(&["invitations"]).run(pages()).await.done();
    let next = "GET /api/v1/invitations?page_token=2";
    assert_eq!(ran.requests(), [("GET /api/v1/invitations", &Value::Null), (next, &Value::Null)]);
    let expected = [
        "e-mail           role    good until            invited by       id".to_owned(),
        format!("new@example.org  viewer  2026-03-08T12:00:00Z  ann@example.org  {FIRST}"),
        format!("old@example.org  viewer  over                  ann@example.org  {SECOND}"),
    ];
    assert_eq!(ran.lines(), expected);
    let ran = yard(&["--json", "invitations", "list"]).run(pages()).await.done();
    assert_eq!(ran.json(), json!({"invitations": [new, old], "next_page_token": ""}));
}

#[tokio::test]
async fn invitation_is_sent_with_a_language_or_the_tenants() {
    let made = invitation(FIRST, "new@example.org", "INVITATION_STATE_PENDING");
    let usual =
        ["invitations", "create", "--email", "new@example.org", "--role", "viewer"].as_slice();
    for (more, locale) in [(&[][..], ""), (&["--locale", "de"], "de")] {
        let ran = yard(&[usual, more].concat()).run([ok(made.clone())]).await;
        let body = json!({"email": "new@example.org", "role": "viewer", "locale": locale});
        assert_eq!(ran.requests(), [("POST /api/v1/invitations", &body)]);
        // The id is the answer; the rest is for people.
        assert_eq!((ran.code, ran.lines()), (0, vec![FIRST]));
        assert!(ran.err.contains("on its way to new@example.org"), "{}", ran.err);
    }
    let ran = yard(&[usual, &["--json"]].concat()).run([ok(made.clone())]).await.done();
    assert_eq!(ran.json(), made);
    let ran = yard(usual).run([problem(409, "resource.exists")]).await;
    ran.refused("resource.exists");
    // Neither for whom nor as what is guessed.
    for part in [&usual[..4], &["invitations", "create", "--role", "viewer"]] {
        let ran = yard(part).run([]).await;
        assert_eq!((ran.code, ran.asked.len()), (2, 0), "{part:?}");
    }
}

#[tokio::test]
async fn invitation_is_mailed_anew_and_withdrawn_by_its_id() {
    let made = invitation(FIRST, "new@example.org", "INVITATION_STATE_PENDING");
    let ran = yard(&["invitations", "resend", FIRST]).run([ok(made.clone())]).await;
    let path = format!("POST /api/v1/invitations/{FIRST}/mail");
    assert_eq!(ran.requests(), [(path.as_str(), &json!({}))]);
    assert_eq!((ran.code, ran.lines()), (0, vec![FIRST]));
    let ran = yard(&["invitations", "withdraw", FIRST]).run([ok(made.clone())]).await.done();
    let path = format!("DELETE /api/v1/invitations/{FIRST}");
    assert_eq!(ran.requests(), [(path.as_str(), &Value::Null)]);
    assert_eq!(ran.lines(), ["new@example.org is not invited any more"]);
    for verb in ["resend", "withdraw"] {
        let ran = yard(&["invitations", verb, FIRST]).run([problem(429, "rate.limited")]).await;
        ran.refused("rate.limited");
    }
}
