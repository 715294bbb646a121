//! Who the broker lets in, and on which topics.

use std::time::Duration;

use serde_json::json;
use yard_e2e::device::{PubAckReason, publish};
use yard_e2e::platform::Platform;
use yard_e2e::world::World;
use yard_testkit::eventually;

const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn req_lmu_76_certificate_decides_who_connects_and_which_topics_are_its_own() {
    let platform = Platform::start().await.expect("the platform starts");
    let world = World::build(&platform).await.expect("both tenants are filled");
    let (port, device) = (platform.broker().port(), world.a.device_id.as_str());
    let enrolled = platform.enroll(&world.a.owner, device).await.expect("a certificate");
    let own = format!("device/{device}/telemetry");

    let foreign = format!("device/{}/telemetry", world.b.device_id);
    let taken = publish(port, device, &enrolled, &own, "{}").await.expect("an answer");
    assert_eq!(taken, PubAckReason::Success, "its own topic");
    // The broker may refuse the message or end the connection; it must not take the message.
    let answer = publish(port, device, &enrolled, &foreign, "{}").await;
    assert_ne!(answer.ok(), Some(PubAckReason::Success), "another device's topic");

    // Whatever client id a device gives, the broker takes the one of its certificate.
    let answer = publish(port, &world.b.device_id, &enrolled, &foreign, "{}").await;
    assert_ne!(answer.ok(), Some(PubAckReason::Success), "another device's client id");

    let stranger = enrolled.by_a_stranger(device).expect("keys");
    let answer = publish(port, device, &stranger, &own, "{}").await;
    assert!(answer.is_err(), "a certificate of another authority: {answer:?}");

    let path = format!("/api/v1/certificates/{}/revocation", enrolled.serial);
    world.a.owner.expect("POST", &path, Some(&json!({}))).await.expect("revoked");
    eventually(PATIENCE, || async {
        platform.broker().refresh_crl();
        publish(port, device, &enrolled, &own, "{}").await.is_err()
    })
    .await;
    platform.stop().await;
}
