//! Key pairs, made here or read from the file that an installation begins with.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use x509_parser::pem::parse_x509_pem;
use yard_authn::Jwk;
use yard_fault::Fault;
use yard_runtime::{ConfigError, Secret};

use crate::config::IssuerConfig;

const OPTION: &str = "issuer.key_file";

/// A key pair of which nothing is stored yet.
pub(super) struct Material {
    pub(super) kid: String,
    /// The public half, base64url.
    pub(super) x: String,
    /// PKCS#8.
    pub(super) private: Vec<u8>,
}

impl Material {
    pub(super) fn generate() -> Result<Self, Fault> {
        let refused = |_e| Fault::internal("could not make an Ed25519 key");
        let pair = Ed25519KeyPair::generate().map_err(refused)?;
        let private = pair.to_pkcs8v1().map_err(refused)?.as_ref().to_vec();
        let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        Ok(Self { kid: format!("issuer:{}", thumbprint(&x)), x, private })
    }

    /// The key of the file, under the id that it has among the published ones: services know it
    /// before auth has stated any.
    pub(super) fn first(config: &IssuerConfig, published: &[Jwk]) -> Result<Self, ConfigError> {
        let pem = Secret::from_file(OPTION, &config.key_file)?;
        let unreadable = || ConfigError::new(OPTION, "holds no Ed25519 key in PKCS#8 PEM");
        let (_, block) =
            parse_x509_pem(pem.expose().as_bytes()).map_err(|_unreadable| unreadable())?;
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&block.contents)
            .map_err(|_rejected| unreadable())?;
        let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        let jwk = published.iter().find(|jwk| jwk.x == x).ok_or_else(|| {
            ConfigError::new(OPTION, "its public key is no issuer of identity.trust_file")
        })?;
        Ok(Self { kid: jwk.kid.clone(), x, private: block.contents })
    }
}

/// RFC 7638: the hash of the required members, in order, without spaces.
fn thumbprint(x: &str) -> String {
    let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    URL_SAFE_NO_PAD.encode(digest(&SHA256, canonical.as_bytes()))
}
