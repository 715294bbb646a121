//! Who the broker lets in, and on which topics.

use std::time::{Duration, Instant};

use serde_json::json;
use yard::api::Api;
use yard::enrollment::{Credential, DeviceIdentity, new_key};
use yard_e2e::device::{Connected, Enrolled, PubAckReason, publish};
use yard_e2e::platform::Platform;
use yard_e2e::world::World;
use yard_testkit::eventually;

const PATIENCE: Duration = Duration::from_secs(20);
/// What is promised from the revocation to the end of the connection.
const LONGEST: Duration = Duration::from_secs(5);

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
    eventually(PATIENCE, || async { publish(port, device, &enrolled, &own, "{}").await.is_err() })
        .await;
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn req_icas_22_device_comes_in_by_its_manufacturers_certificate_and_is_heard() {
    let platform = Platform::start().await.expect("the platform starts");
    let world = World::build(&platform).await.expect("both tenants are filled");
    let (owner, works) = (&world.a.owner, &world.a.factory);
    let authority = json!({
        "name": "works", "certificate_pem": works.certificate_pem, "proof_pem": works.proof_pem,
    });
    let path = "/api/v1/factory-authorities";
    owner.expect("POST", path, Some(&authority)).await.expect("registered");
    let inventory = json!({
        "contract_id": world.a.contract_id, "factory_enrolment": "FACTORY_ENROLMENT_EXPECTED",
        "devices": [{"name": "born here", "external_id": "SN-4711"}],
    });
    let path = "/api/v1/device-imports";
    let imported = owner.expect("POST", path, Some(&inventory)).await.expect("an answer");
    assert_eq!(imported["committed"], true, "{imported}");

    let (certificate, key) = works.born("SN-4711").expect("papers");
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, content: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).expect("written");
        path
    };
    let (certificate, key) = (file("born.pem", &certificate), file("born.key", &key));
    let credential = Credential::factory(&certificate, &key).expect("a pair");
    let stranger = Api::anonymous(&platform.base_url()).expect("an address");
    let own = new_key().expect("a key");
    let device = DeviceIdentity::enroll(&stranger, &credential, &own).await.expect("enrolled");
    let again = DeviceIdentity::enroll(&stranger, &credential, &new_key().expect("a key")).await;
    assert!(again.is_err(), "it works once");

    let enrolled = Enrolled::by_yard(&device).expect("a certificate");
    let id = device.connection.device_id.to_string();
    let reading = platform.publish_reading(&id, &enrolled, "by its birth").await;
    reading.expect("the broker takes it");
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revoked_device_is_disconnected_and_stays_out_while_another_is_untouched() {
    let platform = Platform::start().await.expect("the platform starts");
    let world = World::build(&platform).await.expect("both tenants are filled");
    let (port, owner) = (platform.broker().port(), &world.a.owner);
    let stolen = platform.enroll(owner, &world.a.device_id).await.expect("a certificate");
    let honest = platform.enroll(&world.b.owner, &world.b.device_id).await.expect("a certificate");
    let mut thief = Connected::open(port, &stolen).await.expect("let in");
    let bystander = Connected::open(port, &honest).await.expect("let in");

    let begun = Instant::now();
    let path = format!("/api/v1/certificates/{}/revocation", stolen.serial);
    let answer = owner.expect("POST", &path, Some(&json!({}))).await.expect("revoked");
    assert_eq!(answer["state"], "CERTIFICATE_STATE_REVOKING");
    assert_eq!(answer.get("enforced_at").and_then(|at| at.as_str()), None);
    let ended = tokio::time::timeout(PATIENCE, thief.ended()).await.expect("disconnected");
    let took = ended.expect("it runs").duration_since(begun);
    assert!(took < LONGEST, "{took:?}");
    tokio::time::timeout(PATIENCE, thief.refused(3)).await.expect("tries again").expect("it runs");
    assert_eq!(thief.times_let_in(), 1, "no way back");
    assert_eq!(bystander.times_let_in(), 1, "never disturbed");

    let list = format!("/api/v1/devices/{}/certificates", world.a.device_id);
    eventually(PATIENCE, || async {
        let listed = owner.expect("GET", &list, None).await.expect("the list");
        let all = listed["certificates"].as_array().expect("certificates");
        let row = all.iter().find(|row| row["serial"] == stolen.serial.as_str()).expect("the row");
        row["state"] == "CERTIFICATE_STATE_REVOKED" && row["enforced_at"].is_string()
    })
    .await;
    thief.close().await;
    bystander.close().await;
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn devices_of_both_authorities_are_connected_while_one_takes_over_and_each_can_be_revoked() {
    let platform = Platform::start_with_two_authorities().await.expect("the platform starts");
    let world = World::build(&platform).await.expect("both tenants are filled");
    let (port, owner, device) = (platform.broker().port(), &world.a.owner, &world.a.device_id);
    let new = platform.enroll(&world.b.owner, &world.b.device_id).await.expect("a certificate");
    let read = |name: &str| std::fs::read_to_string(platform.pki(name)).expect("a file");
    let (ca, key) = (read("device-ca-old.pem"), read("device-ca-old.key"));
    let old = new.of_authority(device, &ca, &key).expect("a certificate of the old CA");
    // As it would have been stored when the old CA signed it.
    let stored = format!(
        "insert into platform.device_certificates \
           (serial, tenant_id, device_id, certificate_pem, not_before, not_after) \
         values ('{}', '{}', '{device}', 'of the old CA', now(), now() + interval '1 day')",
        old.serial, world.a.tenant_id,
    );
    platform.db().sql(&stored).await;
    let mut with_old = Connected::open(port, &old).await.expect("let in with the old CA's");
    let mut with_new = Connected::open(port, &new).await.expect("let in with the new CA's");

    let path = format!("/api/v1/certificates/{}/revocation", old.serial);
    owner.expect("POST", &path, Some(&json!({}))).await.expect("revoked");
    let ended = tokio::time::timeout(PATIENCE, with_old.ended()).await;
    ended.expect("disconnected").expect("it runs");
    tokio::time::timeout(PATIENCE, with_old.refused(2)).await.expect("tries").expect("it runs");
    assert_eq!((with_old.times_let_in(), with_new.times_let_in()), (1, 1));

    let path = format!("/api/v1/certificates/{}/revocation", new.serial);
    world.b.owner.expect("POST", &path, Some(&json!({}))).await.expect("revoked");
    let ended = tokio::time::timeout(PATIENCE, with_new.ended()).await;
    ended.expect("disconnected").expect("it runs");
    tokio::time::timeout(PATIENCE, with_new.refused(2)).await.expect("tries").expect("it runs");
    assert_eq!(with_new.times_let_in(), 1, "no way back");

    let states = world.administrator.expect("GET", "/api/ops/v1/device-authorities", None).await;
    let states = states.expect("the list").to_string();
    for state in ["DEVICE_AUTHORITY_STATE_ACTIVE", "DEVICE_AUTHORITY_STATE_RETIRING"] {
        assert!(states.contains(state), "{states}");
    }
    with_old.close().await;
    with_new.close().await;
    platform.stop().await;
}
