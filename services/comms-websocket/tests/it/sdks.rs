//! The unmodified server libraries of npm and PyPI, laravel-echo and pysher against the running
//! service.

use std::path::{Path, PathBuf};

use axum::extract::Query;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Form, Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::api_client::Server;
use crate::program::{Program, folder, skipped};
use crate::support::{Client, KEY, SECRET, Service, sign};

const FOLDER: &str = "pusher-sdks";
const HOST: &str = "127.0.0.1";
const ROOM: &str = "presence-room";
const ORDERS: &str = "private-orders";

/// Node, where its packages are installed.
pub(crate) fn node(test: &str) -> Option<PathBuf> {
    let installed = folder(FOLDER).join("node_modules/pusher").is_dir();
    if !installed {
        skipped(test, "run `npm ci` in services/comms-websocket/tests/pusher-sdks");
    }
    installed.then(|| PathBuf::from("node"))
}

fn python(test: &str) -> Option<PathBuf> {
    let python = yard_testkit::pusher_python();
    if python.is_none() {
        skipped(test, "run `cargo xtask test rust`, which installs pusher and pysher of PyPI");
    }
    python
}

/// A server library in a program of its own.
struct Library(Program);

impl Library {
    fn start(interpreter: &Path, script: &str, service: &Service, secret: &str) -> Self {
        let port = service.port().to_string();
        let args = [HOST, &port, "1", KEY, secret];
        Self(Program::start(interpreter, &folder(FOLDER), script, &args))
    }

    /// What a call answers or fails with.
    async fn call(&mut self, call: &str, args: Value) -> Value {
        self.0.tell(&json!({"call": call, "args": args}).to_string()).await;
        self.0.sees(|_any| true).await
    }

    /// What a call answers.
    async fn value(&mut self, call: &str, args: Value) -> Value {
        let mut answer = self.call(call, args).await;
        assert!(answer.get("error").is_none(), "{call}: {answer}");
        answer["value"].take()
    }
}

/// How a library names what all of them offer.
struct Names {
    authorize: &'static str,
    authenticate_user: &'static str,
    trigger_batch: &'static str,
    send_to_user: &'static str,
    terminate: &'static str,
}

/// Has the library sign everything that a client needs, and publish; the client is in both channels
/// and signed in as 7.
async fn signs_and_publishes(library: &mut Library, names: &Names, service: &Service) -> Client {
    let mut client = Client::connect(service).await;
    let socket = client.socket_id.clone();
    let python = names.authorize == "authenticate";
    let order = |channel: &str, data: Value| match (python, data) {
        (true, data) => json!([channel, socket, data]),
        (false, Value::Null) => json!([socket, channel]),
        (false, data) => json!([socket, channel, data]),
    };

    let signed = library.value(names.authorize, order(ORDERS, Value::Null)).await;
    client.subscribe(ORDERS, signed["auth"].as_str().unwrap()).await;
    client.expect("pusher_internal:subscription_succeeded").await;
    let member = json!({"user_id": "7", "user_info": {"name": "Ada"}});
    let mut wish = library.value(names.authorize, order(ROOM, member)).await;
    wish["channel"] = json!(ROOM);
    client.send(&json!({"event": "pusher:subscribe", "data": wish})).await;
    let roster = client.data("pusher_internal:subscription_succeeded").await;
    assert_eq!(roster["presence"]["hash"]["7"], json!({"name": "Ada"}));
    let signed = library.value(names.authenticate_user, json!([socket, {"id": "7"}])).await;
    client.send(&json!({"event": "pusher:signin", "data": signed})).await;
    client.expect("pusher:signin_success").await;
    client.subscribe("#server-to-user-7", "").await;
    client.expect("pusher_internal:subscription_succeeded").await;

    let data = json!({"n": 1, "text": "ä\n\""});
    assert_eq!(library.value("trigger", json!([[ORDERS], "order.shipped", data])).await, json!({}));
    assert_eq!(client.data("order.shipped").await, data);
    let batch: Vec<Value> =
        (0..3).map(|n| json!({"channel": ORDERS, "name": "n", "data": {"n": n}})).collect();
    assert_eq!(library.value(names.trigger_batch, json!([batch])).await, json!({}));
    for n in 0..3 {
        assert_eq!(client.data("n").await["n"], n);
    }
    library.value(names.send_to_user, json!(["7", "hello", {"n": 2}])).await;
    assert_eq!(client.data("hello").await, json!({"n": 2}));
    client
}

