//! The public keys of people's access tokens.

pub(crate) mod grpc;

use yard_authn::Jwk;
use yard_contracts::identity::v1::{JsonWebKey, KeySet};

/// The issuer's keys of the trust file, as clients get them.
pub(crate) fn key_set(issuer_keys: &[Jwk]) -> KeySet {
    let keys = issuer_keys.iter().map(|jwk| JsonWebKey {
        kty: jwk.kty.clone(),
        crv: jwk.crv.clone(),
        x: jwk.x.clone(),
        kid: jwk.kid.clone(),
        r#use: "sig".to_owned(),
        alg: "EdDSA".to_owned(),
    });
    KeySet { keys: keys.collect() }
}

/// The same as JSON (RFC 7517).
pub(crate) fn key_set_json(issuer_keys: &[Jwk]) -> String {
    let keys: Vec<_> = key_set(issuer_keys)
        .keys
        .into_iter()
        .map(|key| {
            serde_json::json!({
                "kty": key.kty,
                "crv": key.crv,
                "x": key.x,
                "kid": key.kid,
                "use": key.r#use,
                "alg": key.alg,
            })
        })
        .collect();
    serde_json::json!({ "keys": keys }).to_string()
}
