//! What is known of issuers: where their endpoints are, and their keys.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jsonwebtoken::Algorithm;
use jsonwebtoken::jwk::Jwk;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use time::{Duration, OffsetDateTime};
use tokio::sync::{Mutex as Turn, OwnedMutexGuard};
use uuid::Uuid;
use yard_fault::Fault;
use yard_ids::Clock;

use super::fetch::{Fetcher, failed};
use super::id_token::fits;
use super::places::{Place, Places};

/// How long a document is believed.
const FRESH: Duration = Duration::minutes(10);
/// A key that is not known has the set read again at most this often.
const LOOK: Duration = Duration::seconds(30);
/// An issuer that failed is let alone for so long.
const PAUSE: Duration = Duration::seconds(5);
/// Issuers known at once.
const MOST: usize = 1_024;
const MOST_KEYS: usize = 64;

/// An issuer's own description (OpenID Connect Discovery section 3).
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Metadata {
    pub(super) issuer: String,
    pub(super) authorization_endpoint: String,
    pub(super) token_endpoint: String,
    jwks_uri: String,
    #[serde(default)]
    pub(super) authorization_response_iss_parameter_supported: bool,
    #[serde(default)]
    pub(super) token_endpoint_auth_methods_supported: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<serde_json::Value>,
}

/// What is known of one issuer. Locked while it is asked, so that many who miss something ask once.
#[derive(Default)]
struct Issuer {
    metadata: Option<(Arc<Metadata>, OffsetDateTime)>,
    keys: Option<(Vec<Jwk>, OffsetDateTime)>,
    failed_at: Option<OffsetDateTime>,
}

impl Issuer {
    fn may_be_asked(&self, now: OffsetDateTime) -> Result<(), Fault> {
        let rests = self.failed_at.is_some_and(|at| is_within(at, now, PAUSE));
        if rests { Err(failed("failed a moment ago")) } else { Ok(()) }
    }

    fn note<T>(&mut self, now: OffsetDateTime, said: Result<T, Fault>) -> Result<T, Fault> {
        self.failed_at = said.is_err().then_some(now);
        said
    }
}

/// All issuers of this process.
pub(super) struct Directory {
    fetcher: Fetcher,
    clock: Arc<dyn Clock>,
    known: Mutex<HashMap<String, Arc<Turn<Issuer>>>>,
    places: Places,
}

impl Directory {
    pub(super) fn new(fetcher: Fetcher, clock: Arc<dyn Clock>) -> Self {
        Self { fetcher, clock, known: Mutex::default(), places: Places::default() }
    }

    /// A place among those who ask for a tenant. Hold it for as long as one of the others is asked.
    ///
    /// # Errors
    /// `federation.provider_failed` when so many do already.
    pub(super) fn place(&self, tenant: Uuid) -> Result<Place, Fault> {
        self.places.take(tenant)
    }

    pub(super) const fn fetcher(&self) -> &Fetcher {
        &self.fetcher
    }

    /// How the issuer of that name describes itself.
    ///
    /// # Errors
    /// `federation.provider_failed`.
    pub(super) async fn metadata(&self, name: &str) -> Result<Arc<Metadata>, Fault> {
        let mut issuer = self.turn(name).await;
        self.described(name, &mut issuer).await
    }

    /// The issuer's key of that id for an algorithm; without an id, its only one.
    ///
    /// # Errors
    /// `federation.provider_failed` when its keys cannot be read.
    pub(super) async fn key(
        &self,
        name: &str,
        algorithm: Algorithm,
        kid: Option<&str>,
    ) -> Result<Option<Jwk>, Fault> {
        let mut issuer = self.turn(name).await;
        let metadata = self.described(name, &mut issuer).await?;
        let now = self.clock.now();
        if let Some((keys, read_at)) = &issuer.keys
            && is_within(*read_at, now, FRESH)
        {
            let found = find(keys, algorithm, kid);
            if found.is_some() || is_within(*read_at, now, LOOK) {
                return Ok(found);
            }
        }
        issuer.may_be_asked(now)?;
        let read = self.keys(&metadata).await;
        let keys = issuer.note(now, read)?;
        let found = find(&keys, algorithm, kid);
        issuer.keys = Some((keys, now));
        Ok(found)
    }

