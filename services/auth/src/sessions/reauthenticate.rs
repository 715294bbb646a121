//! Proofs within a session: step-up, and a change of password.

use time::OffsetDateTime;
use uuid::Uuid;
use yard_authn::Caller;
use yard_fault::{Code, Fault};
use yard_ids::SessionId;
use yard_pg::{Actor, PlatformTx};

use super::login::Login;
use super::store::{self, Account};
use super::throttle::Attempt;
use super::{Client, SessionToken, own_store};
use crate::factors::Proof;

/// What somebody shows again.
pub(super) enum Again {
    Password(String),
    Factor(Proof),
}

impl Login {
    /// Renews the proof of the caller's session, and with it the session's token.
    ///
    /// # Errors
    /// `auth.invalid_credentials`, `auth.factor_invalid`, `auth.throttled`, and
    /// `auth.session_expired` when the session has ended meanwhile.
    pub(super) async fn reauthenticate(
        &self,
        caller: &Caller,
        again: Again,
        client: &Client,
    ) -> Result<(SessionToken, OffsetDateTime), Fault> {
        let session = session(caller)?;
        let account = self.own_account(caller).await?;
        let attempt = Attempt::new(&account.email, client.source());
        let person = account.principal_id;
        let token = SessionToken::generate()?;
        let now = self.0.clock.now();
        if let Again::Password(password) = &again {
            self.check_password(&attempt, account, password.clone()).await?;
        }
        if let Again::Factor(proof) = &again
            && proof.is_guessable()
        {
            self.0.throttle.admit_factor(&attempt).await?;
        }
        let mut tx = PlatformTx::begin(&self.0.pg, &Actor::of_subject(caller.subject())).await?;
        let shown = match &again {
            Again::Password(_) => &["pwd"][..],
            Again::Factor(proof) => self.0.factors.take(&mut tx, person, proof).await?,
        };
        let ends = own_store::renew(&mut tx, session, &token.hash(), shown, now).await?;
        let ends = ends.ok_or_else(|| Fault::new(Code::AuthSessionExpired))?;
        tx.commit().await?;
        Ok((token, ends))
    }

    /// Changes the caller's password and ends all other sessions of theirs; how many there were.
    ///
    /// # Errors
    /// `auth.invalid_credentials` for a wrong old one, `request.invalid` for an unusable new one.
    pub(super) async fn change_password(
        &self,
        caller: &Caller,
        [current, new]: [String; 2],
        client: &Client,
    ) -> Result<u64, Fault> {
        let account = self.own_account(caller).await?;
        admit_password(&new, &account.email, &current)?;
        let attempt = Attempt::new(&account.email, client.source());
        let (person, before) = (account.principal_id, account.password_hash.clone());
        self.check_password(&attempt, account, current).await?;
        let hash = self.0.passwords.hash(new).await.map_err(|fault| match fault.code() {
            Code::RequestInvalid => fault.with_pointer("/new_password"),
            _ => fault,
        })?;
        let mut tx = PlatformTx::begin(&self.0.pg, &Actor::of_subject(caller.subject())).await?;
        if !own_store::set_password(&mut tx, person, &before, &hash).await? {
            return Err(Code::ResourceStale.into());
        }
        let now = self.0.clock.now();
        let ended = store::end_others(&mut tx, person, caller.session(), now).await?;
        tx.commit().await?;
        Ok(ended)
    }

    async fn own_account(&self, caller: &Caller) -> Result<Account, Fault> {
        let person = caller.person()?.uuid();
        let mut tx = PlatformTx::begin(&self.0.pg, &Actor::of_subject(caller.subject())).await?;
        let account = store::account_of(&mut tx, person).await?;
        tx.commit().await?;
        account.ok_or_else(|| Code::AuthSessionExpired.into())
    }

    async fn check_password(
        &self,
        attempt: &Attempt,
        account: Account,
        password: String,
    ) -> Result<(), Fault> {
        self.0.throttle.admit(attempt).await?;
        let right = self.0.passwords.verify(password, Some(account.password_hash)).await?;
        if !right {
            let text = "The password is wrong.";
            return Err(Fault::new(Code::AuthInvalidCredentials).with_public(text));
        }
        Ok(())
    }
}

fn session(caller: &Caller) -> Result<Uuid, Fault> {
    let session = caller.session().map(SessionId::uuid);
    session.ok_or_else(|| Code::AuthSessionRequired.into())
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
    let mut letters: Vec<char> = plain.chars().collect();
    letters.sort_unstable();
    letters.dedup();
    if letters.len() < 4 {
        return wrong("the password needs more than three different characters");
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
        for new in [
            "old horse battery",
            "Annemarie.B@example.org",
            "ANNEMARIE.B",
            "aaaaaaaaaaaa",
            "121212121212",
        ] {
            let fault = admit(new).err();
            assert_eq!(
                fault.and_then(|f| f.pointer().map(str::to_owned)).as_deref(),
                Some("/new_password"),
                "{new}"
            );
        }
    }
}
