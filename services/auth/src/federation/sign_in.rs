//! From who somebody is at a provider to a session in its tenant.

use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;
use yard_authn::Call;
use yard_fault::{Code, Fault};
use yard_ids::{PrincipalId, TenantId};
use yard_pg::limit::{self, Limit};
use yard_pg::{Actor, PlatformTx};

use super::flow::{Answer, Proved};
use super::store::{self, Linked, Who};
use super::{Federation, rules};
use crate::people::accounts::{self, NewAccount};
use crate::people::{lock_tenant, members};
use crate::sessions::{Client, Opening, SessionToken};
use crate::telemetry;

const LONGEST_NAME: usize = 120;
/// Identities of one person in one tenant, at all of its providers together.
const MOST_LINKS: i64 = 10;

/// A new session.
pub(super) struct Opened {
    pub(super) token: SessionToken,
    pub(super) expires_at: OffsetDateTime,
    pub(super) principal: Uuid,
    pub(super) slug: String,
}

/// Who signs in, and the role that they have in the tenant.
struct Known {
    principal: Uuid,
    role: String,
}

impl Federation {
    /// Completes a sign-in.
    ///
    /// # Errors
    /// `federation.refused`, `federation.not_linked`, `federation.provider_failed`,
    /// `limit.reached`, `tenant.suspended`.
    pub(super) async fn sign_in(
        &self,
        answer: &Answer<'_>,
        client: &Client,
        call: &Call,
    ) -> Result<Opened, Fault> {
        let done = self.attempt(answer, client, call).await;
        telemetry::federated(
            done.as_ref().map_or_else(|fault| outcome(fault.code()), |_| "opened"),
        );
        done
    }

    async fn attempt(
        &self,
        answer: &Answer<'_>,
        client: &Client,
        call: &Call,
    ) -> Result<Opened, Fault> {
        let returned = self.returned(answer).await?;
        let (provider, tenant) = (returned.provider.id, returned.provider.tenant_id);
        // The tenant sees in its trail also what its provider is not believed.
        call.note(|notes| {
            notes.tenant = Some(TenantId::from_uuid(tenant));
            let provider = provider.as_hyphenated().to_string();
            notes.object = Some(("identity_provider".to_owned(), provider));
        });
        let proved = self.prove(answer, returned).await?;
        if proved.principal.is_some() {
            return Err(refused("a link, not a sign-in"));
        }
        let mut tx = PlatformTx::begin(&self.0.pg, &Actor::service("auth")).await?;
        let slug = enter(&mut tx, &proved).await?;
        let known = self.person(&mut tx, &proved).await?;
        let opening = Opening {
            person: known.principal,
            tenant: Some(tenant),
            auth_time: proved.identity.auth_time,
            amr: &proved.identity.amr,
            ends: None,
            client,
            provider: Some(provider),
        };
        let opened = self.0.opener.open(&mut tx, &opening).await?;
        tx.commit().await?;
        self.0.nudge.now();
        let person = PrincipalId::from_uuid(known.principal);
        call.note(|notes| {
            notes.actor = Some(format!("person:{person}"));
            notes.subject = Some(person);
            notes.acting_as = Some(known.role);
        });
        let (token, expires_at) = (opened.token, opened.expires_at);
        Ok(Opened { token, expires_at, principal: known.principal, slug })
    }

    /// The account that is linked, or a new one if the provider may bring people.
    async fn person(&self, tx: &mut PlatformTx, proved: &Proved) -> Result<Known, Fault> {
        let provider = &proved.provider;
        let email = rules::email(&proved.identity.claims);
        if !rules::is_of_domain(email.as_deref(), &provider.email_domains) {
            return Err(refused("not of the domains"));
        }
        let role = rules::role(provider, &proved.identity.claims);
        if let Some(linked) = store::linked(tx, who(proved)).await? {
            return let_in(tx, proved, linked, role, self.0.clock.now()).await;
        }
        let may = provider.create_people && !provider.email_domains.is_empty();
        let email = email.filter(|_| may).ok_or_else(not_linked)?;
        let role = role.ok_or_else(|| refused("no role"))?;
        let principal = self.add(tx, proved, &email, role).await?;
        Ok(Known { principal, role: role.to_owned() })
    }

