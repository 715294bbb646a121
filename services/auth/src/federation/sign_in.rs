//! From who somebody is at a provider to a session in its tenant.

use time::OffsetDateTime;
use uuid::Uuid;
use yard_authn::{Call, password};
use yard_fault::{Code, Fault};
use yard_ids::{PrincipalId, TenantId};
use yard_pg::{Actor, PlatformTx};

use super::flow::{Answer, Proved};
use super::store::{self, NewPerson, Who};
use super::{Federation, rules};
use crate::sessions::{NewFederated, open_federated};
use crate::secrets;

const LONGEST_NAME: usize = 120;

/// A new session.
pub(super) struct Opened {
    pub(super) token: String,
    pub(super) expires_at: OffsetDateTime,
    pub(super) principal: Uuid,
    pub(super) slug: String,
}

impl Federation {
    /// Completes a sign-in.
    ///
    /// # Errors
    /// `federation.refused`, `federation.not_linked`, `federation.provider_failed`,
    /// `tenant.suspended`.
    pub(super) async fn sign_in(&self, answer: &Answer<'_>, call: &Call) -> Result<Opened, Fault> {
        let proved = self.prove(answer).await?;
        if proved.principal.is_some() {
            return Err(Fault::new(Code::FederationRefused).with_detail("a link, not a sign-in"));
        }
        call.note(|notes| {
            notes.tenant = Some(TenantId::from_uuid(proved.provider.tenant_id));
            let provider = proved.provider.id.as_hyphenated().to_string();
            notes.object = Some(("identity_provider".to_owned(), provider));
        });
        let email = rules::email(&proved.identity.claims);
        let domains = &proved.provider.email_domains;
        let role = rules::role(&proved.provider, &proved.identity.claims);
        let of_domain = rules::is_of_domain(email.as_deref(), domains);
        let role = role.filter(|_| of_domain).ok_or_else(|| {
            Fault::new(Code::FederationRefused).with_detail("no role, or not of the domains")
        })?;
        // Made before the transaction: it takes its time.
        let hash = if proved.provider.create_people { nobodys_password().await? } else { String::new() };
        let mut tx = PlatformTx::begin(&self.0.pg, &Actor::service("auth")).await?;
        let place = store::place(&mut tx, proved.provider.tenant_id).await?;
        match place.state.as_str() {
            "ready" => {}
            "suspended" => return Err(Code::TenantSuspended.into()),
            _ => return Err(Code::FederationRefused.into()),
        }
        let principal = self.person(&mut tx, &proved, role, email.as_deref(), &hash).await?;
        let session = NewFederated {
            principal,
            tenant: proved.provider.tenant_id,
            auth_time: proved.identity.auth_time,
            amr: &proved.identity.amr,
            lifetime: self.0.lifetime,
        };
        let (token, expires_at) =
            open_federated(&mut tx, &session, self.0.ids.uuid7(), self.0.clock.now()).await?;
        store::mark_session(&mut tx, &secrets::sha256(&token), proved.provider.id).await?;
        tx.commit().await?;
        self.0.nudge.now();
        let person = PrincipalId::from_uuid(principal);
        call.note(|notes| {
            notes.actor = Some(format!("person:{person}"));
            notes.subject = Some(person);
            notes.acting_as = Some(role.to_owned());
        });
        Ok(Opened { token, expires_at, principal, slug: place.slug })
    }

    /// The account, made if it may be.
    async fn person(
        &self,
        tx: &mut PlatformTx,
        proved: &Proved,
        role: &str,
        email: Option<&str>,
        password_hash: &str,
    ) -> Result<Uuid, Fault> {
        let (provider, now) = (&proved.provider, self.0.clock.now());
        let who = who(proved);
        let missing = || Fault::new(Code::FederationNotLinked);
        if let Some(linked) = store::linked(tx, who).await? {
            if linked.disabled_at.is_some() || linked.role.is_none() {
                return Err(Fault::new(Code::FederationRefused).with_detail("disabled, or no member"));
            }
            if !provider.rule_groups.is_empty() {
                store::set_role(tx, provider.tenant_id, linked.principal_id, role).await?;
            }
            return Ok(linked.principal_id);
        }
        let named = !provider.email_domains.is_empty();
        let email = email.filter(|_| provider.create_people && named).ok_or_else(missing)?;
        let said = proved.identity.claims.get("name").and_then(serde_json::Value::as_str);
        let display_name: String = said
            .unwrap_or(email)
            .chars()
            .filter(|c| !c.is_control())
            .take(LONGEST_NAME)
            .collect();
        let new = NewPerson {
            id: self.0.ids.uuid7(),
            tenant: provider.tenant_id,
            email,
            display_name: &display_name,
            password_hash,
            role,
            now,
        };
        // The address of an account that exists proves nothing: its owner links it.
        if !store::create(tx, &new).await? {
            return Err(missing());
        }
        store::link(tx, who, provider.id, new.id, now).await?;
        Ok(new.id)
    }

    /// Completes a link: the same person who began it, in the same tenant.
    ///
    /// # Errors
    /// `federation.refused`, `resource.exists` when it is somebody else's.
    pub(super) async fn link(
        &self,
        answer: &Answer<'_>,
        person: PrincipalId,
        tenant: TenantId,
    ) -> Result<Proved, Fault> {
        let proved = self.prove(answer).await?;
        let same = proved.principal == Some(person.uuid());
        if !same || proved.provider.tenant_id != tenant.uuid() {
            return Err(Fault::new(Code::FederationRefused).with_detail("begun by somebody else"));
        }
        let (now, actor) = (self.0.clock.now(), Actor::person(person.uuid()));
        let mut tx = PlatformTx::begin(&self.0.pg, &actor).await?;
        if !store::link(&mut tx, who(&proved), proved.provider.id, person.uuid(), now).await? {
            return Err(Code::ResourceExists.into());
        }
        tx.commit().await?;
        Ok(proved)
    }
}

fn who(proved: &Proved) -> Who<'_> {
    Who {
        tenant: proved.provider.tenant_id,
        issuer: &proved.provider.issuer,
        subject: &proved.identity.subject,
    }
}

/// A hash that no password has.
async fn nobodys_password() -> Result<String, Fault> {
    let nobody = secrets::hex(&secrets::random::<32>()?);
    let hash = tokio::task::spawn_blocking(move || password::hash(&nobody)).await;
    let hash = hash.map_err(|e| Fault::internal("password thread").with_source(e))?;
    hash.map_err(|e| Fault::internal("make a hash").with_source(e))
}
