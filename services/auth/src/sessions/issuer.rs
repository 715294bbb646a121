use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use x509_parser::pem::parse_x509_pem;
use yard_authn::{Claims, Jwk, Signer};
use yard_fault::Fault;
use yard_runtime::{ConfigError, Secret};

use crate::config::IssuerConfig;

const OPTION: &str = "issuer.key_file";

/// Signs people's access tokens.
#[derive(Debug, Clone)]
pub(crate) struct Issuer(Signer);

impl Issuer {
    /// Reads the key and finds its id by its public half among the published keys: tokens of a
    /// key that no service knows would be refused everywhere.
    pub(crate) fn load(config: &IssuerConfig, published: &[Jwk]) -> Result<Self, ConfigError> {
        let pem = Secret::from_file(OPTION, &config.key_file)?;
        Self::of_pem(pem.expose(), published)
    }

    fn of_pem(pem: &str, published: &[Jwk]) -> Result<Self, ConfigError> {
        let unreadable = || ConfigError::new(OPTION, "holds no Ed25519 key in PKCS#8 PEM");
        let (_, block) = parse_x509_pem(pem.as_bytes()).map_err(|_unreadable| unreadable())?;
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&block.contents)
            .map_err(|_rejected| unreadable())?;
        let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        let jwk = published.iter().find(|jwk| jwk.x == x).ok_or_else(|| {
            ConfigError::new(OPTION, "its public key is no issuer of identity.trust_file")
        })?;
        let signer =
            Signer::from_pem(pem.as_bytes(), &jwk.kid).map_err(|_rejected| unreadable())?;
        Ok(Self(signer))
    }

    pub(super) fn sign(&self, claims: &Claims) -> Result<String, Fault> {
        let failed = |e| Fault::internal("the issuer key cannot sign").with_source(e);
        self.0.sign(claims).map_err(failed)
    }
}
