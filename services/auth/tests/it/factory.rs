//! Devices with a certificate of their manufacturer, with openssl and curl.

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, GeneralSubtree, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, NameConstraints,
};
use time::Duration;
use tonic::{Response, Status};
use x509_parser::pem::parse_x509_pem;
use yard_contracts::identity::v1::{
    FactoryAuthority, ListFactoryAuthoritiesRequest, RegisterDevicesRequest,
    RegisterFactoryAuthorityRequest, RegisteredDevice, WithdrawFactoryAuthorityRequest,
};
use yard_fault::Code;
use yard_ids::{IdSource as _, RandomIds};
use yard_testkit::{eventually, logs};

use crate::enrolment::{claim, csr};
use crate::est::Bench;
use crate::renewals::new_key;
use crate::support::{Auth, START, bearer, code};

/// Long enough for a busy machine; nothing waits for it when all is well.
const SOON: std::time::Duration = std::time::Duration::from_secs(20);

pub(crate) struct Factory {
    params: CertificateParams,
    key: KeyPair,
}

/// In what a device's certificate differs from a good one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Odd {
    Nothing,
    NoUsage,
    NoClient,
    Ca,
    SignsCertificates,
    Expired,
    NotYet,
    NoSerial,
    UnknownCritical,
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
        Self::named("Pump Works CA")
    }

    fn named(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
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
    fn birth(&self, serial: &str, odd: Odd) -> (String, String) {
        let key = new_key();
        (self.birth_of(&key, serial, odd), key.serialize_pem())
    }

    /// A device's certificate in PEM.
    pub(crate) fn birth_of(&self, key: &KeyPair, serial: &str, odd: Odd) -> String {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        if odd != Odd::NoSerial {
            let name = DnType::CustomDnType(vec![2, 5, 4, 5]);
            params.distinguished_name.push(name, serial);
        }
        (params.not_before, params.not_after) = match odd {
            Odd::Expired => (START - Duration::days(2), START - Duration::seconds(1)),
            Odd::NotYet => (START + Duration::seconds(1), START + Duration::days(2)),
            // The second is the last.
            _ => (START - Duration::days(2), START),
        };
        match odd {
            Odd::Ca => params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained),
            Odd::SignsCertificates => params.key_usages = vec![KeyUsagePurpose::KeyCertSign],
            _ => params.key_usages = vec![KeyUsagePurpose::DigitalSignature],
        }
        let mut usages = vec![0x06, 8, 0x2b, 6, 1, 5, 5, 7, 3];
        usages.push(if odd == Odd::NoClient { 1 } else { 2 });
        if odd != Odd::NoUsage {
            usages.extend(may_enrol());
        }
        let length = u8::try_from(usages.len()).unwrap();
        let content = [vec![0x30, length], usages].concat();
        let usage = CustomExtension::from_oid_content(&[2, 5, 29, 37], content);
        params.custom_extensions = vec![usage];
        if odd == Odd::UnknownCritical {
            let mut unknown = CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0]);
            unknown.set_criticality(true);
            params.custom_extensions.push(unknown);
        }
        self.sign(&params, key)
    }

    /// A CA below this one, and a device's certificate of that with the whole chain.
    fn birth_by_another(&self, serial: &str) -> (String, String) {
        let below = Self::named("Pump Works CA 2");
        let sub = self.sign(&below.params, &below.key);
        let (pem, key) = below.birth(serial, Odd::Nothing);
        (format!("{pem}{sub}"), key)
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
pub(crate) async fn expect(auth: &Auth, slug: &str, serial: &str) -> Result<String, Code> {
    let device_id = RandomIds.uuid7().to_string();
    let devices = vec![RegisteredDevice {
        device_id: device_id.clone(),
        display_name: "pump".to_owned(),
        expected_serial: serial.to_owned(),
        ..RegisteredDevice::default()
    }];
    let request =
        RegisterDevicesRequest { tenant_id: auth.tenant(slug).await.to_string(), devices };
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

/// A factory of the tenant `acme` is registered, and a serial of it expected.
pub(crate) async fn ready(auth: &Auth) -> (Bench, Factory, String) {
    let (bench, factory) = (Bench::new(auth, "bench"), Factory::new());
    let tenant = auth.tenant("acme").await.to_string();
    register(auth, "owner@example.org", &factory, factory.proof(&tenant)).await.unwrap();
    let device = expect(auth, "acme", "SN-1").await.unwrap();
    (bench, factory, device)
}

pub(crate) async fn certificates(auth: &Auth) -> String {
    auth.db.sql("select count(*) from platform.device_certificates").await.trim().to_owned()
}

#[tokio::test]
async fn req_icas_22_device_enrolls_once_by_its_manufacturers_certificate() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let (bench, factory, device) = ready(&auth).await;
    let tenant = auth.tenant("acme").await;
    let papers = show(&bench, "born", &factory.birth("SN-1", Odd::Nothing));
    let answer = enroll(&auth, &bench, &papers).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let pem = bench.certificates(&answer).await.remove(0);
    let (_, block) = parse_x509_pem(pem.as_bytes()).unwrap();
    let subject = block.parse_x509().unwrap().subject().to_string();
    assert_eq!(subject, format!("O={tenant}, CN={device}"));
    // The answer may have been lost: the same request gives the same.
    let arguments: Vec<&str> = papers.iter().map(String::as_str).collect();
    let repeated = bench.post(&auth.est("simpleenroll"), &arguments).await;
    assert_eq!((repeated.status, &repeated.body), (200, &answer.body));

    let again = enroll(&auth, &bench, &papers).await;
    assert_eq!(again.status, 401);
    assert!(again.body.starts_with("enrollment.factory_refused"), "{}", again.body);
    // A second certificate of the same serial opens nothing either.
    let twin = show(&bench, "twin", &factory.birth("SN-1", Odd::Nothing));
    assert_eq!(enroll(&auth, &bench, &twin).await.status, 401);
    // And it renews nothing.
    let twin: Vec<&str> = twin.iter().map(String::as_str).collect();
    assert_eq!(bench.post(&auth.est("simplereenroll"), &twin).await.status, 401);
    assert_eq!(certificates(&auth).await, "1");
    let trail = "select count(*) from platform.audit_events where action like '%EnrollDevice%'";
    eventually(SOON, || async { auth.db.sql(trail).await.trim() != "0" }).await;
    auth.finish().await;
}

#[tokio::test]
async fn of_two_who_show_the_same_certificate_at_once_one_enrolls() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let (bench, factory, _) = ready(&auth).await;
    let other = Bench::new(&auth, "other");
    let born = factory.birth("SN-1", Odd::Nothing);
    let (one, two) = (show(&bench, "born", &born), show(&other, "born", &born));
    let (one, two) = tokio::join!(enroll(&auth, &bench, &one), enroll(&auth, &other, &two));
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 401]);
    assert_eq!(certificates(&auth).await, "1");
    auth.finish().await;
}

