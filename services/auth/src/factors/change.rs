//! What comes and goes with a factor, of whichever kind.

use uuid::Uuid;
use yard_authn::Caller;
use yard_contracts::identity::v1 as wire;
use yard_contracts::values::timestamp;
use yard_fault::{Code, Fault};
use yard_pg::PlatformTx;

use super::recovery::{CODES, RecoveryCode};
use super::store::{self, Overview};
use super::{Enrolled, Factors};
use crate::sessions;

impl Factors {
    /// After a factor was added by a caller who has just shown it: `before` is what there was. With
    /// the first one come recovery codes, and all other sessions end.
    ///
    /// # Errors
    /// `auth.session_expired` when the caller's session was ended meanwhile, as by another's first
    /// factor: then this one is not added.
    pub(crate) async fn added(
        &self,
        tx: &mut PlatformTx,
        caller: &Caller,
        before: Enrolled,
        shown: &[&str],
    ) -> Result<Vec<String>, Fault> {
        let person = caller.person()?.uuid();
        let now = self.clock.now();
        if let Some(session) = caller.session()
            && !sessions::mark(tx, session.uuid(), shown, now).await?
        {
            return Err(Code::AuthSessionExpired.into());
        }
        if before.any() {
            return Ok(Vec::new());
        }
        // Whoever else is in was let in by the password alone.
        sessions::end_others(tx, person, caller.session(), now).await?;
        self.new_codes(tx, person).await
    }

    /// What a person can prove themselves with.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn enrolled(
        &self,
        tx: &mut PlatformTx,
        person: Uuid,
    ) -> Result<Enrolled, Fault> {
        Ok(store::enrolled(tx, self.passkeys.domain(), person).await?)
    }

    /// After a factor was taken away. With the last one the recovery codes go, unless they stand in for
    /// passkeys of a former domain.
    ///
    /// # Errors
    /// `auth.second_factor_required` when it was the last and has to stay.
    pub(crate) async fn removed(&self, tx: &mut PlatformTx, person: Uuid) -> Result<(), Fault> {
        let left = self.enrolled(tx, person).await?;
        if left.any() {
            return Ok(());
        }
        if store::overview(tx, self.passkeys.domain(), person).await?.required {
            let text = "An organization of yours requires a second factor: add another one first.";
            return Err(Fault::new(Code::AuthSecondFactorRequired).with_public(text));
        }
        if left.former_passkeys == 0 {
            store::replace_recovery_codes(tx, person, &[], self.clock.now()).await?;
        }
        Ok(())
    }

    /// A person's factors, as they see them.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn overview(
        &self,
        tx: &mut PlatformTx,
        person: Uuid,
    ) -> Result<wire::Factors, Fault> {
        Ok(shown(&store::overview(tx, self.passkeys.domain(), person).await?))
    }

    pub(super) async fn new_codes(
        &self,
        tx: &mut PlatformTx,
        person: Uuid,
    ) -> Result<Vec<String>, Fault> {
        let codes: Vec<_> =
            std::iter::repeat_with(RecoveryCode::generate).take(CODES).collect::<Result<_, _>>()?;
        let hashes: Vec<_> = codes.iter().map(|code| code.hash(person).to_vec()).collect();
        store::replace_recovery_codes(tx, person, &hashes, self.clock.now()).await?;
        Ok(codes.iter().map(RecoveryCode::written).collect())
    }
}

fn shown(overview: &Overview) -> wire::Factors {
    let count = |number: i64| i32::try_from(number).unwrap_or(i32::MAX);
    wire::Factors {
        totp: overview.totp_since.is_some(),
        totp_since: overview.totp_since.map(timestamp),
        recovery_codes_left: count(overview.recovery_codes),
        required: overview.required,
        passkeys: count(overview.passkeys),
        former_passkeys: count(overview.former_passkeys),
    }
}
