//! The gRPC side.

use comms_websocket::{CHANNEL_FORMS, FURTHER_FORMS};
use futures::StreamExt as _;
use prost_types::value::Kind;
use serde_json::json;
use tokio::time::timeout;
use tonic::Code;
use yard_authn::Claims;
use yard_contracts::realtime::v1::{GetRealtimeSettingsRequest, TailChannelRequest};
use yard_ids::TenantId;
use yard_testkit::eventually;

use crate::support::{KEY, PATIENCE, Service, device, device_channel, tenant};

fn tail(channel: &str) -> TailChannelRequest {
    TailChannelRequest { channel: channel.to_owned() }
}

#[tokio::test]
async fn settings_are_what_the_service_runs_with() {
    let service = Service::start().await;
    let request = service.request(tenant(), GetRealtimeSettingsRequest {});
    let settings = service.calls().get_realtime_settings(request).await.unwrap().into_inner();
    assert_eq!(
        (settings.app_key.as_str(), settings.path.as_str(), settings.activity_timeout_seconds),
        (KEY, "/app", 120)
    );
}

#[tokio::test]
async fn authorisation_of_a_bad_socket_or_channel_names_what_is_wrong() {
    let service = Service::start().await;
    let (own, other, device) = (tenant(), tenant(), device());
    let good = device_channel(own, device);
    let cases = [
        ("", good.clone(), "request.invalid"),
        ("1", good.clone(), "request.invalid"),
        ("1.2:x", good.clone(), "request.invalid"),
        ("1.2", String::new(), "channel.invalid"),
        ("1.2", "private-a b".to_owned(), "channel.invalid"),
        ("1.2", format!("organization.{own}"), "channel.invalid"),
        ("1.2", format!("presence-organization.{own}"), "channel.invalid"),
        ("1.2", format!("private-organization.{own}.users"), "channel.invalid"),
        ("1.2", good.to_uppercase(), "channel.invalid"),
        ("1.2", device_channel(other, device), "channel.forbidden"),
        ("1.2", format!("private-organization.{other}"), "channel.forbidden"),
    ];
    for (socket, channel, code) in cases {
        let refused = service.authorize(own, socket, &channel).await.unwrap_err();
        assert_eq!(refused.metadata().get("yard-code").unwrap(), code, "{socket} {channel}");
    }
    assert!(service.authorize(own, "1.2", &good).await.unwrap().starts_with("test-app:"));
}

#[tokio::test]
async fn channel_of_each_form_is_for_those_who_hold_what_it_asks_for() {
    let service = Service::start().await;
    let (own, other) = (tenant(), tenant());
    let fill = |form: &str, tenant: TenantId| {
        let form = form.replace("{tenant}", &tenant.to_string());
        let form = form.replace("{device}", &device().to_string());
        form.replace("{map}", &device().to_string()).replace("{layer}", "rooms")
    };
    let forms = CHANNEL_FORMS.map(|form| (form, "telemetry.read")).into_iter();
    for (form, permission) in forms.chain(FURTHER_FORMS) {
        let holding = |held: &[&str]| Claims {
            permissions: held.iter().map(|text| (*text).to_owned()).collect(),
            ..service.claims(own)
        };
        // `telemetry.read` is what the call itself asks for.
        let enough = holding(&["telemetry.read", permission]);
        let mine = fill(form, own);
        service.authorize_as(&enough, "1.2", &mine).await.unwrap();
        let foreign = service.authorize_as(&enough, "1.2", &fill(form, other)).await.unwrap_err();
        assert_eq!(foreign.metadata().get("yard-code").unwrap(), "channel.forbidden", "{form}");
        if permission != "telemetry.read" {
            let little = holding(&["telemetry.read"]);
            let refused = service.authorize_as(&little, "1.2", &mine).await.unwrap_err();
            assert_eq!(refused.metadata().get("yard-code").unwrap(), "channel.forbidden", "{form}");
        }
    }
}

#[tokio::test]
async fn tail_hears_its_channel_and_ends_at_the_soft_stop() {
    let service = Service::start().await;
    let (own, device) = (tenant(), device());
    let channel = device_channel(own, device);
    let mut calls = service.calls();
    let refused = calls.tail_channel(service.request(tenant(), tail(&channel))).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);

    let request = service.request(own, tail(&channel));
    let mut events = calls.tail_channel(request).await.unwrap().into_inner();
    let data = json!({"n": 1, "at": "2026-03-01T12:00:00Z"});
    service.publish(own, device, "command.changed", &data).await;
    let event = timeout(PATIENCE, events.next()).await.unwrap().unwrap().unwrap();
    assert_eq!((event.channel, event.event.as_str()), (channel, "command.changed"));
    assert_eq!(event.at.unwrap().seconds, 1_772_366_400);
    let n = event.data.unwrap().fields["n"].kind.clone();
    assert_eq!(n, Some(Kind::NumberValue(1.0)));

    let (clean, end) = tokio::join!(service.stop(), events.next());
    assert!(clean && end.is_none());
}

#[tokio::test]
async fn tail_that_is_given_up_ends_the_interest_and_tails_are_bounded() {
    let service = Service::start_with(|config| config.tail.max_streams = 1).await;
    let (own, device) = (tenant(), device());
    let channel = device_channel(own, device);
    let mut calls = service.calls();
    let events = calls.tail_channel(service.request(own, tail(&channel))).await.unwrap();
    assert!(service.is_interested(own, device).await);
    let full = calls.tail_channel(service.request(own, tail(&channel))).await.unwrap_err();
    assert_eq!(full.metadata().get("yard-code").unwrap(), "rate.limited");
    drop(events);
    eventually(PATIENCE, || async { !service.is_interested(own, device).await }).await;
}
