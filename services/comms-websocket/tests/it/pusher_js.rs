//! The unmodified pusher-js of npm against the running service.

use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Form, Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use yard_ids::TenantId;

use crate::program::{Program, folder, skipped};
use crate::support::{KEY, PATIENCE, Service, device, device_channel, tenant};

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

struct Page(Program);

impl Page {
    async fn open(service: &Arc<Service>, tenant: TenantId) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}/broadcasting/auth", listener.local_addr().unwrap());
        let state = (Arc::clone(service), tenant);
        let router = Router::new().route("/broadcasting/auth", post(authorise)).with_state(state);
        service.rt.tasks().spawn_request(async move {
            drop(axum::serve(listener, router).await);
        });
        let port = service.port().to_string();
        let args = ["127.0.0.1", &port, KEY, &endpoint];
        Self(Program::start(Path::new("node"), &folder("pusher-js"), "client.mjs", &args))
    }

    async fn sees_event(&mut self, event: &str) -> Value {
        self.sees(|seen| seen["event"] == event).await
    }

    async fn is(&mut self, state: &str) {
        self.sees(|seen| seen["state"] == state).await;
    }
}

impl Deref for Page {
    type Target = Program;

    fn deref(&self) -> &Program {
        &self.0
    }
}

impl DerefMut for Page {
    fn deref_mut(&mut self) -> &mut Program {
        &mut self.0
    }
}

#[tokio::test]
async fn pusher_js_connects_joins_hears_pings_and_leaves() {
    if !folder("pusher-js").join("node_modules/pusher-js").is_dir() {
        let missing = "run `npm ci` in services/comms-websocket/tests/pusher-js";
        return skipped("pusher_js", missing);
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
