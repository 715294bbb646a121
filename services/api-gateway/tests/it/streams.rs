//! Server streaming as server-sent events.

use std::time::Duration;

use reqwest::{Method, Response};
use serde_json::Value as Json;
use yard_contracts::realtime::v1::{ChannelEvent, TailChannelRequest};
use yard_fault::{Code, Fault};

use crate::support::{Fixture, VIEWER, problem};

const PATH: &str = "/api/v1/channels/private-organization.x/events";

fn event(name: &str) -> ChannelEvent {
    ChannelEvent { event: name.to_owned(), ..ChannelEvent::default() }
}

/// Reads until `text` has come.
async fn until(response: &mut Response, text: &str) -> String {
    let mut read = String::new();
    while !read.contains(text) {
        let chunk = response.chunk().await.unwrap().expect("the stream has not ended");
        read.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    read
}

#[tokio::test]
async fn events_arrive_as_they_happen_and_an_error_ends_them() {
    let gateway = Fixture::start().await;
    let tail = gateway.services.tail();
    let mut response = gateway.signed(Method::GET, PATH, VIEWER).send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert_eq!(response.headers()["cache-control"], "no-store");
    until(&mut response, ": keepalive\n\n").await;
    tail.send(Ok(event("telemetry.received"))).await.unwrap();
    let text = until(&mut response, "\n\n").await;
    let data = text.strip_prefix("event: message\ndata: ").unwrap().trim();
    assert_eq!(serde_json::from_str::<Json>(data).unwrap()["event"], "telemetry.received");
    let fault = Fault::new(Code::AuthSessionExpired);
    tail.send(Err(fault.to_status("incident-9"))).await.unwrap();
    let text = until(&mut response, "\n\n").await;
    let data = text.strip_prefix("event: error\ndata: ").unwrap().trim();
    let problem: Json = serde_json::from_str(data).unwrap();
    assert_eq!(problem["code"], "auth.session_expired");
    assert_eq!(problem["instance"], "incident-9");
    assert!(response.chunk().await.unwrap().is_none());
    let seen = gateway.services.last("tail_channel");
    assert_eq!(seen.message::<TailChannelRequest>().channel, "private-organization.x");
    assert_eq!(seen.text("grpc-timeout"), None);
}

#[tokio::test]
async fn refusal_before_the_first_event_is_a_plain_problem() {
    let gateway = Fixture::start().await;
    let response = gateway.signed(Method::GET, PATH, VIEWER).send().await.unwrap();
    problem(response, 403, "channel.forbidden").await;
    let head = gateway.signed(Method::HEAD, PATH, VIEWER).send().await.unwrap();
    assert_eq!(head.status(), 405);
}

#[tokio::test]
async fn client_that_leaves_cancels_the_call_behind() {
    let gateway = Fixture::start().await;
    let tail = gateway.services.tail();
    let mut response = gateway.signed(Method::GET, PATH, VIEWER).send().await.unwrap();
    until(&mut response, "keepalive").await;
    drop(response);
    tokio::time::timeout(Duration::from_secs(10), tail.closed()).await.unwrap();
}

#[tokio::test]
async fn soft_stop_ends_streams_with_a_word() {
    let gateway = Fixture::start().await;
    gateway.log.expect("tasks did not finish in time");
    let _tail = gateway.services.tail();
    let mut response = gateway.signed(Method::GET, PATH, VIEWER).send().await.unwrap();
    until(&mut response, "keepalive").await;
    let runtime = gateway.runtime.clone();
    let stop = runtime.stop(Duration::ZERO, Duration::from_millis(500));
    let read = async {
        let text = until(&mut response, "\n\n").await;
        assert!(text.contains("service.draining"), "{text}");
        assert!(response.chunk().await.unwrap().is_none());
    };
    tokio::join!(stop, read);
}

#[tokio::test]
async fn listener_whose_session_has_ended_hears_nothing_more() {
    hears_nothing_after(Code::AuthSessionExpired).await;
}

#[tokio::test]
async fn listener_whose_tenant_is_suspended_hears_nothing_more() {
    hears_nothing_after(Code::TenantSuspended).await;
}

async fn hears_nothing_after(why: Code) {
    let gateway = Fixture::start().await;
    let tail = gateway.services.tail();
    let mut response = gateway.signed(Method::GET, PATH, VIEWER).send().await.unwrap();
    until(&mut response, "keepalive").await;
    gateway.services.end_sessions(why);
    gateway.clock.advance(time::Duration::seconds(2));
    let text = tokio::time::timeout(Duration::from_secs(5), until(&mut response, "\n\n"));
    let text = text.await.unwrap();
    assert!(text.starts_with("event: error\n") && text.contains(why.as_str()), "{text}");
    tokio::time::timeout(Duration::from_secs(5), tail.closed()).await.unwrap();
}

#[tokio::test]
async fn listener_is_told_within_two_seconds_when_the_feed_names_it() {
    let gateway = Fixture::start().await;
    let _tail = gateway.services.tail();
    let mut response = gateway.signed(Method::GET, PATH, VIEWER).send().await.unwrap();
    until(&mut response, "keepalive").await;
    gateway.services.end_sessions(Code::AuthSessionExpired);
    gateway.change_everybody().await;
    let text = tokio::time::timeout(Duration::from_secs(2), until(&mut response, "\n\n"));
    assert!(text.await.unwrap().contains("auth.session_expired"));
}
