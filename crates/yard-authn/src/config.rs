use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use serde::{Deserialize, Serialize};
use yard_ids::{Clock, IdSource};
use yard_runtime::{ConfigError, Runtime, follow_files};

use crate::{Claims, Jwk, KeyStatement, Signer, TokenError, Verifier};

const KEY: &str = "identity.key_file";
const TRUST: &str = "identity.trust_file";

/// Section `[identity]` of a service.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityConfig {
    /// The service's own Ed25519 key, PKCS#8 PEM.
    pub key_file: PathBuf,
    /// JWK set of all services' and the issuer's public keys; while a service's key is changed it
    /// has both under the service's id.
    pub trust_file: PathBuf,
}

/// A service's own name and whom it believes. Cheap to clone; clones see a changed key.
#[derive(Clone)]
pub struct Identity {
    service: &'static str,
    signer: Arc<RwLock<Signer>>,
    verifier: Verifier,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
}

impl Identity {
    /// Reads both files, and follows them from then on: a key can be changed while the service
    /// runs. What they held before stays in force if they cannot be used.
    ///
    /// # Errors
    /// Names the option and the file.
    pub fn load(config: &IdentityConfig, runtime: &Runtime) -> Result<Self, ConfigError> {
        let service = runtime.service();
        let verifier = Verifier::from_file(&config.trust_file, runtime.clock())
            .map_err(|problem| ConfigError::new(TRUST, problem.to_string()))?;
        let signer = Arc::new(RwLock::new(signer(config, service)?));
        let this = Self { service, signer, verifier, clock: runtime.clock(), ids: runtime.ids() };
        let (follower, config) = (this.clone(), config.clone());
        let files = vec![config.key_file.clone(), config.trust_file.clone()];
        follow_files(runtime, "identity", files, move || follower.reload(&config));
        Ok(this)
    }

    /// Takes what the files hold now. The own key only if the own trust file knows it: written
    /// together with a trust file that the others do not have yet, or alone by mistake, it would
    /// have every call refused.
    fn reload(&self, config: &IdentityConfig) -> Result<(), ConfigError> {
        let reloaded = self.verifier.reload(&config.trust_file);
        reloaded.map_err(|problem| ConfigError::new(TRUST, problem.to_string()))?;
        let signer = signer(config, self.service)?;
        let probe = signer.sign(&self.claims());
        if probe.and_then(|token| self.verifier.verify(&token)).is_err() {
            let problem = "holds a key that identity.trust_file does not name; the old one stays";
            return Err(ConfigError::new(KEY, problem));
        }
        *self.signer.write().unwrap_or_else(PoisonError::into_inner) = signer;
        Ok(())
    }

    /// Checks others' tokens.
    #[must_use]
    pub const fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// States the issuer's keys, in this service's own name; only auth's is believed.
    ///
    /// # Errors
    /// When the key cannot sign.
    pub fn state_keys(&self, keys: Vec<Jwk>, generation: i64) -> Result<String, TokenError> {
        KeyStatement::new(keys, generation, self.clock.now()).sign(&self.signer())
    }

    /// A fresh token of 60 seconds in this service's own name.
    ///
    /// # Errors
    /// When the key cannot sign.
    pub fn token(&self) -> Result<String, TokenError> {
        self.signer().sign(&self.claims())
    }

    fn claims(&self) -> Claims {
        Claims::of_service(self.service, self.ids.uuid7(), self.clock.now())
    }

    fn signer(&self) -> Signer {
        self.signer.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn signer(config: &IdentityConfig, service: &str) -> Result<Signer, ConfigError> {
    Signer::from_file(&config.key_file, &format!("service:{service}"))
        .map_err(|problem| ConfigError::new(KEY, problem))
}
