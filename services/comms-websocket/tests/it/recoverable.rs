//! Recoverable channels (ADR 0039): what is said in them is numbered, and who was away gets it.

use std::time::Duration;

use serde_json::{Value, json};
use yard_testkit::eventually;

use crate::api_client::Server;
use crate::support::{Client, PATIENCE, Service, sign};

const ROOM: &str = "private-kept.room";
const EVENTS: &str = "/apps/1/events";

async fn keeping() -> Service {
    Service::start_with(|config| {
        config.socket.recoverable_prefixes = vec!["private-kept.".to_owned()];
        config.socket.client_events = true;
    })
    .await
}

/// A client that counts as ADR 0039 has it.
struct Counting {
    client: Client,
    epoch: String,
    offset: u64,
}

impl Counting {
    async fn new(port: u16) -> Self {
        let mut client = Client::connect_to(port).await;
        client.join(ROOM, None).await;
        client.expect("pusher_internal:subscription_succeeded").await;
        let at = client.data("comms:position").await;
        let mut this = Self { client, epoch: String::new(), offset: 0 };
        this.place(&at);
        this
    }

    fn place(&mut self, at: &Value) {
        at["epoch"].as_str().unwrap().clone_into(&mut self.epoch);
        self.offset = at["offset"].as_u64().unwrap();
    }

    /// Comes back by another socket, and says where it stood; what it is told of that.
    async fn back(self, port: u16) -> (Self, Vec<Value>, Value) {
        let Self { client, epoch, offset } = self;
        drop(client);
        let mut client = Client::connect_to(port).await;
        let data = json!({"recover": {"epoch": epoch, "offset": offset}}).to_string();
        client.join(ROOM, Some(&data)).await;
        client.expect("pusher_internal:subscription_succeeded").await;
        let at = client.data("comms:position").await;
        let mut this = Self { client, epoch, offset };
        this.place(&at);
        let mut missed = Vec::new();
        loop {
            let next = this.client.next().await;
            let data: Value = serde_json::from_str(next["data"].as_str().unwrap()).unwrap();
            if next["event"] == "comms:recovery" {
                assert_eq!(data["replayed"], missed.len(), "{data}");
                this.place(&data);
                return (this, missed, data);
            }
            this.offset += 1;
            missed.push(data);
        }
    }

    /// The data of the next event that is somebody's.
    async fn next(&mut self) -> Value {
        loop {
            let next = self.client.next().await;
            let data: Value = serde_json::from_str(next["data"].as_str().unwrap()).unwrap();
            if next["event"] == "comms:position" {
                let known = (self.epoch.clone(), self.offset);
                self.place(&data);
                assert_eq!((self.epoch.clone(), self.offset), known, "the count is right");
                continue;
            }
            assert_eq!(next["event"], "said", "{next}");
            self.offset += 1;
            return data;
        }
    }
}

