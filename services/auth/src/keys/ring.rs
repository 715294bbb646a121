use std::sync::{Arc, PoisonError, RwLock};

use anyhow::Context as _;
use serde::Serialize;
use yard_authn::{Claims, Identity, Jwk, PublicClaims, Signer};
use yard_fault::Fault;

use super::plan::State;
use super::rotation::KeysParts;
use super::store::Row;

/// What private halves are sealed for; the key's id is bound to it.
pub(super) const PURPOSE: &str = "signing-key";

/// The keys as this instance uses them. Cheap to clone; clones see every change.
#[derive(Clone)]
pub(crate) struct Keys(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) parts: KeysParts,
    ring: RwLock<Arc<Ring>>,
}

/// Keys of one moment.
struct Ring {
    active: Signer,
    published: Vec<Jwk>,
    generation: i64,
}

impl Keys {
    /// Reads the keys; makes the first ones in a new installation.
    ///
    /// # Errors
    /// When the database does not answer, a key cannot be opened, or the first one cannot be read.
    pub(crate) async fn start(parts: KeysParts, identity: &Identity) -> anyhow::Result<Self> {
        let first = identity.verifier().issuer_keys();
        let (rows, generation) = parts.load_or_begin(first).await?;
        let ring = Ring::of(&parts, &rows, generation)?;
        Ok(Self(Arc::new(Inner { parts, ring: RwLock::new(Arc::new(ring)) })))
    }

    /// Signs an access token.
    ///
    /// # Errors
    /// `internal` when the key cannot sign.
    pub(crate) fn sign(&self, claims: &Claims) -> Result<String, Fault> {
        let failed = |e| Fault::internal("the issuer key cannot sign").with_source(e);
        self.ring().active.sign(claims).map_err(failed)
    }

    /// Signs an access token for a client outside.
    ///
    /// # Errors
    /// `internal` when the key cannot sign.
    pub(crate) fn sign_public(&self, claims: &PublicClaims) -> Result<String, Fault> {
        let failed = |e| Fault::internal("the issuer key cannot sign").with_source(e);
        claims.sign(&self.ring().active).map_err(failed)
    }

    /// Signs an ID token: it tells a client who was signed in, and opens nothing.
    ///
    /// # Errors
    /// `internal` when the key cannot sign.
    pub(crate) fn sign_id_token<T: Serialize>(&self, claims: &T) -> Result<String, Fault> {
        let failed = |e| Fault::internal("the issuer key cannot sign").with_source(e);
        self.ring().active.sign_any("JWT", claims).map_err(failed)
    }

    /// Pending, active and retiring ones.
    pub(crate) fn published(&self) -> Vec<Jwk> {
        self.ring().published.clone()
    }

    /// Grows with every change.
    pub(crate) fn generation(&self) -> i64 {
        self.ring().generation
    }

    /// The published keys, stated in auth's name.
    ///
    /// # Errors
    /// When auth's own key cannot sign.
    pub(crate) fn statement(&self) -> anyhow::Result<String> {
        let ring = self.ring();
        let stated = self.0.parts.identity.state_keys(ring.published.clone(), ring.generation);
        stated.context("state the keys")
    }

    /// Uses these keys from now on, unless newer ones came meanwhile.
    pub(super) fn set(&self, rows: &[Row], generation: i64) -> anyhow::Result<()> {
        let ring = Ring::of(&self.0.parts, rows, generation)?;
        let mut current = self.0.ring.write().unwrap_or_else(PoisonError::into_inner);
        if current.generation < ring.generation {
            *current = Arc::new(ring);
        }
        Ok(())
    }

    fn ring(&self) -> Arc<Ring> {
        Arc::clone(&self.0.ring.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Ring {
    fn of(parts: &KeysParts, rows: &[Row], generation: i64) -> anyhow::Result<Self> {
        let active = rows.iter().find(|row| row.state() == State::Active);
        let active = active.context("no signing key is active")?;
        let sealed = active.sealed.as_deref().context("the active key has no private half")?;
        let opened = parts.sealer.open(PURPOSE, active.kid.as_bytes(), sealed);
        let private = opened.map_err(|fault| anyhow::anyhow!("{}", fault.inside()))?;
        let published = rows.iter().map(|row| Jwk {
            kty: "OKP".to_owned(),
            crv: "Ed25519".to_owned(),
            x: row.public_x.clone(),
            kid: row.kid.clone(),
        });
        Ok(Self {
            active: Signer::from_der(&private, &active.kid),
            published: published.collect(),
            generation,
        })
    }
}