/// Otherwise a stolen device whose certificates were revoked would come back by its birth.
#[tokio::test]
async fn device_that_had_a_certificate_does_not_enroll_by_its_manufacturers() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let (bench, factory, device) = ready(&auth).await;
    let code = claim(&auth, "operator@example.org", &device, 0).await.unwrap().into_inner().code;
    crate::enrolment::enroll(&auth, &code, &csr()).await.unwrap();
    auth.db.sql("update platform.device_certificates set revoked_at = not_before").await;
    let papers = show(&bench, "born", &factory.birth("SN-1", Odd::Nothing));
    assert_eq!(enroll(&auth, &bench, &papers).await.status, 401);
    assert_eq!(certificates(&auth).await, "1");
    auth.finish().await;
}

#[tokio::test]
async fn device_that_is_disabled_or_expected_no_longer_does_not_enroll() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let (bench, factory, device_id) = ready(&auth).await;
    let papers = show(&bench, "born", &factory.birth("SN-1", Odd::Nothing));
    auth.db.sql("update platform.principals set disabled_at = now() where kind = 'device'").await;
    assert_eq!(enroll(&auth, &bench, &papers).await.status, 401);
    auth.db.sql("update platform.principals set disabled_at = null where kind = 'device'").await;

    auth.db.sql("update platform.tenants set state = 'suspended' where slug = 'acme'").await;
    assert_eq!(enroll(&auth, &bench, &papers).await.status, 401);
    auth.db.sql("update platform.tenants set state = 'ready' where slug = 'acme'").await;

    let asked = |expected_serial: &str, expect_no_longer| RegisteredDevice {
        device_id: device_id.clone(),
        display_name: "pump".to_owned(),
        expected_serial: expected_serial.to_owned(),
        expect_no_longer,
    };
    let tenant_id = auth.tenant("acme").await.to_string();
    let token = auth.service_token("device-ingest");
    let told = async |asked: RegisteredDevice| {
        let (tenant_id, devices) = (tenant_id.clone(), vec![asked]);
        let request = RegisterDevicesRequest { tenant_id, devices };
        auth.enrolment().register_devices(bearer(request, &token)).await.unwrap();
    };
    told(asked("", true)).await;
    assert_eq!(enroll(&auth, &bench, &papers).await.status, 401);
    told(asked("SN-1", false)).await;
    // Nothing is said of it: nothing changes.
    told(asked("", false)).await;
    assert_eq!(enroll(&auth, &bench, &papers).await.status, 200);
    auth.finish().await;
}

