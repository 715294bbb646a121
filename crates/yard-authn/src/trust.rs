use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use yard_ids::Clock;

use crate::token::{AUDIENCE, Claims, TokenError};

/// Longest life of any token we accept, seconds. (Mobile tokens of five minutes are coming.)
const LONGEST: i64 = 300;
/// How far two machines' clocks may be apart, seconds.
const LEEWAY: i64 = 5;

/// One public key of the trust file, as RFC 8037 has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jwk {
    /// `OKP`.
    pub kty: String,
    /// `Ed25519`.
    pub crv: String,
    /// The key, base64url.
    pub x: String,
    /// `service:<name>` or `issuer:<thumbprint>`.
    pub kid: String,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Jwk>,
}

/// Why the trust file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// Not there or not readable.
    #[error("{path}: {source}")]
    File {
        /// Which file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// Not a JWK set of Ed25519 keys.
    #[error("trust file: {0}")]
    Content(String),
}

/// Checks tokens against the trust file.
#[derive(Clone)]
pub struct Verifier {
    keys: Arc<HashMap<String, DecodingKey>>,
    published: Arc<[Jwk]>,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier").field("keys", &self.keys.len()).finish_non_exhaustive()
    }
}

impl Verifier {
    /// Reads a JWK set.
    ///
    /// # Errors
    /// When a key cannot be used.
    pub fn from_json(json: &[u8], clock: Arc<dyn Clock>) -> Result<Self, TrustError> {
        let set: KeySet =
            serde_json::from_slice(json).map_err(|e| TrustError::Content(e.to_string()))?;
        let mut keys = HashMap::new();
        for jwk in &set.keys {
            let kind = jwk.kid.split_once(':').map(|(kind, _)| kind);
            if jwk.kty != "OKP"
                || jwk.crv != "Ed25519"
                || !matches!(kind, Some("service" | "issuer"))
            {
                return Err(TrustError::Content(format!("key {} is not one of ours", jwk.kid)));
            }
            let key = DecodingKey::from_ed_components(&jwk.x)
                .map_err(|e| TrustError::Content(format!("key {}: {e}", jwk.kid)))?;
            keys.insert(jwk.kid.clone(), key);
        }
        let published = set.keys.into_iter().filter(|k| k.kid.starts_with("issuer:")).collect();
        Ok(Self { keys: Arc::new(keys), published, clock })
    }

    /// Reads the trust file.
    ///
    /// # Errors
    /// Names the file.
    pub fn from_file(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, TrustError> {
        let json = std::fs::read(path)
            .map_err(|source| TrustError::File { path: path.display().to_string(), source })?;
        Self::from_json(&json, clock)
    }

    /// The issuer's keys, for the public key set.
    #[must_use]
    pub fn issuer_keys(&self) -> &[Jwk] {
        &self.published
    }

    /// The time on the clock that tokens are held against.
    pub(crate) fn now(&self) -> OffsetDateTime {
        self.clock.now()
    }

    /// Verifies signature, audience, times and who the key may speak for.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub fn verify(&self, token: &str) -> Result<Claims, TokenError> {
        let header = jsonwebtoken::decode_header(token).map_err(TokenError::Malformed)?;
        let kid = header.kid.ok_or(TokenError::UnknownKey)?;
        let key = self.keys.get(&kid).ok_or(TokenError::UnknownKey)?;
        // One algorithm, whatever the header asks for. Times are compared below, on our clock.
        let mut rules = Validation::new(Algorithm::EdDSA);
        rules.set_audience(&[AUDIENCE]);
        rules.validate_exp = false;
        let claims = jsonwebtoken::decode::<Claims>(token, key, &rules)
            .map_err(TokenError::Unverified)?
            .claims;
        self.check_times(&claims)?;
        check_subject(&kid, &claims)?;
        Ok(claims)
    }

    fn check_times(&self, claims: &Claims) -> Result<(), TokenError> {
        let now = self.clock.now().unix_timestamp();
        if claims.exp <= now {
            return Err(TokenError::Expired);
        }
        let life = claims.exp.checked_sub(claims.iat).ok_or(TokenError::Times)?;
        if claims.iat > now + LEEWAY || !(1..=LONGEST).contains(&life) {
            return Err(TokenError::Times);
        }
        Ok(())
    }
}

/// A service speaks for itself and holds no permissions; the issuer speaks for people.
fn check_subject(kid: &str, claims: &Claims) -> Result<(), TokenError> {
    let own = if kid.starts_with("issuer:") {
        claims.sub.starts_with("person:")
    } else {
        claims.sub == kid && claims.permissions.is_empty() && claims.tenant.is_none()
    };
    own.then_some(()).ok_or(TokenError::Subject)
}