#[tokio::test]
async fn pusher_of_npm_signs_publishes_asks_and_terminates() {
    let Some(node) = node("pusher of npm") else { return };
    let service = Service::start().await;
    let names = Names {
        authorize: "authorizeChannel",
        authenticate_user: "authenticateUser",
        trigger_batch: "triggerBatch",
        send_to_user: "sendToUser",
        terminate: "terminateUserConnections",
    };
    let mut library = Library::start(&node, "server.mjs", &service, SECRET);
    let mut client = signs_and_publishes(&mut library, &names, &service).await;
    let ask = |path: &str, params: Value| json!([{"path": path, "params": params}]);
    let asked = ask("/channels", json!({"filter_by_prefix": "presence-", "info": "user_count"}));
    let told = library.value("get", asked).await;
    assert_eq!(told, json!({"channels": {ROOM: {"user_count": 1}}}));
    let told = library.value("get", ask("/channels/presence-room/users", json!({}))).await;
    assert_eq!(told, json!({"users": [{"id": "7"}]}));

    let mut stranger = Library::start(&node, "server.mjs", &service, "of somebody else");
    for (call, args) in [
        ("trigger", json!([ORDERS, "order.shipped", {}])),
        (names.terminate, json!(["7"])),
        ("get", ask("/channels", json!({}))),
    ] {
        let refused = stranger.call(call, args).await;
        assert_eq!(refused, json!({"error": "PusherRequestError", "status": 401}), "{call}");
    }
    client.quiet().await;
    library.value(names.terminate, json!(["7"])).await;
    assert_eq!(client.closed().await, 4009);
}

#[tokio::test]
async fn pusher_of_pypi_signs_publishes_asks_and_terminates() {
    let Some(python) = python("pusher of PyPI") else { return };
    let service = Service::start().await;
    let names = Names {
        authorize: "authenticate",
        authenticate_user: "authenticate_user",
        trigger_batch: "trigger_batch",
        send_to_user: "send_to_user",
        terminate: "terminate_user_connections",
    };
    let mut library = Library::start(&python, "server.py", &service, SECRET);
    let mut client = signs_and_publishes(&mut library, &names, &service).await;
    let told = library.value("channels_info", json!(["presence-", ["user_count"]])).await;
    assert_eq!(told, json!({"channels": {ROOM: {"user_count": 1}}}));
    let told = library.value("channel_info", json!([ROOM, ["user_count"]])).await;
    assert_eq!(told, json!({"occupied": true, "user_count": 1}));
    let told = library.value("users_info", json!([ROOM])).await;
    assert_eq!(told, json!({"users": [{"id": "7"}]}));

    let mut stranger = Library::start(&python, "server.py", &service, "of somebody else");
    for (call, args) in [
        ("trigger", json!([ORDERS, "order.shipped", {}])),
        (names.terminate, json!(["7"])),
        ("channels_info", json!([])),
    ] {
        let refused = stranger.call(call, args).await;
        assert_eq!(refused, json!({"error": "PusherBadAuth"}), "{call}");
    }
    client.quiet().await;
    // Without the app in its path.
    library.value(names.terminate, json!(["7"])).await;
    assert_eq!(client.closed().await, 4009);
}

#[tokio::test]
async fn call_that_names_no_app_is_held_to_the_secret_of_its_key() {
    let service = Service::start().await;
    let path = "/users/7/terminate_connections";
    let mut client = Client::connect(&service).await;
    client.sign_in(r#"{"id":"7"}"#).await;
    client.expect("pusher:signin_success").await;
    let server = Server::of(&service);
    for key in ["", "?auth_key=", "?auth_key=nobody", &format!("?auth_key={KEY}")] {
        let (status, told) = server.send("POST", &format!("{path}{key}"), "{}".to_owned()).await;
        assert_eq!((status, &told["code"]), (401, &json!("signature")), "{key}");
    }
    client.quiet().await;
    assert_eq!(server.post(path, &json!({})).await, (200, json!({})));
    assert_eq!(client.closed().await, 4009);
}

#[derive(Deserialize)]
struct Asker {
    user: String,
}

#[derive(Deserialize)]
struct Wish {
    socket_id: String,
    channel_name: String,
}

/// Signs joins, but none of a channel that is named so.
async fn sign_join(Query(asker): Query<Asker>, Form(wish): Form<Wish>) -> Response {
    let Wish { socket_id, channel_name } = wish;
    if channel_name.ends_with("refused") {
        return StatusCode::FORBIDDEN.into_response();
    }
    let text = format!("{socket_id}:{channel_name}");
    if !channel_name.starts_with("presence-") {
        return Json(json!({"auth": sign(&text)})).into_response();
    }
    let user = asker.user;
    let data = json!({"user_id": user, "user_info": {"name": user}}).to_string();
    Json(json!({"auth": sign(&format!("{text}:{data}")), "channel_data": data})).into_response()
}

/// The address of an app's server that signs.
async fn signer(service: &Service) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/broadcasting/auth", listener.local_addr().unwrap());
    let router = Router::new().route("/broadcasting/auth", post(sign_join));
    service.rt.tasks().spawn_request(async move {
        drop(axum::serve(listener, router).await);
    });
    address
}

