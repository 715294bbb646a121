use std::path::Path;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;
use yard_fault::{Code, Fault};
use yard_ids::{SessionId, TenantId};

/// Every token is for the platform as a whole; the policy decides the rest.
pub const AUDIENCE: &str = "switchyard";

/// Seconds an access token lives.
const LIFETIME: i64 = 60;

/// What an access token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// `auth`, or the service that signed for itself.
    pub iss: String,
    /// `person:<uuid>` or `service:<name>`.
    pub sub: String,
    /// [`AUDIENCE`].
    pub aud: String,
    /// Unix seconds.
    pub iat: i64,
    /// Unix seconds.
    pub exp: i64,
    /// One per token.
    pub jti: Uuid,
    /// The tenant the session is in; absent for system administrators and services.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<TenantId>,
    /// Role name, for display.
    #[serde(default)]
    pub role: String,
    /// What the role grants.
    #[serde(default)]
    pub permissions: Vec<String>,
    /// The session it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<SessionId>,
    /// When the person last proved who they are, Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<i64>,
    /// How (RFC 8176): `pwd`, `otp`, `pop`, `user`, `mfa`; `recovery` is ours.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub amr: Vec<String>,
}

impl Claims {
    /// Claims of a service about itself.
    #[must_use]
    pub fn of_service(name: &str, jti: Uuid, now: OffsetDateTime) -> Self {
        Self {
            iss: name.to_owned(),
            sub: format!("service:{name}"),
            aud: AUDIENCE.to_owned(),
            iat: now.unix_timestamp(),
            exp: now.unix_timestamp() + LIFETIME,
            jti,
            tenant: None,
            role: String::new(),
            permissions: Vec::new(),
            sid: None,
            auth_time: None,
            amr: Vec::new(),
        }
    }
}

/// Why a token is not taken. The caller only learns `auth.token_invalid`.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Not a JWT of ours at all.
    #[error("token cannot be read")]
    Malformed(#[source] jsonwebtoken::errors::Error),
    /// No such key in the trust file.
    #[error("token names an unknown key")]
    UnknownKey,
    /// Wrong signature, algorithm or audience.
    #[error("token does not verify")]
    Unverified(#[source] jsonwebtoken::errors::Error),
    /// Its time is over.
    #[error("token has expired")]
    Expired,
    /// Issued later than now, or for longer than we issue any.
    #[error("token has impossible times")]
    Times,
    /// A service's key signed for someone else.
    #[error("key may not speak for this subject")]
    Subject,
}

impl From<TokenError> for Fault {
    fn from(error: TokenError) -> Self {
        Self::new(Code::AuthTokenInvalid).with_source(error)
    }
}

/// Signs tokens with one Ed25519 key.
#[derive(Clone)]
pub struct Signer {
    key: EncodingKey,
    kid: String,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").field("kid", &self.kid).finish_non_exhaustive()
    }
}

impl Signer {
    /// `pem` is PKCS#8; `kid` is the key's id in the trust file.
    ///
    /// # Errors
    /// When the PEM holds no Ed25519 key.
    pub fn from_pem(pem: &[u8], kid: &str) -> Result<Self, TokenError> {
        let key = EncodingKey::from_ed_pem(pem).map_err(TokenError::Malformed)?;
        Ok(Self { key, kid: kid.to_owned() })
    }

    /// Reads [`Signer::from_pem`] from a file.
    ///
    /// # Errors
    /// One line that names the file.
    pub fn from_file(path: &Path, kid: &str) -> Result<Self, String> {
        let pem = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
        Self::from_pem(&pem, kid)
            .map_err(|_error| format!("{}: holds no Ed25519 key in PKCS#8 PEM", path.display()))
    }

    /// A compact JWS.
    ///
    /// # Errors
    /// When the key cannot sign, which a key that was read can.
    pub fn sign(&self, claims: &Claims) -> Result<String, TokenError> {
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(self.kid.clone());
        jsonwebtoken::encode(&header, claims, &self.key).map_err(TokenError::Malformed)
    }
}
