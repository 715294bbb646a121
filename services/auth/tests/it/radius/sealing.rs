//! auth's key changes under what it seals.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use yard_contracts::aaa::v1 as wire;
use yard_testkit::{RadiusAnswer, eventually, logs};

use super::{Tenant, accepted, server, start};
use crate::support::bearer;

#[tokio::test]
async fn tenants_keys_are_sealed_anew_and_secrets_and_passwords_stay() {
    let _log = logs::capture();
    let (auth, token) = start().await;
    let (mut acme, _byte) = Tenant::both(&auth).await;
    acme.person("amina", "password-1").await;
    let keys = format!("k2:{}\nk1:{}\n", STANDARD.encode([8; 32]), STANDARD.encode([7; 32]));
    let file = token.join("token");
    let auth = Box::pin(auth.restart_told(
        async |engines| std::fs::write(engines.folder.join("sealing.key"), keys).unwrap(),
        |config| config.radius.token_file = file,
    ));
    let auth = auth.await.unwrap();
    let old =
        "select count(*) from platform.radius_keys where substring(sealed from 3 for 2) <> 'k2'";
    eventually(Duration::from_secs(20), async || auth.db.sql(old).await.trim() == "0").await;
    let radius = server(&auth).await;
    accepted(acme.pap(&radius, "amina", "password-1").await);
    accepted(acme.ask(&radius, "CHAP-Password", "amina", "password-1").await);

    // A NAS's own secret changes apart from that.
    (acme.channel, acme.token) = (auth.channel(), auth.access("owner@example.org", "acme").await);
    let request = wire::RotateNasSecretRequest { nas_id: acme.nas_id.clone() };
    let rotated = acme.nas().rotate_nas_secret(bearer(request, &acme.token)).await.unwrap();
    let before = std::mem::replace(&mut acme.secret, rotated.into_inner().secret);
    eventually(Duration::from_secs(20), || async {
        matches!(acme.pap(&radius, "amina", "password-1").await, RadiusAnswer::Accept(_))
    })
    .await;
    acme.secret = before;
    assert_eq!(acme.pap(&radius, "amina", "password-1").await, RadiusAnswer::Silence);
    auth.finish().await;
}
