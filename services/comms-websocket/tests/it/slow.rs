//! A client that does not read.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::{Client, PATIENCE, Service, device, device_channel, metric, tenant};

const EVENTS: u64 = 300;

fn large(n: u64) -> Value {
    json!({"n": n, "padding": "x".repeat(60_000)})
}

async fn service() -> Service {
    Service::start_with(|config| {
        config.socket.outbound_queue = 8;
        config.socket.outbound_bytes = 200_000;
    })
    .await
}

#[tokio::test]
async fn slow_client_misses_older_readings_gets_the_newest_and_delays_nobody() {
    let service = service().await;
    let (tenant, device) = (tenant(), device());
    let channel = device_channel(tenant, device);
    let mut slow = Client::joined(&service, tenant, &channel).await;
    let mut fast = Client::joined(&service, tenant, &channel).await;
    for n in 0..EVENTS {
        service.publish(tenant, device, "telemetry.received", &large(n)).await;
        let heard = timeout(Duration::from_secs(2), fast.data("telemetry.received")).await;
        assert_eq!(heard.expect("not held up by the slow one")["n"], n);
    }
    metric("yard_ws_slow_total{outcome=\"conflated\"}").await;
    let (mut heard, mut last) = (0, None);
    while last != Some(EVENTS - 1) {
        let n = slow.data("telemetry.received").await["n"].as_u64().unwrap();
        assert!(last.is_none_or(|last| n > last), "in order");
        (heard, last) = (heard + 1, Some(n));
    }
    assert!(heard < EVENTS, "some were left out");
    slow.quiet().await;
}

#[tokio::test]
async fn slow_client_that_would_miss_a_command_is_closed_and_delays_nobody() {
    let service = service().await;
    let (tenant, device) = (tenant(), device());
    let channel = device_channel(tenant, device);
    let mut slow = Client::joined(&service, tenant, &channel).await;
    let mut fast = Client::joined(&service, tenant, &channel).await;
    for n in 0..EVENTS {
        service.publish(tenant, device, "command.changed", &large(n)).await;
        let heard = timeout(Duration::from_secs(2), fast.data("command.changed")).await;
        assert_eq!(heard.expect("not held up by the slow one")["n"], n);
    }
    metric("yard_ws_closed_total{reason=\"slow\"}").await;
    // What was on its way arrives, then the connection ends; nothing is left out in between.
    let mut expected = 0;
    while let Ok(Some(Ok(message))) =
        timeout(PATIENCE, futures::StreamExt::next(&mut slow.ws)).await
    {
        let Ok(text) = message.to_text() else { break };
        let Ok(message) = serde_json::from_str::<Value>(text) else {
            break;
        };
        if message["event"] != "command.changed" {
            continue;
        }
        let data: Value = serde_json::from_str(message["data"].as_str().unwrap()).unwrap();
        assert_eq!(data["n"], expected);
        expected += 1;
    }
    assert!(expected < EVENTS);
}
