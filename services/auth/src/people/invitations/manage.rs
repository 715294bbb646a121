use time::{Duration, OffsetDateTime};
use uuid::Uuid;
use yard_authn::Caller;
use yard_contracts::identity::v1 as wire;
use yard_contracts::values::timestamp;
use yard_fault::{Code, Fault};
use yard_ids::TenantId;
use yard_pg::{PlatformTx, page};

use super::grpc::InvitationsGrpc;
use super::store::{self, NewInvitation, Row};
use super::{GOOD_FOR, LISTED_FOR, MOST_A_DAY, MOST_OPEN, PAUSE};
use crate::mail::{Address, Letter, Page, Recipient};
use crate::people::links::LinkToken;
use crate::people::lock_tenant;
use crate::rights;
use crate::tenancy::names;

const USUAL_PAGE: u16 = 50;
const LARGEST_PAGE: u16 = 200;

/// Whom a mail goes to, and what it offers.
struct Offered<'a> {
    email: &'a Address,
    role: &'a str,
    locale: Option<&'a str>,
    expires_at: OffsetDateTime,
}

impl InvitationsGrpc {
    pub(super) async fn create(
        &self,
        caller: &Caller,
        request: &wire::CreateInvitationRequest,
    ) -> Result<wire::Invitation, Fault> {
        let (tenant, inviter) = (caller.tenant()?, caller.person()?);
        self.parts.post.ready()?;
        let email = Address::parse(&request.email, "/email")?;
        let locale = match request.locale.as_str() {
            "" => None,
            text => Some(names::locale(text)?),
        };
        let now = self.parts.clock.now();
        let mut tx = self.parts.begin(caller).await?;
        lock_tenant(&mut tx, tenant.uuid()).await?;
        rights::may_hand_on(&mut tx, tenant, caller, &request.role).await?;
        if store::is_member(&mut tx, tenant, email.as_str()).await? {
            let text = "This address is a member's already.";
            return Err(Fault::new(Code::ResourceExists).with_public(text));
        }
        store::clear_expired(&mut tx, tenant, email.as_str(), now).await?;
        hold_back(&mut tx, tenant, email.as_str(), now, MOST_OPEN).await?;
        let token = LinkToken::generate()?;
        let invitation = NewInvitation {
            id: self.parts.ids.uuid7(),
            tenant,
            email: email.as_str(),
            role: &request.role,
            locale: locale.as_deref(),
            token_hash: token.hash(),
            invited_by: inviter.uuid(),
            at: now,
            expires_at: now + GOOD_FOR,
        };
        store::insert(&mut tx, &invitation).await?;
        let offered = Offered {
            email: &email,
            role: &request.role,
            locale: locale.as_deref(),
            expires_at: invitation.expires_at,
        };
        self.mail(&mut tx, (tenant, inviter.uuid()), token, &offered).await?;
        let made = existing(&mut tx, tenant, invitation.id).await?;
        tx.commit().await?;
        self.parts.post.wake();
        Ok(wired(made, now))
    }

    pub(super) async fn list(
        &self,
        caller: &Caller,
        request: &wire::ListInvitationsRequest,
    ) -> Result<wire::ListInvitationsResponse, Fault> {
        let tenant = caller.tenant()?;
        let most = page::size(request.page_size, USUAL_PAGE, LARGEST_PAGE)?;
        let after = rights::page_after(&request.page_token)?;
        let now = self.parts.clock.now();
        let mut tx = self.parts.begin(caller).await?;
        let rows = store::list(&mut tx, tenant, now - LISTED_FOR, after, most).await?;
        tx.commit().await?;
        Ok(wire::ListInvitationsResponse {
            next_page_token: rights::page_next(rows.iter().map(|row| row.id), most),
            invitations: rows.into_iter().map(|row| wired(row, now)).collect(),
        })
    }

