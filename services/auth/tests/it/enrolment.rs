use futures::future::join_all;
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384};
use time::Duration;
use tonic::{Request, Response, Status};
use x509_parser::pem::parse_x509_pem;
use yard_contracts::identity::v1::{
    ClaimCode, CreateClaimCodeRequest, EnrollDeviceRequest, EnrollDeviceResponse,
};
use yard_fault::Code;
use yard_ids::{IdSource as _, RandomIds};
use yard_testkit::logs;

use crate::devices::register;
use crate::support::{Auth, START, bearer, code};

const RSA_REQUEST: &str = include_str!("rsa-request.pem");

pub(crate) fn csr() -> String {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    CertificateParams::default().serialize_request(&key).unwrap().pem().unwrap()
}

pub(crate) async fn claim(
    auth: &Auth,
    email: &str,
    device_id: &str,
    valid_for_seconds: i32,
) -> Result<Response<ClaimCode>, Status> {
    let request = CreateClaimCodeRequest { device_id: device_id.to_owned(), valid_for_seconds };
    let token = auth.access(email, "").await;
    auth.enrolment().create_claim_code(bearer(request, &token)).await
}

pub(crate) async fn enroll(
    auth: &Auth,
    code: &str,
    csr_pem: &str,
) -> Result<Response<EnrollDeviceResponse>, Status> {
    let request = EnrollDeviceRequest {
        claim_code: code.to_owned(),
        csr_pem: csr_pem.to_owned(),
        ..EnrollDeviceRequest::default()
    };
    auth.enrolment().enroll_device(Request::new(request)).await
}

#[tokio::test]
async fn device_enrolls_with_a_code_and_gets_its_own_certificate() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let device = register(&auth, "acme").await;
    let made = claim(&auth, "operator@example.org", &device, 0).await.unwrap().into_inner();
    assert_eq!(made.expires_at.unwrap().seconds, (START + Duration::days(1)).unix_timestamp());
    // Typed by hand: another case, other separators.
    let typed = made.code.to_lowercase().replace('-', " ");
    let answer = enroll(&auth, &typed, &csr()).await.unwrap().into_inner();
    assert_eq!((answer.mqtt_host.as_str(), answer.mqtt_port), ("broker.test", 18_883));
    assert_eq!(answer.device_id, device);

    let (_, block) = parse_x509_pem(answer.certificate_pem.as_bytes()).unwrap();
    let certificate = block.parse_x509().unwrap();
    let (_, ca) = parse_x509_pem(answer.ca_pem.as_bytes()).unwrap();
    certificate.verify_signature(Some(ca.parse_x509().unwrap().public_key())).unwrap();
    let tenant = auth.tenant("acme").await;
    assert_eq!(certificate.subject().to_string(), format!("O={tenant}, CN={device}"));
    let not_after = certificate.validity().not_after.timestamp();
    assert_eq!(not_after, (START + Duration::days(90)).unix_timestamp());
    assert_eq!(answer.not_after.unwrap().seconds, not_after);

    let stored = auth.db.sql("select count(*) from platform.claim_codes where used_at is not null");
    assert_eq!(stored.await.trim(), "1");
    let hashes = auth.db.sql("select encode(code_hash, 'escape') from platform.claim_codes").await;
    assert!(!hashes.contains(&made.code));
    auth.finish().await;
}

#[tokio::test]
async fn claim_code_works_once_even_when_devices_race_for_it() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let device = register(&auth, "acme").await;
    let made = claim(&auth, "operator@example.org", &device, 60).await.unwrap().into_inner();
    let requests: Vec<String> = (0..8).map(|_| csr()).collect();
    let answers = join_all(requests.iter().map(|csr| enroll(&auth, &made.code, csr))).await;
    let mut codes: Vec<_> = answers.into_iter().map(code).collect();
    codes.sort_by_key(Option::is_some);
    assert_eq!(codes[0], None);
    assert!(codes[1..].iter().all(|code| *code == Some(Code::EnrollmentCodeInvalid)), "{codes:?}");
    let stored = auth.db.sql("select count(*) from platform.device_certificates").await;
    assert_eq!(stored.trim(), "1");
    auth.finish().await;
}

