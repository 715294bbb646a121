//! The unmodified pusher-js of npm against the running service.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Form, Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::TcpListener;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;
use yard_ids::TenantId;

use crate::support::{KEY, PATIENCE, Service, device, device_channel, tenant};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pusher-js")
}

/// Whether the library is there; says so where it is not.
pub(crate) fn is_installed() -> bool {
    let there = folder().join("node_modules/pusher-js").is_dir();
    if !there {
        // Past the harness, which would keep it to itself.
        let told =
            b"\nSKIPPED pusher_js: run `npm ci` in services/comms-websocket/tests/pusher-js\n";
        std::io::Write::write_all(&mut std::io::stderr(), told).unwrap();
    }
    there
}

#[derive(Deserialize)]
struct Wish {
    socket_id: String,
    channel_name: String,
}

/// What the gateway does for a signed-in page.
async fn authorise(
    State((service, tenant)): State<(Arc<Service>, TenantId)>,
    Form(wish): Form<Wish>,
) -> Response {
    match service.authorize(tenant, &wish.socket_id, &wish.channel_name).await {
        Ok(auth) => Json(json!({"auth": auth, "channel_data": ""})).into_response(),
        Err(_) => StatusCode::FORBIDDEN.into_response(),
    }
}

pub(crate) struct Page {
    _child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Page {
    async fn open(service: &Arc<Service>, tenant: TenantId) -> Self {
        let state = (Arc::clone(service), tenant);
        let router = Router::new().route("/broadcasting/auth", post(authorise)).with_state(state);
        Self::open_with(service, KEY, router).await
    }

    /// With an app's key, and what signs its joins at `/broadcasting/auth`.
    pub(crate) async fn open_with(service: &Service, key: &str, router: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}/broadcasting/auth", listener.local_addr().unwrap());
        service.rt.tasks().spawn_request(async move {
            drop(axum::serve(listener, router).await);
        });
        let mut child = Command::new("node")
            .arg("client.mjs")
            .args(["127.0.0.1", &service.port().to_string(), key, &endpoint])
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

    /// The next thing that the page sees and that fits; others are passed over.
    async fn sees(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        let found = async {
            loop {
                let line = self.output.next_line().await.unwrap().expect("node is running");
                let seen: Value = serde_json::from_str(&line).expect("a line of ours");
                if fits(&seen) {
                    return seen;
                }
            }
        };
        timeout(PATIENCE, found).await.expect("the page sees it in time")
    }

    pub(crate) async fn sees_event(&mut self, event: &str) -> Value {
        self.sees(|seen| seen["event"] == event).await
    }

    pub(crate) async fn is(&mut self, state: &str) {
        self.sees(|seen| seen["state"] == state).await;
    }
}

#[tokio::test]
async fn pusher_js_connects_joins_hears_pings_and_leaves() {
    if !is_installed() {
        return;
    }
    let service = Arc::new(Service::start().await);
    let (own, device) = (tenant(), device());
    let channel = device_channel(own, device);
    let mut page = Page::open(&service, own).await;
    page.is("connected").await;

    page.tell(&format!("subscribe {channel}")).await;
    page.sees_event("pusher:subscription_succeeded").await;
    let reading = json!({"device_id": device.to_string(), "values": {"t": 21.5, "n": "ä\n\""}});
    service.publish(own, device, "telemetry.received", &reading).await;
    let seen = page.sees_event("telemetry.received").await;
    assert_eq!((&seen["channel"], &seen["data"]), (&json!(channel), &reading));
    let command = json!({"command_id": "c", "state": "COMMAND_STATE_ACKED"});
    service.publish(own, device, "command.changed", &command).await;
    assert_eq!(page.sees_event("command.changed").await["data"], command);

    page.tell(&format!("subscribe {}", device_channel(tenant(), device))).await;
    let refused = page.sees_event("pusher:subscription_error").await;
    assert_eq!(
        (&refused["data"]["type"], &refused["data"]["status"]),
        (&json!("AuthError"), &json!(403))
    );
    page.tell("subscribe presence-room").await;
    page.sees_event("pusher:subscription_error").await;
    page.tell(&format!("trigger {channel}")).await;
    assert_eq!(page.sees(|seen| seen["what"] == "error").await["code"], 4301);
    page.sees(|seen| seen["what"] == "pong").await;

    page.tell(&format!("unsubscribe {channel}")).await;
    yard_testkit::eventually(PATIENCE, || async { !service.is_interested(own, device).await })
        .await;
    page.tell("leave").await;
    page.is("disconnected").await;
}
