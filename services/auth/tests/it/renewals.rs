use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::StreamExt as _;
use prost::Message as _;
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, SigningKey as _};
use time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tonic::{Request, Response, Status};
use x509_parser::parse_x509_crl;
use x509_parser::pem::parse_x509_pem;
use yard_contracts::device::v1::{DeviceStandingReply, DeviceStandingRequest};
use yard_contracts::identity::v1::{
    ApproveDeviceRequest, EnrollDeviceResponse, ListDeviceCertificatesRequest,
    ListQuarantinedDevicesRequest, QuarantineState, QuarantinedDevice, RefuseDeviceRequest,
    RenewCertificateRequest, RenewCertificateResponse, RevokeCertificateRequest,
};
use yard_contracts::subjects;
use yard_fault::Code;
use yard_runtime::{Runtime, TaskKind};
use yard_testkit::{eventually, logs};

use crate::devices::register;
use crate::enrolment::{claim, csr, enroll};
use crate::support::{Auth, START, bearer, code};

const SOON: std::time::Duration = std::time::Duration::from_secs(20);
const LIFE: Duration = Duration::days(90);

/// A device's key and the certificate that it has for it.
pub(crate) struct Papers {
    pub(crate) key: KeyPair,
    pub(crate) pem: String,
    pub(crate) serial: String,
}

pub(crate) fn new_key() -> KeyPair {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap()
}

pub(crate) fn csr_of(key: &KeyPair) -> String {
    CertificateParams::default().serialize_request(key).unwrap().pem().unwrap()
}

pub(crate) fn serial_of(pem: &str) -> String {
    let (_, block) = parse_x509_pem(pem.as_bytes()).unwrap();
    block.parse_x509().unwrap().raw_serial().iter().map(|b| format!("{b:02x}")).collect()
}

impl Papers {
    pub(crate) async fn of(auth: &Auth, email: &str, device: &str) -> Self {
        let code = claim(auth, email, device, 0).await.unwrap().into_inner().code;
        let key = new_key();
        let EnrollDeviceResponse { certificate_pem: pem, .. } =
            enroll(auth, &code, &csr_of(&key)).await.unwrap().into_inner();
        Self { key, serial: serial_of(&pem), pem }
    }

    /// Asks for a certificate of `next`.
    pub(crate) async fn renew(
        &self,
        auth: &Auth,
        next: &KeyPair,
    ) -> Result<Response<RenewCertificateResponse>, Status> {
        let csr_pem = csr_of(next);
        let signed = format!("switchyard certificate renewal\n{}\n{csr_pem}", self.serial);
        let signature = self.key.sign(signed.as_bytes()).unwrap();
        renew(auth, &self.serial, &csr_pem, signature).await
    }

    pub(crate) async fn renewed(&self, auth: &Auth) -> Self {
        let key = new_key();
        let pem = self.renew(auth, &key).await.unwrap().into_inner().certificate_pem;
        Self { key, serial: serial_of(&pem), pem }
    }
}

async fn renew(
    auth: &Auth,
    serial: &str,
    csr_pem: &str,
    signature: Vec<u8>,
) -> Result<Response<RenewCertificateResponse>, Status> {
    let (serial, csr_pem) = (serial.to_owned(), csr_pem.to_owned());
    let request = RenewCertificateRequest { serial, csr_pem, signature };
    auth.trust().renew_certificate(Request::new(request)).await
}

/// The clock leaps over the end of a key statement, which a follower may be told of once more.
fn leaping() -> logs::LogCapture {
    let log = logs::capture();
    log.expect("the issuer's key set was refused");
    log
}

/// A token that verifies: a leap of the clock makes the next signing key take over.
async fn access(auth: &Auth, email: &str) -> String {
    let session = auth.session(email, "").await;
    eventually(SOON, || async {
        let token = auth.exchange(&session).await.unwrap();
        let request = ListQuarantinedDevicesRequest::default();
        let answer = auth.trust().list_quarantined_devices(bearer(request, &token)).await;
        (code(answer) != Some(Code::AuthTokenInvalid)).then_some(token)
    })
    .await
}

