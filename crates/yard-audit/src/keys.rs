use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::Deserialize;

/// What is wrong with a key or a signature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not what it should be.
    #[error("{0}")]
    Unreadable(&'static str),
    /// Nobody gave this key.
    #[error("the key {0} is not among the public keys given")]
    Unknown(String),
    /// Not a signature of this.
    #[error("the signature is not of the key {0}")]
    Signature(String),
}

/// The Ed25519 key that signs roots and exports.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    id: String,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl SigningKey {
    /// From PKCS#8 PEM. Its id is `audit:` and the key's RFC 7638 thumbprint.
    ///
    /// # Errors
    /// When the text holds no Ed25519 key.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let wrong = || KeyError::Unreadable("holds no Ed25519 key in PKCS#8 PEM");
        let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
        let der = STANDARD.decode(body.trim()).map_err(|_not_base64| wrong())?;
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der).map_err(|_rejected| wrong())?;
        let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        Ok(Self { pair, id: key_id(&x) })
    }

    /// `audit:<thumbprint>`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The public half, as `x` of RFC 8037.
    #[must_use]
    pub fn public(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.pair.public_key().as_ref())
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }
}

fn key_id(x: &str) -> String {
    let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    format!("audit:{}", URL_SAFE_NO_PAD.encode(digest(&SHA256, canonical.as_bytes())))
}

/// The public keys that a verifier believes.
#[derive(Debug, Clone, Default)]
pub struct PublicKeys(BTreeMap<String, Vec<u8>>);

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Jwk>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    crv: String,
    x: String,
}

impl PublicKeys {
    /// From a JWK set, as `yard pki init` writes it (`audit-keys.json`). Ids are computed, not
    /// believed.
    ///
    /// # Errors
    /// When it is none, or holds another kind of key.
    pub fn from_json(json: &[u8]) -> Result<Self, KeyError> {
        let wrong = KeyError::Unreadable("is no JWK set of Ed25519 keys");
        let set: KeySet = serde_json::from_slice(json).map_err(|_not_json| wrong.clone())?;
        let mut keys = BTreeMap::new();
        for jwk in set.keys {
            let key = URL_SAFE_NO_PAD.decode(&jwk.x).map_err(|_not_base64| wrong.clone())?;
            if jwk.kty != "OKP" || jwk.crv != "Ed25519" || key.len() != 32 {
                return Err(wrong);
            }
            keys.insert(key_id(&jwk.x), key);
        }
        if keys.is_empty() { Err(wrong) } else { Ok(Self(keys)) }
    }

    /// The public half of one key.
    #[must_use]
    pub fn of(key: &SigningKey) -> Self {
        Self(BTreeMap::from([(key.id.clone(), key.pair.public_key().as_ref().to_vec())]))
    }

    pub(crate) fn verify(
        &self,
        id: &str,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), KeyError> {
        let key = self.0.get(id).ok_or_else(|| KeyError::Unknown(id.to_owned()))?;
        UnparsedPublicKey::new(&ED25519, key)
            .verify(message, signature)
            .map_err(|_unspecified| KeyError::Signature(id.to_owned()))
    }
}
