//! What is known of issuers: where their endpoints are, and their keys.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jsonwebtoken::jwk::Jwk;
use serde::Deserialize;
use time::{Duration, OffsetDateTime};
use tokio::sync::Mutex as Turn;
use yard_fault::Fault;
use yard_ids::Clock;

use super::fetch::{Fetcher, failed};

/// How long a document is believed.
const FRESH: Duration = Duration::minutes(10);
/// A key that is not known has the set read again at most this often.
const LOOK: Duration = Duration::seconds(30);
/// Issuers known at once; the oldest go.
const MOST: usize = 256;
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

/// One issuer.
pub(super) struct Issuer {
    pub(super) metadata: Metadata,
    since: OffsetDateTime,
    /// Held while they are read, so that many who miss a key ask once.
    keys: Turn<Option<Keys>>,
}

struct Keys {
    read_at: OffsetDateTime,
    keys: Vec<Jwk>,
}

/// All issuers of this process.
pub(super) struct Directory {
    fetcher: Fetcher,
    clock: Arc<dyn Clock>,
    known: Mutex<HashMap<String, Arc<Issuer>>>,
}

impl Directory {
    pub(super) fn new(fetcher: Fetcher, clock: Arc<dyn Clock>) -> Self {
        Self { fetcher, clock, known: Mutex::default() }
    }

    /// The issuer of that name. Its document has to name it so, character by character.
    ///
    /// # Errors
    /// `federation.provider_failed`.
    pub(super) async fn issuer(&self, name: &str) -> Result<Arc<Issuer>, Fault> {
        let now = self.clock.now();
        let fresh = |issuer: &&Arc<Issuer>| is_within(issuer.since, now, FRESH);
        let known = self.known(|known| known.get(name).filter(fresh).cloned());
        if let Some(known) = known {
            return Ok(known);
        }
        let at = format!("{}/.well-known/openid-configuration", name.trim_end_matches('/'));
        let metadata: Metadata = self.fetcher.get(&at).await?;
        if metadata.issuer != name {
            return Err(failed("calls itself otherwise than it is set up here"));
        }
        for url in [&metadata.authorization_endpoint, &metadata.token_endpoint, &metadata.jwks_uri]
        {
            self.fetcher.url(url)?;
        }
        let issuer = Arc::new(Issuer { metadata, since: now, keys: Turn::new(None) });
        self.known(|known| {
            if known.len() >= MOST {
                known.retain(|_, issuer| is_within(issuer.since, now, FRESH));
            }
            if known.len() < MOST {
                known.insert(name.to_owned(), Arc::clone(&issuer));
            }
        });
        Ok(issuer)
    }

    /// The issuer's key of that id; without an id, its only one.
    ///
    /// # Errors
    /// `federation.provider_failed` when its keys cannot be read.
    pub(super) async fn key(
        &self,
        issuer: &Issuer,
        kid: Option<&str>,
    ) -> Result<Option<Jwk>, Fault> {
        let now = self.clock.now();
        let mut keys = issuer.keys.lock().await;
        let found = keys.as_ref().and_then(|known| find(&known.keys, kid));
        let stale = keys.as_ref().is_none_or(|known| !is_within(known.read_at, now, FRESH));
        let missed =
            found.is_none() && keys.as_ref().is_none_or(|k| !is_within(k.read_at, now, LOOK));
        if !(stale || missed) {
            return Ok(found);
        }
        let set: KeySet = self.fetcher.get(&issuer.metadata.jwks_uri).await?;
        // Keys of kinds that we do not know are nobody's mistake.
        let read = set.keys.into_iter().take(MOST_KEYS).filter_map(|key| {
            let signs = key.get("use").is_none_or(|usage| usage == "sig");
            serde_json::from_value(key).ok().filter(|_| signs)
        });
        let read = Keys { read_at: now, keys: read.collect() };
        let found = find(&read.keys, kid);
        *keys = Some(read);
        Ok(found)
    }

    pub(super) const fn fetcher(&self) -> &Fetcher {
        &self.fetcher
    }

    fn known<T>(&self, look: impl FnOnce(&mut HashMap<String, Arc<Issuer>>) -> T) -> T {
        look(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn find(keys: &[Jwk], kid: Option<&str>) -> Option<Jwk> {
    match (kid, keys) {
        (Some(kid), keys) => keys.iter().find(|key| key.common.key_id.as_deref() == Some(kid)),
        (None, [only]) => Some(only),
        (None, _) => None,
    }
    .cloned()
}

/// A clock that was set back ends what is known.
fn is_within(since: OffsetDateTime, now: OffsetDateTime, most: Duration) -> bool {
    (Duration::ZERO..most).contains(&(now - since))
}