    pub(super) async fn resend(
        &self,
        caller: &Caller,
        id: &str,
    ) -> Result<wire::Invitation, Fault> {
        let (tenant, inviter) = (caller.tenant()?, caller.person()?);
        self.parts.post.ready()?;
        let now = self.parts.clock.now();
        let mut tx = self.parts.begin(caller).await?;
        lock_tenant(&mut tx, tenant.uuid()).await?;
        let row = existing(&mut tx, tenant, rights::named(id)?).await?;
        if row.withdrawn_at.is_some() {
            return Err(Code::ResourceNotFound.into());
        }
        // Whoever sends it stands for the role, also when another chose it.
        rights::may_hand_on(&mut tx, tenant, caller, &row.role).await?;
        // One that is open counts itself.
        let most_open = MOST_OPEN + i64::from(row.expires_at > now);
        hold_back(&mut tx, tenant, &row.email, now, most_open).await?;
        let token = LinkToken::generate()?;
        let expires_at = now + GOOD_FOR;
        store::renew(&mut tx, row.id, &token.hash(), now, expires_at).await?;
        let email = Address::stored(row.email.clone());
        let offered =
            Offered { email: &email, role: &row.role, locale: row.locale.as_deref(), expires_at };
        self.mail(&mut tx, (tenant, inviter.uuid()), token, &offered).await?;
        let renewed = existing(&mut tx, tenant, row.id).await?;
        tx.commit().await?;
        self.parts.post.wake();
        Ok(wired(renewed, now))
    }

    pub(super) async fn withdraw(
        &self,
        caller: &Caller,
        id: &str,
    ) -> Result<wire::Invitation, Fault> {
        let tenant = caller.tenant()?;
        let now = self.parts.clock.now();
        let mut tx = self.parts.begin(caller).await?;
        let row = existing(&mut tx, tenant, rights::named(id)?).await?;
        store::withdraw(&mut tx, row.id, now).await?;
        // Somebody may have accepted it meanwhile: then it is not there any more.
        let withdrawn = existing(&mut tx, tenant, row.id).await?;
        tx.commit().await?;
        Ok(wired(withdrawn, now))
    }

    async fn mail(
        &self,
        tx: &mut PlatformTx,
        (tenant, inviter): (TenantId, Uuid),
        token: LinkToken,
        offered: &Offered<'_>,
    ) -> Result<(), Fault> {
        let sender = store::sender(tx, tenant, inviter).await?;
        let sender = sender.ok_or_else(|| Fault::new(Code::TenantUnknown))?;
        let names = [sender.inviter.as_str(), sender.tenant_name.as_str(), offered.role];
        let letter = Letter::invitation(token.link(Page::Invitation), names, offered.expires_at);
        let to = Recipient {
            address: offered.email,
            locale: Some(offered.locale.unwrap_or(&sender.tenant_locale)),
            tenant: Some(tenant.uuid()),
        };
        self.parts.post.write(tx, to, &letter, offered.expires_at).await
    }
}

/// Refuses mails that come too fast, and more open invitations than a tenant may have.
async fn hold_back(
    tx: &mut PlatformTx,
    tenant: TenantId,
    email: &str,
    now: OffsetDateTime,
    most_open: i64,
) -> Result<(), Fault> {
    let last = store::last_mailed(tx, tenant, email).await?;
    if let Some(wait) = last.map(|last| last + PAUSE - now).filter(|wait| wait.is_positive()) {
        let seconds = wait.whole_seconds() + 1;
        let text = format!("This address has just been sent a mail; wait {seconds} s.");
        return Err(Fault::new(Code::AuthThrottled).with_public(text));
    }
    let (open, today) = store::counts(tx, tenant, now, now - Duration::days(1)).await?;
    if open >= most_open {
        let text = "100 invitations are open; withdraw one, or wait until some are accepted.";
        return Err(Fault::new(Code::RateLimited).with_public(text));
    }
    if today >= MOST_A_DAY {
        let text = "300 invitations were sent in the last 24 hours; wait before the next.";
        return Err(Fault::new(Code::RateLimited).with_public(text));
    }
    Ok(())
}

async fn existing(tx: &mut PlatformTx, tenant: TenantId, id: Uuid) -> Result<Row, Fault> {
    let row = store::get(tx, tenant, id).await?;
    row.ok_or_else(|| Fault::new(Code::ResourceNotFound))
}

fn wired(row: Row, now: OffsetDateTime) -> wire::Invitation {
    let state = if row.withdrawn_at.is_some() {
        wire::InvitationState::Withdrawn
    } else if row.expires_at <= now {
        wire::InvitationState::Expired
    } else {
        wire::InvitationState::Open
    };
    wire::Invitation {
        invitation_id: row.id.as_hyphenated().to_string(),
        email: row.email,
        role: row.role,
        created_at: Some(timestamp(row.created_at)),
        expires_at: Some(timestamp(row.expires_at)),
        mailed_at: Some(timestamp(row.mailed_at)),
        invited_by: row.invited_by,
        state: state.into(),
    }
}
