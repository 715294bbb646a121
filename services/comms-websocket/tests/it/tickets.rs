//! A ticket opens one socket, once, soon.

use std::time::Duration;

use futures::StreamExt as _;
use tokio::time::timeout;
use tokio_tungstenite::connect_async;
use yard_authn::Claims;
use yard_contracts::realtime::v1::CreateSocketTicketRequest;
use yard_ids::{IdSource as _, RandomIds, SessionId};

use crate::support::{Service, close_code, tenant};

async fn ticket(service: &Service, claims: &Claims) -> String {
    let request = service.request_as(claims, CreateSocketTicketRequest {});
    service.calls().create_socket_ticket(request).await.unwrap().into_inner().ticket
}

fn in_session(service: &Service) -> Claims {
    let sid = Some(SessionId::from_uuid(RandomIds.uuid7()));
    Claims { sid, ..service.claims(tenant()) }
}

/// How a socket with this ticket is received: `None` when it is let in.
async fn refusal(service: &Service, ticket: &str) -> Option<u16> {
    let url = format!("{}&ticket={ticket}", service.url());
    let (mut socket, _) = connect_async(url).await.unwrap();
    let first = timeout(Duration::from_secs(5), socket.next()).await.unwrap().unwrap().unwrap();
    if first.to_text().unwrap().contains("connection_established") {
        return None;
    }
    close_code(&mut socket).await
}

#[tokio::test]
async fn ticket_opens_one_socket_and_the_second_is_refused_with_4009() {
    let service = Service::start().await;
    let ticket = ticket(&service, &in_session(&service)).await;
    assert_eq!(refusal(&service, &ticket).await, None);
    assert_eq!(refusal(&service, &ticket).await, Some(4009));
}

#[tokio::test]
async fn ticket_that_many_use_at_once_opens_exactly_one_socket() {
    let service = Service::start().await;
    let ticket = ticket(&service, &in_session(&service)).await;
    let tries = (0..12).map(|_| refusal(&service, &ticket));
    let outcomes = futures::future::join_all(tries).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_none()).count(), 1, "{outcomes:?}");
}

#[tokio::test]
async fn socket_of_a_ticket_ends_with_its_session_before_it_has_joined_anything() {
    let service = Service::start().await;
    let claims = in_session(&service);
    let ticket = ticket(&service, &claims).await;
    let url = format!("{}&ticket={ticket}", service.url());
    let (mut socket, _) = connect_async(url).await.unwrap();
    drop(timeout(Duration::from_secs(5), socket.next()).await.unwrap());
    let key = format!("session.{}", claims.sid.unwrap());
    service.nats.put("revocations", &key, "1").await;
    let code = timeout(Duration::from_secs(2), close_code(&mut socket)).await.unwrap();
    assert_eq!(code, Some(4009));
}

#[tokio::test]
async fn text_that_is_no_ticket_opens_nothing() {
    let service = Service::start().await;
    for text in ["", "x", "ywt_", "yst_AAAA", &format!("ywt_{}", "A".repeat(43))] {
        assert_eq!(refusal(&service, text).await, Some(4009), "{text:?}");
    }
}

#[tokio::test]
async fn socket_without_a_ticket_is_refused_where_tickets_are_asked_for() {
    let service = Service::start_with(|config| config.socket.anonymous = false).await;
    let (mut socket, _) = connect_async(service.url()).await.unwrap();
    assert_eq!(close_code(&mut socket).await, Some(4009));
    let ticket = ticket(&service, &in_session(&service)).await;
    assert_eq!(refusal(&service, &ticket).await, None);
}
