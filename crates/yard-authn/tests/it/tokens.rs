use std::sync::Arc;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};
use yard_authn::{AUDIENCE, Claims, Signer, TokenError, Verifier};
use yard_ids::{ManualClock, TenantId};

const ISSUER: &str = "issuer:test";
const SERVICE: &str = "service:device-ingest";

struct Keys {
    issuer: Signer,
    service: Signer,
    stranger: Signer,
    verifier: Verifier,
    clock: Arc<ManualClock>,
    public_issuer: Vec<u8>,
}

fn key(kid: &str) -> (Signer, Vec<u8>) {
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&aws_lc_rs::rand::SystemRandom::new()).unwrap();
    let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
    let body = STANDARD.encode(pkcs8.as_ref());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n");
    (Signer::from_pem(pem.as_bytes(), kid).unwrap(), pair.public_key().as_ref().to_vec())
}

fn jwk(kid: &str, public: &[u8]) -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(public), "kid": kid})
}

fn keys() -> Keys {
    let (issuer, public_issuer) = key(ISSUER);
    let (service, public_service) = key(SERVICE);
    let (stranger, _) = key(ISSUER);
    let trust = json!({"keys": [jwk(ISSUER, &public_issuer), jwk(SERVICE, &public_service)]});
    let start = OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap();
    let clock = Arc::new(ManualClock::new(start));
    let verifier = Verifier::from_json(trust.to_string().as_bytes(), clock.clone()).unwrap();
    Keys { issuer, service, stranger, verifier, clock, public_issuer }
}

fn person() -> Claims {
    Claims {
        iss: "auth".to_owned(),
        sub: "person:0190a6f2-7c2a-7b52-9c11-000000000001".to_owned(),
        aud: AUDIENCE.to_owned(),
        iat: 1_800_000_000,
        exp: 1_800_000_060,
        jti: uuid::Uuid::from_u128(1),
        tenant: Some(TenantId::from_uuid(uuid::Uuid::from_u128(2))),
        role: "owner".to_owned(),
        permissions: vec!["devices.read".to_owned()],
        sid: None,
        auth_time: None,
        amr: Vec::new(),
        ..Claims::default()
    }
}

fn changed(change: impl FnOnce(&mut Claims)) -> Claims {
    let mut claims = person();
    change(&mut claims);
    claims
}

#[test]
fn token_of_the_issuer_verifies_and_keeps_its_claims() {
    let keys = keys();
    let token = keys.issuer.sign(&person()).unwrap();
    let read = keys.verifier.verify(&token).unwrap();
    assert_eq!(read, Claims { kid: ISSUER.to_owned(), ..person() });
}

#[test]
fn token_is_refused_from_the_second_it_expires() {
    let keys = keys();
    let token = keys.issuer.sign(&person()).unwrap();
    keys.clock.advance(Duration::seconds(59));
    assert!(keys.verifier.verify(&token).is_ok());
    keys.clock.advance(Duration::seconds(1));
    assert!(matches!(keys.verifier.verify(&token), Err(TokenError::Expired)));
}

#[test]
fn tokens_with_bent_claims_are_refused() {
    let keys = keys();
    let cases: [(&str, Claims); 8] = [
        ("other audience", changed(|c| c.aud = "elsewhere".to_owned())),
        ("from the future", changed(|c| (c.iat, c.exp) = (1_800_000_006, 1_800_000_060))),
        ("lives too long", changed(|c| c.exp = c.iat + 301)),
        ("ends before it begins", changed(|c| (c.iat, c.exp) = (1_800_000_004, 1_800_000_003))),
        ("impossible times", changed(|c| (c.iat, c.exp) = (i64::MIN, i64::MAX))),
        ("issuer speaks for a service", changed(|c| c.sub = SERVICE.to_owned())),
        ("nobody", changed(|c| c.sub = String::new())),
        ("device", changed(|c| c.sub = "device:x".to_owned())),
    ];
    for (what, claims) in cases {
        let token = keys.issuer.sign(&claims).unwrap();
        assert!(keys.verifier.verify(&token).is_err(), "{what}");
    }
}

#[test]
fn service_key_speaks_for_its_own_service_only() {
    let keys = keys();
    let now = OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap();
    let own = Claims::of_service("device-ingest", uuid::Uuid::from_u128(3), now);
    assert!(keys.verifier.verify(&keys.service.sign(&own).unwrap()).is_ok());
    for (what, claims) in [
        ("other service", Claims { sub: "service:auth".to_owned(), ..own.clone() }),
        ("person", Claims { sub: person().sub, ..own.clone() }),
        ("permissions", Claims { permissions: vec!["ops.manage".to_owned()], ..own.clone() }),
        ("tenant", Claims { tenant: person().tenant, ..own.clone() }),
    ] {
        let token = keys.service.sign(&claims).unwrap();
        assert!(matches!(keys.verifier.verify(&token), Err(TokenError::Subject)), "{what}");
    }
}

#[test]
fn forged_and_broken_tokens_are_refused() {
    let keys = keys();
    let good = keys.issuer.sign(&person()).unwrap();
    let [header, body, signature]: [&str; 3] =
        good.split('.').collect::<Vec<_>>().try_into().unwrap();
    let part = |json: Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let none = part(json!({"alg": "none", "kid": ISSUER}));
    let symmetric = part(json!({"alg": "HS256", "kid": ISSUER}));
    let unnamed = part(json!({"alg": "EdDSA"}));
    let unknown = part(json!({"alg": "EdDSA", "kid": "issuer:other"}));
    let hmac_key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &keys.public_issuer);
    let mac = aws_lc_rs::hmac::sign(&hmac_key, format!("{symmetric}.{body}").as_bytes());
    let mac = URL_SAFE_NO_PAD.encode(mac.as_ref());
    let richer = part(json!({
        "iss": "auth", "sub": person().sub, "aud": AUDIENCE, "iat": person().iat,
        "exp": person().exp, "jti": person().jti, "permissions": ["ops.manage"],
    }));
    let cases = [
        ("no algorithm", format!("{none}.{body}.")),
        ("no algorithm, signed", format!("{none}.{body}.{signature}")),
        ("public key as HMAC secret", format!("{symmetric}.{body}.{mac}")),
        ("no key id", format!("{unnamed}.{body}.{signature}")),
        ("unknown key id", format!("{unknown}.{body}.{signature}")),
        ("richer claims under the old signature", format!("{header}.{richer}.{signature}")),
        ("signature left out", format!("{header}.{body}.")),
        ("other key under our id", keys.stranger.sign(&person()).unwrap()),
        ("garbage", "a.b.c".to_owned()),
        ("empty", String::new()),
        ("one part", header.to_owned()),
        ("very long", "a".repeat(1_000_000)),
    ];
    for (what, token) in cases {
        assert!(keys.verifier.verify(&token).is_err(), "{what}");
    }
}

#[test]
fn trust_file_with_a_key_of_unknown_kind_is_refused() {
    let clock = Arc::new(ManualClock::new(OffsetDateTime::UNIX_EPOCH));
    let (_, public) = key("x");
    for bad in [
        json!({"keys": [jwk("somebody", &public)]}),
        json!({"keys": [jwk("admin:root", &public)]}),
        json!({"keys": [{"kty": "RSA", "crv": "", "x": "", "kid": "issuer:x"}]}),
        json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "?", "kid": "issuer:x"}]}),
        json!([]),
    ] {
        assert!(Verifier::from_json(bad.to_string().as_bytes(), clock.clone()).is_err(), "{bad}");
    }
}
