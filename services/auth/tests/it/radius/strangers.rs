//! Whoever is no NAS of ours, or does not prove it, is not answered.

use yard_contracts::aaa::v1 as wire;
use yard_testkit::{RadiusAnswer, logs};

use super::{Tenant, accepted, server, start};
use crate::support::bearer;

#[tokio::test]
async fn stranger_and_whoever_has_not_the_secret_get_no_answer() {
    let _log = logs::capture();
    let (auth, _token) = start().await;
    let (acme, byte) = Tenant::both(&auth).await;
    acme.person("amina", "password-1").await;
    let radius = server(&auth).await;
    let whole = [
        ("User-Name", "'amina'"),
        ("User-Password", "'password-1'"),
        ("Message-Authenticator", "0x00"),
    ];
    accepted(radius.ask(acme.address, &acme.secret, &whole).await);
    for (from, secret, attributes, why) in [
        ("127.0.0.4", acme.secret.as_str(), &whole[..], "an address that nobody registered"),
        (acme.address, byte.secret.as_str(), &whole[..], "another NAS's secret"),
        (byte.address, acme.secret.as_str(), &whole[..], "another NAS's address"),
        (acme.address, acme.secret.as_str(), &whole[..2], "no Message-Authenticator"),
    ] {
        assert_eq!(radius.ask(from, secret, attributes).await, RadiusAnswer::Silence, "{why}");
    }
    auth.finish().await;
}

#[tokio::test]
async fn nas_that_is_disabled_or_gone_gets_no_answer_from_the_next_request_on() {
    let _log = logs::capture();
    let (auth, _token) = start().await;
    let (acme, byte) = Tenant::both(&auth).await;
    let radius = server(&auth).await;
    for tenant in [&acme, &byte] {
        tenant.person("amina", "password-1").await;
        accepted(tenant.pap(&radius, "amina", "password-1").await);
    }
    let nas_id = acme.nas_id.clone();
    let off = wire::Nas { nas_id: nas_id.clone(), disabled: true, ..wire::Nas::default() };
    acme.update_nas(off, "disabled").await.unwrap();
    let request = wire::DeleteNasRequest { nas_id: byte.nas_id.clone() };
    byte.nas().delete_nas(bearer(request, &byte.token)).await.unwrap();
    for tenant in [&acme, &byte] {
        let answer = tenant.pap(&radius, "amina", "password-1").await;
        assert_eq!(answer, RadiusAnswer::Silence);
    }
    let on = wire::Nas { nas_id, ..wire::Nas::default() };
    acme.update_nas(on, "disabled").await.unwrap();
    yard_testkit::eventually(std::time::Duration::from_secs(10), || async {
        matches!(acme.pap(&radius, "amina", "password-1").await, RadiusAnswer::Accept(_))
    })
    .await;
    auth.finish().await;
}
