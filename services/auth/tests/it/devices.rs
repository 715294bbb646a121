use std::time::Duration;

use futures::StreamExt as _;
use prost::Message as _;
use tonic::{Response, Status};
use x509_parser::parse_x509_crl;
use x509_parser::pem::parse_x509_pem;
use yard_contracts::device::v1::{CutDeviceReply, CutDeviceRequest, CutOutcome};
use yard_contracts::identity::v1::{
    CertificateState, DeviceCertificate, ListDeviceCertificatesRequest,
    ListDeviceCertificatesResponse, RegisterDeviceRequest, RegisterDeviceResponse,
    RevokeCertificateRequest,
};
use yard_contracts::subjects;
use yard_fault::Code;
use yard_ids::{IdSource as _, RandomIds, TenantId};
use yard_runtime::{Runtime, TaskKind};
use yard_testkit::{eventually, logs};

use crate::enrolment::{claim, csr, enroll};
use crate::support::{Auth, bearer, code};

async fn register_as(
    auth: &Auth,
    token: &str,
    tenant: TenantId,
    device: &str,
) -> Result<Response<RegisterDeviceResponse>, Status> {
    let request = RegisterDeviceRequest {
        tenant_id: tenant.to_string(),
        device_id: device.to_owned(),
        display_name: "pump".to_owned(),
    };
    auth.enrolment().register_device(bearer(request, token)).await
}

/// A new device, registered as device-ingest does it.
pub(crate) async fn register(auth: &Auth, slug: &str) -> String {
    let device = RandomIds.uuid7().to_string();
    let token = auth.service_token("device-ingest");
    register_as(auth, &token, auth.tenant(slug).await, &device).await.unwrap();
    device
}

async fn enrolled(auth: &Auth, device: &str) {
    let made = claim(auth, "operator@example.org", device, 0).await.unwrap().into_inner();
    enroll(auth, &made.code, &csr()).await.unwrap();
}

async fn list(
    auth: &Auth,
    email: &str,
    device_id: &str,
    page_size: i32,
    page_token: &str,
) -> Result<Response<ListDeviceCertificatesResponse>, Status> {
    let (device_id, page_token) = (device_id.to_owned(), page_token.to_owned());
    let request = ListDeviceCertificatesRequest { device_id, page_size, page_token };
    let token = auth.access(email, "").await;
    auth.enrolment().list_device_certificates(bearer(request, &token)).await
}

async fn revoke(
    auth: &Auth,
    email: &str,
    serial: &str,
) -> Result<Response<DeviceCertificate>, Status> {
    let request = RevokeCertificateRequest { serial: serial.to_owned() };
    let token = auth.access(email, "").await;
    auth.enrolment().revoke_certificate(bearer(request, &token)).await
}

/// Number and serials of a list.
fn read_list(pem: &str) -> (u64, Vec<String>) {
    let (_, block) = parse_x509_pem(pem.as_bytes()).unwrap();
    let (_, list) = parse_x509_crl(&block.contents).unwrap();
    let number = list.crl_number().unwrap().to_string().parse().unwrap();
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    (number, list.iter_revoked_certificates().map(|r| hex(r.raw_serial())).collect())
}

#[tokio::test]
async fn registering_a_device_again_is_harmless_and_anothers_is_refused() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let device = register(&auth, "acme").await;
    let (acme, byte) = (auth.tenant("acme").await, auth.tenant("byte").await);
    let ingest = auth.service_token("device-ingest");
    register_as(&auth, &ingest, acme, &device).await.unwrap();
    let foreign = register_as(&auth, &ingest, byte, &device).await;
    assert_eq!(code(foreign), Some(Code::ResourceExists));
    let person = auth.db.sql("select principal_id from platform.people limit 1").await;
    let taken = register_as(&auth, &ingest, acme, person.trim()).await;
    assert_eq!(code(taken), Some(Code::ResourceExists));
    let no_tenant = TenantId::from_uuid(RandomIds.uuid7());
    let nobodys = register_as(&auth, &ingest, no_tenant, &RandomIds.uuid7().to_string()).await;
    assert_eq!(code(nobodys), Some(Code::TenantUnknown));
    let owner = auth.db.sql("select tenant_id from platform.principals where kind = 'device'");
    assert_eq!(owner.await.trim(), acme.to_string());

    for token in [auth.service_token("api-gateway"), auth.access("owner@example.org", "").await] {
        let refused = register_as(&auth, &token, acme, &device).await;
        assert_eq!(code(refused), Some(Code::AuthForbidden));
    }
    auth.finish().await;
}