    async fn add(
        &self,
        tx: &mut PlatformTx,
        proved: &Proved,
        email: &str,
        role: &str,
    ) -> Result<Uuid, Fault> {
        let (tenant, now) = (TenantId::from_uuid(proved.provider.tenant_id), self.0.clock.now());
        // Before anything tells whether the address is somebody's.
        limit::hold(tx, tenant, Limit::People, now).await?;
        let display_name = display_name(&proved.identity.claims, email);
        let account = NewAccount {
            id: self.0.ids.uuid7(),
            email,
            display_name: &display_name,
            password_hash: &self.0.nobody,
            locale: None,
            at: now,
            // To the platform a provider's word proves no address.
            proved: false,
        };
        match accounts::make(tx, &account, None).await {
            Ok(()) => {}
            // The address of an account that exists proves nothing: its owner links it.
            Err(error) if error.is_taken("people_email_key") => return Err(not_linked()),
            Err(error) => return Err(error.into()),
        }
        accounts::join(tx, tenant, (account.id, role), now).await?;
        store::link(tx, who(proved), proved.provider.id, account.id, now).await?;
        Ok(account.id)
    }

    /// Completes a link: the same person who began it, in the same tenant.
    ///
    /// # Errors
    /// `federation.refused`, `resource.exists` when it is somebody else's, `limit.reached` when they have
    /// as many as they may.
    pub(super) async fn link(
        &self,
        answer: &Answer<'_>,
        person: PrincipalId,
        tenant: TenantId,
    ) -> Result<Proved, Fault> {
        let returned = self.returned(answer).await?;
        let proved = self.prove(answer, returned).await?;
        let same = proved.principal == Some(person.uuid());
        if !same || proved.provider.tenant_id != tenant.uuid() {
            return Err(refused("begun by somebody else"));
        }
        let (now, actor) = (self.0.clock.now(), Actor::person(person.uuid()));
        let mut tx = PlatformTx::begin(&self.0.pg, &actor).await?;
        enter(&mut tx, &proved).await?;
        if !store::link(&mut tx, who(&proved), proved.provider.id, person.uuid(), now).await? {
            return Err(Code::ResourceExists.into());
        }
        // Nobody else links in this tenant meanwhile. What was there and is linked again is none more.
        if store::count(&mut tx, tenant.uuid(), person.uuid()).await? > MOST_LINKS {
            let text = format!(
                "You are linked to {MOST_LINKS} identities in this organization: take one away first."
            );
            return Err(Fault::new(Code::LimitReached).with_public(text));
        }
        tx.commit().await?;
        Ok(proved)
    }
}

/// How a sign-in ended, as counted.
const fn outcome(code: Code) -> &'static str {
    match code {
        Code::FederationRefused => "refused",
        Code::FederationNotLinked => "not_linked",
        Code::FederationProviderFailed => "provider_failed",
        Code::LimitReached => "limit_reached",
        Code::TenantSuspended => "suspended",
        _ => "failed",
    }
}

/// The tenant's slug, if the tenant is open and trusts the provider as it did; both stay so until the
/// transaction ends.
async fn enter(tx: &mut PlatformTx, proved: &Proved) -> Result<String, Fault> {
    // Sign-ins and changes of the tenant's people wait for each other from here on.
    lock_tenant(tx, proved.provider.tenant_id).await?;
    let place = store::place(tx, proved.provider.tenant_id).await?;
    if !store::stands(tx, &proved.provider).await? {
        return Err(refused("the provider was taken away, disabled or changed"));
    }
    match place.state.as_str() {
        "ready" => Ok(place.slug),
        "suspended" => Err(Code::TenantSuspended.into()),
        _ => Err(refused("the tenant is closed")),
    }
}

/// Who was taken out of the tenant, or disabled, does not come back by a provider's word.
async fn let_in(
    tx: &mut PlatformTx,
    proved: &Proved,
    linked: Linked,
    role: Option<&str>,
    now: OffsetDateTime,
) -> Result<Known, Fault> {
    let (tenant, principal) = (proved.provider.tenant_id, linked.principal_id);
    let own = linked.role.filter(|_| linked.disabled_at.is_none());
    let own = own.ok_or_else(|| refused("disabled, or no member"))?;
    if !rules::decides(&proved.provider) {
        return Ok(Known { principal, role: own });
    }
    let role = role.ok_or_else(|| refused("no role"))?;
    let tenant = TenantId::from_uuid(tenant);
    let role = members::assume(tx, tenant, (principal, own), role, now).await?;
    Ok(Known { principal, role })
}

fn display_name(claims: &Value, email: &str) -> String {
    let plain = |text: &str| {
        let kept: String = text.chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect();
        kept.trim().to_owned()
    };
    let said = claims.get("name").and_then(Value::as_str).map(plain);
    said.filter(|name| !name.is_empty()).unwrap_or_else(|| plain(email))
}

fn who(proved: &Proved) -> Who<'_> {
    Who {
        tenant: proved.provider.tenant_id,
        issuer: &proved.provider.issuer,
        subject: &proved.identity.subject,
    }
}

fn not_linked() -> Fault {
    Fault::new(Code::FederationNotLinked)
}

fn refused(what: &'static str) -> Fault {
    Fault::new(Code::FederationRefused).with_detail(what)
}
