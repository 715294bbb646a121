use std::sync::Arc;

use tonic::{Request, Response, Status, async_trait};
use uuid::Uuid;
use yard_authn::{Call, RpcResult as _};
use yard_contracts::identity::v1 as wire;
use yard_contracts::identity::v1::recovery_service_server::RecoveryService;
use yard_fault::{Code, Fault};
use yard_ids::PrincipalId;
use yard_pg::PlatformTx;

use super::LinkKind;
use super::clerk::PURPOSE;
use super::store::{self, LinkRow};
use crate::mail::Address;
use crate::people::links::LinkToken;
use crate::people::{Notice, PeopleParts, accounts, fields, tell};
use crate::rounds::Rounds;
use crate::sessions;

/// Serves `RecoveryService`.
pub(crate) struct RecoveryGrpc {
    pub(crate) parts: Arc<PeopleParts>,
    pub(crate) clerk: Rounds,
}

#[async_trait]
impl RecoveryService for RecoveryGrpc {
    async fn request_password_reset(
        &self,
        request: Request<wire::RequestPasswordResetRequest>,
    ) -> Result<Response<wire::RequestPasswordResetResponse>, Status> {
        let call = Call::of(&request);
        let email = request.into_inner().email;
        let done = self.wish(&call, &email).await;
        done.map(|()| wire::RequestPasswordResetResponse {}).rpc(&call, "take a wish for a reset")
    }

    async fn reset_password(
        &self,
        request: Request<wire::ResetPasswordRequest>,
    ) -> Result<Response<wire::ResetPasswordResponse>, Status> {
        let call = Call::of(&request);
        let done = self.reset(&call, request.into_inner()).await;
        done.map(|()| wire::ResetPasswordResponse {}).rpc(&call, "reset a password")
    }

    async fn verify_email(
        &self,
        request: Request<wire::VerifyEmailRequest>,
    ) -> Result<Response<wire::VerifyEmailResponse>, Status> {
        let call = Call::of(&request);
        let token = request.into_inner().token;
        let done = self.verify(&call, &token).await;
        done.map(|email| wire::VerifyEmailResponse { email }).rpc(&call, "prove an address")
    }

    async fn confirm_email_change(
        &self,
        request: Request<wire::ConfirmEmailChangeRequest>,
    ) -> Result<Response<wire::ConfirmEmailChangeResponse>, Status> {
        let call = Call::of(&request);
        let token = request.into_inner().token;
        let done = self.agree(&call, &token).await;
        let done = done.map(|changed| wire::ConfirmEmailChangeResponse { changed });
        done.rpc(&call, "agree to another address")
    }
}

impl RecoveryGrpc {
    /// The same for every address: a row is written, and nothing is looked up.
    async fn wish(&self, call: &Call, email: &str) -> Result<(), Fault> {
        let PeopleParts { post, ids, sealer, clock, .. } = &*self.parts;
        post.ready()?;
        let email = Address::parse(email, "/email")?;
        let id = ids.uuid7();
        let sealed = sealer.seal(PURPOSE, id.as_bytes(), email.as_str().as_bytes())?;
        let mut tx = self.parts.begin(&call.caller).await?;
        store::insert_wish(&mut tx, id, &sealed, clock.now()).await?;
        tx.commit().await?;
        self.clerk.wake();
        Ok(())
    }

    async fn reset(&self, call: &Call, request: wire::ResetPasswordRequest) -> Result<(), Fault> {
        let hash = LinkToken::hash_of(&request.token)?;
        fields::password(&request.password)?;
        let kind = LinkKind::PasswordReset;
        let mut tx = self.parts.begin(&call.caller).await?;
        let link = self.good(&mut tx, call, &hash, kind).await?;
        tx.commit().await?;
        // Only now: a link that leads nowhere costs no hash.
        let password_hash = self.parts.passwords.hash(request.password).await?;
        let now = self.parts.clock.now();
        let mut tx = self.parts.begin(&call.caller).await?;
        // Two links of one person wait for each other here, and the second finds itself used.
        sessions::lock_person(&mut tx, link.principal_id).await?;
        if !store::consume(&mut tx, &hash, kind, now).await? {
            return Err(Code::LinkInvalid.into());
        }
        store::set_password(&mut tx, link.principal_id, &password_hash, now).await?;
        let whom = (link.principal_id, link.email.as_str());
        tell(&mut tx, &self.parts.post, whom, Notice::PasswordByLink, now).await?;
        tx.commit().await?;
        self.parts.nudge.now();
        self.parts.post.wake();
        Ok(())
    }

    async fn verify(&self, call: &Call, token: &str) -> Result<String, Fault> {
        let hash = LinkToken::hash_of(token)?;
        let (kind, now) = (LinkKind::EmailVerification, self.parts.clock.now());
        let mut tx = self.parts.begin(&call.caller).await?;
        let link = self.good(&mut tx, call, &hash, kind).await?;
        if !store::consume(&mut tx, &hash, kind, now).await? {
            return Err(Code::LinkInvalid.into());
        }
        accounts::note_verified(&mut tx, link.principal_id, now).await?;
        tx.commit().await?;
        Ok(link.email)
    }

    /// Whether the address has changed with it. Agreeing twice is agreeing once.
    async fn agree(&self, call: &Call, token: &str) -> Result<bool, Fault> {
        let hash = LinkToken::hash_of(token)?;
        let now = self.parts.clock.now();
        let mut tx = self.parts.begin(&call.caller).await?;
        let change = store::change(&mut tx, &hash, now).await?;
        let change = change.ok_or_else(|| Fault::new(Code::LinkInvalid))?;
        note_person(call, change.principal_id);
        store::agree(&mut tx, change.principal_id, change.of_old, now).await?;
        let both = if change.of_old { change.new_confirmed } else { change.old_confirmed };
        if both {
            let set = store::set_email(&mut tx, change.principal_id, &change.new_email, now).await;
            set.map_err(|error| {
                let taken = error.is_taken("people_email_key");
                let fault = Fault::from(error);
                let text = "The new address has an account of its own by now.";
                if taken { fault.with_public(text) } else { fault }
            })?;
        }
        tx.commit().await?;
        Ok(both)
    }

    /// A link that is good; whose it was is noted also when it is not.
    async fn good(
        &self,
        tx: &mut PlatformTx,
        call: &Call,
        hash: &[u8; 32],
        kind: LinkKind,
    ) -> Result<LinkRow, Fault> {
        let link = store::find(tx, hash, kind, self.parts.clock.now()).await?;
        if let Some(link) = &link {
            note_person(call, link.principal_id);
        }
        link.filter(|link| link.good).ok_or_else(|| Fault::new(Code::LinkInvalid))
    }
}

/// Tells the audit trail whose link it was: whoever shows it has not signed in.
fn note_person(call: &Call, principal: Uuid) {
    let person = PrincipalId::from_uuid(principal);
    call.note(|notes| {
        notes.subject = Some(person);
        notes.object = Some(("person".to_owned(), person.to_string()));
    });
}