async fn revoked_serials(auth: &Auth) -> Vec<String> {
    let pem = auth.get("/crl/device-ca.pem").await;
    let (_, block) = parse_x509_pem(pem.as_bytes()).unwrap();
    let (_, list) = parse_x509_crl(&block.contents).unwrap();
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    list.iter_revoked_certificates().map(|r| hex(r.raw_serial())).collect()
}

/// Stands for device-ingest; while `away` it does not answer.
pub(crate) async fn answer_standings(
    auth: &Auth,
    away: &Arc<AtomicBool>,
) -> UnboundedReceiver<DeviceStandingRequest> {
    let nats = auth.nats.client().await;
    let mut requests = nats.subscribe(subjects::DEVICE_STANDING).await.unwrap();
    nats.flush().await.unwrap();
    let (sender, asked) = unbounded_channel();
    let away = Arc::clone(away);
    let runtime = Runtime::builder("device-ingest", "0").build();
    runtime.tasks().spawn(TaskKind::Background, "stand-in", async move {
        while let Some(message) = requests.next().await {
            let in_force = !away.load(Ordering::SeqCst);
            if in_force {
                sender.send(DeviceStandingRequest::decode(message.payload)?)?;
            }
            let reply = DeviceStandingReply { in_force };
            nats.publish(message.reply.unwrap(), reply.encode_to_vec().into()).await?;
        }
        Ok(())
    });
    asked
}

async fn waiting(auth: &Auth, token: &str) -> Vec<QuarantinedDevice> {
    let request = ListQuarantinedDevicesRequest::default();
    let answer = auth.trust().list_quarantined_devices(bearer(request, token)).await;
    answer.unwrap().into_inner().devices
}

#[tokio::test]
async fn device_renews_and_the_old_certificate_ends_a_week_later() {
    let _log = leaping();
    let auth = Auth::start().await;
    let device = register(&auth, "acme").await;
    let old = Papers::of(&auth, "operator@example.org", &device).await;
    auth.clock.advance(Duration::days(60));
    let next = new_key();
    let answer = old.renew(&auth, &next).await.unwrap().into_inner();
    assert_eq!((answer.device_id.as_str(), answer.quarantined), (device.as_str(), false));
    let renewed_at = START + Duration::days(60);
    assert_eq!(answer.not_after.unwrap().seconds, (renewed_at + LIFE).unix_timestamp());
    let due = answer.renew_after.unwrap().seconds - renewed_at.unix_timestamp();
    assert!(
        (Duration::days(59).whole_seconds()..=Duration::days(60).whole_seconds()).contains(&due)
    );

    let token = access(&auth, "viewer@example.org").await;
    let request = ListDeviceCertificatesRequest {
        device_id: device,
        ..ListDeviceCertificatesRequest::default()
    };
    let listed = auth.enrolment().list_device_certificates(bearer(request, &token)).await;
    let listed = listed.unwrap().into_inner().certificates;
    assert_eq!(listed[0].renews, old.serial);
    let ends = listed[1].superseded_at.unwrap().seconds;
    assert_eq!(ends, (renewed_at + Duration::days(7)).unix_timestamp());

    // Both hold until then; what the revocation list says is what the broker goes by.
    auth.clock.advance(Duration::days(7) - Duration::seconds(1));
    let hour = auth.db.sql("select number from platform.revocation_list").await;
    eventually(SOON, || async {
        auth.db.sql("select number from platform.revocation_list").await != hour
    })
    .await;
    assert_eq!(revoked_serials(&auth).await, Vec::<String>::new());
    auth.clock.advance(Duration::minutes(10));
    eventually(SOON, || async { revoked_serials(&auth).await == [old.serial.as_str()] }).await;
    assert_eq!(code(old.renew(&auth, &new_key()).await), Some(Code::EnrollmentRenewalRefused));
    auth.finish().await;
}