async fn say(server: &Server<'_>, data: &Value) -> (u64, String) {
    let event = json!({"name": "said", "channels": [ROOM], "data": data.to_string()});
    let (status, answer) = server.post(EVENTS, &event).await;
    assert_eq!(status, 200, "{answer}");
    let at = &answer["channels"][ROOM];
    (at["offset"].as_u64().unwrap(), at["epoch"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn client_that_was_away_gets_what_it_missed_once_in_order_and_then_goes_on() {
    let service = keeping().await;
    let server = Server::of(&service);
    let mut client = Counting::new(service.port()).await;
    assert_eq!(say(&server, &json!(1)).await.0, 1);
    assert_eq!(client.next().await, json!(1));
    // Another socket in its place, which is not in the channel.
    client.client = Client::connect(&service).await;
    for n in 2..=5 {
        say(&server, &json!(n)).await;
    }
    let (mut client, missed, outcome) = client.back(service.port()).await;
    assert_eq!(missed, [json!(2), json!(3), json!(4), json!(5)]);
    assert_eq!(outcome["recovered"], true);
    say(&server, &json!(6)).await;
    assert_eq!(client.next().await, json!(6));
    client.client.quiet().await;
    // Nothing missed is nothing replayed.
    let (_, missed, outcome) = client.back(service.port()).await;
    assert_eq!(
        (missed.len(), &outcome["recovered"], &outcome["offset"]),
        (0, &json!(true), &json!(6))
    );
}

#[tokio::test]
async fn client_that_says_where_it_stood_beside_the_channel_is_given_the_same() {
    let service = keeping().await;
    let server = Server::of(&service);
    let (_, epoch) = say(&server, &json!(1)).await;
    say(&server, &json!(2)).await;
    let mut client = Client::connect(&service).await;
    let auth = sign(&format!("{}:{ROOM}", client.socket_id));
    let recover = json!({"epoch": epoch, "offset": 1});
    let data = json!({"channel": ROOM, "auth": auth, "recover": recover});
    client.send(&json!({"event": "pusher:subscribe", "data": data})).await;
    client.expect("pusher_internal:subscription_succeeded").await;
    assert_eq!(client.data("comms:position").await["offset"], 1);
    assert_eq!(client.data("said").await, json!(2));
    let outcome = client.data("comms:recovery").await;
    assert_eq!((&outcome["recovered"], &outcome["replayed"]), (&json!(true), &json!(1)));
}

#[tokio::test]
async fn client_that_missed_more_than_is_kept_gets_none_of_it_and_is_told() {
    let service = keeping().await;
    let server = Server::of(&service);
    let mut client = Counting::new(service.port()).await;
    say(&server, &json!(0)).await;
    client.next().await;
    // One more than 300.
    for n in 0..301 {
        say(&server, &json!(n)).await;
    }
    let (mut client, missed, outcome) = client.back(service.port()).await;
    assert_eq!((missed.len(), &outcome["recovered"]), (0, &json!(false)));
    assert_eq!(client.offset, 302);
    say(&server, &json!("new")).await;
    assert_eq!(client.next().await, json!("new"));
    // Just 300 are kept.
    let back = Counting { offset: 3, ..client };
    let (back, missed, outcome) = back.back(service.port()).await;
    assert_eq!((missed.len(), &outcome["recovered"]), (300, &json!(true)));
    // A place in another epoch, and one that is still to come, were never here.
    for (epoch, offset) in [("other", 303), (back.epoch.clone().as_str(), 304)] {
        let lost =
            Counting { client: Client::connect(&service).await, epoch: epoch.to_owned(), offset };
        let (_, missed, outcome) = lost.back(service.port()).await;
        assert_eq!((missed.len(), &outcome["recovered"]), (0, &json!(false)), "{epoch} {offset}");
    }
}

#[tokio::test]
async fn publish_that_is_repeated_by_its_key_is_kept_and_heard_once() {
    let service = keeping().await;
    let server = Server::of(&service);
    let mut client = Counting::new(service.port()).await;
    let event = json!({"name": "said", "channel": ROOM, "data": "7", "idempotency_key": "order:7"});
    let first = server.post(EVENTS, &event).await;
    assert_eq!(first.1["channels"][ROOM]["offset"], 1);
    assert_eq!(server.post(EVENTS, &event).await, first);
    assert_eq!(client.next().await, json!(7));
    client.client.quiet().await;
    // In a batch the place is told too; a plain channel has none.
    let batch = json!({"batch": [
        {"name": "said", "channel": ROOM, "data": "8"},
        {"name": "said", "channel": "private-plain", "data": "9"},
    ]});
    let (status, answer) = server.post("/apps/1/batch_events", &batch).await;
    assert_eq!(
        (status, &answer["batch"][0]["offset"], &answer["batch"][1]),
        (200, &json!(2), &json!({}))
    );
}

#[tokio::test]
async fn event_of_a_client_is_accepted_once_by_its_id_and_its_sender_counts_on() {
    let service = keeping().await;
    let mut sender = Counting::new(service.port()).await;
    let mut other = Counting::new(service.port()).await;
    let data = json!({"_cid": "c1", "text": "hello"});
    for _ in 0..2 {
        sender.client.trigger(ROOM, "client-said", &data).await;
    }
    // The sender gets a place in place of its own event, and an answer to each time it sent it.
    assert_eq!(sender.client.data("comms:position").await["offset"], 1);
    for _ in 0..2 {
        let accepted = sender.client.data("comms:accepted").await;
        assert_eq!((&accepted["_cid"], &accepted["offset"]), (&json!("c1"), &json!(1)));
    }
    assert_eq!(other.client.expect("client-said").await["data"], data);
    other.client.quiet().await;
    sender.client.quiet().await;
    // Another's event of that id is another one.
    other.client.trigger(ROOM, "client-said", &data).await;
    assert_eq!(other.client.data("comms:position").await["offset"], 2);
    assert_eq!(other.client.data("comms:accepted").await["offset"], 2);
    sender.client.expect("client-said").await;
    // What is refused is refused by its id.
    let large = json!({"_cid": "c2", "text": "x".repeat(10_240)});
    sender.client.trigger(ROOM, "client-said", &large).await;
    assert_eq!(sender.client.data("comms:refused").await["_cid"], "c2");
}

#[tokio::test]
async fn everybody_is_told_where_they_stand_every_fifty_events() {
    let service = keeping().await;
    let server = Server::of(&service);
    let mut client = Counting::new(service.port()).await;
    for n in 1..=100 {
        say(&server, &json!(n)).await;
    }
    for n in 1..=100 {
        assert_eq!(client.client.data("said").await, json!(n));
        if n % 50 == 0 {
            assert_eq!(client.client.data("comms:position").await["offset"], n);
        }
    }
}

#[tokio::test]
async fn publish_without_the_broker_is_kept_and_comes_with_the_next_look() {
    let mut service = keeping().await;
    service.log.expect("broker connection lost");
    let mut client = Counting::new(service.port()).await;
    service.nats.kill();
    let server = Server::of(&service);
    // A plain channel is refused meanwhile, and so is what is for both.
    let plain = json!({"name": "said", "channels": ["plain", ROOM], "data": "0"});
    let away = || async { server.post(EVENTS, &plain).await.0 == 503 };
    eventually(PATIENCE, away).await;
    for n in 1..=3 {
        say(&server, &json!(n)).await;
    }
    for n in 1..=3 {
        assert_eq!(client.next().await, json!(n));
    }
    client.client.quiet().await;
}

#[tokio::test]
async fn history_that_was_lost_is_told_to_all_who_are_there_and_begins_anew() {
    let service = keeping().await;
    let server = Server::of(&service);
    let mut client = Counting::new(service.port()).await;
    say(&server, &json!(1)).await;
    assert_eq!(client.next().await, json!(1));
    service.redis.lose_everything().await;
    let (offset, epoch) = say(&server, &json!(2)).await;
    assert_eq!(offset, 1);
    assert_ne!(epoch, client.epoch);
    let lost = client.client.data("comms:recovery").await;
    assert_eq!(
        (&lost["recovered"], &lost["epoch"], &lost["offset"]),
        (&json!(false), &json!(epoch), &json!(1))
    );
    client.place(&lost);
    say(&server, &json!(3)).await;
    assert_eq!(client.next().await, json!(3));
}

#[tokio::test]
async fn clients_cut_at_random_hear_all_of_two_instances_once_and_in_order() {
    const ALL: u64 = 600;
    let service = keeping().await;
    let other = service.another().await;
    let ports = [service.port(), other.address("socket").unwrap().port()];
    let speaking = async {
        let server = Server::of(&service);
        for n in 1..=ALL {
            say(&server, &json!(n)).await;
        }
    };
    let listening = (0..6_u64).map(|who| async move {
        let mut client = Counting::new(ports[who as usize % 2]).await;
        let mut heard = client.offset;
        // A fixed sequence, so that a failure comes again.
        let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ who;
        while heard < ALL {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            if state.is_multiple_of(23) {
                let port = ports[(state >> 8) as usize % 2];
                let (back, missed, outcome) = client.back(port).await;
                assert_eq!(outcome["recovered"], true, "{outcome}");
                for data in missed {
                    heard += 1;
                    assert_eq!(data, json!(heard));
                }
                client = back;
            } else {
                heard += 1;
                assert_eq!(client.next().await, json!(heard));
            }
            assert_eq!(client.offset, heard);
        }
    });
    tokio::join!(speaking, futures::future::join_all(listening));
    assert!(other.stop(Duration::ZERO, PATIENCE).await);
}

#[tokio::test]
async fn channel_that_only_looks_like_one_is_plain() {
    let service = keeping().await;
    let server = Server::of(&service);
    let mut client = Client::connect(&service).await;
    let channel = "private-keptroom";
    client.join(channel, Some(r#"{"recover":{"epoch":"e","offset":0}}"#)).await;
    client.expect("pusher_internal:subscription_succeeded").await;
    let event = json!({"name": "said", "channel": channel, "data": "1"});
    assert_eq!(server.post(EVENTS, &event).await, (200, json!({})));
    client.expect("said").await;
    client.quiet().await;
}
