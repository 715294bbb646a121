//! `yard identity-providers`.

use serde_json::{Value, json};

use crate::gateway::{ok, problem, yard};

const FAMILY: &str = "identity-providers";
const PATH: &str = "/api/v1/identity-providers";
const AQUA: &str = "0197a3c2-5c1e-7d44-9b1f-3a5d2e8c0021";
const OTHER: &str = "0197a3c2-5c1e-7d44-9b1f-3a5d2e8c0022";
const SECRET: &str = "s3cret of the client";

fn aqua() -> Value {
    json!({
        "provider_id": AQUA, "name": "Aqua", "issuer": "https://login.aqua.example/",
        "client_id": "switchyard", "client_secret": "", "scopes": ["profile", "email"],
        "groups_claim": "groups", "role_rules": [{"group": "ops", "role": "operator"}],
        "default_role": "viewer", "email_domains": ["aqua.example"], "create_people": true,
        "disabled": false, "redirect_uri": "https://yard.example/sign-in/callback/1",
        "created_at": "2026-03-01T12:00:00Z", "changed_at": "2026-03-02T12:00:00Z",
    })
}

fn both() -> Value {
    let other = json!({
        "provider_id": OTHER, "name": "Other", "issuer": "https://id.other.example",
        "disabled": true, "created_at": "2026-03-01T12:00:00Z",
    });
    json!({"identity_providers": [aqua(), other]})
}

#[tokio::test]
async fn providers_are_a_table_of_whom_they_let_in() {
    let ran = yard(&[FAMILY]).run([ok(both())]).await.done();
    assert_eq!(ran.requests(), [("GET /api/v1/identity-providers", &Value::Null)]);
    let lets_in = "ops as operator, everybody else as viewer";
    let expected = [
        format!("name   issuer                       {:41}  id", "lets in"),
        format!("Aqua   https://login.aqua.example/  {lets_in}  {AQUA}"),
        format!("Other  https://id.other.example     {:41}  {OTHER}", "nobody (disabled)"),
    ];
    assert_eq!(ran.lines(), expected);
    let ran = yard(&[FAMILY, "list", "--json"]).run([ok(both())]).await.done();
    assert_eq!(ran.json()["identity_providers"][1]["disabled"], true);
    yard(&[FAMILY]).run([problem(403, "auth.forbidden")]).await.refused("auth.forbidden");
}

#[tokio::test]
async fn provider_is_shown_with_all_but_its_secret() {
    let ran = yard(&[FAMILY, "show", AQUA]).run([ok(both())]).await.done();
    let lines = ran.lines();
    for fact in [
        "client id       switchyard",
        "redirect URI    https://yard.example/sign-in/callback/1",
        "roles           ops as operator, everybody else as viewer",
        "accounts        made at the first sign-in",
        "state           enabled",
        "changed         2026-03-02T12:00:00Z",
    ] {
        assert!(lines.contains(&fact), "{fact}: {lines:?}");
    }
    let ran = yard(&[FAMILY, "show", AQUA, "--json"]).run([ok(both())]).await.done();
    let mut expected = aqua();
    expected.as_object_mut().unwrap().remove("client_secret");
    assert_eq!(ran.json(), expected);
    let gone = "0197a3c2-5c1e-7d44-9b1f-3a5d2e8c0029";
    let ran = yard(&[FAMILY, "show", gone]).run([ok(both())]).await;
    assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{}", ran.err);
    assert!(ran.err.contains(gone), "{}", ran.err);
}