#[tokio::test]
async fn same_request_again_gives_the_same_certificate_also_in_a_race() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let device = register(&auth, "acme").await;
    let old = Papers::of(&auth, "operator@example.org", &device).await;
    let next = new_key();
    let answers = futures::future::join_all((0..6).map(|_| old.renew(&auth, &next))).await;
    let mut pems: Vec<_> =
        answers.into_iter().map(|answer| answer.unwrap().into_inner().certificate_pem).collect();
    pems.dedup();
    assert_eq!(pems.len(), 1);
    let stored = auth.db.sql("select count(*) from platform.device_certificates").await;
    assert_eq!(stored.trim(), "2");
    auth.finish().await;
}

#[tokio::test]
async fn key_may_be_the_certificates_own_and_no_other_used_one() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let (device, other) = (register(&auth, "acme").await, register(&auth, "byte").await);
    let first = Papers::of(&auth, "operator@example.org", &device).await;
    let foreign = Papers::of(&auth, "bob@example.org", &other).await;
    assert_eq!(code(first.renew(&auth, &foreign.key).await), Some(Code::EnrollmentCsrInvalid));
    let again = first.renew(&auth, &first.key).await.unwrap().into_inner();
    assert_ne!(serial_of(&again.certificate_pem), first.serial);
    // Its own, but of a certificate before: it may have been given up for a reason.
    let second = first.renewed(&auth).await;
    assert_eq!(code(second.renew(&auth, &first.key).await), Some(Code::EnrollmentCsrInvalid));
    // A key that somebody renewed with is as used as one that somebody enrolled with.
    assert_eq!(code(foreign.renew(&auth, &second.key).await), Some(Code::EnrollmentCsrInvalid));
    let code_of_other = claim(&auth, "bob@example.org", &other, 0).await.unwrap().into_inner().code;
    let taken = enroll(&auth, &code_of_other, &csr_of(&second.key)).await;
    assert_eq!(code(taken), Some(Code::EnrollmentCsrInvalid));
    auth.finish().await;
}

#[tokio::test]
async fn renewal_without_the_certificates_key_is_refused_whatever_is_sent() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let (device, other) = (register(&auth, "acme").await, register(&auth, "byte").await);
    let mine = Papers::of(&auth, "operator@example.org", &device).await;
    let foreign = Papers::of(&auth, "bob@example.org", &other).await;
    let next = csr();
    let over = |text: String| mine.key.sign(text.as_bytes()).unwrap();
    let good = over(format!("switchyard certificate renewal\n{}\n{next}", mine.serial));
    let refused = async |serial: &str, csr_pem: &str, signature: Vec<u8>| {
        let answer = renew(&auth, serial, csr_pem, signature).await;
        assert_eq!(code(answer), Some(Code::EnrollmentRenewalRefused));
    };
    // Another's certificate, nobody's, another request than the signed one, bits changed, and
    // signatures that mean something else.
    refused(&foreign.serial, &next, good.clone()).await;
    for serial in ["", "00", "'; --", &mine.serial.to_uppercase(), &"f".repeat(10_000)] {
        refused(serial, &next, good.clone()).await;
    }
    refused(&mine.serial, &csr(), good.clone()).await;
    let mut changed = good.clone();
    changed[10] ^= 1;
    let long = [good.clone(), vec![0; 200]].concat();
    for signature in [vec![], vec![0; 64], vec![0x30, 0x06, 2, 1, 0, 2, 1, 0], changed, long] {
        refused(&mine.serial, &next, signature).await;
    }
    refused(&mine.serial, &next, over(next.clone())).await;
    assert!(renew(&auth, &mine.serial, &next, good).await.is_ok());
    auth.finish().await;
}