#[tokio::test]
async fn revoked_certificate_enters_the_list_that_is_served_and_written() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let within = Duration::from_secs(10);
    let path = "/crl/device-ca.pem";
    let fetch = || async {
        let answer = reqwest::get(auth.http(path)).await.unwrap().error_for_status()?;
        answer.text().await
    };
    let (first, revoked) = read_list(&eventually(within, fetch).await);
    assert_eq!(revoked, Vec::<String>::new());
    let device = register(&auth, "acme").await;
    enrolled(&auth, &device).await;
    enrolled(&auth, &device).await;
    let page = list(&auth, "viewer@example.org", &device, 0, "").await.unwrap().into_inner();
    let serial = page.certificates[0].serial.clone();

    let answer = revoke(&auth, "operator@example.org", &serial).await.unwrap().into_inner();
    assert!(answer.revoked_at.is_some());
    let (number, revoked) = eventually(within, || async {
        let list = read_list(&auth.get(path).await);
        (!list.1.is_empty()).then_some(list)
    })
    .await;
    assert_eq!(revoked, std::slice::from_ref(&serial));
    assert!(number > first);
    let file = auth.folder.join("crl.pem");
    let written = || async { read_list(&std::fs::read_to_string(&file).unwrap()).1.len() == 1 };
    eventually(within, written).await;
    let again = revoke(&auth, "operator@example.org", &serial).await;
    assert_eq!(code(again), Some(Code::CertificateRevoked));

    // A revocation that another instance made is found as well.
    auth.db.sql("update platform.device_certificates set revoked_at = now()").await;
    eventually(within, || async { read_list(&auth.get(path).await).1.len() == 2 }).await;
    // Expired certificates leave the list.
    auth.clock.advance(time::Duration::days(91));
    eventually(within, || async { read_list(&auth.get(path).await).1.is_empty() }).await;
    auth.finish().await;
}

#[tokio::test]
async fn certificates_are_listed_in_pages_and_only_the_callers_tenants() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let device = register(&auth, "acme").await;
    for _ in 0..3 {
        enrolled(&auth, &device).await;
        auth.clock.advance(time::Duration::seconds(1));
    }
    let (mut times, mut next) = (Vec::new(), String::new());
    loop {
        let page = list(&auth, "viewer@example.org", &device, 2, &next).await.unwrap().into_inner();
        times.extend(page.certificates.iter().map(|c| c.not_before.unwrap().seconds));
        next = page.next_page_token;
        if next.is_empty() {
            break;
        }
    }
    assert_eq!(times.len(), 3);
    assert!(times.windows(2).all(|pair| pair[0] > pair[1]), "{times:?}");

    let foreign = list(&auth, "bob@example.org", &device, 0, "").await;
    assert_eq!(code(foreign), Some(Code::DeviceUnknown));
    for token in ["zz", "31", "300a2f", "2d31300a61"] {
        let refused = list(&auth, "viewer@example.org", &device, 0, token).await;
        assert_eq!(code(refused), Some(Code::PageTokenInvalid), "{token}");
    }
    auth.finish().await;
}

#[tokio::test]
async fn revoking_needs_the_permission_and_a_certificate_of_ones_own() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let device = register(&auth, "acme").await;
    enrolled(&auth, &device).await;
    let serial = auth.db.sql("select serial from platform.device_certificates").await;
    let serial = serial.trim();
    let ask = async |email: &str, serial: &str| code(revoke(&auth, email, serial).await);
    assert_eq!(ask("viewer@example.org", serial).await, Some(Code::AuthForbidden));
    assert_eq!(ask("bob@example.org", serial).await, Some(Code::ResourceNotFound));
    assert_eq!(ask("owner@example.org", "00").await, Some(Code::ResourceNotFound));
    for odd in ["", "XY", "\0", &"a".repeat(41)] {
        assert_eq!(ask("owner@example.org", odd).await, Some(Code::RequestInvalid), "{odd:?}");
    }
    let revoked = "select count(*) from platform.device_certificates where revoked_at is not null";
    assert_eq!(auth.db.sql(revoked).await.trim(), "0");
    auth.finish().await;
}

#[tokio::test]
async fn key_set_is_public_and_holds_the_issuers_keys_alone() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let served: serde_json::Value =
        serde_json::from_str(&auth.get("/.well-known/jwks.json").await).unwrap();
    let keys = served["keys"].as_array().unwrap();
    // The one that signs and the one that will.
    assert_eq!(keys.len(), 2);
    assert!(keys.iter().any(|key| key["kid"] == "issuer:of-a-test"));
    for key in keys {
        assert!(key["kid"].as_str().unwrap().starts_with("issuer:"));
        assert_eq!(key["alg"], "EdDSA");
        assert!(key.get("d").is_none());
    }
    auth.finish().await;
}

