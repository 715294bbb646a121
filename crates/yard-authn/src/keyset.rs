use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use crate::token::{Signer, TokenError};
use crate::trust::{Jwk, Keys, TrustError, decode_by_any, decoding_keys};

/// Whom a statement of keys is for; no access token has it.
pub const STATEMENT_AUDIENCE: &str = "switchyard-keys";
const TYPE: &str = "keyset+jwt";
/// A statement is believed for so long without a newer one. auth repeats it every minute.
const LIFE: Duration = Duration::hours(24);

/// What auth says of its issuer's keys: all that tokens may be signed with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyStatement {
    iss: String,
    aud: String,
    iat: i64,
    exp: i64,
    /// Grows with every change of the keys.
    generation: i64,
    keys: Vec<Jwk>,
}

impl KeyStatement {
    /// States that these are the keys from now on.
    #[must_use]
    pub fn new(keys: Vec<Jwk>, generation: i64, now: OffsetDateTime) -> Self {
        Self {
            iss: "auth".to_owned(),
            aud: STATEMENT_AUDIENCE.to_owned(),
            iat: now.unix_timestamp(),
            exp: (now + LIFE).unix_timestamp(),
            generation,
            keys,
        }
    }

    /// Signs it with auth's own key.
    ///
    /// # Errors
    /// When the key cannot sign.
    pub fn sign(&self, signer: &Signer) -> Result<String, TokenError> {
        signer.sign_any(TYPE, self)
    }
}

/// Why a statement of keys was not believed.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The trust file has no key of auth.
    #[error("there is no key of auth to check it with")]
    Signer,
    /// Not a statement, or not signed by auth.
    #[error("it is not auth's statement")]
    Unverified(#[source] jsonwebtoken::errors::Error),
    /// Something else of auth's.
    #[error("it is of another type")]
    Type,
    /// Too old to be believed.
    #[error("its time is over")]
    Expired,
    /// A newer one is known.
    #[error("a newer one is known")]
    Older,
    /// A key in it cannot be used.
    #[error("it holds a key that cannot be used")]
    Keys(#[source] TrustError),
}

/// The issuer's keys as stated.
pub(crate) struct IssuerKeys {
    generation: i64,
    exp: i64,
    keys: Keys,
}

impl IssuerKeys {
    pub(crate) fn read(
        statement: &str,
        signers: &[DecodingKey],
        now: OffsetDateTime,
    ) -> Result<Self, Refused> {
        let mut rules = Validation::new(Algorithm::EdDSA);
        rules.set_audience(&[STATEMENT_AUDIENCE]);
        rules.validate_exp = false;
        let read = decode_by_any::<KeyStatement>(statement, signers, &rules)
            .ok_or(Refused::Signer)?
            .map_err(Refused::Unverified)?;
        if read.header.typ.as_deref() != Some(TYPE) {
            return Err(Refused::Type);
        }
        let KeyStatement { generation, exp, keys, .. } = read.claims;
        if exp <= now.unix_timestamp() {
            return Err(Refused::Expired);
        }
        let keys = decoding_keys(&keys, &["issuer"]).map_err(Refused::Keys)?;
        Ok(Self { generation, exp, keys })
    }

    pub(crate) const fn generation(&self) -> i64 {
        self.generation
    }

    /// `None` also when nothing newer was heard for a day.
    pub(crate) fn key(&self, kid: &str, now: OffsetDateTime) -> Option<DecodingKey> {
        let known = self.keys.get(kid).filter(|_| now.unix_timestamp() < self.exp)?;
        known.first().cloned()
    }
}
