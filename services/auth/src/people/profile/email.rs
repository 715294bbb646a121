//! Proving an address, and asking for another.

use yard_authn::Caller;
use yard_contracts::identity::v1 as wire;
use yard_fault::{Code, Fault};

use super::grpc::{ProfileGrpc, wired};
use super::store::{self, NewChange};
use super::{PAUSE, PROOF_FOR};
use crate::mail::{Address, Letter, Page, Recipient};
use crate::people::links::LinkToken;
use crate::people::recovery::{self, LinkKind, NewLink};

impl ProfileGrpc {
    pub(super) async fn send_proof(&self, caller: &Caller) -> Result<(), Fault> {
        self.parts.post.ready()?;
        let person = caller.person()?.uuid();
        let now = self.parts.clock.now();
        let mut tx = self.parts.begin(caller).await?;
        let kind = LinkKind::EmailVerification;
        // Whoever asks twice at once gets one mail.
        let links = recovery::lock_links(&mut tx, person, kind, now).await?;
        let own = self.own(&mut tx, caller).await?;
        if own.email_verified_at.is_some() {
            return Ok(());
        }
        if links.newest.is_some_and(|newest| newest + PAUSE > now) {
            return Err(too_soon());
        }
        let token = LinkToken::generate()?;
        let expires_at = now + PROOF_FOR;
        let email = Address::stored(own.email);
        let link = NewLink { kind, principal: person, email: &email, hash: token.hash(), at: now };
        recovery::insert_link(&mut tx, &link, expires_at).await?;
        let letter = Letter::email_verification(token.link(Page::EmailVerification), expires_at);
        let locale = recovery::locale_of(&mut tx, person).await?;
        let to = Recipient { address: &email, locale: locale.as_deref(), tenant: None };
        self.parts.post.write(&mut tx, to, &letter, expires_at).await?;
        tx.commit().await?;
        self.parts.post.wake();
        Ok(())
    }

    /// Whether the new address has an account is told to nobody but its owner, at the end.
    pub(super) async fn ask_change(
        &self,
        caller: &Caller,
        email: &str,
    ) -> Result<wire::Profile, Fault> {
        self.parts.post.ready()?;
        let person = caller.person()?.uuid();
        let new = Address::parse(email, "/email")?;
        let now = self.parts.clock.now();
        let mut tx = self.parts.begin(caller).await?;
        let own = self.own(&mut tx, caller).await?;
        if own.email == new.as_str() {
            return Err(Fault::invalid("email is yours already").with_pointer("/email"));
        }
        let (old_token, new_token) = (LinkToken::generate()?, LinkToken::generate()?);
        let change = NewChange {
            principal: person,
            new_email: new.as_str(),
            old_token_hash: old_token.hash(),
            new_token_hash: new_token.hash(),
            at: now,
            expires_at: now + PROOF_FOR,
        };
        if !store::ask_change(&mut tx, &change, now - PAUSE).await? {
            return Err(too_soon());
        }
        let locale = recovery::locale_of(&mut tx, person).await?;
        let to = |address| Recipient { address, locale: locale.as_deref(), tenant: None };
        let (until, post) = (change.expires_at, &self.parts.post);
        let old = Address::stored(own.email);
        let letter =
            Letter::email_change_old(old_token.link(Page::EmailChange), new.as_str(), until);
        post.write(&mut tx, to(&old), &letter, until).await?;
        let letter = Letter::email_change_new(new_token.link(Page::EmailChange), until);
        post.write(&mut tx, to(&new), &letter, until).await?;
        let asked = self.own(&mut tx, caller).await?;
        tx.commit().await?;
        post.wake();
        Ok(wired(asked))
    }

    pub(super) async fn cancel_change(&self, caller: &Caller) -> Result<wire::Profile, Fault> {
        let person = caller.person()?.uuid();
        let mut tx = self.parts.begin(caller).await?;
        store::cancel_change(&mut tx, person, self.parts.clock.now()).await?;
        let own = self.own(&mut tx, caller).await?;
        tx.commit().await?;
        Ok(wired(own))
    }
}

fn too_soon() -> Fault {
    let text = "A mail was sent a moment ago; wait two minutes before the next.";
    Fault::new(Code::AuthThrottled).with_public(text)
}
