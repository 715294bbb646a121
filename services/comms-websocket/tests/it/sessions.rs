//! A socket ends with what let it in.

use std::time::Duration;

use tokio::time::{Instant, timeout};
use yard_authn::Claims;
use yard_ids::{IdSource as _, RandomIds, SessionId, TenantId};

use crate::support::{Client, Service, device, device_channel, tenant};

const SOON: Duration = Duration::from_secs(2);

fn session() -> SessionId {
    SessionId::from_uuid(RandomIds.uuid7())
}

/// A socket that has joined a device's channel in a session.
async fn joined(service: &Service, claims: &Claims, tenant: TenantId) -> Client {
    let channel = device_channel(tenant, device());
    let mut client = Client::connect(service).await;
    let auth = service.authorize_as(claims, &client.socket_id, &channel).await.unwrap();
    client.subscribe(&channel, &auth).await;
    client.expect("pusher_internal:subscription_succeeded").await;
    client
}

/// Reads to the close frame, which has to come soon.
async fn code(client: &mut Client) -> u16 {
    timeout(SOON, client.closed()).await.expect("closed within two seconds")
}

#[tokio::test]
async fn socket_of_an_ended_session_is_closed_with_4009_and_no_other_is() {
    let service = Service::start().await;
    let tenant = tenant();
    let mine = Claims { sid: Some(session()), ..service.claims(tenant) };
    let theirs = Claims { sid: Some(session()), ..service.claims(tenant) };
    let mut first = joined(&service, &mine, tenant).await;
    let mut second = joined(&service, &mine, tenant).await;
    let mut other = joined(&service, &theirs, tenant).await;
    let mut nobody = Client::connect(&service).await;
    let key = format!("session.{}", mine.sid.unwrap());
    service.nats.put("revocations", &key, "1").await;
    assert_eq!(code(&mut first).await, 4009);
    assert_eq!(code(&mut second).await, 4009);
    other.quiet().await;
    nobody.quiet().await;
}

#[tokio::test]
async fn socket_is_told_to_come_back_when_its_person_or_tenant_has_changed() {
    let service = Service::start().await;
    let tenant = tenant();
    let claims = service.claims(tenant);
    let person = claims.sub.strip_prefix("person:").unwrap();
    for key in [
        format!("person.any.{person}"),
        format!("person.{tenant}.{person}"),
        format!("tenant.{tenant}"),
    ] {
        // Each is later than the one before: an older change has been seen by the new socket.
        let now = service.rt.clock().now() + time::Duration::seconds(1);
        let claims = Claims { issued_ms: millis(now), ..claims.clone() };
        let mut client = joined(&service, &claims, tenant).await;
        service.nats.put("revocations", &key, &millis(now).to_string()).await;
        assert_eq!(code(&mut client).await, 4200, "{key}");
    }
}

fn millis(at: time::OffsetDateTime) -> i64 {
    i64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap()
}

#[tokio::test]
async fn socket_ends_with_the_natural_end_of_its_session() {
    let service = Service::start().await;
    let tenant = tenant();
    let ends = service.rt.clock().now().unix_timestamp() + 2;
    let claims = Claims { sid: Some(session()), ends: Some(ends), ..service.claims(tenant) };
    let mut client = joined(&service, &claims, tenant).await;
    let since = Instant::now();
    let closed = timeout(Duration::from_secs(5), client.closed()).await.unwrap();
    assert_eq!(closed, 4009);
    assert!(since.elapsed() < Duration::from_secs(4), "{:?}", since.elapsed());
}

#[tokio::test]
async fn signature_that_is_older_than_the_end_of_its_session_joins_nothing() {
    let service = Service::start().await;
    let tenant = tenant();
    let claims = Claims { sid: Some(session()), ..service.claims(tenant) };
    let channel = device_channel(tenant, device());
    let mut client = Client::connect(&service).await;
    let auth = service.authorize_as(&claims, &client.socket_id, &channel).await.unwrap();
    let mut witness = joined(&service, &claims, tenant).await;
    let key = format!("session.{}", claims.sid.unwrap());
    service.nats.put("revocations", &key, "1").await;
    // Once the witness is closed the service knows.
    assert_eq!(code(&mut witness).await, 4009);
    client.subscribe(&channel, &auth).await;
    let refusal = client.expect("pusher:subscription_error").await;
    assert_eq!(refusal["data"]["status"], 401);
    let refused = service.authorize_as(&claims, &client.socket_id, &channel).await.unwrap_err();
    let code = yard_fault::Fault::from_status(&refused).code();
    assert_eq!(code, yard_fault::Code::AuthTokenRevoked);
}
