use std::path::Path;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;
use yard_fault::{Code, Fault};
use yard_ids::{PrincipalId, SessionId, TenantId};

use crate::Grant;

/// Every token is for the platform as a whole; the policy decides the rest.
pub const AUDIENCE: &str = "switchyard";

/// Seconds an access token lives.
const LIFETIME: i64 = 60;

/// What an access token says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    /// How (RFC 8176): `pwd`, `otp`, `hwk`, `swk`, `user`, `mfa`; `recovery` is ours.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub amr: Vec<String>,
    /// The tenant requires a second factor, and none was shown: good for getting one only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lacks_factor: bool,
    /// The API token it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_token: Option<Uuid>,
    /// The entry by which a system administrator is in the tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub break_glass: Option<Uuid>,
    /// The OAuth client that acts for the person, if one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<Uuid>,
    /// The tenant's identity provider by whose word the session was opened, if one did: it says who
    /// somebody is in its tenant, and nothing about their own account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<Uuid>,
    /// When what it says was looked up: milliseconds since 1970, by the database's clock, which
    /// revocations are timed by too. 0 when that was not told.
    #[serde(default)]
    pub issued_ms: i64,
    /// When the session or API token ends by itself, Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<i64>,
    /// Not before, Unix seconds. We never say so; a token that does is held to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
    /// The key that signed. Not in the token's body: the verifier fills it in.
    #[serde(skip)]
    pub kid: String,
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
            ..Self::default()
        }
    }

    /// What of it can be withdrawn.
    #[must_use]
    pub fn grant(&self) -> Grant {
        let person = self.sub.strip_prefix("person:").and_then(|id| Uuid::try_parse(id).ok());
        let issued =
            if self.issued_ms > 0 { self.issued_ms } else { self.iat.saturating_mul(1_000) };
        Grant {
            person: person.map(PrincipalId::from_uuid),
            tenant: self.tenant,
            session: self.sid,
            api_token: self.api_token,
            kid: self.kid.as_str().into(),
            issued_ms: issued,
            ends: self.ends,
        }
    }
}

/// Why a token is not taken. The caller only learns `auth.token_invalid`.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Not a JWT of ours at all.
    #[error("token has not the shape of ours")]
    Shape,
    /// The key cannot be read, or cannot sign.
    #[error("key cannot be used")]
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
    /// Longer than any of ours.
    #[error("token is longer than any of ours")]
    TooLong,
    /// What it stands for has ended or changed since it was issued.
    #[error("token was revoked")]
    Revoked,
}

impl From<TokenError> for Fault {
    fn from(error: TokenError) -> Self {
        let code = match error {
            TokenError::Revoked => Code::AuthTokenRevoked,
            _ => Code::AuthTokenInvalid,
        };
        Self::new(code).with_source(error)
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

    /// `der` is PKCS#8; `kid` is the key's id in the key set.
    #[must_use]
    pub fn from_der(der: &[u8], kid: &str) -> Self {
        Self { key: EncodingKey::from_ed_der(der), kid: kid.to_owned() }
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
        self.sign_any(crate::trust::ACCESS_TOKEN, claims)
    }

    /// Id of the key.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Signs anything that is not an access token, under a `typ` of its own.
    ///
    /// # Errors
    /// When the key cannot sign, which a key that was read can.
    pub fn sign_any<T: Serialize>(&self, typ: &str, claims: &T) -> Result<String, TokenError> {
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(typ.to_owned());
        header.kid = Some(self.kid.clone());
        jsonwebtoken::encode(&header, claims, &self.key).map_err(TokenError::Malformed)
    }
}
