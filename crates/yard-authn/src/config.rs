use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use yard_ids::{Clock, IdSource};
use yard_runtime::{ConfigError, Runtime};

use crate::{Claims, Jwk, KeyStatement, Signer, TokenError, Verifier};

/// Section `[identity]` of a service.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityConfig {
    /// The service's own Ed25519 key, PKCS#8 PEM.
    pub key_file: PathBuf,
    /// JWK set of all services' and the issuer's public keys.
    pub trust_file: PathBuf,
}

/// A service's own name and whom it believes.
#[derive(Clone)]
pub struct Identity {
    service: &'static str,
    signer: Signer,
    verifier: Verifier,
    clock: std::sync::Arc<dyn Clock>,
    ids: std::sync::Arc<dyn IdSource>,
}

impl Identity {
    /// Reads both files.
    ///
    /// # Errors
    /// Names the option and the file.
    pub fn load(config: &IdentityConfig, runtime: &Runtime) -> Result<Self, ConfigError> {
        let service = runtime.service();
        let signer = Signer::from_file(&config.key_file, &format!("service:{service}"))
            .map_err(|problem| ConfigError::new("identity.key_file", problem))?;
        let verifier = Verifier::from_file(&config.trust_file, runtime.clock())
            .map_err(|problem| ConfigError::new("identity.trust_file", problem.to_string()))?;
        Ok(Self { service, signer, verifier, clock: runtime.clock(), ids: runtime.ids() })
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
        KeyStatement::new(keys, generation, self.clock.now()).sign(&self.signer)
    }

    /// A fresh token of 60 seconds in this service's own name.
    ///
    /// # Errors
    /// When the key cannot sign.
    pub fn token(&self) -> Result<String, TokenError> {
        let claims = Claims::of_service(self.service, self.ids.uuid7(), self.clock.now());
        self.signer.sign(&claims)
    }
}
