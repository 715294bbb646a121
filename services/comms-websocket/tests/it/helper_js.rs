//! The helper for recoverable channels (clients/typescript) over an unmodified pusher-js.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::api_client::Server;
use crate::program::{Program, skipped};
use crate::support::{KEY, SECRET, Service};

const ROOM: &str = "private-kept.room";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/typescript")
}

async fn say(service: &Service, data: u64) {
    let event = json!({"name": "said", "channel": ROOM, "data": data.to_string()});
    assert_eq!(Server::of(service).post("/apps/1/events", &event).await.0, 200);
}

#[tokio::test]
async fn page_that_was_away_is_given_what_it_missed_and_its_words_are_kept_once() {
    let built = folder().join("dist/index.js");
    if !built.is_file() || !folder().join("node_modules/pusher-js").is_dir() {
        let missing =
            "run `npm ci` and `npm run build` in services/comms-websocket/clients/typescript";
        skipped("helper_js", missing);
        return;
    }
    let service = Service::start_with(|config| {
        config.socket.recoverable_prefixes = vec!["private-kept.".to_owned()];
        config.socket.client_events = true;
    })
    .await;
    let port = service.port().to_string();
    let mut page = {
        let arguments = ["127.0.0.1", &port, KEY, SECRET];
        Program::start(Path::new("node"), &folder(), "test/live.mjs", &arguments)
    };
    page.sees(|seen| seen["state"] == "connected").await;
    page.tell(&format!("follow {ROOM}")).await;
    let placed = page.sees(|seen| seen["event"] == "comms:position").await;
    assert_eq!(placed["position"]["offset"], 0);
    say(&service, 1).await;
    let said = page.sees(|seen| seen["event"] == "said").await;
    assert_eq!((&said["data"], &said["position"]["offset"]), (&json!(1), &json!(1)));

    page.tell("leave").await;
    page.sees(|seen| seen["state"] == "disconnected").await;
    for n in 2..=4 {
        say(&service, n).await;
    }
    page.tell("back").await;
    for n in 2..=4 {
        let said = page.sees(|seen| seen["event"] == "said").await;
        assert_eq!((&said["data"], &said["position"]["offset"]), (&json!(n), &json!(n)));
    }
    let outcome = page.sees(|seen| seen["recovery"] != Value::Null).await;
    assert_eq!(
        (&outcome["recovery"]["recovered"], &outcome["recovery"]["replayed"]),
        (&json!(true), &json!(3))
    );

    page.tell(&format!("say {ROOM} hello")).await;
    let kept = page.sees(|seen| seen["kept"] == "hello").await;
    assert_eq!(kept["position"]["offset"], 5);
    page.tell(&format!("say {ROOM} {}", "x".repeat(10_240))).await;
    let refused = page.sees(|seen| seen["refused"] != Value::Null).await;
    assert_eq!(refused["reason"], "the event's data is too large");
}
