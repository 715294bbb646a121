//! Devices with a certificate of their manufacturer, with openssl and curl.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use time::Duration;
use tonic::{Response, Status};
use x509_parser::pem::parse_x509_pem;
use yard_contracts::identity::v1::{
    FactoryAuthority, ListFactoryAuthoritiesRequest, RegisterFactoryAuthorityRequest,
    RegisteredDevice, RegisterDevicesRequest, WithdrawFactoryAuthorityRequest,
};
use yard_fault::Code;
use yard_ids::{IdSource as _, RandomIds};
use yard_testkit::logs;

use crate::est::Bench;
use crate::renewals::new_key;
use crate::support::{Auth, START, bearer, code};

struct Factory {
    params: CertificateParams,
    key: KeyPair,
}

/// A certificate's wishes that differ from a good one's.
#[derive(Default)]
struct Odd {
    no_usage: bool,
    no_client: bool,
    is_ca: bool,
    expired: bool,
    no_serial: bool,
}

/// The private usage in DER, as rcgen wants it: an arc of a UUID is larger than its numbers.
fn may_enrol() -> Vec<u8> {
    let mut oid = vec![0x06, 20];
    oid.extend([
        0x69, 0x81, 0xf9, 0x9e, 0x8f, 0xd6, 0xc7, 0xd4, 0x92, 0xae, 0x8d, 0x9f, 0x8b, 0xda, 0xc1,
        0xc5, 0xf4, 0xb4, 0xc3, 0x34,
    ]);
    oid
}

impl Factory {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "Pump Works CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        Self { params, key: new_key() }
    }

    fn pem(&self) -> String {
        self.params.self_signed(&self.key).unwrap().pem()
    }

    fn sign(&self, params: &CertificateParams, key: &KeyPair) -> String {
        params.signed_by(key, &Issuer::from_params(&self.params, &self.key)).unwrap().pem()
    }

    fn proof(&self, tenant: &str) -> String {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, format!("switchyard {tenant}"));
        self.sign(&params, &new_key())
    }

    /// A device's certificate and its key, both PEM.
    fn birth(&self, serial: &str, odd: &Odd) -> (String, String) {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        if !odd.no_serial {
            let name = DnType::CustomDnType(vec![2, 5, 4, 5]);
            params.distinguished_name.push(name, serial);
        }
        if odd.is_ca {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        if odd.expired {
            params.not_after = START - Duration::seconds(1);
        }
        let client = if odd.no_client {
            ExtendedKeyUsagePurpose::ServerAuth
        } else {
            ExtendedKeyUsagePurpose::ClientAuth
        };
        let mut usages = vec![0x06, 8, 0x2b, 6, 1, 5, 5, 7, 3];
        usages.push(if client == ExtendedKeyUsagePurpose::ClientAuth { 2 } else { 1 });
        if !odd.no_usage {
            usages.extend(may_enrol());
        }
        let length = u8::try_from(usages.len()).unwrap();
        let content = [vec![0x30, length], usages].concat();
        let usage = rcgen::CustomExtension::from_oid_content(&[2, 5, 29, 37], content);
        params.custom_extensions = vec![usage];
        let key = new_key();
        (self.sign(&params, &key), key.serialize_pem())
    }
}

async fn register(
    auth: &Auth,
    email: &str,
    factory: &Factory,
    proof_pem: String,
) -> Result<Response<FactoryAuthority>, Status> {
    let request = RegisterFactoryAuthorityRequest {
        name: "Pump Works".to_owned(),
        certificate_pem: factory.pem(),
        proof_pem,
    };
    let token = auth.access(email, "").await;
    auth.trust().register_factory_authority(bearer(request, &token)).await
}

/// A device whose serial the tenant expects, as device-ingest tells it.
async fn expect(auth: &Auth, slug: &str, serial: &str) -> Result<String, Code> {
    let device_id = RandomIds.uuid7().to_string();
    let devices = vec![RegisteredDevice {
        device_id: device_id.clone(),
        display_name: "pump".to_owned(),
        expected_serial: serial.to_owned(),
    }];
    let request = RegisterDevicesRequest { tenant_id: auth.tenant(slug).await.to_string(), devices };
    let token = auth.service_token("device-ingest");
    let done = auth.enrolment().register_devices(bearer(request, &token)).await;
    code(done).map_or(Ok(device_id), Err)
}

fn show(bench: &Bench, name: &str, (pem, key): &(String, String)) -> [String; 4] {
    bench.write(&format!("{name}.pem"), pem);
    bench.write(&format!("{name}.key"), key);
    ["--cert".into(), format!("{name}.pem"), "--key".into(), format!("{name}.key")]
}

async fn enroll(auth: &Auth, bench: &Bench, papers: &[String; 4]) -> crate::est::Answer {
    bench.request("next.key").await;
    let papers: Vec<&str> = papers.iter().map(String::as_str).collect();
    bench.post(&auth.est("simpleenroll"), &papers).await
}

