use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::sync::Arc;

use x509_parser::prelude::*;
use yard_authn::{Claims, Signer, Verifier};
use yard_ids::{IdSource as _, RandomIds};
use yard_testkit::TestFolder;

use super::*;

const PERSON: &str = "person:0190a6f2-7c2a-7b52-9c11-000000000001";

fn made() -> KeyFiles {
    generate("broker.example", &SystemClock).unwrap()
}

fn with_certificate(files: &KeyFiles, name: &str, check: impl FnOnce(&X509Certificate<'_>)) {
    let (_, pem) = parse_x509_pem(files.get(name).unwrap().as_bytes()).unwrap();
    check(&pem.parse_x509().unwrap());
}

#[test]
fn pki_init_makes_exactly_the_agreed_files() {
    let mut names = made().names();
    names.sort();
    assert_eq!(
        names,
        [
            "audit-keys.json",
            "audit-root.key",
            "auth-issuer.key",
            "broker.key",
            "broker.pem",
            "comms-sealing.key",
            "device-ca.key",
            "device-ca.pem",
            "device-crl.pem",
            "est.key",
            "est.pem",
            "mqtt-device-ingest.key",
            "mqtt-device-ingest.pem",
            "sealing.key",
            "services/api-gateway.key",
            "services/auth.key",
            "services/comms-websocket.key",
            "services/device-ingest.key",
            "services/scheduler.key",
            "services/worker.key",
            "trust.json",
        ]
    );
}

#[test]
fn device_ca_may_sign_end_entities_and_lists_for_ten_years() {
    with_certificate(&made(), "device-ca.pem", |ca| {
        let basic = ca.basic_constraints().unwrap().unwrap();
        assert!(basic.critical && basic.value.ca);
        assert_eq!(basic.value.path_len_constraint, Some(0));
        let usage = ca.key_usage().unwrap().unwrap();
        assert!(usage.critical);
        // keyCertSign is bit 5, cRLSign bit 6; nothing else.
        assert_eq!(usage.value.flags, 0b0110_0000);
        let validity = ca.validity();
        let days = (validity.not_after.timestamp() - validity.not_before.timestamp()) / 86_400;
        assert_eq!(days, 3_650);
        assert!(ca.verify_signature(None).is_ok());
    });
}

#[test]
fn broker_certificate_names_its_host_and_this_machine_and_is_for_servers_only() {
    with_certificate(&made(), "broker.pem", |broker| {
        let names = &broker.subject_alternative_name().unwrap().unwrap().value.general_names;
        let expected = [
            GeneralName::DNSName("broker.example"),
            GeneralName::DNSName("localhost"),
            GeneralName::IPAddress(&[127, 0, 0, 1]),
        ];
        assert_eq!(names.as_slice(), expected);
        let extended = broker.extended_key_usage().unwrap().unwrap().value;
        assert!(extended.server_auth && !extended.client_auth);
        assert!(!broker.basic_constraints().unwrap().unwrap().value.ca);
    });
}

#[test]
fn broker_at_localhost_is_named_once() {
    let files = generate("localhost", &SystemClock).unwrap();
    with_certificate(&files, "broker.pem", |broker| {
        let names = &broker.subject_alternative_name().unwrap().unwrap().value.general_names;
        assert_eq!(names.len(), 2);
    });
}

#[test]
fn device_ingest_certificate_is_a_client_under_the_agreed_name() {
    with_certificate(&made(), "mqtt-device-ingest.pem", |client| {
        let name = client.subject().iter_common_name().next().unwrap().as_str().unwrap();
        assert_eq!(name, "device-ingest-1");
        let extended = client.extended_key_usage().unwrap().unwrap().value;
        assert!(extended.client_auth && !extended.server_auth);
    });
}

#[test]
fn revocation_list_is_empty_signed_by_the_ca_and_good_for_thirty_days() {
    let files = made();
    let (_, pem) = parse_x509_pem(files.get("device-crl.pem").unwrap().as_bytes()).unwrap();
    let (_, list) = parse_x509_crl(&pem.contents).unwrap();
    assert_eq!(list.iter_revoked_certificates().count(), 0);
    let next = list.next_update().unwrap().timestamp();
    let days = (next - SystemClock.now().unix_timestamp()) as f64 / 86_400.0;
    assert!((29.9..=30.0).contains(&days), "{days}");
    with_certificate(&files, "device-ca.pem", |ca| {
        assert!(list.verify_signature(ca.public_key()).is_ok());
    });
}

#[test]
fn trust_file_verifies_what_each_service_signs_and_only_under_its_own_name() {
    let files = made();
    let json = files.get("trust.json").unwrap().as_bytes();
    let verifier = Verifier::from_json(json, Arc::new(SystemClock)).unwrap();
    let signer = |service: &str| {
        let pem = files.get(&format!("services/{service}.key")).unwrap();
        Signer::from_pem(pem.as_bytes(), &format!("service:{service}")).unwrap()
    };
    for service in
        ["api-gateway", "auth", "device-ingest", "comms-websocket", "scheduler", "worker"]
    {
        let claims = Claims::of_service(service, RandomIds.uuid7(), SystemClock.now());
        let token = signer(service).sign(&claims).unwrap();
        // Whose key it was is what verifying adds.
        let known = Claims { kid: format!("service:{service}"), ..claims };
        assert_eq!(verifier.verify(&token).unwrap(), known);
    }
    let claims = Claims::of_service("auth", RandomIds.uuid7(), SystemClock.now());
    assert!(verifier.verify(&signer("worker").sign(&claims).unwrap()).is_err());
    assert_eq!(verifier.issuer_keys().len(), 1);
    let issuer = &verifier.issuer_keys()[0];
    let signed = Signer::from_pem(files.get("auth-issuer.key").unwrap().as_bytes(), &issuer.kid)
        .unwrap()
        .sign(&Claims { sub: PERSON.to_owned(), ..claims })
        .unwrap();
    assert_eq!(verifier.verify(&signed).unwrap().sub, PERSON);
}

#[test]
fn pki_files_keep_keys_private_and_are_not_overwritten_unasked() {
    let dir = TestFolder::new("pki");
    made().write(&dir, false).unwrap();
    for (name, mode) in
        [("device-ca.key", 0o600), ("services/auth.key", 0o600), ("broker.pem", 0o644)]
    {
        let meta = std::fs::metadata(dir.join(name)).unwrap();
        assert_eq!(meta.permissions().mode() & 0o777, mode, "{name}");
    }
    let before = std::fs::read(dir.join("device-ca.key")).unwrap();
    assert!(made().write(&dir, false).is_err());
    assert_eq!(std::fs::read(dir.join("device-ca.key")).unwrap(), before);
    made().write(&dir, true).unwrap();
    assert_ne!(std::fs::read(dir.join("device-ca.key")).unwrap(), before);
}

#[test]
fn pki_verifies_with_openssl_where_it_is_installed() {
    let dir = TestFolder::new("openssl");
    made().write(&dir, false).unwrap();
    let openssl = |args: &[&str]| {
        let run = Command::new("openssl").current_dir(&dir).args(args).output();
        // A machine without OpenSSL has nothing to compare with.
        let Ok(run) = run else { return };
        let said = String::from_utf8_lossy(&run.stderr).into_owned();
        assert!(run.status.success(), "openssl {args:?}: {said}");
    };
    let chain = ["verify", "-x509_strict", "-CAfile", "device-ca.pem", "-crl_check", "-CRLfile"];
    for (purpose, file) in [("sslserver", "broker.pem"), ("sslclient", "mqtt-device-ingest.pem")] {
        openssl(&[chain.as_slice(), &["device-crl.pem", "-purpose", purpose, file]].concat());
    }
    openssl(&["pkey", "-in", "services/auth.key", "-noout"]);
    openssl(&["pkey", "-in", "device-ca.key", "-noout"]);
}

#[test]
fn next_ca_has_a_name_of_its_own_and_comes_with_a_bundle_and_an_empty_list() {
    let before = made();
    let current = before.get("device-ca.pem").unwrap();
    let next = next_ca(current, &SystemClock).unwrap();
    let mut names = next.names();
    names.sort();
    let expected =
        ["device-ca-bundle.pem", "device-ca-next.key", "device-ca-next.pem", "device-crl-next.pem"];
    assert_eq!(names, expected);
    let bundle = next.get("device-ca-bundle.pem").unwrap();
    let both: Vec<_> = Pem::iter_from_buffer(bundle.as_bytes()).map(Result::unwrap).collect();
    let subjects: Vec<_> =
        both.iter().map(|block| block.parse_x509().unwrap().subject().to_string()).collect();
    assert_eq!(subjects.len(), 2);
    assert_ne!(subjects[0], subjects[1], "lists are looked up by it");

    let (ca, key) =
        (next.get("device-ca-next.pem").unwrap(), next.get("device-ca-next.key").unwrap());
    let authority = Authority::read(ca, key, SystemClock.now()).unwrap();
    let mut servers = KeyFiles::default();
    authority.add_leaves(&Hosts { broker: "b.example", est: "e.example" }, &mut servers).unwrap();
    let signed_by = both[1].parse_x509().unwrap();
    for name in ["broker.pem", "est.pem", "mqtt-device-ingest.pem"] {
        with_certificate(&servers, name, |leaf| {
            leaf.verify_signature(Some(signed_by.public_key())).unwrap();
        });
    }
}
