use yard_authn::Call;
use yard_fault::{Code, Fault};
use yard_ids::{PrincipalId, TenantId};
use yard_pg::{Actor, PlatformTx};

use super::login::{Challenged, Login, Opened, Place, outcome};
use super::store::{self, Account};
use super::throttle::Attempt;
use super::{Client, login};
use crate::challenges::{self, Begun, ChallengeToken, Pending, Purpose};
use crate::factors::{Enrolled, Proof};
use crate::telemetry;

/// A proof for a sign-in that was begun.
pub(super) struct Completion {
    pub(super) challenge: ChallengeToken,
    pub(super) proof: Proof,
    pub(super) client: Client,
}

impl Login {
    /// What a right password is answered with where more is enrolled.
    pub(super) async fn challenge(
        &self,
        tx: &mut PlatformTx,
        account: &Account,
        place: &Place,
        enrolled: Enrolled,
    ) -> Result<Challenged, Fault> {
        let person = Some(account.principal_id);
        let begun =
            Begun { purpose: Purpose::SecondFactor, person, tenant: place.tenant(), amr: &["pwd"] };
        let (token, expires_at) = challenges::begin(tx, &begun, self.0.clock.now()).await?;
        let passkey = if enrolled.passkeys > 0 {
            Some(self.0.factors.passkeys.options(tx, person, &token).await?)
        } else {
            None
        };
        Ok(Challenged { token, expires_at, enrolled, passkey })
    }

    /// Finishes a sign-in by a second factor.
    ///
    /// # Errors
    /// `auth.challenge_expired`, `auth.factor_invalid`, `auth.throttled`, `tenant.suspended`.
    pub(super) async fn complete(
        &self,
        completion: Completion,
        call: &Call,
    ) -> Result<Opened, Fault> {
        let done = self.prove(completion, call).await;
        telemetry::login(done.as_ref().map_or_else(|fault| outcome(fault.code()), |_| "completed"));
        done
    }

    async fn prove(&self, completion: Completion, call: &Call) -> Result<Opened, Fault> {
        let Completion { challenge, proof, client } = completion;
        let (pending, account) = self.pending(&challenge).await?;
        note(call, &pending, &account);
        let attempt = Attempt::new(&account.email, client.source());
        if proof.is_guessable() {
            self.0.throttle.admit_factor(&attempt).await?;
        }
        let mut tx = PlatformTx::begin(&self.0.pg, &Actor::person(account.principal_id)).await?;
        challenges::finish(&mut tx, &challenge).await?;
        let place = place(&mut tx, &pending, &account).await?;
        let shown = self.0.factors.take(&mut tx, account.principal_id, &proof).await?;
        let amr = pending.amr.into_iter().chain(shown.iter().map(|&mark| mark.to_owned()));
        let opened = self.open(&mut tx, account, place, amr.collect(), &client).await?;
        tx.commit().await?;
        self.0.throttle.passed(&attempt).await;
        Ok(opened)
    }

    /// Counts the try, whatever comes of it, and says whose sign-in it is.
    async fn pending(&self, challenge: &ChallengeToken) -> Result<(Pending, Account), Fault> {
        let expired = || Fault::new(Code::AuthChallengeExpired);
        let now = self.0.clock.now();
        let mut tx = PlatformTx::begin(&self.0.pg, &Actor::service("auth")).await?;
        let pending = challenges::count_try(&mut tx, challenge, Purpose::SecondFactor, now).await?;
        let person = pending.principal_id.ok_or_else(expired)?;
        let account = store::account_of(&mut tx, person).await?;
        tx.commit().await?;
        let account = account.filter(|account| account.disabled_at.is_none());
        Ok((pending, account.ok_or_else(expired)?))
    }
}

/// The place that was asked for with the password, if the person still belongs there.
async fn place(tx: &mut PlatformTx, pending: &Pending, account: &Account) -> Result<Place, Fault> {
    let expired = || Fault::new(Code::AuthChallengeExpired);
    let memberships = store::memberships(tx, &account.email).await?;
    let Some(tenant) = pending.tenant_id else {
        let place = login::choose(account.system_administrator, Vec::new(), None);
        return place.map_err(|_gone| expired());
    };
    let slug = memberships.iter().find(|m| m.tenant_id == tenant).map(|m| m.slug.clone());
    let slug = slug.ok_or_else(expired)?;
    login::choose(false, memberships, Some(&slug)).map_err(|fault| match fault.code() {
        Code::TenantSuspended => fault,
        _ => expired(),
    })
}

fn note(call: &Call, pending: &Pending, account: &Account) {
    let person = PrincipalId::from_uuid(account.principal_id);
    call.note(|notes| {
        notes.subject = Some(person);
        notes.object = Some(("person".to_owned(), person.to_string()));
        notes.tenant = pending.tenant_id.map(TenantId::from_uuid);
    });
}
