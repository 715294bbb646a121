//! Tokens as attackers bend them: each row is refused, and what it is made from is taken.

use std::sync::Arc;

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use yard_authn::{AUDIENCE, Claims, KeyStatement, Refused, Revocation, TokenError, Verifier};
use yard_authn::{Jwk, Signer};
use yard_ids::ManualClock;

const ISSUER: &str = "issuer:of-the-attacks";
const SERVICE: &str = "service:worker";
const NOW: i64 = 1_800_000_000;
const PERSON: &str = "person:0190a6f2-7c2a-7b52-9c11-000000000001";

/// A deployment's keys, with the private halves of two.
struct Target {
    verifier: Verifier,
    issuer: Ed25519KeyPair,
    service: Ed25519KeyPair,
    auth: Signer,
}

fn pair() -> (Ed25519KeyPair, Vec<u8>) {
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    (Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap(), pkcs8.as_ref().to_vec())
}

fn x(pair: &Ed25519KeyPair) -> String {
    URL_SAFE_NO_PAD.encode(pair.public_key().as_ref())
}

fn jwk(kid: &str, x: String) -> Jwk {
    Jwk { kty: "OKP".to_owned(), crv: "Ed25519".to_owned(), x, kid: kid.to_owned() }
}

fn target() -> Target {
    let ((issuer, _), (service, _), (auth, auth_key)) = (pair(), pair(), pair());
    let keys = [jwk(ISSUER, x(&issuer)), jwk(SERVICE, x(&service)), jwk("service:auth", x(&auth))];
    let clock = Arc::new(ManualClock::new(at(NOW)));
    let trust = json!({ "keys": keys }).to_string();
    let verifier = Verifier::from_json(trust.as_bytes(), clock).unwrap();
    let body = STANDARD.encode(&auth_key);
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n");
    let auth = Signer::from_pem(pem.as_bytes(), "service:auth").unwrap();
    Target { verifier, issuer, service, auth }
}

fn at(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(seconds).unwrap()
}

fn header() -> Value {
    json!({"alg": "EdDSA", "typ": "at+jwt", "kid": ISSUER})
}

fn claims() -> Value {
    json!({
        "iss": "auth", "sub": PERSON, "aud": AUDIENCE, "iat": NOW, "exp": NOW + 60,
        "jti": "0190a6f2-7c2a-7b52-9c11-000000000009", "role": "owner",
        "permissions": ["devices.read"], "issued_ms": NOW * 1_000,
    })
}

fn with(base: Value, changes: Value) -> Value {
    let (Value::Object(mut base), Value::Object(changes)) = (base, changes) else { panic!() };
    for (name, value) in changes {
        if value.is_null() {
            base.remove(&name)
        } else {
            base.insert(name, value)
        };
    }
    Value::Object(base)
}

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Signs these very bytes.
fn signed(key: &Ed25519KeyPair, header: &str, body: &str) -> String {
    let text = format!("{}.{}", b64(header), b64(body));
    let signature = key.sign(text.as_bytes());
    format!("{text}.{}", b64(signature.as_ref()))
}

fn token(key: &Ed25519KeyPair, header: &Value, body: &Value) -> String {
    signed(key, &header.to_string(), &body.to_string())
}

fn refused(target: &Target, rows: impl IntoIterator<Item = (String, String)>) {
    let good = token(&target.issuer, &header(), &claims());
    assert!(target.verifier.verify(&good).is_ok(), "what the rows are bent from is good");
    for (what, row) in rows {
        assert!(target.verifier.verify(&row).is_err(), "{what}");
    }
}

