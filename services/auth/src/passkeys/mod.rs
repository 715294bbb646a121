//! Passkeys: credentials of W3C Web Authentication, Level 3, verified here (ADR 0034).
//!
//! Every answer has to come from one of the configured origins, to a challenge that was given out for
//! this and not used, with the user verified by the authenticator. What an answer is refused for is
//! logged, never told. A challenge for an authenticator is made from the token that its client shows
//! again, so that nothing but the token's hash is stored.

mod authenticator_data;
mod cbor;
mod client_data;
mod form;
pub(crate) mod grpc;
mod key;
mod registration;
mod relying_party;
mod store;
#[cfg(test)]
mod tests;
mod verify;

pub(crate) use form::Answer;
pub use relying_party::PasskeysConfig;
pub(crate) use relying_party::RelyingParty;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;
use yard_contracts::identity::v1 as wire;
use yard_fault::Fault;
use yard_ids::Clock;
use yard_pg::{Actor, Pg, PlatformTx};
use yard_runtime::ConfigError;

use crate::challenges::ChallengeToken;
use crate::factors::MULTI_FACTOR;
use crate::mail::MailConfig;
use crate::telemetry;
use verify::Known;

/// How a session is marked for it: possession of a key, whose use asked for a second factor.
pub(crate) const SHOWN: &[&str] = &["pop", MULTI_FACTOR];

/// How long a browser waits for its user, milliseconds; the challenge lives a little longer.
const PATIENCE: i32 = 240_000;
/// What stands in for a key of nobody's, so that a signature is verified in any case: the generator of
/// P-256. Anybody can sign for it, and whoever does so has proved nothing.
const DECOY: &[u8] = b"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20\
    \x6b\x17\xd1\xf2\xe1\x2c\x42\x47\xf8\xbc\xe6\xe5\x63\xa4\x40\xf2\
    \x77\x03\x7d\x81\x2d\xeb\x33\xa0\xf4\xa1\x39\x45\xd8\x98\xc2\x96\x22\x58\x20\
    \x4f\xe3\x42\xe2\xfe\x1a\x7f\x9b\x8e\xe7\xeb\x4a\x7c\x0f\x9e\x16\
    \x2b\xce\x33\x57\x6b\x31\x5e\xce\xcb\xb6\x40\x68\x37\xbf\x51\xf5";

