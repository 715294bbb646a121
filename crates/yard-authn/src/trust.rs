use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, TokenData, Validation};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use yard_ids::Clock;

use crate::Revocations;
use crate::keyset::{IssuerKeys, Refused};
use crate::token::{AUDIENCE, Claims, TokenError};

/// Longest token that is looked at, bytes. Ours have a quarter of it.
pub(crate) const LARGEST: usize = 4_096;
/// `typ` of access tokens (RFC 9068): a signature over anything else of ours is not one.
pub(crate) const ACCESS_TOKEN: &str = "at+jwt";
/// Longest wait for the key set to be read again.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(1);
/// Longest life of any token we accept, seconds.
const LONGEST: i64 = 300;
/// Keys of one id: the one in use, and the one that takes over from it.
const MOST_OF_ONE: usize = 2;
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

/// By their ids; two of one id are a key and its successor.
pub(crate) type Keys = HashMap<String, Vec<DecodingKey>>;

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

/// What the header of a token of ours says, and nothing else: with `crit`, `jwk`, `jku`, `x5u`,
/// `zip` or `b64` it is not ours.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header {
    alg: String,
    typ: String,
    pub(crate) kid: String,
}

/// Checks tokens against the trust file, the issuer's stated keys and the revocation feed. Cheap
/// to clone; clones learn together.
#[derive(Clone)]
pub struct Verifier {
    file: Arc<RwLock<Arc<Keys>>>,
    published: Arc<[Jwk]>,
    /// Once auth has stated its keys, they alone speak for people; those of the file only start it.
    stated: Arc<RwLock<Option<Arc<IssuerKeys>>>>,
    revocations: Revocations,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier").field("keys", &self.file().len()).finish_non_exhaustive()
    }
}

impl Verifier {
    /// Reads a JWK set.
    ///
    /// # Errors
    /// When a key cannot be used.
    pub fn from_json(json: &[u8], clock: Arc<dyn Clock>) -> Result<Self, TrustError> {
        let (keys, published) = read(json)?;
        Ok(Self {
            file: Arc::new(RwLock::new(Arc::new(keys))),
            published,
            stated: Arc::default(),
            revocations: Revocations::new(),
            clock,
        })
    }

