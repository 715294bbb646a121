//! `yard radius`.

use serde_json::{Value, json};

use crate::gateway::{ok, problem, yard};

const NAS: &str = "/api/v1/radius/nas";
const SUBSCRIBERS: &str = "/api/v1/radius/subscribers";
const ID: &str = "0197a3c2-5c1e-7d44-9b1f-3a5d2e8c0031";

fn nas() -> Value {
    json!({"nas_id": ID, "name": "Lobby", "address": "10.0.0.7", "created_at": "2026-03-01T12:00:00Z"})
}

fn subscriber() -> Value {
    json!({
        "subscriber_id": ID, "user_name": "amina", "session_timeout_seconds": 3600,
        "upload_kbps": 512, "download_kbps": 2048, "valid_until": "2026-12-31T00:00:00Z",
    })
}

#[tokio::test]
async fn nas_are_listed_page_by_page_and_a_new_ones_secret_is_the_answer() {
    let first = json!({"nas": [nas()], "next_page_token": "6c"});
    let ran = yard(&["radius", "nas"]).run([ok(first), ok(json!({"nas": [nas()]}))]).await.done();
    let asked: Vec<_> = ran.requests().into_iter().map(|(asked, _)| asked.to_owned()).collect();
    assert_eq!(asked, [format!("GET {NAS}"), format!("GET {NAS}?page_token=6c")]);
    assert_eq!(ran.lines().len(), 3);
    assert_eq!(ran.lines()[1], format!("Lobby  {ID}  10.0.0.7  enabled"));

    let arguments = ["radius", "nas", "create", "--name", "Lobby", "--address", "10.0.0.7"];
    let ran = yard(&arguments).run([ok(json!({"nas": nas(), "secret": "5ec2e7"}))]).await;
    let body = json!({"name": "Lobby", "address": "10.0.0.7"});
    assert_eq!(ran.requests(), [(format!("POST {NAS}").as_str(), &body)]);
    assert_eq!((ran.code, ran.lines()), (0, vec!["5ec2e7"]));
    assert!(ran.err.contains(ID), "{}", ran.err);
    yard(&arguments).run([problem(409, "resource.exists")]).await.refused("resource.exists");

    let update = ["radius", "nas", "update", ID, "--disable"];
    let ran = yard(&update).run([ok(nas())]).await.done();
    assert_eq!(
        ran.requests(),
        [(format!("PATCH {NAS}/{ID}").as_str(), &json!({"disabled": true}))]
    );
    assert_eq!(yard(&update[..4]).run([]).await.code, 2, "nothing to change");

    let rotate = ["radius", "nas", "rotate-secret", ID];
    let ran = yard(&rotate).run([ok(json!({"nas_id": ID, "secret": "n3w"}))]).await;
    assert_eq!(ran.requests(), [(format!("POST {NAS}/{ID}/secret").as_str(), &json!({}))]);
    assert_eq!((ran.code, ran.lines()), (0, vec!["n3w"]));
}

#[tokio::test]
async fn subscribers_are_made_with_what_is_named_and_changed_in_the_same_way() {
    let made = json!({"subscriber": subscriber(), "password": "m4de"});
    let create = ["radius", "subscribers", "create", "amina", "--session-timeout", "3600"];
    let ran = yard(&create).run([ok(made)]).await;
    let body = json!({"user_name": "amina", "session_timeout_seconds": 3600});
    assert_eq!(ran.requests(), [(format!("POST {SUBSCRIBERS}").as_str(), &body)]);
    assert_eq!((ran.code, ran.lines()), (0, vec!["m4de"]));

    let update = ["radius", "subscribers", "update", ID, "--no-end", "--enable", "--upload", "0"];
    let ran = yard(&update).run([ok(subscriber())]).await.done();
    let body = json!({"valid_until": null, "disabled": false, "upload_kbps": 0});
    assert_eq!(ran.requests(), [(format!("PATCH {SUBSCRIBERS}/{ID}").as_str(), &body)]);

    let list = ["radius", "subscribers", "list", "--prefix", "am", "--json"];
    let ran = yard(&list).run([ok(json!({"subscribers": [subscriber()]}))]).await.done();
    assert_eq!(ran.json()["subscribers"][0]["user_name"], "amina");
}

#[tokio::test]
async fn server_is_configured_without_asking_anybody() {
    let folder = yard_testkit::TestFolder::new("radius");
    let (token, raddb) = (folder.join("radius.token"), folder.join("raddb"));
    let (token, raddb) = (token.to_str().unwrap(), raddb.to_str().unwrap());
    yard(&["radius", "token", token]).run([]).await.done();
    assert_eq!(yard(&["radius", "token", token]).run([]).await.code, 1, "never written over");
    let arguments = ["radius", "configure", "--dir", raddb, "--token-file", token, "--network"];
    let ran = yard(&[&arguments[..], &["10.0.0.0/8"]].concat()).run([]).await.done();
    assert!(ran.out.contains("freeradius -C"), "{}", ran.out);
    let clients = std::fs::read_to_string(folder.join("raddb/clients.conf")).unwrap();
    assert!(clients.contains("10.0.0.0/8"), "{clients}");
    let refused = yard(&[&arguments[..], &["10.0.0.0/8 }"]].concat()).run([]).await;
    assert_eq!(refused.code, 2);
}