#[tokio::test]
async fn laravel_echo_hears_whispers_and_sees_who_is_here() {
    let Some(node) = node("laravel-echo") else { return };
    let service = Service::start_with(|config| config.socket.client_events = true).await;
    let (signer, port) = (signer(&service).await, service.port().to_string());
    let page = |user: &str| {
        let endpoint = format!("{signer}?user={user}");
        Program::start(&node, &folder(FOLDER), "echo.mjs", &[HOST, &port, KEY, &endpoint])
    };
    let (mut ada, mut bob) = (page("ada"), page("bob"));
    for page in [&mut ada, &mut bob] {
        page.tell(r#"["private", "orders"]"#).await;
        page.sees_what("subscribed").await;
    }
    let event = json!({"name": "order.shipped", "channel": ORDERS, "data": r#"{"n":1}"#});
    assert_eq!(Server::of(&service).post("/apps/1/events", &event).await, (200, json!({})));
    for page in [&mut ada, &mut bob] {
        assert_eq!(page.sees_what("heard").await["data"], json!({"n": 1}));
    }
    ada.tell(r#"["whisper", "orders", {"at": "desk"}]"#).await;
    assert_eq!(bob.sees_what("whisper").await["data"], json!({"at": "desk"}));

    ada.tell(r#"["join", "room"]"#).await;
    assert_eq!(ada.sees_what("here").await["users"], json!([{"name": "ada"}]));
    bob.tell(r#"["join", "room"]"#).await;
    let mut here = bob.sees_what("here").await["users"].take();
    here.as_array_mut().unwrap().sort_by_key(ToString::to_string);
    assert_eq!(here, json!([{"name": "ada"}, {"name": "bob"}]));
    assert_eq!(ada.sees_what("joining").await["user"], json!({"name": "bob"}));
    bob.tell(r#"["leave", "room"]"#).await;
    assert_eq!(ada.sees_what("leaving").await["user"], json!({"name": "bob"}));
    ada.tell(r#"["private", "refused"]"#).await;
    assert_eq!(ada.sees_what("refused").await["status"], 403);
}

#[tokio::test]
async fn pysher_joins_hears_and_sends_client_events() {
    let Some(python) = python("pysher of PyPI") else { return };
    let service = Service::start_with(|config| {
        config.socket.client_events = true;
        // It is no browser and sends an Origin all the same: the address that it calls.
        config.socket.allowed_origins = vec!["*".to_owned()];
    })
    .await;
    let port = service.port().to_string();
    let mut pysher =
        Program::start(&python, &folder(FOLDER), "client.py", &[HOST, &port, KEY, SECRET]);
    pysher.sees_what("connected").await;
    pysher.tell(&json!(["subscribe", ORDERS]).to_string()).await;
    pysher.sees_what("subscribed").await;
    let event = json!({"name": "order.shipped", "channel": ORDERS, "data": r#"{"n":1}"#});
    assert_eq!(Server::of(&service).post("/apps/1/events", &event).await, (200, json!({})));
    let heard = pysher.sees_what("heard").await;
    assert_eq!((&heard["event"], &heard["data"]), (&json!("order.shipped"), &json!(r#"{"n":1}"#)));

    let mut other = Client::connect(&service).await;
    other.join(ORDERS, None).await;
    other.expect("pusher_internal:subscription_succeeded").await;
    pysher.tell(&json!(["trigger", ORDERS, "client-typing", {"a": 1}]).to_string()).await;
    assert_eq!(other.expect("client-typing").await["data"], json!({"a": 1}));
    other.trigger(ORDERS, "client-typing", &json!({"a": 2})).await;
    assert_eq!(pysher.sees_what("heard").await["data"], json!({"a": 2}));
}
