use jsonwebtoken::{Algorithm, Validation};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;
use yard_ids::SessionId;

use crate::token::{Signer, TokenError};
use crate::trust::{self, Jwk};

/// What an access token says that a client outside the platform holds (RFC 9068). It is good at the
/// gateway alone, which has it exchanged like a session: its audience is the public address, so that
/// no service takes it, and it names no permission that could have been taken away since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicClaims {
    /// The public address.
    pub iss: String,
    /// The person's principal id.
    pub sub: String,
    /// The public address.
    pub aud: String,
    /// The client that it was made for.
    pub client_id: Uuid,
    /// Unix seconds.
    pub iat: i64,
    /// Unix seconds.
    pub exp: i64,
    /// One per token.
    pub jti: Uuid,
    /// What the client may use, separated by spaces.
    pub scope: String,
    /// The session that the grant is.
    pub sid: SessionId,
    /// When the person last proved who they are, Unix seconds.
    pub auth_time: i64,
}

impl PublicClaims {
    /// Verifies signature, type, issuer, audience and time against the keys that are published now.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub fn verify(
        token: &str,
        keys: &[Jwk],
        issuer: &str,
        now: OffsetDateTime,
    ) -> Result<Self, TokenError> {
        if token.len() > trust::LARGEST {
            return Err(TokenError::TooLong);
        }
        let header = trust::header(token)?;
        let jwk = keys.iter().find(|jwk| jwk.kid == header.kid).ok_or(TokenError::UnknownKey)?;
        let keys = trust::decoding_keys(std::slice::from_ref(jwk), &["issuer"])
            .ok()
            .and_then(|mut keys| keys.remove(&header.kid))
            .ok_or(TokenError::UnknownKey)?;
        // One algorithm, whatever the header asks for. Times are compared below, on our clock.
        let mut rules = Validation::new(Algorithm::EdDSA);
        rules.set_audience(&[issuer]);
        rules.set_issuer(&[issuer]);
        rules.validate_exp = false;
        let decoded = trust::decode_by_any::<Self>(token, &keys, &rules);
        let claims = decoded.ok_or(TokenError::UnknownKey)?.map_err(TokenError::Unverified)?.claims;
        if claims.exp <= now.unix_timestamp() {
            return Err(TokenError::Expired);
        }
        Ok(claims)
    }

    /// Signs it as an access token.
    ///
    /// # Errors
    /// When the key cannot sign, which a key that was read can.
    pub fn sign(&self, signer: &Signer) -> Result<String, TokenError> {
        signer.sign_any(trust::ACCESS_TOKEN, self)
    }
}
