//! Another device CA takes over, checked by openssl as a broker does it.

use std::path::Path;

use auth::Config;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, KeyUsagePurpose,
};
use time::Duration;
use tokio::process::Command;
use x509_parser::pem::{Pem, parse_x509_pem};
use yard_contracts::identity::v1::{
    DeviceAuthority, DeviceAuthorityState, ListDeviceAuthoritiesRequest, RevokeCertificateRequest,
};
use yard_fault::Code;
use yard_testkit::{eventually, logs};

use crate::devices::register;
use crate::renewals::{Papers, new_key};
use crate::support::{Auth, START, bearer, code};

const SOON: std::time::Duration = std::time::Duration::from_secs(20);
const FIRST: &str = "CN=device CA of a test";
const SECOND: &str = "CN=second device CA";

/// The CA that takes over, beside the first.
fn make_second(folder: &Path) {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "second device CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = new_key();
    let pem = params.self_signed(&key).unwrap().pem();
    std::fs::write(folder.join("second.pem"), pem).unwrap();
    std::fs::write(folder.join("second.key"), key.serialize_pem()).unwrap();
}

fn pending(config: &mut Config) {
    let folder = config.device_ca.cert_file.with_file_name("");
    config.device_ca.next_cert_file = folder.join("second.pem");
    config.device_ca.next_key_file = folder.join("second.key");
}

fn alone(config: &mut Config) {
    let folder = config.device_ca.cert_file.with_file_name("");
    config.device_ca.cert_file = folder.join("second.pem");
    config.device_ca.key_file = folder.join("second.key");
}

fn taken_over(config: &mut Config) {
    let folder = config.device_ca.cert_file.with_file_name("");
    alone(config);
    config.device_ca.previous_cert_file = folder.join("device-ca.pem");
    config.device_ca.previous_key_file = folder.join("device-ca.key");
}

fn issuer(pem: &str) -> String {
    let (_, block) = parse_x509_pem(pem.as_bytes()).unwrap();
    block.parse_x509().unwrap().issuer().to_string()
}

/// The lists in force, as soon as they are signed.
async fn lists(auth: &Auth) -> String {
    eventually(SOON, || async {
        let answer = reqwest::get(auth.http("/crl/device-ca.pem")).await.ok()?;
        answer.error_for_status().ok()?.text().await.ok()
    })
    .await
}

fn count(pem: &str) -> usize {
    Pem::iter_from_buffer(pem.as_bytes()).map(Result::unwrap).count()
}

/// What openssl says of a certificate: both CAs, and the lists as auth serves them.
async fn verified(auth: &Auth, pem: &str) -> Result<(), String> {
    let read = |name: &str| std::fs::read_to_string(auth.folder.join(name)).unwrap();
    let both = read("device-ca.pem") + &read("second.pem");
    for (name, text) in
        [("both.pem", both), ("lists.pem", lists(auth).await), ("it.pem", pem.into())]
    {
        std::fs::write(auth.folder.join(name), text).unwrap();
    }
    let now = (START + Duration::minutes(1)).unix_timestamp().to_string();
    let said = Command::new("openssl")
        .args(["verify", "-crl_check", "-attime", &now, "-CAfile", "both.pem", "-CRLfile"])
        .args(["lists.pem", "it.pem"])
        .current_dir(&auth.folder)
        .output()
        .await
        .unwrap();
    let text = String::from_utf8_lossy(&said.stderr).into_owned();
    if said.status.success() { Ok(()) } else { Err(text) }
}

async fn authorities(auth: &Auth) -> Vec<DeviceAuthority> {
    let token = auth.access("root@example.org", "").await;
    let list = bearer(ListDeviceAuthoritiesRequest {}, &token);
    auth.trust().list_device_authorities(list).await.unwrap().into_inner().authorities
}

fn standings(all: &[DeviceAuthority]) -> Vec<(&str, DeviceAuthorityState, i64)> {
    let one = |a: &DeviceAuthority| (a.state(), a.certificates_in_force);
    let mut found: Vec<_> = all.iter().map(|a| (a.subject.as_str(), one(a).0, one(a).1)).collect();
    found.sort_by_key(|(subject, ..)| *subject);
    found
}

