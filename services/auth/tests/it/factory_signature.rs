//! Devices with a certificate of their manufacturer that sign their request, in place of showing the
//! certificate in a TLS handshake.

use rcgen::{
    KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256,
    SigningKey as _,
};
use tonic::{Request, Response, Status};
use x509_parser::pem::parse_x509_pem;
use yard_contracts::identity::v1::{EnrollDeviceRequest, EnrollDeviceResponse};
use yard_fault::Code;
use yard_testkit::{eventually, logs};

use crate::enrolment::{claim, csr};
use crate::factory::{Odd, certificates, expect, ready};
use crate::renewals::new_key;
use crate::support::{Auth, code};

/// Long enough for a busy machine; nothing waits for it when all is well.
const SOON: std::time::Duration = std::time::Duration::from_secs(20);

fn signed(pem: &str, key: &KeyPair, csr_pem: &str) -> EnrollDeviceRequest {
    let message = format!("switchyard factory enrolment\n{csr_pem}");
    EnrollDeviceRequest {
        csr_pem: csr_pem.to_owned(),
        factory_certificate_pem: pem.to_owned(),
        factory_signature: key.sign(message.as_bytes()).unwrap(),
        ..EnrollDeviceRequest::default()
    }
}

async fn ask(
    auth: &Auth,
    request: EnrollDeviceRequest,
) -> Result<Response<EnrollDeviceResponse>, Status> {
    auth.enrolment().enroll_device(Request::new(request)).await
}

#[tokio::test]
async fn req_icas_22_device_enrolls_once_by_a_signature_of_any_key_that_its_manufacturer_gave_it() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let (_bench, factory, first) = ready(&auth).await;
    let tenant = auth.tenant("acme").await;
    let kinds = [&PKCS_ECDSA_P256_SHA256, &PKCS_ECDSA_P384_SHA384, &PKCS_ED25519, &PKCS_RSA_SHA256];
    for (number, kind) in (1..).zip(kinds) {
        let serial = format!("SN-{number}");
        let device = match number {
            1 => first.clone(),
            _ => expect(&auth, "acme", &serial).await.unwrap(),
        };
        let key = KeyPair::generate_for(kind).unwrap();
        let born = factory.birth_of(&key, &serial, Odd::Nothing);
        let request = signed(&born, &key, &csr());
        let answer = ask(&auth, request.clone()).await.unwrap().into_inner();
        assert_eq!(answer.device_id, device, "{serial}");
        assert_eq!((answer.mqtt_host.as_str(), answer.mqtt_port), ("broker.test", 18_883));
        let (_, block) = parse_x509_pem(answer.certificate_pem.as_bytes()).unwrap();
        let subject = block.parse_x509().unwrap().subject().to_string();
        assert_eq!(subject, format!("O={tenant}, CN={device}"));
        // The answer may have been lost: the same request gives the same.
        assert_eq!(ask(&auth, request).await.unwrap().into_inner(), answer);
        let again = ask(&auth, signed(&born, &key, &csr())).await;
        assert_eq!(code(again), Some(Code::EnrollmentFactoryRefused), "{serial}");
    }
    assert_eq!(certificates(&auth).await, kinds.len().to_string());
    let told = format!(
        "select count(*) from platform.audit_events where tenant_id = '{tenant}' \
         and action like '%EnrollDevice' and outcome = 'ok' and object_id = '{first}'"
    );
    eventually(SOON, || async { auth.db.sql(&told).await.trim() == "2" }).await;
    auth.finish().await;
}

#[tokio::test]
async fn signature_by_another_key_or_of_something_else_opens_nothing_and_uses_nothing_up() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let (_bench, factory, _) = ready(&auth).await;
    let key = new_key();
    let born = factory.birth_of(&key, "SN-1", Odd::Nothing);
    let (good, other) = (signed(&born, &key, &csr()), csr());
    let with = |change: fn(&mut EnrollDeviceRequest)| {
        let mut request = good.clone();
        change(&mut request);
        request
    };
    let renewal = format!("switchyard certificate renewal\n{}", good.csr_pem);
    let usage = factory.birth_of(&key, "SN-1", Odd::NoUsage);
    let unexpected = factory.birth_of(&key, "SN-9", Odd::Nothing);
    let refused = [
        ("another key", signed(&born, &new_key(), &good.csr_pem)),
        ("another request", EnrollDeviceRequest { csr_pem: other, ..good.clone() }),
        (
            "another purpose",
            EnrollDeviceRequest {
                factory_signature: key.sign(renewal.as_bytes()).unwrap(),
                ..good.clone()
            },
        ),
        ("none", with(|request| request.factory_signature.clear())),
        ("too long", with(|request| request.factory_signature.resize(1_025, 0))),
        ("not for this", signed(&usage, &key, &good.csr_pem)),
        ("not expected", signed(&unexpected, &key, &good.csr_pem)),
        ("no certificate", with(|request| request.factory_certificate_pem = "x".to_owned())),
        ("no PEM of 8 KiB", {
            let mut request = good.clone();
            request.factory_certificate_pem += &"\n".repeat(8 * 1024 + 1 - born.len());
            request
        }),
    ];
    for (what, request) in refused {
        let answer = ask(&auth, request).await;
        assert_eq!(code(answer), Some(Code::EnrollmentFactoryRefused), "{what}");
    }
    let unusable = ask(&auth, with(|request| request.csr_pem = "no request".to_owned())).await;
    assert_eq!(code(unusable), Some(Code::EnrollmentCsrInvalid));
    assert_eq!(certificates(&auth).await, "0");
    ask(&auth, good).await.unwrap();
    auth.finish().await;
}

#[tokio::test]
async fn claim_code_beside_a_manufacturers_certificate_is_refused_and_stays_good() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let (_bench, factory, device) = ready(&auth).await;
    let claim_code =
        claim(&auth, "operator@example.org", &device, 0).await.unwrap().into_inner().code;
    let key = new_key();
    let born = factory.birth_of(&key, "SN-1", Odd::Nothing);
    let both = EnrollDeviceRequest { claim_code, ..signed(&born, &key, &csr()) };
    assert_eq!(code(ask(&auth, both.clone()).await), Some(Code::RequestInvalid));
    crate::enrolment::enroll(&auth, &both.claim_code, &both.csr_pem).await.unwrap();
    auth.finish().await;
}

#[tokio::test]
async fn of_two_who_sign_with_the_same_key_at_once_one_enrolls() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let (_bench, factory, _) = ready(&auth).await;
    let key = new_key();
    let born = factory.birth_of(&key, "SN-1", Odd::Nothing);
    let [one, two] = [csr(), csr()].map(|csr| ask(&auth, signed(&born, &key, &csr)));
    let (one, two) = tokio::join!(one, two);
    let mut outcomes = [one, two].map(|answer| code(answer).map(Code::as_str));
    outcomes.sort_unstable();
    assert_eq!(outcomes, [None, Some("enrollment.factory_refused")]);
    assert_eq!(certificates(&auth).await, "1");
    auth.finish().await;
}
