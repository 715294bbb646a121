//! The unmodified openid-client of npm against our token issuer, through the public door.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;
use yard_e2e::client::Client;
use yard_e2e::platform::{PASSWORD, Platform};
use yard_e2e::world::oauth_client;

const PATIENCE: Duration = Duration::from_secs(30);

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("openid")
}

/// Whether npm's packages are there; says so past the harness if not.
pub(crate) fn installed(package: &str) -> bool {
    let there = folder().join("node_modules").join(package).is_dir();
    if !there {
        let told = format!("\nSKIPPED {package}: run `npm ci` in tests/e2e/openid\n");
        std::io::Write::write_all(&mut std::io::stderr(), told.as_bytes()).unwrap();
    }
    there
}

/// A script that is told things and tells things, one a line.
pub(crate) struct Script {
    _child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Script {
    pub(crate) fn start(name: &str, arguments: &[&str]) -> Self {
        let mut child = Command::new("node")
            .arg(name)
            .args(arguments)
            .current_dir(folder())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("node runs");
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { _child: child, input, output }
    }

    pub(crate) async fn tell(&mut self, line: &str) {
        self.input.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    pub(crate) async fn says(&mut self, what: &str) -> Value {
        let line = timeout(PATIENCE, self.output.next_line()).await.expect("in time").unwrap();
        let said: Value = serde_json::from_str(&line.expect("the script goes on")).unwrap();
        assert_eq!(said["what"], what, "{said}");
        said
    }
}

/// What the person's browser does between the client and the client.
async fn consent(person: &Client, authorize: &str) -> String {
    let http =
        reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let answer = http.get(authorize).send().await.unwrap();
    let page: reqwest::Url = answer.headers()["location"].to_str().unwrap().parse().unwrap();
    assert_eq!(page.path(), "/authorize", "{page}");
    let query = page.query_pairs().find(|(name, _)| name == "request").unwrap().1.into_owned();
    let wish = json!({"query": query});
    let shown = person.expect("POST", "/api/v1/me/authorization", Some(&wish)).await.unwrap();
    assert_eq!((&shown["client_name"], &shown["consent_required"]), (&json!("npm"), &json!(true)));
    let wish = json!({"query": query, "approve": true});
    let path = "/api/v1/me/authorization/decision";
    let decided = person.expect("POST", path, Some(&wish)).await.unwrap();
    decided["redirect_to"].as_str().unwrap().to_owned()
}

/// What the API answers a client.
async fn devices(platform: &Platform, access: &str) -> u16 {
    let url = format!("{}/api/v1/devices", platform.base_url());
    let answer = reqwest::Client::builder()
        .timeout(std::time::Duration::from_secs(15))
        .build()
        .unwrap()
        .get(url)
        .bearer_auth(access)
        .send()
        .await
        .unwrap();
    answer.status().as_u16()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openid_client_signs_in_calls_refreshes_and_leaves() {
    if !installed("openid-client") {
        return;
    }
    let platform = Platform::start().await.expect("the platform starts");
    let base = platform.base_url();
    let owner = Client::sign_in(&base, "owner@a.test", PASSWORD).await.unwrap();
    let client_id = oauth_client(&owner, "npm").await.unwrap();
    let mut script = Script::start("client.mjs", &[&base, &client_id]);

    let authorize = script.says("authorize").await["url"].as_str().unwrap().to_owned();
    script.tell(&consent(&owner, &authorize).await).await;
    let signed_in = script.says("signed in").await;
    let me = owner.expect("GET", "/api/v1/me", None).await.unwrap();
    assert_eq!(signed_in["claims"]["sub"], me["principal_id"]);
    assert_eq!(signed_in["info"]["email"], "owner@a.test");
    let access = signed_in["access"].as_str().unwrap();
    assert_eq!(devices(&platform, access).await, 200);
    assert_eq!(devices(&platform, &format!("{access}x")).await, 401);
    let people = format!("{base}/api/v1/people");
    let beyond = reqwest::Client::builder()
        .timeout(std::time::Duration::from_secs(15))
        .build()
        .unwrap()
        .get(people)
        .bearer_auth(access)
        .send()
        .await
        .unwrap();
    assert_eq!(beyond.status(), 403, "not granted");

    script.tell("go on").await;
    let refreshed = script.says("refreshed").await;
    assert_eq!(refreshed["same"], true);
    let access = refreshed["access"].as_str().unwrap().to_owned();
    assert_eq!(devices(&platform, &access).await, 200);
    script.tell("go on").await;
    assert_eq!(script.says("revoked").await["refresh"], "invalid_grant");
    // The feed tells the gateway within two seconds.
    timeout(Duration::from_secs(2), async {
        while devices(&platform, &access).await != 401 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("the access token ends with its grant");

    let authorize = script.says("authorize").await["url"].as_str().unwrap().to_owned();
    script.tell(&consent(&owner, &authorize).await).await;
    let refused = script.says("refused").await;
    assert_eq!(refused["verifier"], "invalid_grant");
    assert_eq!(refused["burnt"], "invalid_grant");
    assert_ne!(refused["iss"], "taken");
    platform.stop().await;
}
