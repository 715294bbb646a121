//! The listener by itself: what it takes, and that nothing it is sent changes its meaning.

use std::time::Duration;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use reqwest::StatusCode;
use serde_json::{Value, json};
use yard_testkit::logs;

use super::{TOKEN, Tenant, start};
use crate::support::Auth;

struct Edge {
    base: String,
    http: reqwest::Client,
}

impl Edge {
    fn of(auth: &Auth) -> Self {
        let base = format!("http://{}/radius/v1", auth.address("radius"));
        let http = reqwest::Client::builder().timeout(Duration::from_secs(10)).build().unwrap();
        Self { base, http }
    }

    async fn post(&self, path: &str, token: &str, body: String) -> (StatusCode, Value) {
        let url = format!("{}/{path}", self.base);
        let request = self.http.post(url).basic_auth("radius", Some(token)).body(body);
        let answer = request.send().await.unwrap();
        (answer.status(), answer.json().await.unwrap_or(Value::Null))
    }

    async fn authorize(&self, tenant: &Tenant, name: &str, password: &str) -> (StatusCode, Value) {
        let text = |value: &str| json!({"type": "string", "value": [value]});
        let body = json!({
            "Tenant-ID": text(&tenant.id.to_string()), "Yard-NAS-ID": text(&tenant.nas_id),
            "User-Name": text(name), "User-Password": text(password),
        });
        self.post("authorize", TOKEN, body.to_string()).await
    }
}

#[tokio::test]
async fn only_the_radius_server_is_answered_and_a_nas_of_another_tenant_is_none() {
    let _log = logs::capture();
    let (auth, _token) = start().await;
    let (acme, mut byte) = Tenant::both(&auth).await;
    acme.person("amina", "password-1").await;
    let edge = Edge::of(&auth);
    let (status, said) = edge.authorize(&acme, "amina", "password-1").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(said["control:Auth-Type"]["value"], json!(["Accept"]));
    assert_eq!(said["control:Tenant-ID"]["value"], json!([acme.id.to_string()]));
    let all = said.as_object().unwrap();
    assert!(all.values().all(|attribute| attribute["do_xlat"] == json!(false)), "{said}");

    // 401 would be a refusal of the subscriber.
    for token in ["", "x", TOKEN.trim_start_matches('t')] {
        let (status, _) = edge.post("authorize", token, "{}".to_owned()).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
    }
    let bare = edge.http.get(format!("{}/clients/127.0.0.2", edge.base)).send().await.unwrap();
    assert_eq!(bare.status(), StatusCode::BAD_REQUEST);

    // Whatever the RADIUS server believes: a NAS has one tenant.
    byte.nas_id.clone_from(&acme.nas_id);
    let (status, said) = edge.authorize(&byte, "amina", "password-1").await;
    assert_eq!((status, said), (StatusCode::BAD_REQUEST, Value::Null));
    auth.finish().await;
}

#[tokio::test]
async fn no_name_and_no_password_is_taken_for_another() {
    let _log = logs::capture();
    let (auth, _token) = start().await;
    let (acme, _byte) = Tenant::both(&auth).await;
    acme.person("amina", "password-1").await;
    let edge = Edge::of(&auth);
    // What SQL, JSON, LIKE and FreeRADIUS would read, around the right ones.
    let odd = prop_oneof!["[%_'\"\\\\{}:;$`amin -]{0,12}", "(amina)?.{0,3}(amina)?"];
    let mut runner = TestRunner::deterministic();
    for _ in 0..150 {
        let name = odd.new_tree(&mut runner).unwrap().current();
        let password = format!("{}password-1", odd.new_tree(&mut runner).unwrap().current());
        let (status, _) = edge.authorize(&acme, &name, "password-1").await;
        let right = name == "amina";
        assert_eq!(status == StatusCode::OK, right, "{name:?} is {status}");
        let (status, _) = edge.authorize(&acme, "amina", &password).await;
        let right = password == "password-1";
        assert_eq!(status == StatusCode::OK, right, "{password:?} is {status}");
        // So that none is refused for its number.
        assert_eq!(edge.authorize(&acme, "amina", "password-1").await.0, StatusCode::OK);
    }
    for body in ["", "{", "[]", "null", "{\"User-Name\":1}", "\u{0}"] {
        let (status, _) = edge.post("authorize", TOKEN, body.to_owned()).await;
        assert_ne!(status, StatusCode::OK, "{body:?}");
    }
    auth.finish().await;
}