#[tokio::test]
async fn another_authority_takes_over_and_renewal_moves_devices_to_it() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let [stays, moves] = [register(&auth, "acme").await, register(&auth, "acme").await];
    let moving = Papers::of(&auth, "operator@example.org", &moves).await;
    // As it is stored by a release that did not write it down.
    auth.db.sql("update platform.device_certificates set authority = null").await;
    make_second(&auth.folder);

    let auth = auth.restart_told(async |_| {}, pending).await.unwrap();
    let staying = Papers::of(&auth, "operator@example.org", &stays).await;
    assert_eq!(issuer(&staying.pem), FIRST, "the one that is to come signs nothing yet");
    assert_eq!(count(&lists(&auth).await), 2, "and has a list already");
    let found = authorities(&auth).await;
    let expected =
        [(FIRST, DeviceAuthorityState::Active, 2), (SECOND, DeviceAuthorityState::Pending, 0)];
    assert_eq!(standings(&found), expected);

    let auth = auth.restart_told(async |_| {}, taken_over).await.unwrap();
    let answer = moving.renew(&auth, &new_key()).await.unwrap().into_inner();
    assert_eq!((issuer(&answer.certificate_pem).as_str(), count(&answer.ca_pem)), (SECOND, 2));
    for pem in [&staying.pem, &moving.pem, &answer.certificate_pem] {
        assert_eq!(verified(&auth, pem).await, Ok(()), "all of them are let in");
    }
    let found = authorities(&auth).await;
    let expected =
        [(FIRST, DeviceAuthorityState::Retiring, 2), (SECOND, DeviceAuthorityState::Active, 1)];
    assert_eq!(standings(&found), expected);

    // A certificate of either is revoked by the list of its own CA.
    let token = auth.access("owner@example.org", "").await;
    for pem in [&staying.pem, &answer.certificate_pem] {
        let request = RevokeCertificateRequest { serial: crate::renewals::serial_of(pem) };
        auth.enrolment().revoke_certificate(bearer(request, &token)).await.unwrap();
        eventually(SOON, || async {
            verified(&auth, pem).await.is_err_and(|problem| problem.contains("revoked"))
        })
        .await;
    }
    assert_eq!(verified(&auth, &moving.pem).await, Ok(()), "and of nobody else's");
    auth.finish().await;
}

#[tokio::test]
async fn authority_is_retired_when_nothing_of_it_is_in_force() {
    let log = logs::capture();
    log.expect("the issuer's key set was refused");
    let auth = Auth::start().await;
    let device = register(&auth, "acme").await;
    let papers = Papers::of(&auth, "operator@example.org", &device).await;
    make_second(&auth.folder);
    let auth = auth.restart_told(async |_| {}, taken_over).await.unwrap();
    let renewed = papers.renewed(&auth).await;
    assert_eq!(issuer(&renewed.pem), SECOND);
    // The second before the last certificate of the first ends.
    auth.clock.advance(Duration::days(90) + Duration::seconds(1));
    let auth = auth.restart_told(async |_| {}, alone).await.unwrap();
    let state = "select state from platform.device_authorities where subject like '%test'";
    assert_eq!(auth.db.sql(state).await.trim(), "retired");
    assert_eq!(count(&lists(&auth).await), 1);
    auth.finish().await;
}

#[tokio::test]
async fn authority_with_certificates_in_force_is_not_taken_away_by_leaving_it_out() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let device = register(&auth, "acme").await;
    Papers::of(&auth, "operator@example.org", &device).await;
    make_second(&auth.folder);
    let engines = auth.stop().await;
    let number = "select number from platform.revocation_list";
    let before = engines.db.sql(number).await;
    let problem = engines.refusal(alone).await;
    assert!(problem.contains("1 certificates in force"), "{problem}");
    assert!(problem.contains("device_ca.abandoned"), "{problem}");
    let state = "select state from platform.device_authorities";
    assert_eq!(engines.db.sql(state).await.trim(), "active", "nothing has changed");
    assert_eq!(engines.db.sql(number).await, before, "no list was signed in which it is missing");
}

#[tokio::test]
async fn abandoned_authority_lets_nobody_in_and_its_devices_renew() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let device = register(&auth, "acme").await;
    let papers = Papers::of(&auth, "operator@example.org", &device).await;
    make_second(&auth.folder);
    let key_id = authorities(&auth).await.remove(0).key_id;
    let told = |config: &mut Config| {
        alone(config);
        config.device_ca.abandoned = vec![key_id];
    };
    let auth = auth.restart_told(async |_| {}, told).await.unwrap();
    let expected =
        [(FIRST, DeviceAuthorityState::Abandoned, 1), (SECOND, DeviceAuthorityState::Active, 0)];
    assert_eq!(standings(&authorities(&auth).await), expected);
    let renewed = papers.renewed(&auth).await;
    assert_eq!(issuer(&renewed.pem), SECOND);
    auth.finish().await;
}

#[tokio::test]
async fn authorities_are_shown_to_operators_of_the_platform_only() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    for email in ["owner@example.org", "viewer@example.org"] {
        let token = auth.access(email, "").await;
        let list = bearer(ListDeviceAuthoritiesRequest {}, &token);
        let refused = auth.trust().list_device_authorities(list).await;
        assert_eq!(code(refused), Some(Code::AuthForbidden), "{email}");
    }
    auth.finish().await;
}