#[tokio::test]
async fn claim_code_that_is_expired_unknown_or_of_a_suspended_tenant_is_refused_alike() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let device = register(&auth, "acme").await;
    let made = claim(&auth, "operator@example.org", &device, 60).await.unwrap().into_inner();
    for unknown in ["", "ZZZZZ-ZZZZZ-ZZZZZ-ZZZZZ", "'; drop table x --", "\0"] {
        let answer = enroll(&auth, unknown, &csr()).await;
        assert_eq!(code(answer), Some(Code::EnrollmentCodeInvalid), "{unknown:?}");
    }
    auth.db.sql("update platform.tenants set state = 'suspended' where slug = 'acme'").await;
    let answer = enroll(&auth, &made.code, &csr()).await;
    assert_eq!(code(answer), Some(Code::EnrollmentCodeInvalid));
    auth.db.sql("update platform.tenants set state = 'ready'").await;
    auth.clock.advance(Duration::seconds(60));
    let answer = enroll(&auth, &made.code, &csr()).await;
    assert_eq!(code(answer), Some(Code::EnrollmentCodeInvalid));
    auth.finish().await;
}

#[tokio::test]
async fn bad_request_is_refused_and_does_not_cost_the_code() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let device = register(&auth, "acme").await;
    let made = claim(&auth, "operator@example.org", &device, 60).await.unwrap().into_inner();
    let p384 = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
    let p384 = CertificateParams::default().serialize_request(&p384).unwrap().pem().unwrap();
    let oversize = format!("{}{}", csr(), "#".repeat(8 * 1024));
    let good = csr();
    let at = good.len() / 2;
    let damaged: String = good
        .char_indices()
        .map(|(i, c)| if i == at { if c == 'A' { 'B' } else { 'A' } } else { c })
        .collect();
    for bad in ["", "garbage", RSA_REQUEST, &p384, &oversize, &damaged] {
        let answer = enroll(&auth, &made.code, bad).await;
        assert_eq!(code(answer), Some(Code::EnrollmentCsrInvalid), "{bad}");
    }
    enroll(&auth, &made.code, &good).await.unwrap();
    auth.finish().await;
}

#[tokio::test]
async fn claim_code_needs_the_permission_and_a_device_of_ones_own() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let (own, foreign) = (register(&auth, "acme").await, register(&auth, "byte").await);
    let nobodys = RandomIds.uuid7().to_string();
    let ask =
        async |email: &str, device: &str, life: i32| code(claim(&auth, email, device, life).await);
    assert_eq!(ask("viewer@example.org", &own, 0).await, Some(Code::AuthForbidden));
    assert_eq!(ask("root@example.org", &own, 0).await, Some(Code::AuthTenantRequired));
    for device in [foreign.as_str(), &nobodys, "", "not-an-id"] {
        let refused = ask("owner@example.org", device, 0).await;
        assert_eq!(refused, Some(Code::DeviceUnknown), "{device}");
    }
    for life in [59, 604_801, -1] {
        assert_eq!(ask("owner@example.org", &own, life).await, Some(Code::RequestInvalid));
    }
    assert_eq!(ask("owner@example.org", &own, 604_800).await, None);
    let anonymous = Request::new(CreateClaimCodeRequest { device_id: own, valid_for_seconds: 0 });
    let refused = auth.enrolment().create_claim_code(anonymous).await;
    assert_eq!(code(refused), Some(Code::AuthRequired));
    auth.finish().await;
}

#[tokio::test]
async fn key_that_was_used_before_is_refused_and_the_code_stays_good() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let device = register(&auth, "acme").await;
    let other = register(&auth, "byte").await;
    let make = |email, device| claim(&auth, email, device, 0);
    let first = make("operator@example.org", &device).await.unwrap().into_inner().code;
    let request = csr();
    enroll(&auth, &first, &request).await.unwrap();
    // The same device, another tenant's, and one whose certificate is revoked: one key, once.
    auth.db.sql("update platform.device_certificates set revoked_at = now()").await;
    for (email, device) in [("operator@example.org", &device), ("bob@example.org", &other)] {
        let second = make(email, device).await.unwrap().into_inner().code;
        let refused = enroll(&auth, &second, &request).await;
        assert_eq!(code(refused), Some(Code::EnrollmentCsrInvalid));
        enroll(&auth, &second, &csr()).await.unwrap();
    }
    auth.finish().await;
}
