use uuid::Uuid;
use yard_authn::{Call, Caller};
use yard_contracts::identity::v1 as wire;
use yard_contracts::values::timestamp;
use yard_fault::{Code, Fault};
use yard_ids::{PrincipalId, TenantId};
use yard_pg::{PgError, PlatformTx};

use super::grpc::InvitationsGrpc;
use super::store::{self, Offer};
use crate::people::accounts::{self, NewAccount};
use crate::people::fields;
use crate::people::links::LinkToken;
use crate::rights;

impl InvitationsGrpc {
    pub(super) async fn show(
        &self,
        caller: &Caller,
        token: &str,
    ) -> Result<wire::OpenInvitation, Fault> {
        let hash = LinkToken::hash_of(token)?;
        let mut tx = self.parts.begin(caller).await?;
        let offer = self.offer(&mut tx, &hash).await?;
        tx.commit().await?;
        Ok(wire::OpenInvitation {
            account_exists: offer.account_in_use,
            email: offer.email,
            tenant_name: offer.tenant_name,
            role: offer.role,
            expires_at: Some(timestamp(offer.expires_at)),
        })
    }

    /// With a new account.
    pub(super) async fn accept(
        &self,
        call: &Call,
        request: wire::AcceptInvitationRequest,
    ) -> Result<wire::AcceptInvitationResponse, Fault> {
        let hash = LinkToken::hash_of(&request.token)?;
        let display_name = fields::display_name(&request.display_name)?;
        fields::password(&request.password)?;
        let mut tx = self.parts.begin(&call.caller).await?;
        let offer = self.offer(&mut tx, &hash).await?;
        tx.commit().await?;
        note_offer(call, &offer);
        if offer.account_in_use {
            return Err(has_account());
        }
        if offer.account_disabled {
            return Err(Code::AuthForbidden.into());
        }
        // Only now: a link that leads nowhere costs no hash.
        let password_hash = self.parts.passwords.hash(request.password).await?;
        let taken_up = offer.principal_id;
        let account = NewAccount {
            id: taken_up.unwrap_or_else(|| self.parts.ids.uuid7()),
            email: &offer.email,
            display_name: &display_name,
            password_hash: &password_hash,
            locale: offer.locale.as_deref(),
            at: self.parts.clock.now(),
            proved: true,
        };
        let mut tx = self.parts.begin(&call.caller).await?;
        match accounts::make(&mut tx, &account, taken_up).await {
            Ok(()) => {}
            // Somebody made or used the account a moment ago.
            Err(PgError::Missing) => return Err(has_account()),
            Err(error) if error.is_taken("people_email_key") => return Err(has_account()),
            Err(error) => return Err(error.into()),
        }
        self.enter(&mut tx, &hash, &offer, account.id).await?;
        tx.commit().await?;
        call.note(|notes| {
            notes.actor = Some(format!("person:{}", account.id.as_hyphenated()));
            notes.acting_as = Some(offer.role.clone());
            notes.subject = Some(PrincipalId::from_uuid(account.id));
        });
        Ok(accepted(account.id, offer))
    }

    /// With the caller's account.
    pub(super) async fn join(
        &self,
        call: &Call,
        token: &str,
    ) -> Result<wire::AcceptInvitationResponse, Fault> {
        let person = call.caller.person()?;
        let hash = LinkToken::hash_of(token)?;
        let mut tx = self.parts.begin(&call.caller).await?;
        let offer = self.offer(&mut tx, &hash).await?;
        note_offer(call, &offer);
        if offer.principal_id != Some(person.uuid()) {
            let text = "The invitation is for another address than yours.";
            return Err(Fault::new(Code::AuthForbidden).with_public(text));
        }
        accounts::note_verified(&mut tx, person.uuid(), self.parts.clock.now()).await?;
        self.enter(&mut tx, &hash, &offer, person.uuid()).await?;
        tx.commit().await?;
        Ok(accepted(person.uuid(), offer))
    }

    async fn offer(&self, tx: &mut PlatformTx, hash: &[u8; 32]) -> Result<Offer, Fault> {
        let offer = store::offer(tx, hash, self.parts.clock.now()).await?;
        offer.ok_or_else(|| Fault::new(Code::LinkInvalid))
    }

    /// Uses the link up and makes the membership; of two at once, one finds the link used.
    async fn enter(
        &self,
        tx: &mut PlatformTx,
        hash: &[u8; 32],
        offer: &Offer,
        principal: Uuid,
    ) -> Result<(), Fault> {
        let now = self.parts.clock.now();
        let tenant = TenantId::from_uuid(offer.tenant_id);
        // The tenant may have deleted its role meanwhile.
        let good = rights::is_role(tx, tenant, &offer.role).await?
            && store::consume(tx, hash, principal, now).await?;
        if !good {
            return Err(Code::LinkInvalid.into());
        }
        accounts::join(tx, tenant, (principal, &offer.role), now).await
    }
}

fn has_account() -> Fault {
    let text = "This address has an account; sign in to it and join from there.";
    Fault::new(Code::AuthRequired).with_public(text)
}

/// The tenant that is joined sees it in its trail, wherever the caller's session is.
fn note_offer(call: &Call, offer: &Offer) {
    let tenant = TenantId::from_uuid(offer.tenant_id);
    let elsewhere = call.caller.tenant_opt().is_some_and(|own| own != tenant);
    call.note(|notes| {
        notes.object = Some(("invitation".to_owned(), offer.id.as_hyphenated().to_string()));
        if elsewhere {
            notes.copy_to = Some(tenant);
        } else {
            notes.tenant = Some(tenant);
        }
    });
}

fn accepted(principal: Uuid, offer: Offer) -> wire::AcceptInvitationResponse {
    wire::AcceptInvitationResponse {
        principal_id: principal.as_hyphenated().to_string(),
        email: offer.email,
        tenant_slug: offer.tenant_slug,
        tenant_name: offer.tenant_name,
    }
}
