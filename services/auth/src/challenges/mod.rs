//! Challenges: what somebody has begun and has to finish with a proof. The token is opaque and only
//! its hash is stored; it is good for five minutes, five tries and one success.

mod store;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;
use yard_fault::{Code, Fault};
use yard_pg::PlatformTx;

pub(crate) use store::Pending;

use crate::secrets;

/// How long one is good.
const LIFETIME: Duration = Duration::minutes(5);
const TRIES: i16 = 5;
const PREFIX: &str = "ych_";
const RANDOM: usize = 32;
/// What the challenge for an authenticator is made with, so that it is not what is stored.
const FOR_AUTHENTICATOR: &str = "for an authenticator: ";

/// What a challenge is for; one made for another purpose is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    SecondFactor,
    PasskeySignIn,
    PasskeyRegistration,
    Reauthentication,
}

impl Purpose {
    const fn as_str(self) -> &'static str {
        match self {
            Self::SecondFactor => "second-factor",
            Self::PasskeySignIn => "passkey-sign-in",
            Self::PasskeyRegistration => "passkey-registration",
            Self::Reauthentication => "re-authentication",
        }
    }
}

/// What the client shows again.
pub(crate) struct ChallengeToken(String);

impl ChallengeToken {
    fn generate() -> Result<Self, Fault> {
        let random = secrets::random::<RANDOM>()?;
        Ok(Self(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random))))
    }

    /// # Errors
    /// `auth.challenge_expired` for a text that cannot be one of ours.
    pub(crate) fn parse(text: &str) -> Result<Self, Fault> {
        let random = text.strip_prefix(PREFIX).and_then(|t| URL_SAFE_NO_PAD.decode(t).ok());
        let ours = random.is_some_and(|random| random.len() == RANDOM);
        ours.then(|| Self(text.to_owned())).ok_or_else(|| Code::AuthChallengeExpired.into())
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// The challenge that an authenticator signs. It tells nothing of the token.
    pub(crate) fn for_authenticator(&self) -> [u8; 32] {
        secrets::sha256(&format!("{FOR_AUTHENTICATOR}{}", self.0))
    }

    fn hash(&self) -> [u8; 32] {
        secrets::sha256(&self.0)
    }
}

/// What has been begun.
pub(crate) struct Begun<'a> {
    pub(crate) purpose: Purpose,
    pub(crate) person: Option<Uuid>,
    pub(crate) tenant: Option<Uuid>,
    /// What was shown so far.
    pub(crate) amr: &'a [&'a str],
}

/// Makes a challenge; the token and its end.
///
/// # Errors
/// When the database does not take it.
pub(crate) async fn begin(
    tx: &mut PlatformTx,
    begun: &Begun<'_>,
    now: OffsetDateTime,
) -> Result<(ChallengeToken, OffsetDateTime), Fault> {
    let token = ChallengeToken::generate()?;
    let expires_at = now + LIFETIME;
    store::sweep(tx, now).await?;
    store::insert(tx, &token.hash(), begun, now, expires_at).await?;
    Ok((token, expires_at))
}

/// Counts a try. Has to be committed before the proof is looked at, so that whoever tries at once
/// from many places has no more tries than others.
///
/// # Errors
/// `auth.challenge_expired`.
pub(crate) async fn count_try(
    tx: &mut PlatformTx,
    token: &ChallengeToken,
    purpose: Purpose,
    now: OffsetDateTime,
) -> Result<Pending, Fault> {
    let row = store::count_try(tx, &token.hash(), purpose, now, TRIES).await?;
    row.ok_or_else(|| Code::AuthChallengeExpired.into())
}

/// Uses it up, in the transaction that does what it was for.
///
/// # Errors
/// `auth.challenge_expired` when somebody else just did.
pub(crate) async fn finish(tx: &mut PlatformTx, token: &ChallengeToken) -> Result<(), Fault> {
    let done = store::delete(tx, &token.hash()).await?;
    done.then_some(()).ok_or_else(|| Code::AuthChallengeExpired.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_of_another_shape_is_refused() {
        let good = ChallengeToken::generate().unwrap();
        assert_eq!(ChallengeToken::parse(good.expose()).unwrap().hash(), good.hash());
        let long = format!("{}A", good.expose());
        let session = good.expose().replace("ych_", "yst_");
        for text in ["", "ych_", "ych_AAAA", long.as_str(), session.as_str()] {
            let refused = ChallengeToken::parse(text).err().map(|fault| fault.code());
            assert_eq!(refused, Some(Code::AuthChallengeExpired), "{text}");
        }
    }
}