/// Why an answer was refused: for the log, never for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
struct Refused(&'static str);

/// Asks for passkeys and takes them.
#[derive(Clone)]
pub(crate) struct Passkeys {
    clock: Arc<dyn Clock>,
    /// `None` where there can be none.
    relying_party: Option<Arc<RelyingParty>>,
}

/// Whose passkey somebody brought, and whether they could use it.
pub(crate) struct Claim {
    pub(crate) person: Option<Uuid>,
    pub(crate) proved: bool,
}

impl Passkeys {
    /// For the console that mails lead to.
    ///
    /// # Errors
    /// Names the option that cannot be used.
    pub(crate) fn over(
        config: &PasskeysConfig,
        mail: &MailConfig,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ConfigError> {
        let relying_party = config.resolve(&mail.console_url)?.map(Arc::new);
        if relying_party.is_none() {
            tracing::info!("mail.console_url has no domain: there are no passkeys");
        }
        Ok(Self { clock, relying_party })
    }

    /// Writes down which domain passkeys are of that an earlier release registered: the configured one,
    /// which nothing else was in their time unless somebody changed it before this release.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn settle(&self, pg: &Pg) -> Result<(), Fault> {
        let Some(domain) = self.domain() else { return Ok(()) };
        let mut tx = PlatformTx::begin(pg, &Actor::service("auth")).await?;
        store::adopt(&mut tx, domain).await?;
        Ok(tx.commit().await?)
    }

    /// The domain whose passkeys count; `None` where there are none.
    pub(crate) fn domain(&self) -> Option<&str> {
        self.relying_party.as_deref().map(|rp| rp.id.as_str())
    }

    /// What to ask a browser for: any passkey, or one of a person's. The challenge is the token's.
    ///
    /// # Errors
    /// `request.invalid` where there are no passkeys.
    pub(crate) async fn options(
        &self,
        tx: &mut PlatformTx,
        person: Option<Uuid>,
        token: &ChallengeToken,
    ) -> Result<wire::PasskeyRequestOptions, Fault> {
        let rp = self.relying_party()?;
        let own = match person {
            Some(person) => store::descriptors(tx, &rp.id, person).await?,
            None => Vec::new(),
        };
        Ok(wire::PasskeyRequestOptions {
            challenge: URL_SAFE_NO_PAD.encode(token.for_authenticator()),
            rp_id: rp.id.clone(),
            allow_credentials: own.into_iter().map(Into::into).collect(),
            timeout: PATIENCE,
            user_verification: "required".to_owned(),
        })
    }

    /// Takes a proof by somebody who is known, in the transaction that uses up its challenge.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn take(
        &self,
        tx: &mut PlatformTx,
        person: Uuid,
        answer: &Answer,
    ) -> Result<bool, Fault> {
        let rp = self.relying_party()?;
        let credential = store::credential(tx, &rp.id, &answer.assertion.credential_id).await?;
        let credential = credential.filter(|found| found.principal_id == person);
        let handle = answer.assertion.user_handle.as_slice();
        let theirs = handle.is_empty() || handle == person.as_bytes();
        Ok(self.verified(tx, rp, credential.as_ref(), answer).await? && theirs)
    }

    /// Takes the proof of somebody who says by nothing else who they are, in the transaction that
    /// uses up its challenge. A credential that nobody has costs the same.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn identify(
        &self,
        tx: &mut PlatformTx,
        answer: &Answer,
    ) -> Result<Claim, Fault> {
        let rp = self.relying_party()?;
        let credential = store::credential(tx, &rp.id, &answer.assertion.credential_id).await?;
        let person = credential.as_ref().map(|found| found.principal_id);
        let verified = self.verified(tx, rp, credential.as_ref(), answer).await?;
        let handle = answer.assertion.user_handle.as_slice();
        let theirs = person.is_some_and(|person| handle == person.as_bytes());
        let proved = verified && theirs;
        telemetry::factor("passkey", if proved { "taken" } else { "refused" });
        Ok(Claim { person, proved })
    }

    async fn verified(
        &self,
        tx: &mut PlatformTx,
        rp: &RelyingParty,
        credential: Option<&store::Credential>,
        answer: &Answer,
    ) -> Result<bool, Fault> {
        let decoy = Known { public_key: DECOY, backup_eligible: false };
        let known = credential.map_or(decoy, |found| Known {
            public_key: &found.public_key,
            backup_eligible: found.backup_eligible,
        });
        let signed = verify::assertion(rp, &answer.challenge, &known, &answer.assertion);
        let (signed, found) = match (signed, credential) {
            (Ok(signed), Some(found)) => (signed, found),
            (Ok(_), None) => return Ok(false),
            (Err(Refused(reason)), _) => {
                tracing::debug!(reason, "passkey refused");
                return Ok(false);
            }
        };
        let taken = store::note_use(tx, &rp.id, found.id, &signed, self.clock.now()).await?;
        if !taken {
            telemetry::passkey_counter_went_back();
            tracing::warn!(
                passkey.id = %found.id,
                person.id = %found.principal_id,
                "the counter of a passkey did not go on: it may have been copied; refused"
            );
        }
        Ok(taken)
    }

    fn relying_party(&self) -> Result<&RelyingParty, Fault> {
        let text = "This installation has no passkeys: its console has no domain name.";
        self.relying_party.as_deref().ok_or_else(|| Fault::invalid(text))
    }
}

impl From<store::Descriptor> for wire::PasskeyDescriptor {
    fn from(own: store::Descriptor) -> Self {
        Self { id: URL_SAFE_NO_PAD.encode(own.credential_id), transports: own.transports }
    }
}