#[tokio::test]
async fn revoked_disabled_and_suspended_renew_nothing() {
    let _log = leaping();
    let auth = Auth::start().await;
    let device = register(&auth, "acme").await;
    let first = Papers::of(&auth, "operator@example.org", &device).await;
    let ask = async |papers: &Papers| code(papers.renew(&auth, &new_key()).await);
    for (on, off) in [(
        "update platform.tenants set state = 'suspended' where slug = 'acme'",
        "update platform.tenants set state = 'ready' where slug = 'acme'",
    )] {
        auth.db.sql(on).await;
        assert_eq!(ask(&first).await, Some(Code::EnrollmentRenewalRefused));
        auth.db.sql(off).await;
    }
    let second = first.renewed(&auth).await;
    // The newer one is revoked: the older is no way around it.
    let token = access(&auth, "operator@example.org").await;
    let request = RevokeCertificateRequest { serial: second.serial.clone() };
    auth.enrolment().revoke_certificate(bearer(request, &token)).await.unwrap();
    assert_eq!(ask(&second).await, Some(Code::EnrollmentRenewalRefused));
    assert_eq!(ask(&first).await, Some(Code::EnrollmentRenewalRefused));
    let third = Papers::of(&auth, "operator@example.org", &device).await;
    auth.db.sql("update platform.principals set disabled_at = now() where kind = 'device'").await;
    assert_eq!(ask(&third).await, Some(Code::EnrollmentRenewalRefused));
    auth.finish().await;
}

#[tokio::test]
async fn one_certificate_is_not_the_way_to_many() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let device = register(&auth, "acme").await;
    let old = Papers::of(&auth, "operator@example.org", &device).await;
    for _ in 0..3 {
        old.renewed(&auth).await;
    }
    assert_eq!(code(old.renew(&auth, &new_key()).await), Some(Code::EnrollmentRenewalRefused));
    auth.finish().await;
}

#[tokio::test]
async fn late_renewal_is_given_out_once_ingest_knows_and_ends_with_approval() {
    let log = leaping();
    log.expect("could not renew a certificate");
    let auth = Auth::start().await;
    let device = register(&auth, "acme").await;
    let old = Papers::of(&auth, "operator@example.org", &device).await;
    auth.clock.advance(LIFE + Duration::seconds(1));
    let next = new_key();
    // Nobody there to be told: the certificate is not given out.
    assert_eq!(code(old.renew(&auth, &next).await), Some(Code::ServiceUnavailable));
    let away = Arc::new(AtomicBool::new(true));
    let mut asked = answer_standings(&auth, &away).await;
    assert_eq!(code(old.renew(&auth, &next).await), Some(Code::ServiceUnavailable));
    away.store(false, Ordering::SeqCst);
    let answer = old.renew(&auth, &next).await.unwrap().into_inner();
    assert!(answer.quarantined);
    let told = asked.recv().await.unwrap();
    assert_eq!((told.device_id.as_str(), told.quarantined), (device.as_str(), true));
    assert_eq!(told.tenant_id, auth.tenant("acme").await.to_string());

    // In quarantine it renews, and stays there.
    let pem = answer.certificate_pem;
    let late = Papers { key: next, serial: serial_of(&pem), pem };
    assert!(late.renew(&auth, &new_key()).await.unwrap().into_inner().quarantined);
    let operator = access(&auth, "operator@example.org").await;
    let list = waiting(&auth, &operator).await;
    assert_eq!((list.len(), list[0].device_id.as_str()), (1, device.as_str()));
    assert_eq!(list[0].state(), QuarantineState::Waiting);
    // Another tenant neither sees nor decides, and a viewer does not decide.
    let bob = access(&auth, "bob@example.org").await;
    assert!(waiting(&auth, &bob).await.is_empty());
    let approve = async |token: &str, device_id: &str| {
        let request = ApproveDeviceRequest { device_id: device_id.to_owned() };
        auth.trust().approve_device(bearer(request, token)).await
    };
    assert_eq!(code(approve(&bob, &device).await), Some(Code::ResourceNotFound));
    let viewer = access(&auth, "viewer@example.org").await;
    assert_eq!(code(approve(&viewer, &device).await), Some(Code::AuthForbidden));
    assert_eq!(code(approve(&operator, "x").await), Some(Code::ResourceNotFound));

    let approved = approve(&operator, &device).await.unwrap().into_inner();
    assert_eq!(approved.state(), QuarantineState::Approved);
    let lifted = asked.recv().await.unwrap();
    assert!(!lifted.quarantined && lifted.version > told.version);
    assert_eq!(code(approve(&operator, &device).await), Some(Code::ResourceNotFound));
    assert!(!late.renew(&auth, &new_key()).await.unwrap().into_inner().quarantined);
    auth.finish().await;
}

