//! Providers: set up, listed, changed and taken away by their tenant.

mod change;
mod store;
mod wishes;

use std::collections::BTreeMap;

use tonic::{Request, Response, Status, async_trait};
use uuid::Uuid;
use yard_authn::{Call, Caller, RpcResult as _};
use yard_contracts::federation::v1 as wire;
use yard_contracts::federation::v1::identity_provider_service_server::IdentityProviderService;
use yard_contracts::values::timestamp;
use yard_fault::{Code, Fault};
use yard_pg::{Actor, PlatformTx};

use super::store::Provider;
use super::{Federation, rules};
use crate::people::OWNER;
use crate::rights;

/// What a client secret is sealed for; the provider's id is bound to it.
pub(super) const SECRET: &str = "identity-provider-secret";
/// Providers of one tenant.
const MOST: i64 = 16;

/// Serves `IdentityProviderService`.
pub(super) struct ProvidersGrpc {
    pub(super) federation: Federation,
}

#[async_trait]
impl IdentityProviderService for ProvidersGrpc {
    async fn create_identity_provider(
        &self,
        request: Request<wire::CreateIdentityProviderRequest>,
    ) -> Result<Response<wire::IdentityProvider>, Status> {
        let call = Call::of(&request);
        let wish = request.into_inner().identity_provider.unwrap_or_default();
        self.create(&call.caller, wish).await.rpc(&call, "set up an identity provider")
    }

    async fn list_identity_providers(
        &self,
        request: Request<wire::ListIdentityProvidersRequest>,
    ) -> Result<Response<wire::ListIdentityProvidersResponse>, Status> {
        let call = Call::of(&request);
        self.list(&call.caller).await.rpc(&call, "list identity providers")
    }

    async fn update_identity_provider(
        &self,
        request: Request<wire::UpdateIdentityProviderRequest>,
    ) -> Result<Response<wire::IdentityProvider>, Status> {
        let call = Call::of(&request);
        let request = request.into_inner();
        self.change(&call.caller, request).await.rpc(&call, "change an identity provider")
    }

    async fn delete_identity_provider(
        &self,
        request: Request<wire::DeleteIdentityProviderRequest>,
    ) -> Result<Response<wire::DeleteIdentityProviderResponse>, Status> {
        let call = Call::of(&request);
        let id = &request.get_ref().provider_id;
        self.delete(&call.caller, id).await.rpc(&call, "take an identity provider away")
    }
}

impl ProvidersGrpc {
    async fn begin(&self, caller: &Caller) -> Result<PlatformTx, Fault> {
        let actor = Actor::of_subject(caller.subject());
        Ok(PlatformTx::begin(&self.federation.0.pg, &actor).await?)
    }

    async fn create(
        &self,
        caller: &Caller,
        wish: wire::IdentityProvider,
    ) -> Result<wire::IdentityProvider, Fault> {
        in_person(caller)?;
        let inner = &self.federation.0;
        let (id, tenant) = (inner.ids.uuid7(), caller.tenant()?.uuid());
        self.federation.callback(id)?;
        let client_secret_sealed = self.sealed(id, &wish.client_secret)?;
        let (now, disabled) = (inner.clock.now(), wish.disabled);
        let known = |url: &str| inner.directory.fetcher().url(url).is_ok();
        let wished = wishes::read(wish, known)?;
        let provider = Provider {
            id,
            tenant_id: tenant,
            client_secret_sealed,
            created_at: now,
            disabled_at: disabled.then_some(now),
            ..wished
        };
        let mut tx = self.begin(caller).await?;
        admit(&mut tx, caller, &provider).await?;
        if store::count(&mut tx, tenant).await? >= MOST {
            return Err(Fault::invalid(format!("a tenant has {MOST} providers at most")));
        }
        store::insert(&mut tx, &provider, caller.subject()).await?;
        tx.commit().await?;
        self.to_wire(provider)
    }