    /// Reads the trust file.
    ///
    /// # Errors
    /// Names the file.
    pub fn from_file(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, TrustError> {
        Self::from_json(&content(path)?, clock)
    }

    /// Reads the trust file again, for all clones. What it held before stays in force if it cannot
    /// be used. A service whose key is taken out is believed no more.
    ///
    /// # Errors
    /// Names the file.
    pub fn reload(&self, path: &Path) -> Result<(), TrustError> {
        let (keys, _) = read(&content(path)?)?;
        *self.file.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        Ok(())
    }

    fn file(&self) -> Arc<Keys> {
        Arc::clone(&self.file.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The issuer's keys of the trust file: the first ones of an installation.
    #[must_use]
    pub fn issuer_keys(&self) -> &[Jwk] {
        &self.published
    }

    /// The time on the clock that tokens are held against.
    pub(crate) fn now(&self) -> OffsetDateTime {
        self.clock.now()
    }

    /// What has ended since its token was issued.
    #[must_use]
    pub const fn revocations(&self) -> &Revocations {
        &self.revocations
    }

    /// Takes the issuer's keys from a statement that auth has signed; `false` when it says nothing
    /// new. An older one than the last is refused, so that a withdrawn key cannot be brought back.
    ///
    /// # Errors
    /// When auth's key of the trust file did not sign it, or its time is over.
    pub fn learn(&self, statement: &str) -> Result<bool, Refused> {
        let file = self.file();
        let auth = file.get("service:auth").ok_or(Refused::Signer)?;
        let keys = IssuerKeys::read(statement, auth, self.clock.now())?;
        let mut stated = self.stated.write().unwrap_or_else(PoisonError::into_inner);
        let known = stated.as_ref().map(|known| known.generation());
        if known.is_some_and(|known| keys.generation() < known) {
            return Err(Refused::Older);
        }
        *stated = Some(Arc::new(keys));
        Ok(known != stated.as_ref().map(|now| now.generation()))
    }

    /// Verifies signature, type, audience, issuer, times, who the key may speak for, and that
    /// nothing has ended it since.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub fn verify(&self, token: &str) -> Result<Claims, TokenError> {
        if token.len() > LARGEST {
            return Err(TokenError::TooLong);
        }
        let header = header(token)?;
        let keys = self.keys(&header.kid);
        // One algorithm, whatever the header asks for. Times are compared below, on our clock.
        let mut rules = Validation::new(Algorithm::EdDSA);
        rules.set_audience(&[AUDIENCE]);
        rules.validate_exp = false;
        let decoded =
            decode_by_any::<Claims>(token, &keys, &rules).ok_or(TokenError::UnknownKey)?;
        let claims = decoded.map_err(TokenError::Unverified)?.claims;
        let claims = Claims { kid: header.kid, ..claims };
        self.check_times(&claims)?;
        check_subject(&claims)?;
        if self.revocations.refuses(&claims.grant()) {
            return Err(TokenError::Revoked);
        }
        Ok(claims)
    }

    /// As [`Verifier::verify`]; an issuer's key that is not known has the key set read again first,
    /// at most once in 30 seconds for all callers together.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub async fn verify_fresh(&self, token: &str) -> Result<Claims, TokenError> {
        let mut changes = self.revocations.changes();
        match self.verify(token) {
            Err(TokenError::UnknownKey) if self.revocations.look_for_keys() => {
                drop(tokio::time::timeout(PATIENCE, changes.changed()).await);
                self.verify(token)
            }
            other => other,
        }
    }

    /// None, one, or the two of a service whose key is being changed.
    fn keys(&self, kid: &str) -> Vec<DecodingKey> {
        let stated = self.stated.read().unwrap_or_else(PoisonError::into_inner).clone();
        match stated.filter(|_| kid.starts_with("issuer:")) {
            Some(stated) => stated.key(kid, self.clock.now()).into_iter().collect(),
            None => self.file().get(kid).cloned().unwrap_or_default(),
        }
    }

    fn check_times(&self, claims: &Claims) -> Result<(), TokenError> {
        let now = self.clock.now().unix_timestamp();
        if claims.exp <= now {
            return Err(TokenError::Expired);
        }
        let life = claims.exp.checked_sub(claims.iat).ok_or(TokenError::Times)?;
        let early = claims.iat > now + LEEWAY || claims.nbf.is_some_and(|nbf| nbf > now + LEEWAY);
        if early || !(1..=LONGEST).contains(&life) {
            return Err(TokenError::Times);
        }
        Ok(())
    }
}

/// The keys of the trust file by their ids, and the issuer's as they are published.
fn read(json: &[u8]) -> Result<(Keys, Arc<[Jwk]>), TrustError> {
    let set: KeySet =
        serde_json::from_slice(json).map_err(|e| TrustError::Content(e.to_string()))?;
    let keys = decoding_keys(&set.keys, &["service", "issuer"])?;
    let published = set.keys.into_iter().filter(|k| k.kid.starts_with("issuer:")).collect();
    Ok((keys, published))
}

fn content(path: &Path) -> Result<Vec<u8>, TrustError> {
    std::fs::read(path)
        .map_err(|source| TrustError::File { path: path.display().to_string(), source })
}

/// The keys by their ids; every one has to be an Ed25519 key of one of these kinds.
pub(crate) fn decoding_keys(keys: &[Jwk], kinds: &[&str]) -> Result<Keys, TrustError> {
    let mut read = Keys::new();
    for jwk in keys {
        let kind = jwk.kid.split_once(':').map(|(kind, _)| kind);
        let ours = kind.is_some_and(|kind| kinds.contains(&kind));
        if jwk.kty != "OKP" || jwk.crv != "Ed25519" || !ours {
            return Err(TrustError::Content(format!("key {} is not one of ours", jwk.kid)));
        }
        let key = DecodingKey::from_ed_components(&jwk.x)
            .map_err(|e| TrustError::Content(format!("key {}: {e}", jwk.kid)))?;
        let same = read.entry(jwk.kid.clone()).or_default();
        if same.len() == MOST_OF_ONE {
            let problem = format!("key {} is there more than {MOST_OF_ONE} times", jwk.kid);
            return Err(TrustError::Content(problem));
        }
        same.push(key);
    }
    Ok(read)
}

/// Decodes with the first of `keys` that signed it, else says why the last did not; `None` when
/// there is no key.
pub(crate) fn decode_by_any<T: DeserializeOwned + Clone>(
    token: &str,
    keys: &[DecodingKey],
    rules: &Validation,
) -> Option<jsonwebtoken::errors::Result<TokenData<T>>> {
    let (last, before) = keys.split_last()?;
    let mut tries = before.iter().map(|key| jsonwebtoken::decode(token, key, rules));
    Some(match tries.find(Result::is_ok) {
        Some(read) => read,
        None => jsonwebtoken::decode(token, last, rules),
    })
}

/// Reads the first of exactly three parts.
pub(crate) fn header(token: &str) -> Result<Header, TokenError> {
    let mut parts = token.split('.');
    let (Some(head), Some(_), Some(_), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(TokenError::Shape);
    };
    let json = URL_SAFE_NO_PAD.decode(head).map_err(|_e| TokenError::Shape)?;
    let header: Header = serde_json::from_slice(&json).map_err(|_e| TokenError::Shape)?;
    let ours = header.alg == "EdDSA" && header.typ == ACCESS_TOKEN;
    ours.then_some(header).ok_or(TokenError::Shape)
}

/// A service speaks for itself and holds no permissions; the issuer speaks for people.
fn check_subject(claims: &Claims) -> Result<(), TokenError> {
    let own = match claims.kid.strip_prefix("service:") {
        None => claims.iss == "auth" && claims.grant().person.is_some(),
        Some(name) => {
            claims.iss == name
                && claims.sub == claims.kid
                && claims.permissions.is_empty()
                && claims.tenant.is_none()
        }
    };
    own.then_some(()).ok_or(TokenError::Subject)
}
