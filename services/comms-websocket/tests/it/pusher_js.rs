//! The unmodified pusher-js of npm against the running service.

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

/// Whether the library is there; says so where it is not.
pub(crate) fn is_installed() -> bool {
    let there = folder("pusher-js").join("node_modules/pusher-js").is_dir();
    if !there {
        skipped("pusher_js", "run `npm ci` in services/comms-websocket/tests/pusher-js");
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

/// A page that asks `authorise`.
async fn open(service: &Arc<Service>, tenant: TenantId) -> Program {
    let state = (Arc::clone(service), tenant);
    let router = Router::new().route("/broadcasting/auth", post(authorise)).with_state(state);
    open_with(service, KEY, router).await
}

/// A page with an app's key, and what signs its joins at `/broadcasting/auth`.
pub(crate) async fn open_with(service: &Service, key: &str, router: Router) -> Program {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}/broadcasting/auth", listener.local_addr().unwrap());
    service.rt.tasks().spawn_request(async move {
        drop(axum::serve(listener, router).await);
    });
    let port = service.port().to_string();
    let arguments = ["127.0.0.1", &port, key, &endpoint];
    Program::start(Path::new("node"), &folder("pusher-js"), "client.mjs", &arguments)
}

pub(crate) async fn sees_event(page: &mut Program, event: &str) -> Value {
    page.sees(|seen| seen["event"] == event).await
}

pub(crate) async fn is(page: &mut Program, state: &str) {
    page.sees(|seen| seen["state"] == state).await;
}

#[tokio::test]
async fn pusher_js_connects_joins_hears_pings_and_leaves() {
    if !is_installed() {
        return;
    }
    let service = Arc::new(Service::start().await);
    let (own, device) = (tenant(), device());
    let channel = device_channel(own, device);
    let mut page = open(&service, own).await;
    is(&mut page, "connected").await;

    page.tell(&format!("subscribe {channel}")).await;
    sees_event(&mut page, "pusher:subscription_succeeded").await;
    let reading = json!({"device_id": device.to_string(), "values": {"t": 21.5, "n": "ä\n\""}});
    service.publish(own, device, "telemetry.received", &reading).await;
    let seen = sees_event(&mut page, "telemetry.received").await;
    assert_eq!((&seen["channel"], &seen["data"]), (&json!(channel), &reading));
    let command = json!({"command_id": "c", "state": "COMMAND_STATE_ACKED"});
    service.publish(own, device, "command.changed", &command).await;
    assert_eq!(sees_event(&mut page, "command.changed").await["data"], command);

    page.tell(&format!("subscribe {}", device_channel(tenant(), device))).await;
    let refused = sees_event(&mut page, "pusher:subscription_error").await;
    assert_eq!(
        (&refused["data"]["type"], &refused["data"]["status"]),
        (&json!("AuthError"), &json!(403))
    );
    page.tell("subscribe presence-room").await;
    sees_event(&mut page, "pusher:subscription_error").await;
    page.tell(&format!("trigger {channel}")).await;
    assert_eq!(page.sees(|seen| seen["what"] == "error").await["code"], 4301);
    page.sees(|seen| seen["what"] == "pong").await;

    page.tell(&format!("unsubscribe {channel}")).await;
    yard_testkit::eventually(PATIENCE, || async { !service.is_interested(own, device).await })
        .await;
    page.tell("leave").await;
    is(&mut page, "disconnected").await;
}