#[tokio::test]
async fn approval_that_nobody_heard_is_told_again() {
    let _log = leaping();
    let auth = Auth::start().await;
    let device = register(&auth, "acme").await;
    let old = Papers::of(&auth, "operator@example.org", &device).await;
    auth.clock.advance(LIFE + Duration::days(1));
    let away = Arc::new(AtomicBool::new(false));
    let mut asked = answer_standings(&auth, &away).await;
    old.renew(&auth, &new_key()).await.unwrap();
    assert!(asked.recv().await.unwrap().quarantined);
    away.store(true, Ordering::SeqCst);
    let operator = access(&auth, "operator@example.org").await;
    let request = ApproveDeviceRequest { device_id: device };
    auth.trust().approve_device(bearer(request, &operator)).await.unwrap();
    away.store(false, Ordering::SeqCst);
    assert!(!tokio::time::timeout(SOON, asked.recv()).await.unwrap().unwrap().quarantined);
    let known = "select count(*) from platform.device_standing where told = version";
    eventually(SOON, || async { auth.db.sql(known).await.trim() == "1" }).await;
    auth.finish().await;
}

#[tokio::test]
async fn refused_device_is_out_until_it_is_given_a_claim_code() {
    let _log = leaping();
    let auth = Auth::start().await;
    let device = register(&auth, "acme").await;
    let old = Papers::of(&auth, "operator@example.org", &device).await;
    auth.clock.advance(LIFE + Duration::days(1));
    let mut asked = answer_standings(&auth, &Arc::default()).await;
    let late = old.renewed(&auth).await;
    asked.recv().await.unwrap();
    let operator = access(&auth, "operator@example.org").await;
    let request = RefuseDeviceRequest { device_id: device.clone() };
    let refused = auth.trust().refuse_device(bearer(request, &operator)).await.unwrap();
    assert_eq!(refused.into_inner().state(), QuarantineState::Refused);
    eventually(SOON, || async { revoked_serials(&auth).await == [late.serial.as_str()] }).await;
    for papers in [&old, &late] {
        let answer = papers.renew(&auth, &new_key()).await;
        assert_eq!(code(answer), Some(Code::EnrollmentRenewalRefused));
    }
    // Still not believed, until an operator gives it a code.
    assert!(asked.recv().await.unwrap().quarantined);
    Papers::of(&auth, "operator@example.org", &device).await;
    let told = tokio::time::timeout(SOON, asked.recv()).await.unwrap().unwrap();
    assert!(!told.quarantined);
    assert_eq!(code(old.renew(&auth, &new_key()).await), Some(Code::EnrollmentRenewalRefused));
    auth.finish().await;
}

#[tokio::test]
async fn certificate_renews_until_thirty_days_after_its_end_and_not_later() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let (early, late) = (register(&auth, "acme").await, register(&auth, "acme").await);
    let early = Papers::of(&auth, "operator@example.org", &early).await;
    let late = Papers::of(&auth, "operator@example.org", &late).await;
    let _asked = answer_standings(&auth, &Arc::default()).await;
    auth.clock.advance(LIFE);
    // Its last moment is within its life.
    let (_, block) = parse_x509_pem(early.pem.as_bytes()).unwrap();
    let ends = block.parse_x509().unwrap().validity().not_after.timestamp();
    assert_eq!(ends, (START + LIFE).unix_timestamp());
    assert!(!early.renew(&auth, &new_key()).await.unwrap().into_inner().quarantined);
    auth.clock.advance(Duration::days(30));
    assert!(late.renew(&auth, &new_key()).await.unwrap().into_inner().quarantined);
    auth.clock.advance(Duration::seconds(1));
    assert_eq!(code(late.renew(&auth, &new_key()).await), Some(Code::EnrollmentRenewalRefused));
    auth.finish().await;
}
