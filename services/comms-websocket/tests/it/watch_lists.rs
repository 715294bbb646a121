//! Watch lists: who of those that somebody watches is online, over all instances.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::routing::post;
use axum::{Form, Json, Router};
use comms_websocket::RedisConfig;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use yard_testkit::eventually;

use crate::program::{Program, folder};
use crate::sdks;
use crate::support::{Client, KEY, PATIENCE, Service, sign};

const EVENTS: &str = "pusher_internal:watchlist_events";

async fn signed_in(port: u16, user: &str, watches: &[&str]) -> Client {
    let mut client = Client::connect_to(port).await;
    client.sign_in(&json!({"id": user, "watchlist": watches}).to_string()).await;
    client.expect("pusher:signin_success").await;
    client
}

/// The next events: who came online, and who went offline.
async fn told(client: &mut Client) -> (Vec<String>, Vec<String>) {
    let data = client.data(EVENTS).await;
    let of = |name: &str| -> Vec<String> {
        let events = data["events"].as_array().unwrap().iter();
        let ids = events.filter(|event| event["name"] == name).flat_map(|event| {
            serde_json::from_value::<Vec<String>>(event["user_ids"].clone()).unwrap()
        });
        let mut ids: Vec<String> = ids.collect();
        ids.sort();
        ids
    };
    (of("online"), of("offline"))
}

fn ids(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|&id| id.to_owned()).collect()
}

#[tokio::test]
async fn watcher_learns_how_its_list_stands_and_what_changes_on_every_instance() {
    let service = Service::start().await;
    let other = service.another().await;
    let (here, there) = (service.port(), other.address("socket").unwrap().port());
    let mut ada = signed_in(there, "ada", &[]).await;
    let mut watcher = signed_in(here, "watcher", &["ada", "bob"]).await;
    // What is said of somebody on another instance may come a moment later.
    let (mut online, offline) = told(&mut watcher).await;
    assert!(offline.contains(&"bob".to_owned()));
    if online.is_empty() {
        online = told(&mut watcher).await.0;
    }
    assert_eq!(online, ids(&["ada"]));

    let bob = signed_in(here, "bob", &[]).await;
    assert_eq!(told(&mut watcher).await, (ids(&["bob"]), ids(&[])));
    let again = signed_in(there, "bob", &[]).await;
    let stranger = signed_in(there, "stranger", &[]).await;
    drop((bob, stranger));
    watcher.quiet().await;
    drop(again);
    assert_eq!(told(&mut watcher).await, (ids(&[]), ids(&["bob"])));
    ada.quiet().await;
    // A soft stop of an instance takes its users along.
    assert!(other.stop(Duration::ZERO, PATIENCE).await);
    assert_eq!(told(&mut watcher).await, (ids(&[]), ids(&["ada"])));
}

#[tokio::test]
async fn killed_instance_s_users_go_offline_within_fifteen_seconds() {
    let service = Service::start().await;
    let (mut process, port) = service.another_process().await;
    let mut watcher = signed_in(service.port(), "watcher", &["ada"]).await;
    assert_eq!(told(&mut watcher).await, (ids(&[]), ids(&["ada"])));
    let _doomed = signed_in(port, "ada", &[]).await;
    assert_eq!(told(&mut watcher).await, (ids(&["ada"]), ids(&[])));
    process.kill().await.unwrap();
    let noticed = || async { service.log.contains("taking back what an instance") };
    eventually(Duration::from_secs(15), noticed).await;
    assert_eq!(told(&mut watcher).await, (ids(&[]), ids(&["ada"])));
}

