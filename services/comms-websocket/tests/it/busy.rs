//! A channel with many listeners in which much is said at once.

use futures::future::join_all;
use serde_json::{Value, json};

use crate::api_client::Server;
use crate::support::{Client, Service};

/// Enough for the channel to give out its events in rounds.
const LISTENERS: usize = 70;
/// Several times what may wait for one socket.
const BATCHES: usize = 20;
const OF_BATCH: usize = 10;

#[tokio::test]
async fn busy_channel_gives_every_event_to_everybody_in_order_and_closes_nobody() {
    let service = Service::start_with(|config| config.socket.outbound_queue = 64).await;
    let server = Server::of(&service);
    let listeners = (0..LISTENERS).map(|_| async {
        let mut client = Client::connect(&service).await;
        client.subscribe("news", "").await;
        client.expect("pusher_internal:subscription_succeeded").await;
        client
    });
    let mut listeners = join_all(listeners).await;
    for batch in 0..BATCHES {
        let one = |n: usize| {
            let data = (batch * OF_BATCH + n).to_string();
            json!({"name": "n", "channel": "news", "data": data})
        };
        let events: Vec<Value> = (0..OF_BATCH).map(one).collect();
        let told = server.post("/apps/1/batch_events", &json!({"batch": events})).await;
        assert_eq!(told, (200, json!({})));
    }
    for listener in &mut listeners {
        for n in 0..BATCHES * OF_BATCH {
            assert_eq!(listener.expect("n").await["data"], n.to_string());
        }
    }
}
