//! Proofs within a session: step-up, and a change of password.

use time::{Duration, OffsetDateTime};
use uuid::Uuid;
use yard_authn::Caller;
use yard_contracts::identity::v1::PasskeyProof;
use yard_fault::{Code, Fault};
use yard_ids::SessionId;
use yard_pg::{Actor, PlatformTx};

use super::login::Login;
use super::store::{self, Account};
use super::throttle::Within;
use super::{SessionToken, own_store};
use crate::challenges::ChallengeToken;
use crate::factors::{Enrolled, Proof};
use crate::passkeys::Answer;
use crate::people::{self, Notice};
use crate::telemetry;

/// How old the last proof may be when somebody with a second factor changes the password.
const RECENT: u32 = 600;

/// What somebody shows again.
pub(super) enum Again {
    Password(String),
    Factor(Proof),
    /// With the challenge that it is to.
    Passkey(ChallengeToken, Proof),
}

impl Again {
    /// Exactly one proof has to be there.
    ///
    /// # Errors
    /// `request.invalid`.
    pub(super) fn of(
        password: String,
        totp_code: String,
        recovery_code: String,
        passkey: Option<PasskeyProof>,
    ) -> Result<Self, Fault> {
        let code = Proof::of(totp_code, recovery_code, None)?;
        match (password.is_empty(), code, passkey) {
            (false, None, None) => Ok(Self::Password(password)),
            (true, Some(proof), None) => Ok(Self::Factor(proof)),
            (true, None, Some(PasskeyProof { challenge_token, assertion })) => {
                let challenge = ChallengeToken::parse(&challenge_token)?;
                let assertion = assertion.unwrap_or_default();
                let answer = Answer::read(&challenge, &assertion, "passkey/assertion")?;
                Ok(Self::Passkey(challenge, Proof::Passkey(answer)))
            }
            _ => Err(Fault::invalid("exactly one proof has to be given").with_pointer("/password")),
        }
    }
}

/// A session that goes on with another token.
pub(super) struct Renewed {
    pub(super) token: SessionToken,
    pub(super) expires_at: OffsetDateTime,
    /// How many other sessions ended.
    pub(super) ended: u64,
}

impl Login {
    /// Renews the proof of the caller's session, and with it the session's token.
    ///
    /// # Errors
    /// `auth.invalid_credentials`, `auth.factor_invalid`, `auth.second_factor_required` for a
    /// password where more is enrolled, `auth.throttled`, and `auth.session_expired` when the
    /// session has ended meanwhile.
    pub(super) async fn reauthenticate(
        &self,
        caller: &Caller,
        again: Again,
    ) -> Result<Renewed, Fault> {
        let done = self.prove_within(caller, again).await;
        telemetry::reauthentication(done.as_ref().map_or_else(outcome, |_| "proved"));
        done
    }

    async fn prove_within(&self, caller: &Caller, again: Again) -> Result<Renewed, Fault> {
        let session = session(caller)?;
        let (account, enrolled) = self.own_account(caller).await?;
        match again {
            Again::Password(_) if enrolled.asked_for() => {
                let text = "Show a passkey, a code of your authenticator app or a recovery code: \
                            the password alone is not enough.";
                Err(Fault::new(Code::AuthSecondFactorRequired).with_public(text))
            }
            Again::Password(password) => {
                let within = Within::password(session);
                self.check_password(&within, &account, password).await?;
                let mut tx = self.begin(caller).await?;
                if !store::password_stands(&mut tx, &account).await? {
                    return Err(wrong_password());
                }
                let renewed = self.renew(&mut tx, session, &["pwd"], true).await?;
                tx.commit().await?;
                self.0.throttle.passed_within(&within).await;
                Ok(renewed)
            }
            Again::Passkey(challenge, proof) => {
                self.renew_by_passkey(caller, &challenge, &proof).await
            }
            Again::Factor(proof) => {
                let within = Within::factor(session);
                if proof.is_guessable() {
                    self.0.throttle.admit_within(&within).await?;
                }
                let mut tx = self.begin(caller).await?;
                let shown = self.0.factors.take(&mut tx, account.principal_id, &proof).await?;
                let renewed = self.renew(&mut tx, session, shown, true).await?;
                tx.commit().await?;
                self.0.throttle.passed_within(&within).await;
                Ok(renewed)
            }
        }
    }

    /// Changes the caller's password, ends all other sessions of theirs and gives this one another
    /// token.
    ///
    /// # Errors
    /// `auth.invalid_credentials` for a wrong old one, `request.invalid` for an unusable new one,
    /// `auth.step_up_required` when somebody with a second factor has not shown it lately.
    pub(super) async fn change_password(
        &self,
        caller: &Caller,
        [current, new]: [String; 2],
    ) -> Result<Renewed, Fault> {
        let session = session(caller)?;
        let (account, enrolled) = self.own_account(caller).await?;
        if enrolled.asked_for() && !is_recent(caller, self.0.clock.now()) {
            let text = format!("This needs a second factor shown within the last {RECENT} s.");
            let fault = Fault::new(Code::AuthStepUpRequired).with_public(text);
            return Err(fault.with_max_auth_age(RECENT));
        }
        admit_password(&new, &account.email, &current)?;
        let within = Within::password(session);
        self.check_password(&within, &account, current).await?;
        let hash = self.0.passwords.hash(new).await.map_err(|fault| match fault.code() {
            Code::RequestInvalid => fault.with_pointer("/new_password"),
            _ => fault,
        })?;
        let (person, now) = (account.principal_id, self.0.clock.now());
        let mut tx = self.begin(caller).await?;
        if !own_store::set_password(&mut tx, person, &account.password_hash, &hash).await? {
            return Err(Code::ResourceStale.into());
        }
        // Whoever has a second factor proves nothing by the password alone.
        let renewed = self.renew(&mut tx, session, &["pwd"], !enrolled.asked_for()).await?;
        let ended = store::end_others(&mut tx, person, caller.session(), now).await?;
        let whom = (person, account.email.as_str());
        people::tell(&mut tx, &self.0.post, whom, Notice::PasswordInSession, now).await?;
        tx.commit().await?;
        self.0.post.wake();
        self.0.throttle.passed_within(&within).await;
        Ok(Renewed { ended, ..renewed })
    }