#[tokio::test]
async fn device_enrolls_once_by_its_manufacturers_certificate() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let (bench, factory) = (Bench::new(&auth, "bench"), Factory::new());
    let tenant = auth.tenant("acme").await.to_string();
    register(&auth, "owner@example.org", &factory, factory.proof(&tenant)).await.unwrap();
    let device = expect(&auth, "acme", "SN-1").await.unwrap();
    let papers = show(&bench, "born", &factory.birth("SN-1", &Odd::default()));
    let answer = enroll(&auth, &bench, &papers).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let pem = bench.certificates(&answer).await.remove(0);
    let (_, block) = parse_x509_pem(pem.as_bytes()).unwrap();
    let subject = block.parse_x509().unwrap().subject().to_string();
    assert_eq!(subject, format!("O={tenant}, CN={device}"));

    let again = enroll(&auth, &bench, &papers).await;
    assert_eq!(again.status, 401);
    assert!(again.body.starts_with("enrollment.factory_refused"), "{}", again.body);
    // A second certificate of the same serial opens nothing either.
    let twin = show(&bench, "twin", &factory.birth("SN-1", &Odd::default()));
    assert_eq!(enroll(&auth, &bench, &twin).await.status, 401);
    // And it renews nothing.
    bench.request("next.key").await;
    let twin: Vec<&str> = twin.iter().map(String::as_str).collect();
    assert_eq!(bench.post(&auth.est("simplereenroll"), &twin).await.status, 401);
    let stored = auth.db.sql("select count(*) from platform.device_certificates").await;
    assert_eq!(stored.trim(), "1");
    auth.finish().await;
}

#[tokio::test]
async fn certificate_that_is_not_for_this_or_not_expected_opens_nothing() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let (bench, factory) = (Bench::new(&auth, "bench"), Factory::new());
    let tenant = auth.tenant("acme").await.to_string();
    let made = register(&auth, "owner@example.org", &factory, factory.proof(&tenant)).await;
    let authority_id = made.unwrap().into_inner().authority_id;
    expect(&auth, "acme", "SN-1").await.unwrap();
    expect(&auth, "byte", "SN-2").await.unwrap();
    let stranger = Factory::new();
    let odd = [
        ("usage", factory.birth("SN-1", &Odd { no_usage: true, ..Odd::default() })),
        ("client", factory.birth("SN-1", &Odd { no_client: true, ..Odd::default() })),
        ("ca", factory.birth("SN-1", &Odd { is_ca: true, ..Odd::default() })),
        ("expired", factory.birth("SN-1", &Odd { expired: true, ..Odd::default() })),
        ("nameless", factory.birth("SN-1", &Odd { no_serial: true, ..Odd::default() })),
        // The same names, another key.
        ("stranger", stranger.birth("SN-1", &Odd::default())),
        ("unexpected", factory.birth("SN-9", &Odd::default())),
        // Expected, but by another tenant than the factory's.
        ("elsewhere", factory.birth("SN-2", &Odd::default())),
    ];
    for (name, pair) in &odd {
        let papers = show(&bench, name, pair);
        assert_eq!(enroll(&auth, &bench, &papers).await.status, 401, "{name}");
    }
    let good = factory.birth("SN-1", &Odd::default());
    let papers = show(&bench, "good", &good);
    let owner = auth.access("owner@example.org", "").await;
    let request = WithdrawFactoryAuthorityRequest { authority_id };
    for _ in 0..2 {
        let gone = auth.trust().withdraw_factory_authority(bearer(request.clone(), &owner)).await;
        assert!(gone.unwrap().into_inner().withdrawn_at.is_some());
    }
    assert_eq!(enroll(&auth, &bench, &papers).await.status, 401, "withdrawn");
    // Registered anew it opens again: nothing of it was used up.
    register(&auth, "owner@example.org", &factory, factory.proof(&tenant)).await.unwrap();
    assert_eq!(enroll(&auth, &bench, &papers).await.status, 200);
    auth.finish().await;
}

#[tokio::test]
async fn factory_is_claimed_only_by_who_can_sign_with_it_and_by_one_tenant() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let factory = Factory::new();
    let [acme, byte] = [auth.tenant("acme").await, auth.tenant("byte").await];
    let proof = |tenant: &yard_ids::TenantId| factory.proof(&tenant.to_string());
    // The proof of another tenant, one by another key, none.
    let stranger = Factory::new().proof(&byte.to_string());
    for bad in [proof(&acme), stranger, String::new(), factory.pem()] {
        let refused = register(&auth, "bob@example.org", &factory, bad).await;
        assert_eq!(code(refused), Some(Code::RequestInvalid));
    }
    let refused = register(&auth, "operator@example.org", &factory, proof(&acme)).await;
    assert_eq!(code(refused), Some(Code::AuthForbidden));
    let made = register(&auth, "owner@example.org", &factory, proof(&acme)).await.unwrap();
    assert_eq!(made.into_inner().subject, "CN=Pump Works CA");
    for (email, tenant) in [("owner@example.org", &acme), ("bob@example.org", &byte)] {
        let taken = register(&auth, email, &factory, proof(tenant)).await;
        assert_eq!(code(taken), Some(Code::ResourceExists));
    }
    let bob = auth.access("bob@example.org", "").await;
    let list = auth.trust().list_factory_authorities(bearer(ListFactoryAuthoritiesRequest {}, &bob));
    assert!(list.await.unwrap().into_inner().authorities.is_empty());
    let mut leaf = Factory::new();
    leaf.params.is_ca = IsCa::ExplicitNoCa;
    let refused = register(&auth, "owner@example.org", &leaf, leaf.proof(&acme.to_string())).await;
    assert_eq!(code(refused), Some(Code::RequestInvalid));
    auth.finish().await;
}

#[tokio::test]
async fn serial_is_expected_of_one_device_of_a_tenant() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    expect(&auth, "acme", "SN-1").await.unwrap();
    assert_eq!(expect(&auth, "acme", "SN-1").await.unwrap_err(), Code::ResourceExists);
    // Another tenant's devices may bear the same number.
    expect(&auth, "byte", "SN-1").await.unwrap();
    assert_eq!(expect(&auth, "acme", &"x".repeat(121)).await.unwrap_err(), Code::RequestInvalid);
    auth.finish().await;
}