#[tokio::test]
async fn list_that_is_too_long_is_cut_and_told_so_by_4302() {
    let service = Service::start_with(|config| config.socket.max_watched_users = 2).await;
    for (watches, refused) in [(json!(["a", "b", "c"]), true), (json!(["a", "b"]), false)] {
        let mut client = Client::connect(&service).await;
        client.sign_in(&json!({"id": "w", "watchlist": watches}).to_string()).await;
        client.expect("pusher:signin_success").await;
        if refused {
            assert_eq!(client.expect("pusher:error").await["data"]["code"], 4302);
        }
        assert_eq!(told(&mut client).await, (ids(&[]), ids(&["a", "b"])));
        client.quiet().await;
    }
    let mut client = Client::connect(&service).await;
    client.sign_in(r#"{"id":"w","watchlist":[7]}"#).await;
    client.expect("pusher:signin_success").await;
    assert_eq!(client.expect("pusher:error").await["data"]["code"], 4302);
    client.quiet().await;
}

#[tokio::test]
async fn second_sign_in_watches_its_own_list_instead() {
    let service = Service::start().await;
    let mut watcher = signed_in(service.port(), "watcher", &["ada"]).await;
    assert_eq!(told(&mut watcher).await, (ids(&[]), ids(&["ada"])));
    watcher.sign_in(&json!({"id": "watcher", "watchlist": ["bob"]}).to_string()).await;
    watcher.expect("pusher:signin_success").await;
    assert_eq!(told(&mut watcher).await, (ids(&[]), ids(&["bob"])));
    let _ada = signed_in(service.port(), "ada", &[]).await;
    watcher.quiet().await;
    let _bob = signed_in(service.port(), "bob", &[]).await;
    assert_eq!(told(&mut watcher).await, (ids(&["bob"]), ids(&[])));
}

#[tokio::test]
async fn redis_that_lost_everything_is_told_anew_who_is_online() {
    let service = Service::start().await;
    let _ada = signed_in(service.port(), "ada", &[]).await;
    let mut early = signed_in(service.port(), "early", &["ada"]).await;
    while told(&mut early).await.0.is_empty() {}
    service.redis.lose_everything().await;
    // By the next beat, three seconds later, it is said again.
    let seen = || async {
        let mut late = signed_in(service.port(), "late", &["ada"]).await;
        told(&mut late).await.0 == ids(&["ada"])
    };
    eventually(PATIENCE, seen).await;
}

#[tokio::test]
async fn sign_in_without_redis_is_taken_and_tells_nothing() {
    let service = Service::start_with(|config| {
        config.redis = RedisConfig::for_test("redis://127.0.0.1:1");
    })
    .await;
    service.log.expect("edis");
    let mut client = signed_in(service.port(), "watcher", &["ada"]).await;
    client.quiet().await;
}

#[derive(Deserialize)]
struct Wish {
    socket_id: String,
}

/// Signs `user_data` as an app's server does.
async fn sign_user(State(user_data): State<Arc<String>>, Form(wish): Form<Wish>) -> Json<Value> {
    let auth = sign(&format!("{}::user::{user_data}", wish.socket_id));
    Json(json!({"auth": auth, "user_data": *user_data}))
}

#[tokio::test]
async fn pusher_js_is_told_who_on_its_watchlist_is_online() {
    let Some(node) = sdks::node("watch lists") else { return };
    let service = Service::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}/user-auth", listener.local_addr().unwrap());
    let user_data = json!({"id": "watcher", "watchlist": ["ada", "bob"]}).to_string();
    let router = Router::new().route("/user-auth", post(sign_user)).with_state(Arc::new(user_data));
    service.rt.tasks().spawn_request(async move {
        drop(axum::serve(listener, router).await);
    });
    let ada = signed_in(service.port(), "ada", &[]).await;
    let port = service.port().to_string();
    let args = ["127.0.0.1", &port, KEY, &endpoint];
    let folder = folder("pusher-sdks");
    let mut page = Program::start(&node, &folder, "watchlist.mjs", &args);
    assert_eq!(page.sees_what("online").await["user_ids"], json!(["ada"]));
    let _bob = signed_in(service.port(), "bob", &[]).await;
    let bob = json!(["bob"]);
    page.sees(|seen| seen["what"] == "online" && seen["user_ids"] == bob).await;
    drop(ada);
    let ada = json!(["ada"]);
    page.sees(|seen| seen["what"] == "offline" && seen["user_ids"] == ada).await;
}
