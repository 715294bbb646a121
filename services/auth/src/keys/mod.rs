//! The keys of people's access tokens: made, published, used, retired and destroyed by a plan
//! ([`plan`]), and at once when an operator says so. Their private halves are sealed.

pub(crate) mod grpc;
mod material;
mod plan;
mod ring;
mod rotation;
mod store;
#[cfg(test)]
mod tests;

pub(crate) use plan::Rules;
pub(crate) use ring::Keys;
pub(crate) use rotation::KeysParts;

use yard_authn::Jwk;
use yard_contracts::identity::v1::{JsonWebKey, KeySet};

/// Published keys, as clients get them.
pub(crate) fn key_set(published: &[Jwk]) -> KeySet {
    let keys = published.iter().map(|jwk| JsonWebKey {
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
pub(crate) fn key_set_json(published: &[Jwk]) -> String {
    let keys: Vec<_> = key_set(published)
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