    async fn described(&self, name: &str, issuer: &mut Issuer) -> Result<Arc<Metadata>, Fault> {
        let now = self.clock.now();
        if let Some((metadata, read_at)) = &issuer.metadata
            && is_within(*read_at, now, FRESH)
        {
            return Ok(Arc::clone(metadata));
        }
        issuer.may_be_asked(now)?;
        let read = self.describe(name).await;
        let metadata = Arc::new(issuer.note(now, read)?);
        issuer.metadata = Some((Arc::clone(&metadata), now));
        Ok(metadata)
    }

    /// Its document has to name it as it is set up, character by character.
    async fn describe(&self, name: &str) -> Result<Metadata, Fault> {
        let at = format!("{}/.well-known/openid-configuration", name.trim_end_matches('/'));
        let metadata: Metadata = self.fetcher.get(&at).await?;
        if metadata.issuer != name {
            return Err(failed("calls itself otherwise than it is set up here"));
        }
        for url in [&metadata.authorization_endpoint, &metadata.token_endpoint, &metadata.jwks_uri]
        {
            self.fetcher.url(url)?;
        }
        Ok(metadata)
    }

    async fn keys(&self, metadata: &Metadata) -> Result<Vec<Jwk>, Fault> {
        let set: KeySet = self.fetcher.get(&metadata.jwks_uri).await?;
        // Keys of kinds that we do not know are nobody's mistake.
        let read = set.keys.into_iter().take(MOST_KEYS).filter_map(|key| {
            let signs = key.get("use").is_none_or(|usage| usage == "sig");
            serde_json::from_value(key).ok().filter(|_| signs)
        });
        Ok(read.collect())
    }

    /// A form to the issuer's token endpoint, as [`Fetcher::post`].
    ///
    /// # Errors
    /// `federation.provider_failed`.
    pub(super) async fn redeem<T: DeserializeOwned>(
        &self,
        metadata: &Metadata,
        form: &[(&str, &str)],
        basic: Option<(&str, &str)>,
    ) -> Result<(bool, T), Fault> {
        self.fetcher.post(&metadata.token_endpoint, form, basic).await
    }

    /// What is known of an issuer, once nobody else asks it.
    async fn turn(&self, name: &str) -> OwnedMutexGuard<Issuer> {
        self.issuer(name).lock_owned().await
    }

    fn issuer(&self, name: &str) -> Arc<Turn<Issuer>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST && !known.contains_key(name) {
            // Those that nobody is asking at this moment are asked anew when they are needed.
            known.retain(|_, issuer| Arc::strong_count(issuer) > 1);
        }
        Arc::clone(known.entry(name.to_owned()).or_default())
    }
}

fn find(keys: &[Jwk], algorithm: Algorithm, kid: Option<&str>) -> Option<Jwk> {
    let named = |key: &&Jwk| kid.is_none() || key.common.key_id.as_deref() == kid;
    let mut fitting = keys.iter().filter(|key| fits(key, algorithm)).filter(named);
    let first = fitting.next()?;
    (kid.is_some() || fitting.next().is_none()).then(|| first.clone())
}

/// A clock that was set back ends what is known.
fn is_within(since: OffsetDateTime, now: OffsetDateTime, most: Duration) -> bool {
    (Duration::ZERO..most).contains(&(now - since))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn keys(of: &[Value]) -> Vec<Jwk> {
        of.iter().map(|key| serde_json::from_value(key.clone()).unwrap()).collect()
    }

    #[test]
    fn key_is_found_by_its_id_and_kind_and_without_an_id_only_when_alone() {
        let ed = |kid: &str| json!({"kty": "OKP", "crv": "Ed25519", "x": "AA", "kid": kid});
        let ec = |kid: &str| json!({"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": kid});
        let all = keys(&[ed("a"), ed("b"), ec("a"), ec("c")]);
        let id = |found: Option<Jwk>| found.and_then(|key| key.common.key_id);
        assert_eq!(id(find(&all, Algorithm::EdDSA, Some("b"))).as_deref(), Some("b"));
        let other = find(&all, Algorithm::ES256, Some("a")).unwrap();
        assert!(fits(&other, Algorithm::ES256));
        assert!(find(&all, Algorithm::EdDSA, Some("c")).is_none());
        assert!(find(&all, Algorithm::EdDSA, None).is_none());
        let alone = keys(&[ed("a"), ec("c")]);
        assert_eq!(id(find(&alone, Algorithm::ES256, None)).as_deref(), Some("c"));
    }
}