#[test]
fn header_that_is_not_exactly_ours_is_refused() {
    let target = target();
    let bent = [
        json!({"alg": "none"}),
        json!({"alg": "None"}),
        json!({"alg": "nOnE"}),
        json!({"alg": ""}),
        json!({"alg": "eddsa"}),
        json!({"alg": "Ed25519"}),
        json!({"alg": "HS256"}),
        json!({"alg": "RS256"}),
        json!({"alg": "ES256"}),
        json!({"alg": "PS512"}),
        json!({"alg": ["EdDSA"]}),
        json!({"alg": null}),
        json!({"typ": null}),
        json!({"typ": "JWT"}),
        json!({"typ": "id_token"}),
        json!({"typ": "ws+jwt"}),
        json!({"typ": "AT+JWT"}),
        json!({"typ": "application/at+jwt"}),
        json!({"typ": "keyset+jwt"}),
        json!({"kid": null}),
        json!({"kid": ""}),
        json!({"kid": 7}),
        json!({"kid": "../../../../dev/null"}),
        json!({"kid": "x' union select 'k"}),
        json!({"kid": "https://attacker.example/key"}),
        json!({"kid": format!("{ISSUER} ")}),
        json!({"kid": format!("{ISSUER}\u{0}")}),
        json!({"kid": "issuer:unknown"}),
        json!({"kid": "k".repeat(3_000)}),
        json!({"jku": "https://attacker.example/jwks"}),
        json!({"x5u": "https://attacker.example/chain"}),
        json!({"x5c": ["MIIB"]}),
        json!({"x5t": "AAAA"}),
        json!({"jwk": {"kty": "OKP", "crv": "Ed25519", "x": x(&target.issuer)}}),
        json!({"crit": ["exp"]}),
        json!({"crit": []}),
        json!({"b64": false}),
        json!({"b64": false, "crit": ["b64"]}),
        json!({"zip": "DEF"}),
        json!({"enc": "A256GCM"}),
        json!({"cty": "JWT"}),
    ];
    let rows = bent.map(|change| {
        let header = with(header(), change.clone());
        (change.to_string(), token(&target.issuer, &header, &claims()))
    });
    refused(&target, rows);
}