#[tokio::test]
async fn key_that_is_too_weak_does_not_get_through_the_handshake() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let (bench, factory, _) = ready(&auth).await;
    bench.write("ca.pem", &factory.pem());
    bench.write("ca.key", &factory.key.serialize_pem());
    // The usage as a manufacturer writes it.
    let usages = "extendedKeyUsage=clientAuth,2.25.165645290285169141854963703474591441332";
    bench.write("usages", usages);
    bench.request("next.key").await;
    for (bits, lets_in) in [("1024", false), ("2048", true)] {
        let kind = format!("rsa:{bits}");
        let made = ["-newkey", &kind, "-nodes", "-keyout", "weak.key", "-out", "weak.csr"];
        let named = ["req", "-new", "-subj", "/serialNumber=SN-1"];
        bench.openssl(&[&named[..], &made[..]].concat()).await;
        let signed = ["x509", "-req", "-in", "weak.csr", "-CA", "ca.pem", "-CAkey", "ca.key"];
        let rest = ["-set_serial", "1", "-extfile", "usages", "-out", "weak.pem"];
        bench.openssl(&[&signed[..], &rest[..]].concat()).await;
        let shown = ["--cert", "weak.pem", "--key", "weak.key"];
        // OpenSSL itself would not use such a key.
        let easy = ["--ciphers", "DEFAULT@SECLEVEL=0"];
        let answer = bench.try_post(&auth.est("simpleenroll"), &[&shown[..], &easy].concat()).await;
        // By the test's clock it is not valid yet: a strong key is heard, and refused for that.
        assert_eq!(answer.map(|answer| answer.status), lets_in.then_some(401), "{bits}");
    }
    assert_eq!(certificates(&auth).await, "0");
    auth.finish().await;
}

#[tokio::test]
async fn certificate_that_is_not_for_this_or_not_expected_opens_nothing() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let (bench, factory, _) = ready(&auth).await;
    expect(&auth, "byte", "SN-2").await.unwrap();
    let odd = [
        ("usage", factory.birth("SN-1", Odd::NoUsage)),
        ("client", factory.birth("SN-1", Odd::NoClient)),
        ("ca", factory.birth("SN-1", Odd::Ca)),
        ("signs", factory.birth("SN-1", Odd::SignsCertificates)),
        ("expired", factory.birth("SN-1", Odd::Expired)),
        ("early", factory.birth("SN-1", Odd::NotYet)),
        ("nameless", factory.birth("SN-1", Odd::NoSerial)),
        ("below", factory.birth_by_another("SN-1")),
        // The same names, another key.
        ("stranger", Factory::new().birth("SN-1", Odd::Nothing)),
        ("unexpected", factory.birth("SN-9", Odd::Nothing)),
        ("long", factory.birth(&"9".repeat(121), Odd::Nothing)),
        // Expected, but by another tenant than the factory's.
        ("elsewhere", factory.birth("SN-2", Odd::Nothing)),
    ];
    for (name, pair) in &odd {
        let papers = show(&bench, name, pair);
        assert_eq!(enroll(&auth, &bench, &papers).await.status, 401, "{name}");
    }
    // TLS itself does not take a critical extension that it does not understand.
    let critical = show(&bench, "critical", &factory.birth("SN-1", Odd::UnknownCritical));
    let critical: Vec<&str> = critical.iter().map(String::as_str).collect();
    assert!(bench.try_post(&auth.est("simpleenroll"), &critical).await.is_none());
    let owner = auth.access("owner@example.org", "").await;
    let list = bearer(ListFactoryAuthoritiesRequest {}, &owner);
    let list = auth.trust().list_factory_authorities(list).await.unwrap().into_inner();
    let authority_id = list.authorities[0].authority_id.clone();
    let papers = show(&bench, "good", &factory.birth("SN-1", Odd::Nothing));
    let request = WithdrawFactoryAuthorityRequest { authority_id };
    for _ in 0..2 {
        let gone = auth.trust().withdraw_factory_authority(bearer(request.clone(), &owner)).await;
        assert!(gone.unwrap().into_inner().withdrawn_at.is_some());
    }
    assert_eq!(enroll(&auth, &bench, &papers).await.status, 401, "withdrawn");
    // Registered anew it opens again: nothing of it was used up.
    let proof = factory.proof(&auth.tenant("acme").await.to_string());
    register(&auth, "owner@example.org", &factory, proof).await.unwrap();
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
    let list = bearer(ListFactoryAuthoritiesRequest {}, &bob);
    let list = auth.trust().list_factory_authorities(list).await;
    assert!(list.unwrap().into_inner().authorities.is_empty());
    // The same key in another certificate is the same manufacturer.
    let mut renewed = Factory { params: factory.params.clone(), key: factory.key };
    renewed.params.not_after += Duration::days(1);
    let proof = renewed.proof(&byte.to_string());
    let taken = register(&auth, "bob@example.org", &renewed, proof).await;
    assert_eq!(code(taken), Some(Code::ResourceExists));
    auth.finish().await;
}

