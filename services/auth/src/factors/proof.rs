use std::sync::Arc;

use time::OffsetDateTime;
use uuid::Uuid;
use yard_authn::seal::Sealer;
use yard_fault::{Code, Fault};
use yard_ids::Clock;
use yard_pg::PlatformTx;

use super::recovery::RecoveryCode;
use super::{MULTI_FACTOR, PURPOSE, store, totp};
use crate::passkeys::{self, Answer, Passkeys};
use crate::telemetry;

/// What somebody shows for a second factor.
pub(crate) enum Proof {
    Totp(String),
    Recovery(String),
    Passkey(Answer),
}

/// How somebody proved themselves, as marks of a session (RFC 8176).
pub(crate) type Shown = &'static [&'static str];

impl Proof {
    /// Exactly one of them has to be there; `None` when none is.
    ///
    /// # Errors
    /// `request.invalid` for more than one.
    pub(crate) fn of(
        totp_code: String,
        recovery_code: String,
        passkey: Option<Answer>,
    ) -> Result<Option<Self>, Fault> {
        match (totp_code.is_empty(), recovery_code.is_empty(), passkey) {
            (true, true, None) => Ok(None),
            (false, true, None) => Ok(Some(Self::Totp(totp_code))),
            (true, false, None) => Ok(Some(Self::Recovery(recovery_code))),
            (true, true, Some(answer)) => Ok(Some(Self::Passkey(answer))),
            _ => Err(Fault::invalid("one proof is enough").with_pointer("/totp_code")),
        }
    }

    /// Whether it can be guessed, so that tries have to be counted.
    pub(crate) const fn is_guessable(&self) -> bool {
        matches!(self, Self::Totp(_))
    }
}

/// Checks proofs.
#[derive(Clone)]
pub(crate) struct Factors {
    pub(crate) sealer: Sealer,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) passkeys: Passkeys,
}

impl Factors {
    /// Takes a proof, in a transaction that also does what the proof is for: the same one cannot
    /// serve twice, and one that was for nothing is not used up.
    ///
    /// # Errors
    /// `auth.factor_invalid`.
    pub(crate) async fn take(
        &self,
        tx: &mut PlatformTx,
        person: Uuid,
        proof: &Proof,
    ) -> Result<Shown, Fault> {
        let (kind, taken) = match proof {
            Proof::Totp(code) => ("totp", self.take_totp(tx, person, code).await?),
            Proof::Recovery(code) => ("recovery", self.take_recovery(tx, person, code).await?),
            Proof::Passkey(answer) => ("passkey", self.passkeys.take(tx, person, answer).await?),
        };
        telemetry::factor(kind, if taken { "taken" } else { "refused" });
        match (taken, proof) {
            (false, _) => Err(Code::AuthFactorInvalid.into()),
            (true, Proof::Totp(_)) => Ok(&["otp", MULTI_FACTOR]),
            (true, Proof::Recovery(_)) => Ok(&["recovery", MULTI_FACTOR]),
            (true, Proof::Passkey(_)) => Ok(passkeys::SHOWN),
        }
    }

    async fn take_totp(
        &self,
        tx: &mut PlatformTx,
        person: Uuid,
        code: &str,
    ) -> Result<bool, Fault> {
        let Some(secret) = store::totp_in_force(tx, person).await? else {
            return Ok(false);
        };
        match self.step(&secret, code, self.clock.now())? {
            Some(step) => Ok(store::take_step(tx, secret.id, step).await?),
            None => Ok(false),
        }
    }

    async fn take_recovery(
        &self,
        tx: &mut PlatformTx,
        person: Uuid,
        code: &str,
    ) -> Result<bool, Fault> {
        let Some(code) = RecoveryCode::parse(code) else {
            return Ok(false);
        };
        // Codes that a removed factor left behind open nothing.
        if !self.enrolled(tx, person).await?.asked_for() {
            return Ok(false);
        }
        Ok(store::use_recovery_code(tx, person, &code.hash(person), self.clock.now()).await?)
    }

    pub(super) fn step(
        &self,
        secret: &store::TotpSecret,
        code: &str,
        now: OffsetDateTime,
    ) -> Result<Option<i64>, Fault> {
        let plain = self.sealer.open(PURPOSE, secret.id.as_bytes(), &secret.secret)?;
        // Apps show the digits in two groups.
        let code: String = code.chars().filter(|c| *c != ' ').take(16).collect();
        Ok(totp::step_of(&plain, &code, now))
    }
}
