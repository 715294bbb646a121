//! Who is let in, and on which terms.

use time::Duration;
use yard_contracts::aaa::v1 as wire;
use yard_contracts::values::timestamp;
use yard_testkit::{RadiusAnswer, logs};

use super::{Tenant, accepted, is_bare_reject, server, start};
use crate::support::START;
use crate::tenancy::Operator;

const WAYS: [&str; 3] = ["User-Password", "CHAP-Password", "MS-CHAP-Password"];

#[tokio::test]
async fn req_wifi_11_same_user_name_in_two_tenants_is_let_in_by_the_own_nas_on_the_own_terms() {
    let _log = logs::capture();
    let (auth, _token) = start().await;
    let (acme, byte) = Tenant::both(&auth).await;
    for (tenant, password, seconds, kbps) in
        [(&acme, "of-acme-1", 3_600, 512), (&byte, "of-byte-2", 7_200, 2_048)]
    {
        let wish = wire::Subscriber {
            user_name: "amina".to_owned(),
            password: password.to_owned(),
            session_timeout_seconds: seconds,
            idle_timeout_seconds: 300,
            upload_kbps: kbps,
            download_kbps: 2 * kbps,
            ..wire::Subscriber::default()
        };
        tenant.subscribe(wish).await.unwrap();
    }
    let radius = server(&auth).await;
    for (tenant, own, others, seconds, rate) in [
        (&acme, "of-acme-1", "of-byte-2", 3_600, "512k/1024k"),
        (&byte, "of-byte-2", "of-acme-1", 7_200, "2048k/4096k"),
    ] {
        for way in WAYS {
            let said = accepted(tenant.ask(&radius, way, "amina", own).await);
            for wanted in [
                format!("Session-Timeout = {seconds}"),
                "Idle-Timeout = 300".to_owned(),
                format!("Mikrotik-Rate-Limit = \"{rate}\""),
            ] {
                assert!(said.contains(&wanted), "{way}: no {wanted} in {said:?}");
            }
            // Attribute 1 of the vendor, whom radclient does not know: the tenant's id in hexadecimal.
            let told: String = tenant.id.to_string().bytes().map(|b| format!("{b:02x}")).collect();
            let mut vendors = said.iter().filter(|line| line.contains("32473"));
            assert!(vendors.any(|line| line.contains(&told)), "{way}: {said:?}");
            assert!(said.iter().any(|line| line.starts_with("Message-Authenticator = ")));
            let whole = said.join("\n");
            let other = if tenant.id == acme.id { &byte } else { &acme };
            assert!(!whole.contains(&other.id.to_string()) && !whole.contains(others), "{whole}");
            assert!(is_bare_reject(&tenant.ask(&radius, way, "amina", others).await), "{way}");
        }
        assert!(is_bare_reject(&tenant.pap(&radius, "nobody", own).await));
    }
    auth.finish().await;
}

#[tokio::test]
async fn subscriber_who_may_not_in_is_refused_and_says_nothing_of_why() {
    let _log = logs::capture();
    let (auth, _token) = start().await;
    let (acme, byte) = Tenant::both(&auth).await;
    let radius = server(&auth).await;

    let id = acme.person("disabled", "password-1").await;
    accepted(acme.pap(&radius, "disabled", "password-1").await);
    let off = wire::Subscriber { subscriber_id: id.clone(), disabled: true, ..Default::default() };
    assert!(acme.change(off, &["disabled"]).await.unwrap().disabled);
    let ending = wire::Subscriber {
        user_name: "ending".to_owned(),
        password: "password-2".to_owned(),
        valid_until: Some(timestamp(START + Duration::seconds(90))),
        session_timeout_seconds: 3_600,
        ..Default::default()
    };
    acme.subscribe(ending).await.unwrap();
    let pap_only = wire::Subscriber {
        user_name: "pap-only".to_owned(),
        password: "password-3".to_owned(),
        pap_only: true,
        ..Default::default()
    };
    acme.subscribe(pap_only).await.unwrap();
    let other = byte.person("other", "password-4").await;

    for way in WAYS {
        assert!(is_bare_reject(&acme.ask(&radius, way, "disabled", "password-1").await), "{way}");
    }
    let said = accepted(acme.pap(&radius, "ending", "password-2").await);
    assert!(said.contains(&"Session-Timeout = 90".to_owned()), "no longer than they may: {said:?}");
    accepted(acme.pap(&radius, "pap-only", "password-3").await);
    for way in &WAYS[1..] {
        assert!(is_bare_reject(&acme.ask(&radius, way, "pap-only", "password-3").await), "{way}");
    }

    auth.clock.advance(Duration::seconds(90));
    assert!(is_bare_reject(&acme.pap(&radius, "ending", "password-2").await));
    auth.clock.advance(-Duration::seconds(90));

    accepted(byte.pap(&radius, "other", "password-4").await);
    let operator = Operator::of(&auth).await;
    assert_eq!(operator.suspend(&byte.id.to_string()).await, None);
    assert!(is_bare_reject(&byte.pap(&radius, "other", "password-4").await));
    assert!(is_bare_reject(&byte.ask(&radius, "CHAP-Password", "other", "password-4").await));
    accepted(acme.pap(&radius, "pap-only", "password-3").await);
    assert!(!other.is_empty());

    auth.finish().await;
    for way in WAYS {
        let answer = acme.ask(&radius, way, "pap-only", "password-3").await;
        assert_eq!(answer, RadiusAnswer::Silence, "without auth nobody is let in: {way}");
    }
}

#[tokio::test]
async fn wrong_passwords_use_up_a_subscribers_tries_at_all_nas_and_nobody_elses() {
    let _log = logs::capture();
    let (auth, _token) = start().await;
    let (acme, byte) = Tenant::both(&auth).await;
    let radius = server(&auth).await;
    for tenant in [&acme, &byte] {
        tenant.person("tried", "password-1").await;
        tenant.person("spared", "password-1").await;
    }
    for _ in 0..20 {
        assert!(is_bare_reject(&acme.pap(&radius, "tried", "guess").await));
    }
    assert!(is_bare_reject(&acme.pap(&radius, "tried", "password-1").await), "used up");
    accepted(acme.pap(&radius, "spared", "password-1").await);
    accepted(byte.pap(&radius, "tried", "password-1").await);
    auth.finish().await;
}

#[tokio::test]
async fn names_that_mean_something_elsewhere_mean_themselves() {
    let _log = logs::capture();
    let (auth, _token) = start().await;
    let (acme, byte) = Tenant::both(&auth).await;
    let radius = server(&auth).await;
    let names = [
        "%{Tenant-ID}",
        "%{expr:6*7}",
        "`id`",
        "a\"},\"Tenant-ID\":{\"value\":[\"x\"]}",
        "' or ''='",
        "'; drop table radius_subscribers; --",
        "..%2f..",
        "back\\slash",
        "%",
        "größe",
        "ends with =",
    ];
    for (number, name) in names.iter().enumerate() {
        acme.person(name, &format!("p%{{User-Name}}\"-{number}")).await;
    }
    for (number, name) in names.iter().enumerate() {
        let password = format!("p%{{User-Name}}\"-{number}");
        accepted(acme.pap(&radius, name, &password).await);
        accepted(acme.ask(&radius, "CHAP-Password", name, &password).await);
        assert!(is_bare_reject(&acme.pap(&radius, name, "p-wrong-one").await), "{name}");
        assert!(is_bare_reject(&byte.pap(&radius, name, &password).await), "{name}");
    }
    auth.finish().await;
}