    pub(super) async fn renew(
        &self,
        tx: &mut PlatformTx,
        session: Uuid,
        shown: &[&str],
        proved: bool,
    ) -> Result<Renewed, Fault> {
        let (token, now) = (SessionToken::generate()?, self.0.clock.now());
        let ends = own_store::renew(tx, session, &token.hash(), shown, proved, now).await?;
        let expires_at = ends.ok_or_else(|| Fault::new(Code::AuthSessionExpired))?;
        Ok(Renewed { token, expires_at, ended: 0 })
    }

    async fn own_account(&self, caller: &Caller) -> Result<(Account, Enrolled), Fault> {
        let person = caller.person()?.uuid();
        let mut tx = self.begin(caller).await?;
        let account = store::account_of(&mut tx, person).await?;
        let enrolled = self.0.factors.enrolled(&mut tx, person).await?;
        tx.commit().await?;
        let account = account.ok_or_else(|| Fault::new(Code::AuthSessionExpired))?;
        Ok((account, enrolled))
    }

    async fn check_password(
        &self,
        within: &Within,
        account: &Account,
        password: String,
    ) -> Result<(), Fault> {
        self.0.throttle.admit_within(within).await?;
        let hash = Some(account.password_hash.clone());
        let right = self.0.passwords.verify(password, hash).await?;
        right.then_some(()).ok_or_else(wrong_password)
    }

    pub(super) async fn begin(&self, caller: &Caller) -> Result<PlatformTx, Fault> {
        Ok(PlatformTx::begin(&self.0.pg, &Actor::of_subject(caller.subject())).await?)
    }
}

pub(super) fn session(caller: &Caller) -> Result<Uuid, Fault> {
    let session = caller.session().map(SessionId::uuid);
    session.ok_or_else(|| Code::AuthSessionRequired.into())
}

fn is_recent(caller: &Caller, now: OffsetDateTime) -> bool {
    let since = caller.auth_time().and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok());
    since.is_some_and(|since| now - since <= Duration::seconds(RECENT.into()))
}

fn wrong_password() -> Fault {
    Fault::new(Code::AuthInvalidCredentials).with_public("The password is wrong.")
}

/// How a proof ended, as counted.
fn outcome(fault: &Fault) -> &'static str {
    match fault.code() {
        Code::AuthInvalidCredentials => "invalid",
        Code::AuthFactorInvalid => "factor_invalid",
        Code::AuthSecondFactorRequired => "factor_missing",
        Code::AuthThrottled => "throttled",
        _ => "failed",
    }
}

/// What the length does not say of a new password.
fn admit_password(new: &str, email: &str, current: &str) -> Result<(), Fault> {
    let wrong = |text: &str| Err(Fault::invalid(text).with_pointer("/new_password"));
    let plain = new.trim().to_lowercase();
    let name = email.split('@').next().unwrap_or_default();
    if new == current {
        return wrong("the new password has to be another one");
    }
    if plain == email || plain == name {
        return wrong("the password must not be the e-mail address");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_password_is_neither_the_old_one_nor_the_address() {
        let admit = |new: &str| admit_password(new, "annemarie.b@example.org", "old horse battery");
        assert!(admit("correct horse battery").is_ok());
        for new in ["old horse battery", "Annemarie.B@example.org", "ANNEMARIE.B"] {
            let fault = admit(new).unwrap_err();
            assert_eq!(fault.pointer(), Some("/new_password"), "{new}");
        }
    }

    #[test]
    fn exactly_one_proof_is_taken() {
        let of = |password: &str, totp: &str, recovery: &str, passkey: Option<PasskeyProof>| {
            Again::of(password.to_owned(), totp.to_owned(), recovery.to_owned(), passkey).is_ok()
        };
        let passkey = || {
            let challenge_token = format!("ych_{}", "A".repeat(43));
            Some(PasskeyProof { challenge_token, assertion: None })
        };
        assert!(of("", "", "", passkey()));
        for (password, totp, recovery) in [("x", "", ""), ("", "000000", ""), ("", "", "aaaa")] {
            assert!(!of(password, totp, recovery, passkey()), "{password:?} {totp:?} {recovery:?}");
        }
        let of = |password: &str, totp: &str, recovery: &str| of(password, totp, recovery, None);
        assert!(of("x", "", "") && of("", "000000", "") && of("", "", "aaaa"));
        for (password, totp, recovery) in
            [("", "", ""), ("x", "000000", ""), ("x", "", "aaaa"), ("", "000000", "aaaa")]
        {
            assert!(!of(password, totp, recovery), "{password:?} {totp:?} {recovery:?}");
        }
    }
}