#[tokio::test]
async fn authority_that_may_not_sign_or_is_out_of_its_time_is_not_registered() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let acme = auth.tenant("acme").await.to_string();
    let odd = |change: fn(&mut CertificateParams)| {
        let mut factory = Factory::new();
        change(&mut factory.params);
        factory
    };
    let refused = [
        odd(|params| params.is_ca = IsCa::ExplicitNoCa),
        odd(|params| params.key_usages = vec![KeyUsagePurpose::CrlSign]),
        odd(|params| params.not_after = START),
        odd(|params| params.not_before = START + Duration::seconds(1)),
        odd(|params| {
            let permitted_subtrees = vec![GeneralSubtree::DnsName("example.org".to_owned())];
            params.name_constraints =
                Some(NameConstraints { permitted_subtrees, excluded_subtrees: Vec::new() });
        }),
        // RSA and Ed25519 are not taken, however strong.
        Factory { params: Factory::new().params, key: ed25519() },
    ];
    for (index, factory) in refused.iter().enumerate() {
        let proof = factory.proof(&acme);
        let answer = register(&auth, "owner@example.org", factory, proof).await;
        assert_eq!(code(answer), Some(Code::RequestInvalid), "{index}");
    }
    let last = odd(|params| params.not_after = START + Duration::seconds(1));
    register(&auth, "owner@example.org", &last, last.proof(&acme)).await.unwrap();
    auth.finish().await;
}

fn ed25519() -> KeyPair {
    KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap()
}

#[tokio::test]
async fn authorities_are_limited_in_size_and_number() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let acme = auth.tenant("acme").await.to_string();
    let token = auth.access("owner@example.org", "").await;
    let request = |factory: &Factory, name: &str| RegisterFactoryAuthorityRequest {
        name: name.to_owned(),
        certificate_pem: factory.pem(),
        proof_pem: factory.proof(&acme),
    };
    let ask = async |request| {
        code(auth.trust().register_factory_authority(bearer(request, &token)).await)
    };
    for name in ["", "  ", "a\nb", &"ü".repeat(121)] {
        assert_eq!(ask(request(&Factory::new(), name)).await, Some(Code::RequestInvalid), "{name}");
    }
    let mut padded = request(&Factory::new(), &"ü".repeat(120));
    padded.certificate_pem += &"\n".repeat(8 * 1024 + 1 - padded.certificate_pem.len());
    assert_eq!(ask(padded.clone()).await, Some(Code::RequestInvalid));
    padded.certificate_pem.pop();
    assert_eq!(ask(padded).await, None);
    for _ in 1..32 {
        assert_eq!(ask(request(&Factory::new(), "works")).await, None);
    }
    assert_eq!(ask(request(&Factory::new(), "works")).await, Some(Code::RequestInvalid));
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
    expect(&auth, "acme", &"x".repeat(120)).await.unwrap();
    assert_eq!(expect(&auth, "acme", &"x".repeat(121)).await.unwrap_err(), Code::RequestInvalid);
    let some = |count: usize| {
        let one =
            || RegisteredDevice { device_id: RandomIds.uuid7().to_string(), ..Default::default() };
        (0..count).map(|_| one()).collect::<Vec<_>>()
    };
    let (tenant, token) = (auth.tenant("acme").await, auth.service_token("device-ingest"));
    for (count, outcome) in
        [(0, Some(Code::RequestInvalid)), (100, None), (101, Some(Code::RequestInvalid))]
    {
        let request =
            RegisterDevicesRequest { tenant_id: tenant.to_string(), devices: some(count) };
        let done = auth.enrolment().register_devices(bearer(request, &token)).await;
        assert_eq!(code(done), outcome, "{count}");
    }
    auth.finish().await;
}
