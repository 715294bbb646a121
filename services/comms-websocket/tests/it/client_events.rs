//! Events that clients send to each other, and who they are to each other.

use futures::SinkExt as _;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{Client, Service};

const ROOM: &str = "private-room";

async fn talkative() -> Service {
    Service::start_with(|config| config.socket.client_events = true).await
}

async fn joined(service: &Service, channel: &str) -> Client {
    let mut client = Client::connect(service).await;
    client.join(channel, None).await;
    client.expect("pusher_internal:subscription_succeeded").await;
    client
}

async fn refused(client: &mut Client) -> String {
    let error = client.expect("pusher:error").await;
    assert_eq!(error["data"]["code"], 4301, "{error}");
    error["data"]["message"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn client_event_reaches_all_others_on_every_instance_as_it_was_sent() {
    let service = talkative().await;
    let other = service.another().await;
    let mut sender = joined(&service, ROOM).await;
    let mut beside = joined(&service, ROOM).await;
    let mut far = Client::connect_to(other.address("socket").unwrap().port()).await;
    far.join(ROOM, None).await;
    far.expect("pusher_internal:subscription_succeeded").await;
    let sent = format!(r#"{{"event":"client-typing","channel":"{ROOM}","data":{{"a": 1.50}}}}"#);
    sender.ws.send(Message::text(sent)).await.unwrap();
    for listener in [&mut beside, &mut far] {
        let heard = listener.expect("client-typing").await;
        assert_eq!(heard, json!({"event": "client-typing", "channel": ROOM, "data": {"a": 1.5}}));
        listener.quiet().await;
    }
    sender.quiet().await;
    // In order, and a text stays a text.
    for n in 0..8 {
        sender.trigger(ROOM, "client-n", &json!(n.to_string())).await;
    }
    for n in 0..8 {
        assert_eq!(far.expect("client-n").await["data"], json!(n.to_string()));
    }
}

#[tokio::test]
async fn client_event_in_a_presence_channel_says_who_sent_it() {
    let service = talkative().await;
    let mut sender = Client::connect(&service).await;
    sender.present("presence-room", "7").await;
    let mut listener = Client::connect(&service).await;
    listener.present("presence-room", "8").await;
    sender.expect("pusher_internal:member_added").await;
    sender.trigger("presence-room", "client-x", &json!({})).await;
    assert_eq!(listener.expect("client-x").await["user_id"], "7");
}

#[tokio::test]
async fn client_event_that_may_not_be_sent_is_refused_and_the_socket_stays_open() {
    let service = talkative().await;
    let mut client = joined(&service, ROOM).await;
    let mut listener = joined(&service, ROOM).await;
    client.subscribe("news", "").await;
    client.expect("pusher_internal:subscription_succeeded").await;
    client.join("private-encrypted-room", None).await;
    client.expect("pusher_internal:subscription_succeeded").await;
    let data = json!({});
    let largest = json!("x".repeat(10_238));
    let too_large = json!("x".repeat(10_239));
    let longest = format!("client-{}", "x".repeat(193));
    let too_long = format!("client-{}", "x".repeat(194));
    for (channel, event, data) in [
        ("private-other", "client-x", &data),
        ("news", "client-x", &data),
        ("private-encrypted-room", "client-x", &data),
        ("#", "client-x", &data),
        (ROOM, "client-comms-other", &data),
        (ROOM, too_long.as_str(), &data),
        (ROOM, "client-x", &too_large),
    ] {
        client.trigger(channel, event, data).await;
        refused(&mut client).await;
    }
    listener.quiet().await;
    client.trigger(ROOM, "client-x", &largest).await;
    assert_eq!(listener.expect("client-x").await["data"], largest);
    client.trigger(ROOM, &longest, &data).await;
    listener.expect(&longest).await;
}

#[tokio::test]
async fn eleventh_client_event_within_a_second_is_refused() {
    let service = talkative().await;
    let mut client = joined(&service, ROOM).await;
    let mut listener = joined(&service, ROOM).await;
    // More than ten a second whatever the machine does: those beyond are refused, and only those.
    for n in 0..30 {
        client.trigger(ROOM, "client-n", &json!(n)).await;
    }
    let said = refused(&mut client).await;
    assert!(said.contains("a second"), "{said}");
    for n in 0..10 {
        assert_eq!(listener.expect("client-n").await["data"], n);
    }
}

#[tokio::test]
async fn client_events_are_off_unless_the_app_has_them() {
    let service = Service::start().await;
    let mut client = joined(&service, ROOM).await;
    client.trigger(ROOM, "client-x", &json!({})).await;
    assert!(refused(&mut client).await.contains("off"));
}

#[tokio::test]
async fn user_hears_what_is_said_to_them_and_nobody_else_may_listen() {
    let service = Service::start().await;
    let (own, other) = ("#server-to-user-7", "#server-to-user-8");
    let mut client = Client::connect(&service).await;
    let status = |error: &Value| error["data"]["status"].clone();
    client.subscribe(own, "").await;
    assert_eq!(status(&client.expect("pusher:subscription_error").await), 401);
    client.sign_in(r#"{"id":"7","user_info":{"name":"Zoë"}}"#).await;
    let signed = client.data("pusher:signin_success").await;
    assert_eq!(signed["user_data"], r#"{"id":"7","user_info":{"name":"Zoë"}}"#);
    client.subscribe(other, "").await;
    assert_eq!(status(&client.expect("pusher:subscription_error").await), 401);
    client.subscribe(own, "").await;
    client.expect("pusher_internal:subscription_succeeded").await;
    // Again as the same one, and not as another.
    client.sign_in(r#"{"id":"7"}"#).await;
    client.expect("pusher:signin_success").await;
    client.sign_in(r#"{"id":"8"}"#).await;
    assert_eq!(client.expect("pusher:error").await["data"]["code"], 4009);
    // A presence channel takes the user without data of its own.
    client.join("presence-room", None).await;
    let roster = client.data("pusher_internal:subscription_succeeded").await;
    assert_eq!(roster["presence"]["ids"], json!(["7"]));
}

#[tokio::test]
async fn sign_in_that_is_forged_or_names_nobody_closes_with_4009() {
    let service = Service::start().await;
    let long = json!({"id": "x".repeat(129)}).to_string();
    for data in [r#"{"id":7}"#, r#"{"id":""}"#, "{}", "x", &long] {
        let mut client = Client::connect(&service).await;
        client.sign_in(data).await;
        assert_eq!(client.closed().await, 4009, "{data}");
    }
    let mut client = Client::connect(&service).await;
    let data =
        json!({"auth": format!("test-app:{}", "0".repeat(64)), "user_data": r#"{"id":"7"}"#});
    client.send(&json!({"event": "pusher:signin", "data": data})).await;
    assert_eq!(client.closed().await, 4009);
}

#[tokio::test]
async fn cache_channel_that_keeps_nothing_says_so() {
    let service = Service::start().await;
    let mut client = Client::connect(&service).await;
    for channel in ["cache-news", "private-cache-news"] {
        client.join(channel, None).await;
        client.expect("pusher_internal:subscription_succeeded").await;
        assert_eq!(client.expect("pusher:cache_miss").await["channel"], channel);
    }
}