/// Stands for device-ingest: answers each request as told and keeps what was asked.
async fn answer_cuts(
    auth: &Auth,
    mut answers: Vec<CutOutcome>,
) -> tokio::sync::mpsc::UnboundedReceiver<CutDeviceRequest> {
    let nats = auth.nats.client().await;
    let mut requests = nats.subscribe(subjects::BROKER_CUT).await.unwrap();
    nats.flush().await.unwrap();
    let (sender, asked) = tokio::sync::mpsc::unbounded_channel();
    let runtime = Runtime::builder("device-ingest", "0").build();
    runtime.tasks().spawn(TaskKind::Background, "stand-in", async move {
        while let Some(message) = requests.next().await {
            sender.send(CutDeviceRequest::decode(message.payload)?)?;
            let outcome = if answers.len() > 1 { answers.remove(0) } else { answers[0] };
            let reply = CutDeviceReply { outcome: outcome.into(), connections: 1 };
            nats.publish(message.reply.unwrap(), reply.encode_to_vec().into()).await?;
        }
        Ok(())
    });
    asked
}

#[tokio::test]
async fn revocation_is_enforced_once_the_broker_has_its_list_and_not_before() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let device = register(&auth, "acme").await;
    enrolled(&auth, &device).await;
    // One token: the clock stands still, and signing in again and again would be throttled.
    let token = auth.access("viewer@example.org", "").await;
    let certificate = || async {
        let request = ListDeviceCertificatesRequest {
            device_id: device.clone(),
            ..ListDeviceCertificatesRequest::default()
        };
        let answer = auth.enrolment().list_device_certificates(bearer(request, &token)).await;
        answer.unwrap().into_inner().certificates.remove(0)
    };
    let before = certificate().await;
    assert_eq!(before.state(), CertificateState::Valid);
    let answers = vec![CutOutcome::NoBroker, CutOutcome::ListPending, CutOutcome::Cut];
    let mut asked = answer_cuts(&auth, answers).await;
    let revoked = revoke(&auth, "operator@example.org", &before.serial).await.unwrap();
    assert_eq!(revoked.into_inner().state(), CertificateState::Revoking);

    let request = asked.recv().await.unwrap();
    assert_eq!(request.device_id, device);
    let (number, serials) = read_list(&auth.get("/crl/device-ca.pem").await);
    assert_eq!(serials, [before.serial.as_str()]);
    assert!(request.list_number > 0 && u64::try_from(request.list_number).unwrap() <= number);
    let still = certificate().await;
    assert!(still.enforced_at.is_none());
    assert_eq!(still.state(), CertificateState::Revoking);

    let within = Duration::from_secs(20);
    let done = eventually(within, || async {
        let now = certificate().await;
        now.enforced_at.is_some().then_some(now)
    })
    .await;
    assert_eq!(done.state(), CertificateState::Revoked);
    assert_eq!(asked.recv().await.unwrap(), request);
    assert_eq!(asked.recv().await.unwrap(), request);
    // Done is done: the next look, which another revocation brings, asks for that one alone.
    let other = register(&auth, "acme").await;
    enrolled(&auth, &other).await;
    let serial = "select serial from platform.device_certificates where revoked_at is null";
    let serial = auth.db.sql(serial).await;
    revoke(&auth, "operator@example.org", serial.trim()).await.unwrap();
    assert_eq!(asked.recv().await.unwrap().device_id, other);
    auth.finish().await;
}

#[tokio::test]
async fn disabled_device_loses_every_certificate_and_others_keep_theirs() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let (device, other) = (register(&auth, "acme").await, register(&auth, "acme").await);
    for of in [&device, &device, &other] {
        enrolled(&auth, of).await;
    }
    auth.db
        .sql(&format!("update platform.principals set disabled_at = now() where id = '{device}'"))
        .await;
    let within = Duration::from_secs(20);
    let revoked = "select count(*) from platform.device_certificates where revoked_at is not null";
    eventually(within, || async { auth.db.sql(revoked).await.trim() == "2" }).await;
    let page = list(&auth, "viewer@example.org", &other, 0, "").await.unwrap().into_inner();
    assert_eq!(page.certificates[0].state(), CertificateState::Valid);
    eventually(within, || async { read_list(&auth.get("/crl/device-ca.pem").await).1.len() == 2 })
        .await;
    auth.finish().await;
}

#[tokio::test]
async fn list_that_is_known_already_is_not_sent_again() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let url = auth.http("/crl/device-ca.pem");
    let tag = eventually(Duration::from_secs(20), || async {
        reqwest::get(&url).await.unwrap().headers().get("etag").cloned()
    })
    .await;
    let http = reqwest::Client::builder().build().unwrap();
    let ask = |tag: &str| http.get(&url).header("if-none-match", tag).send();
    let again = ask(tag.to_str().unwrap()).await.unwrap();
    assert_eq!(again.status(), 304);
    assert_eq!(again.headers()["etag"], tag);
    assert_eq!(ask("\"0\"").await.unwrap().status(), 200);
    auth.finish().await;
}