#[tokio::test]
async fn provider_is_set_up_with_a_secret_of_a_file_or_of_standard_input() {
    let usual = [
        FAMILY,
        "create",
        "--name",
        "Aqua",
        "--issuer",
        "https://login.aqua.example/",
        "--client-id",
        "switchyard",
        "--groups-claim",
        "groups",
        "--rule",
        "ops=operator",
        "--rule",
        "cn=a,dc=b=viewer",
        "--email-domain",
        "aqua.example",
        "--create-people",
    ];
    let body = json!({
        "name": "Aqua", "issuer": "https://login.aqua.example/", "client_id": "switchyard",
        "client_secret": SECRET, "groups_claim": "groups",
        "role_rules": [
            {"group": "ops", "role": "operator"}, {"group": "cn=a,dc=b", "role": "viewer"},
        ],
        "email_domains": ["aqua.example"], "create_people": true, "disabled": false,
    });
    let line = format!("{SECRET}\n");
    for (file, secret, input) in [("secret", line.as_str(), ""), ("-", "", line.as_str())] {
        let arguments = [&usual[..], &["--client-secret-file", file]].concat();
        let ran = yard(&arguments).secret(secret).input(input).run([ok(aqua())]).await;
        assert_eq!(ran.requests(), [(format!("POST {PATH}").as_str(), &body)]);
        assert_eq!((ran.code, ran.lines()), (0, vec![AQUA]));
        assert!(ran.err.contains("https://yard.example/sign-in/callback/1"), "{}", ran.err);
        assert!(!ran.err.contains(SECRET) && !ran.out.contains(SECRET));
    }
    // Without one it is a public client, and an empty file is a mistake.
    let ran = yard(&[&usual[..], &["--json"]].concat()).run([ok(aqua())]).await.done();
    assert_eq!(ran.asked[0].body.get("client_secret"), None);
    assert_eq!(ran.json()["provider_id"], AQUA);
    let empty = [&usual[..], &["--client-secret-file", "secret"]].concat();
    let ran = yard(&empty).secret("\n").run([]).await;
    assert_eq!((ran.code, ran.asked.len()), (2, 0), "{}", ran.err);
    // No argument takes the secret itself.
    let ran = yard(&[&usual[..], &["--client-secret", SECRET]].concat()).run([]).await;
    assert_eq!((ran.code, ran.asked.len()), (2, 0), "{}", ran.err);
    let ran = yard(&usual).run([problem(403, "auth.step_up_required")]).await;
    ran.refused("auth.step_up_required");
}

#[tokio::test]
async fn change_sends_what_was_named_and_nothing_else() {
    let patch = format!("PATCH {PATH}/{AQUA}");
    for (options, body) in [
        (&["--name", "Water"][..], json!({"name": "Water"})),
        (&["--client-secret-file", "secret"], json!({"client_secret": SECRET})),
        (&["--no-client-secret"], json!({"client_secret": ""})),
        (
            &["--no-rules", "--default-role", "viewer"],
            json!({"role_rules": [], "default_role": "viewer"}),
        ),
        (&["--rule", "a=owner"], json!({"role_rules": [{"group": "a", "role": "owner"}]})),
        (
            &["--no-email-domains", "--create-people", "false"],
            json!({"email_domains": [], "create_people": false}),
        ),
        (&["--scope", "groups", "--scope", "email"], json!({"scopes": ["groups", "email"]})),
        (&["--disable"], json!({"disabled": true})),
        (&["--enable", "--client-id", "x"], json!({"disabled": false, "client_id": "x"})),
    ] {
        let arguments = [&[FAMILY, "update", AQUA][..], options].concat();
        let ran = yard(&arguments).secret(SECRET).run([ok(aqua())]).await.done();
        assert_eq!(ran.requests(), [(patch.as_str(), &body)]);
        assert!(ran.lines().contains(&"state           enabled"), "{}", ran.out);
    }
    let ran = yard(&[FAMILY, "update", AQUA, "--disable", "--json"]).run([ok(aqua())]).await;
    assert_eq!(ran.done().json()["provider_id"], AQUA);
    let refused = [problem(403, "rights.beyond_own")];
    yard(&[FAMILY, "update", AQUA, "--enable"]).run(refused).await.refused("rights.beyond_own");
}

#[tokio::test]
async fn change_of_nothing_or_of_two_minds_is_asked_of_nobody() {
    for options in [
        &[][..],
        &["--enable", "--disable"],
        &["--no-rules", "--rule", "a=owner"],
        &["--no-client-secret", "--client-secret-file", "secret"],
        &["--no-email-domains", "--email-domain", "a.example"],
        &["--rule", "a"],
        &["--issuer", "https://elsewhere.example"],
        &["--client-secret-file", "no-such-file"],
    ] {
        let arguments = [&[FAMILY, "update", AQUA][..], options].concat();
        let ran = yard(&arguments).run([]).await;
        let expected = if options.contains(&"no-such-file") { 1 } else { 2 };
        assert_eq!((ran.code, ran.out.as_str(), ran.asked.len()), (expected, "", 0), "{options:?}");
    }
}

#[tokio::test]
async fn provider_is_taken_away_by_its_id() {
    let arguments = [FAMILY, "delete", AQUA];
    let ran = yard(&arguments).run([ok(json!({"provider_id": AQUA}))]).await.done();
    assert_eq!(ran.requests(), [(format!("DELETE {PATH}/{AQUA}").as_str(), &Value::Null)]);
    assert_eq!(ran.lines().len(), 1);
    let gone = json!({"provider_id": AQUA});
    let ran = yard(&[FAMILY, "delete", AQUA, "--json"]).run([ok(gone.clone())]).await.done();
    assert_eq!(ran.json(), gone);
    yard(&arguments).run([problem(404, "resource.not_found")]).await.refused("resource.not_found");
}
