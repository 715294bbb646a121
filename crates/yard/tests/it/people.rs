//! `yard people`.

use serde_json::{Value, json};

use crate::gateway::{TOKEN, ok, problem, yard};

const ANN: &str = "0197a3c2-5c1e-7d44-9b1f-3a5d2e8c0001";
const BOB: &str = "0197a3c2-5c1e-7d44-9b1f-3a5d2e8c0002";

fn person(id: &str, email: &str, role: &str, state: &str) -> Value {
    json!({
        "principal_id": id, "email": email, "display_name": "Ann Lee", "role": role,
        "state": state, "joined_at": "2026-03-01T12:00:00Z",
    })
}

fn pages() -> [(u16, Value); 2] {
    let ann = person(ANN, "ann@example.org", "owner", "PERSON_STATE_ACTIVE");
    let bob = person(BOB, "bob@example.org", "viewer", "PERSON_STATE_DISABLED");
    [
        ok(json!({"people": [ann], "next_page_token": "a/b+c="})),
        ok(json!({"people": [bob], "next_page_token": ""})),
    ]
}

#[tokio::test]
async fn members_of_all_pages_are_one_table() {
    for arguments in [&["people"][..], &["people", "list"]] {
        let ran = yard(arguments).run(pages()).await.done();
        let next = "GET /api/v1/people?page_token=a%2Fb%2Bc%3D";
        assert_eq!(ran.requests(), [("GET /api/v1/people", &Value::Null), (next, &Value::Null)]);
        let bearer = format!("Bearer {TOKEN}");
        assert!(ran.asked.iter().all(|asked| asked.headers["authorization"] == bearer));
        let expected = [
            "e-mail           name     role               since                 id".to_owned(),
            format!("ann@example.org  Ann Lee  owner              2026-03-01T12:00:00Z  {ANN}"),
            format!("bob@example.org  Ann Lee  viewer (disabled)  2026-03-01T12:00:00Z  {BOB}"),
        ];
        assert_eq!(ran.lines(), expected);
    }
}

#[tokio::test]
async fn members_of_all_pages_are_one_object() {
    let ran = yard(&["--json", "people"]).run(pages()).await.done();
    let [(_, first), (_, second)] = pages();
    let people = json!([first["people"][0], second["people"][0]]);
    assert_eq!(ran.json(), json!({"people": people, "next_page_token": ""}));
}

#[tokio::test]
async fn refusal_of_a_later_page_gives_no_half_of_a_list() {
    let [first, _second] = pages();
    let ran = yard(&["people"]).run([first, problem(422, "page.token_invalid")]).await;
    ran.refused("page.token_invalid");
}

#[tokio::test]
async fn role_is_sent_once_and_told_as_it_is_now() {
    let changed = person(BOB, "bob@example.org", "operator", "PERSON_STATE_ACTIVE");
    let arguments = ["people", "role", BOB, "operator"];
    let ran = yard(&arguments).run([ok(changed.clone())]).await.done();
    let path = format!("POST /api/v1/people/{BOB}/role");
    assert_eq!(ran.requests(), [(path.as_str(), &json!({"role": "operator"}))]);
    let headers = &ran.asked[0].headers;
    assert!(headers.contains_key("idempotency-key") && headers.contains_key("x-yard-csrf"));
    assert_eq!(ran.lines(), ["bob@example.org is operator now"]);
    let ran = yard(&["people", "role", BOB, "operator", "--json"]).run([ok(changed.clone())]).await;
    assert_eq!(ran.done().json(), changed);
    let ran = yard(&arguments).run([problem(403, "rights.beyond_own")]).await;
    ran.refused("rights.beyond_own");
    assert!(ran.err.contains("It is not to be. (instance 0198c0de)"), "{}", ran.err);
}

#[tokio::test]
async fn member_who_is_taken_out_is_named() {
    let arguments = ["people", "remove", BOB];
    let ran = yard(&arguments).run([ok(json!({}))]).await.done();
    let path = format!("DELETE /api/v1/people/{BOB}");
    assert_eq!(ran.requests(), [(path.as_str(), &Value::Null)]);
    assert_eq!(ran.lines(), [format!("{BOB} is out")]);
    let ran = yard(&["people", "remove", BOB, "--json"]).run([ok(json!({}))]).await.done();
    assert_eq!(ran.json(), json!({"principal_id": BOB}));
    yard(&arguments).run([problem(404, "resource.not_found")]).await.refused("resource.not_found");
}

#[tokio::test]
async fn what_is_no_id_is_asked_of_nobody() {
    for arguments in [&["people", "remove", "bob"][..], &["people", "role", BOB], &["people", "x"]]
    {
        let ran = yard(arguments).run([]).await;
        assert_eq!((ran.code, ran.out.as_str(), ran.asked.len()), (2, "", 0), "{arguments:?}");
    }
}
