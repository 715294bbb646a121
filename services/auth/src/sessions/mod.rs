//! Sign-in, sessions and the access tokens made from them.
//!
//! The session token is opaque and lives with the client; only its hash is stored. It is good for
//! one thing: to be exchanged, by the gateway, for an access token of a minute.

mod answer;
mod client;
mod complete;
mod exchange;
pub(crate) mod grpc;
mod idle;
mod login;
mod open;
mod own;
mod own_store;
mod passkey;
mod passwords;
mod reauthenticate;
mod store;
mod throttle;

pub(crate) use answer::{by_token, set_session};
pub(crate) use client::Client;
pub(crate) use exchange::{Exchange, ROTATION, SYSTEM_ADMINISTRATOR, lacks_factor};
pub(crate) use idle::start as end_idle_sessions;
pub(crate) use login::{Login, LoginParts};
pub(crate) use open::{NewlyOpened, Opener, Opening};
pub(crate) use own::OwnSessions;
pub(crate) use own_store::{lock_person, revoke_in_tenant};
pub(crate) use passwords::Passwords;
pub(crate) use store::{Membership, end_others, mark};
pub(crate) use throttle::{Throttle, whole_seconds};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use yard_fault::Fault;

use crate::secrets;

/// Response metadata that the gateway turns into a cookie: `<token>;<max-age in seconds>`.
const SET_SESSION: &str = "yard-set-session";
/// Response metadata that makes the gateway look at the session anew.
pub(crate) const SESSION_CHANGED: &str = "yard-session-changed";

const PREFIX: &str = "yst_";
const RANDOM: usize = 32;

/// What a client proves its session with: `yst_` and 32 random bytes in base64url.
#[derive(Clone)]
pub(crate) struct SessionToken(String);

impl SessionToken {
    fn generate() -> Result<Self, Fault> {
        let random = secrets::random::<RANDOM>()?;
        Ok(Self(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random))))
    }

    /// `None` for a text that cannot be one of ours, which spares a look into the database.
    fn parse(text: &str) -> Option<Self> {
        let random = URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?;
        (random.len() == RANDOM).then(|| Self(text.to_owned()))
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    fn hash(&self) -> [u8; 32] {
        secrets::sha256(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_token_is_read_back_and_never_repeats() {
        let (a, b) = (SessionToken::generate().unwrap(), SessionToken::generate().unwrap());
        assert_ne!(a.hash(), b.hash());
        assert_eq!(a.expose().len(), 4 + 43);
        assert_eq!(SessionToken::parse(a.expose()).unwrap().hash(), a.hash());
    }

    #[test]
    fn session_token_of_another_shape_is_refused() {
        let good = SessionToken::generate().unwrap();
        let long = format!("{}A", good.expose());
        let bare = good.expose().replace("yst_", "");
        for text in ["", "yst_", "yst_AAAA", "\0", long.as_str(), bare.as_str()] {
            assert!(SessionToken::parse(text).is_none(), "{text:?}");
        }
    }
}