#[test]
fn repeated_members_are_refused_whichever_a_parser_would_take() {
    let target = target();
    let body = claims().to_string();
    let head = header().to_string();
    let open = |text: &str| text.trim_end_matches('}').to_owned();
    let rows = [
        format!(r#"{},"alg":"none"}}"#, open(&head)),
        format!(r#"{},"alg":"EdDSA"}}"#, open(&head)),
        format!(r#"{},"kid":"{SERVICE}"}}"#, open(&head)),
    ]
    .map(|head| (head.clone(), signed(&target.issuer, &head, &body)));
    refused(&target, rows);
    let rows = [
        format!(r#"{},"sub":"{PERSON}"}}"#, open(&body)),
        format!(r#"{},"exp":{}}}"#, open(&body), NOW + 60),
        format!(r#"{},"permissions":["ops.manage"]}}"#, open(&body)),
        format!(r#"{},"tenant":null,"tenant":null}}"#, open(&body)),
    ]
    .map(|body| (body.clone(), signed(&target.issuer, &head, &body)));
    refused(&target, rows);
}

#[test]
fn claims_of_another_type_time_or_place_are_refused() {
    let target = target();
    let bent = [
        json!({"exp": NOW as f64 + 60.5}),
        json!({"exp": (NOW + 60).to_string()}),
        json!({"exp": u64::MAX}),
        json!({"exp": i64::MAX}),
        json!({"exp": -1}),
        json!({"exp": 0}),
        json!({"exp": null}),
        json!({"exp": NOW}),
        json!({"exp": NOW + 301}),
        json!({"iat": NOW as f64 + 0.5}),
        json!({"iat": NOW.to_string()}),
        json!({"iat": i64::MIN}),
        json!({"iat": NOW + 6}),
        json!({"iat": null}),
        json!({"nbf": NOW + 600}),
        json!({"aud": "switchyard/"}),
        json!({"aud": "Switchyard"}),
        json!({"aud": "switchyard-keys"}),
        json!({"aud": ["switchyard"]}),
        json!({"aud": null}),
        json!({"iss": "auth/"}),
        json!({"iss": "https://auth.example"}),
        json!({"iss": "worker"}),
        json!({"iss": null}),
        json!({"sub": null}),
        json!({"sub": "person:"}),
        json!({"sub": "person:root"}),
        json!({"sub": format!("{PERSON}:{PERSON}")}),
        json!({"sub": SERVICE}),
        json!({"sub": "device:0190a6f2-7c2a-7b52-9c11-000000000001"}),
        json!({"jti": "1"}),
        json!({"jti": null}),
        json!({"tenant": "acme"}),
        json!({"tenant": 1}),
        json!({"permissions": "ops.manage"}),
        json!({"permissions": [1]}),
        json!({"sid": "x"}),
    ];
    let rows = bent.map(|change| {
        let body = with(claims(), change.clone());
        (change.to_string(), token(&target.issuer, &header(), &body))
    });
    refused(&target, rows);
    let key = &target.service;
    let head = with(header(), json!({"kid": SERVICE}));
    let own = with(claims(), json!({"iss": "worker", "sub": SERVICE, "permissions": []}));
    assert!(target.verifier.verify(&token(key, &head, &own)).is_ok());
    let rows = [
        json!({"sub": PERSON, "iss": "auth"}),
        json!({"iss": "auth"}),
        json!({"sub": "service:auth", "iss": "auth"}),
        json!({"permissions": ["ops.manage"]}),
        json!({"tenant": "0190a6f2-7c2a-7b52-9c11-000000000001"}),
    ]
    .map(|change| (change.to_string(), token(key, &head, &with(own.clone(), change))));
    refused(&target, rows);
}

#[test]
fn other_spellings_of_a_good_token_are_refused() {
    let target = target();
    let good = token(&target.issuer, &header(), &claims());
    let [head, body, tag]: [&str; 3] = good.split('.').collect::<Vec<_>>().try_into().unwrap();
    let raw = URL_SAFE_NO_PAD.decode(tag).unwrap();
    // The last digit of 86 holds two bits that mean nothing.
    let mut loose = tag.as_bytes().to_vec();
    let last = loose.last_mut().unwrap();
    *last = if *last == b'A' { b'B' } else { *last + 1 };
    let nested = token(&target.issuer, &header(), &Value::String(good.clone()));
    let rows = [
        ("padded", format!("{head}.{body}.{}", URL_SAFE.encode(&raw))),
        ("standard alphabet", format!("{head}.{body}.{}", STANDARD.encode(&raw))),
        ("loose last digit", format!("{head}.{body}.{}", String::from_utf8(loose).unwrap())),
        ("space before", format!(" {good}")),
        ("newline after", format!("{good}\n")),
        ("space within", format!("{head}. {body}.{tag}")),
        ("four parts", format!("{good}.{tag}")),
        ("five parts", format!("{head}.{tag}.{tag}.{body}.{tag}")),
        ("two parts", format!("{head}.{body}")),
        ("no tag", format!("{head}.{body}.")),
        ("no body", format!("{head}..{tag}")),
        ("tag cut", format!("{head}.{body}.{}", b64(&raw[..63]))),
        ("tag grown", format!("{head}.{body}.{}", b64([raw.as_slice(), &[0]].concat()))),
        ("JSON serialisation", json!({"payload": body, "protected": head}).to_string()),
        ("nested", nested),
        ("a token of one megabyte", format!("{head}.{}.{tag}", "A".repeat(1_000_000))),
        ("a byte too long", "A".repeat(4_097)),
        ("empty", String::new()),
        ("dots", "..".to_owned()),
    ];
    refused(&target, rows.map(|(what, row)| (what.to_owned(), row)));
}

/// The order of the curve's group, little endian.
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

#[test]
fn signatures_by_tricks_of_arithmetic_are_refused() {
    let target = target();
    let good = token(&target.issuer, &header(), &claims());
    let (text, tag) = good.rsplit_once('.').unwrap();
    let raw = URL_SAFE_NO_PAD.decode(tag).unwrap();
    let mut malleable = raw.clone();
    let mut carry = 0_u16;
    for (byte, add) in malleable[32..].iter_mut().zip(ORDER) {
        carry += u16::from(*byte) + u16::from(add);
        *byte = carry.to_le_bytes()[0];
        carry >>= 8;
    }
    let mut identity = [0; 64];
    identity[0] = 1;
    let hmac_key = hmac::Key::new(hmac::HMAC_SHA256, target.issuer.public_key().as_ref());
    let head = with(header(), json!({"alg": "HS256"}));
    let symmetric = format!("{}.{}", b64(head.to_string()), b64(claims().to_string()));
    let mac = hmac::sign(&hmac_key, symmetric.as_bytes());
    let random = SystemRandom::new();
    let alg = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(alg, &random).unwrap();
    let ecdsa = EcdsaKeyPair::from_pkcs8(alg, pkcs8.as_ref()).unwrap();
    let by_ecdsa = ecdsa.sign(&random, text.as_bytes()).unwrap();
    let rows = [
        ("S beyond the order", format!("{text}.{}", b64(&malleable))),
        ("identity point and zero", format!("{text}.{}", b64(identity))),
        ("all zero", format!("{text}.{}", b64([0; 64]))),
        ("all one", format!("{text}.{}", b64([0xff; 64]))),
        ("public key as a secret", format!("{symmetric}.{}", b64(mac.as_ref()))),
        ("ECDSA under our id", format!("{text}.{}", b64(by_ecdsa.as_ref()))),
        ("tag of another token", {
            let other = token(&target.issuer, &header(), &with(claims(), json!({"role": "x"})));
            format!("{text}.{}", other.rsplit_once('.').unwrap().1)
        }),
        ("other key under our id", token(&target.service, &header(), &claims())),
    ];
    refused(&target, rows.map(|(what, row)| (what.to_owned(), row)));
}

#[test]
fn withdrawn_keys_and_what_was_revoked_are_refused() {
    let target = target();
    let good = token(&target.issuer, &header(), &claims());
    assert!(target.verifier.verify(&good).is_ok());
    target.verifier.revocations().apply(Revocation::Key(ISSUER.to_owned()), 1);
    assert!(matches!(target.verifier.verify(&good), Err(TokenError::Revoked)));
}

#[test]
fn key_set_is_believed_from_auth_alone_and_never_goes_back() {
    let target = target();
    let (next, _) = pair();
    let keys = || vec![jwk("issuer:next", x(&next))];
    let state = |generation, at| KeyStatement::new(keys(), generation, at).sign(&target.auth);
    let head = with(header(), json!({"kid": "issuer:next"}));
    let by_next = token(&next, &head, &claims());
    assert!(matches!(target.verifier.verify(&by_next), Err(TokenError::UnknownKey)));
    let access = Claims { iss: "auth".to_owned(), ..Claims::default() };
    for (what, forged) in [
        ("no statement", String::new()),
        ("an access token of auth's", target.auth.sign(&access).unwrap()),
        ("a statement of another key", {
            let body = json!({"iss": "auth", "aud": "switchyard-keys", "iat": NOW,
                "exp": NOW + 60, "generation": 9, "keys": keys()});
            let head = json!({"alg": "EdDSA", "typ": "keyset+jwt", "kid": "service:auth"});
            token(&target.service, &head, &body)
        }),
        ("one that is over", state(9, at(NOW - 86_400)).unwrap()),
    ] {
        assert!(target.verifier.learn(&forged).is_err(), "{what}");
    }
    assert!(target.verifier.learn(&state(2, at(NOW)).unwrap()).unwrap());
    assert!(target.verifier.verify(&by_next).is_ok());
    assert!(!target.verifier.learn(&state(2, at(NOW)).unwrap()).unwrap(), "nothing new");
    let old = token(&target.issuer, &header(), &claims());
    assert!(matches!(target.verifier.verify(&old), Err(TokenError::UnknownKey)), "not stated");
    let back = KeyStatement::new(vec![jwk(ISSUER, x(&target.issuer))], 1, at(NOW));
    let refused = target.verifier.learn(&back.sign(&target.auth).unwrap());
    assert!(matches!(refused, Err(Refused::Older)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    /// A fixed number of inputs near to and far from tokens: none panics, none is taken.
    #[test]
    fn token_parser_takes_nothing_that_was_not_signed(
        parts in prop::collection::vec("[A-Za-z0-9_=.-]{0,60}|[ -~]{0,40}|.{0,20}", 0..5),
    ) {
        thread_local! { static TARGET: Target = target(); }
        TARGET.with(|target| {
            prop_assert!(target.verifier.verify(&parts.join(".")).is_err());
            Ok(())
        })?;
    }

    #[test]
    fn header_of_any_json_is_refused_unless_it_is_ours(
        members in prop::collection::hash_map(
            "alg|typ|kid|crit|jwk|[a-z]{1,4}",
            prop_oneof![Just("EdDSA".to_owned()), Just("at+jwt".to_owned()), ".{0,12}"],
            0..5,
        ),
    ) {
        thread_local! { static TARGET: Target = target(); }
        let head: Map<String, Value> =
            members.into_iter().map(|(name, value)| (name, Value::String(value))).collect();
        TARGET.with(|target| {
            let row = token(&target.issuer, &Value::Object(head), &claims());
            prop_assert!(target.verifier.verify(&row).is_err());
            Ok(())
        })?;
    }
}