    async fn list(&self, caller: &Caller) -> Result<wire::ListIdentityProvidersResponse, Fault> {
        let tenant = caller.tenant()?.uuid();
        let mut tx = self.begin(caller).await?;
        let rows = store::all(&mut tx, tenant).await?;
        tx.commit().await?;
        let providers: Result<_, _> = rows.into_iter().map(|row| self.to_wire(row)).collect();
        Ok(wire::ListIdentityProvidersResponse { identity_providers: providers? })
    }

    async fn delete(
        &self,
        caller: &Caller,
        id: &str,
    ) -> Result<wire::DeleteIdentityProviderResponse, Fault> {
        in_person(caller)?;
        let none = || Fault::new(Code::ResourceNotFound);
        let tenant = caller.tenant()?.uuid();
        let id = Uuid::try_parse(id).map_err(|_e| none())?;
        let now = self.federation.0.clock.now();
        let mut tx = self.begin(caller).await?;
        if !store::delete(&mut tx, tenant, id, now).await? {
            return Err(none());
        }
        tx.commit().await?;
        self.federation.0.nudge.now();
        Ok(wire::DeleteIdentityProviderResponse { provider_id: id.as_hyphenated().to_string() })
    }

    fn sealed(&self, id: Uuid, secret: &str) -> Result<Option<Vec<u8>>, Fault> {
        let Some(secret) = wishes::secret(secret)? else { return Ok(None) };
        Ok(Some(self.federation.0.sealer.seal(SECRET, id.as_bytes(), secret.as_bytes())?))
    }

    fn to_wire(&self, provider: Provider) -> Result<wire::IdentityProvider, Fault> {
        let rules = provider.rule_groups.into_iter().zip(provider.rule_roles);
        Ok(wire::IdentityProvider {
            redirect_uri: self.federation.callback(provider.id)?,
            provider_id: provider.id.as_hyphenated().to_string(),
            name: provider.name,
            issuer: provider.issuer,
            client_id: provider.client_id,
            client_secret: String::new(),
            scopes: provider.scopes,
            groups_claim: provider.groups_claim,
            role_rules: rules.map(|(group, role)| wire::RoleRule { group, role }).collect(),
            default_role: provider.default_role.unwrap_or_default(),
            email_domains: provider.email_domains,
            create_people: provider.create_people,
            created_at: Some(timestamp(provider.created_at)),
            disabled: provider.disabled_at.is_some(),
            changed_at: provider.changed_at.map(timestamp),
        })
    }
}

/// Whose word counts in a tenant is for its own people to decide, in their own sessions: not for a
/// program that acts for one, nor for an operator who came in for something else.
fn in_person(caller: &Caller) -> Result<(), Fault> {
    if caller.client().is_some() {
        return Err(Code::AuthSessionRequired.into());
    }
    if caller.break_glass().is_some() {
        let text = "Identity providers are for the organization's own people to see to.";
        return Err(Fault::new(Code::AuthForbidden).with_public(text));
    }
    Ok(())
}

/// Whether a caller may have a provider let people in as it says.
async fn admit(tx: &mut PlatformTx, caller: &Caller, provider: &Provider) -> Result<(), Fault> {
    if provider.create_people && store::is_self_registered(tx, provider.tenant_id).await? {
        // Else whoever runs a provider of their own could ask for anybody's address, and take it.
        let text =
            "accounts are made by the providers of organizations that an operator vouches for";
        return Err(Fault::invalid(text).with_pointer("/identity_provider/create_people"));
    }
    for (role, pointer) in given(provider) {
        let may = rights::may_hand_on(tx, caller.tenant()?, caller, role).await;
        may.map_err(|fault| fault.with_pointer(pointer))?;
    }
    Ok(())
}

/// The roles that a provider hands on, each once, and where they stand in the request. One with rules
/// decides about whoever is linked, owners as well: only who may do so sets it up.
fn given(provider: &Provider) -> BTreeMap<&str, &'static str> {
    const RULES: &str = "/identity_provider/role_rules";
    let ruled = provider.rule_roles.iter().map(|role| (role.as_str(), RULES));
    let decides = rules::decides(provider).then_some((OWNER, RULES));
    let usual = provider.default_role.as_deref();
    ruled
        .chain(decides)
        .chain(usual.map(|role| (role, "/identity_provider/default_role")))
        .collect()
}
