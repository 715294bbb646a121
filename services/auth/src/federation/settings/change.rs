//! Changes of a provider that stands: what they name, and no more.

use time::OffsetDateTime;
use uuid::Uuid;
use yard_authn::Caller;
use yard_contracts::federation::v1 as wire;
use yard_fault::{Code, Fault};

use super::{ProvidersGrpc, admit, in_person, store, wishes};
use crate::federation::store::Provider;

const CHANGEABLE: &str = "name, client_id, client_secret, scopes, groups_claim, role_rules, \
     default_role, email_domains, create_people, disabled";

impl ProvidersGrpc {
    pub(super) async fn change(
        &self,
        caller: &Caller,
        request: wire::UpdateIdentityProviderRequest,
    ) -> Result<wire::IdentityProvider, Fault> {
        in_person(caller)?;
        let missing = || Fault::invalid("identity_provider is missing");
        let wanted = request.identity_provider.ok_or_else(missing)?;
        let none = || Fault::new(Code::ResourceNotFound);
        let id = Uuid::try_parse(&wanted.provider_id).map_err(|_e| none())?;
        let (tenant, now) = (caller.tenant()?.uuid(), self.federation.0.clock.now());
        let paths = request.update_mask.unwrap_or_default().paths;
        let mut tx = self.begin(caller).await?;
        let before = store::keep(&mut tx, tenant, id).await?.ok_or_else(none)?;
        let after = self.merged(&before, &wanted, &paths, now)?;
        if !paths.iter().all(|path| gives_nothing(path, &after)) {
            admit(&mut tx, caller, &after).await?;
        }
        store::update(&mut tx, &after).await?;
        let ends = before.disabled_at.is_none() && after.disabled_at.is_some();
        if ends {
            store::end_sessions(&mut tx, id, now).await?;
        }
        tx.commit().await?;
        if ends {
            self.federation.0.nudge.now();
        }
        self.to_wire(after)
    }

    /// What it is with the change, held to what a new one is held to.
    fn merged(
        &self,
        before: &Provider,
        wanted: &wire::IdentityProvider,
        paths: &[String],
        now: OffsetDateTime,
    ) -> Result<Provider, Fault> {
        let mut all = self.to_wire(before.clone())?;
        let mut client_secret_sealed = before.client_secret_sealed.clone();
        let mut disabled_at = before.disabled_at;
        for path in paths {
            match path.as_str() {
                "name" => all.name.clone_from(&wanted.name),
                "client_id" => all.client_id.clone_from(&wanted.client_id),
                "client_secret" => {
                    client_secret_sealed = self.sealed(before.id, &wanted.client_secret)?;
                }
                "scopes" => all.scopes.clone_from(&wanted.scopes),
                "groups_claim" => all.groups_claim.clone_from(&wanted.groups_claim),
                "role_rules" => all.role_rules.clone_from(&wanted.role_rules),
                "default_role" => all.default_role.clone_from(&wanted.default_role),
                "email_domains" => all.email_domains.clone_from(&wanted.email_domains),
                "create_people" => all.create_people = wanted.create_people,
                "disabled" => {
                    disabled_at = wanted.disabled.then(|| before.disabled_at.unwrap_or(now));
                }
                _ => {
                    let text = format!("update_mask may name {CHANGEABLE}");
                    return Err(Fault::invalid(text).with_pointer("/update_mask"));
                }
            }
        }
        Ok(Provider {
            id: before.id,
            tenant_id: before.tenant_id,
            client_secret_sealed,
            created_at: before.created_at,
            disabled_at,
            changed_at: Some(now),
            version: before.version.wrapping_add(1),
            // Where it is asked was looked at when it was set up.
            ..wishes::read(all, |_issuer| true)?
        })
    }
}

/// Whether a change of this field lets nobody in who was not let in before.
fn gives_nothing(path: &str, after: &Provider) -> bool {
    path == "name" || (path == "disabled" && after.disabled_at.is_some())
}
