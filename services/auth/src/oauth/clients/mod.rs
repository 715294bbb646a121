//! Clients: registered, listed and deleted by their tenant.

mod store;

use std::collections::BTreeSet;

use tonic::{Request, Response, Status, async_trait};
use uuid::Uuid;
use yard_authn::{Call, Caller, RpcResult as _, TENANT_PERMISSIONS};
use yard_contracts::federation::v1 as wire;
use yard_contracts::federation::v1::oauth_client_service_server::OauthClientService;
use yard_contracts::values::timestamp;
use yard_fault::{Code, Fault};
use yard_pg::{Actor, PlatformTx, page};

use super::Issuer;
use super::redirect;
use super::store::Client;

const USUAL_PAGE: u16 = 50;
const LARGEST_PAGE: u16 = 200;
const LONGEST_NAME: usize = 100;
const MOST_URIS: usize = 16;
const MOST_ABILITIES: usize = 64;
/// Clients of one tenant.
const MOST_CLIENTS: i64 = 100;

/// Serves `OauthClientService`.
pub(super) struct ClientsGrpc {
    pub(super) issuer: Issuer,
}

#[async_trait]
impl OauthClientService for ClientsGrpc {
    async fn create_oauth_client(
        &self,
        request: Request<wire::CreateOauthClientRequest>,
    ) -> Result<Response<wire::OauthClient>, Status> {
        let call = Call::of(&request);
        self.create(&call.caller, request.into_inner()).await.rpc(&call, "register an OAuth client")
    }

    async fn list_oauth_clients(
        &self,
        request: Request<wire::ListOauthClientsRequest>,
    ) -> Result<Response<wire::ListOauthClientsResponse>, Status> {
        let call = Call::of(&request);
        self.list(&call.caller, request.get_ref()).await.rpc(&call, "list OAuth clients")
    }

    async fn delete_oauth_client(
        &self,
        request: Request<wire::DeleteOauthClientRequest>,
    ) -> Result<Response<wire::OauthClient>, Status> {
        let call = Call::of(&request);
        let id = &request.get_ref().client_id;
        self.delete(&call.caller, id).await.rpc(&call, "delete an OAuth client")
    }
}

impl ClientsGrpc {
    async fn begin(&self, caller: &Caller) -> Result<PlatformTx, Fault> {
        let actor = Actor::of_subject(caller.subject());
        Ok(PlatformTx::begin(&self.issuer.0.pg, &actor).await?)
    }

    async fn create(
        &self,
        caller: &Caller,
        request: wire::CreateOauthClientRequest,
    ) -> Result<wire::OauthClient, Fault> {
        let tenant_id = caller.tenant()?.uuid();
        let client = Client {
            id: self.issuer.0.ids.uuid7(),
            tenant_id,
            name: name(&request.name)?,
            redirect_uris: uris(request.redirect_uris)?,
            abilities: abilities(request.abilities)?,
            first_party: request.first_party,
            created_at: self.issuer.0.clock.now(),
            deleted_at: None,
        };
        let mut tx = self.begin(caller).await?;
        if store::count(&mut tx, tenant_id).await? >= MOST_CLIENTS {
            return Err(Fault::invalid(format!("a tenant has {MOST_CLIENTS} clients at most")));
        }
        store::insert(&mut tx, &client, caller.subject()).await?;
        tx.commit().await?;
        Ok(to_wire(client))
    }

    async fn list(
        &self,
        caller: &Caller,
        request: &wire::ListOauthClientsRequest,
    ) -> Result<wire::ListOauthClientsResponse, Fault> {
        let tenant = caller.tenant()?.uuid();
        let most = page::size(request.page_size, USUAL_PAGE, LARGEST_PAGE)?;
        let after = match page::parts::<1>(&request.page_token)? {
            None => None,
            Some([id]) => Some(Uuid::try_parse(&id).map_err(|_e| Code::PageTokenInvalid)?),
        };
        let mut tx = self.begin(caller).await?;
        let rows = store::page(&mut tx, tenant, after, most).await?;
        tx.commit().await?;
        let full = i64::try_from(rows.len()) == Ok(most);
        let last = rows.last().filter(|_| full).map(|row| row.id.as_hyphenated().to_string());
        Ok(wire::ListOauthClientsResponse {
            next_page_token: last.map(|id| page::token(&[&id])).unwrap_or_default(),
            clients: rows.into_iter().map(to_wire).collect(),
        })
    }

    async fn delete(&self, caller: &Caller, id: &str) -> Result<wire::OauthClient, Fault> {
        let tenant = caller.tenant()?.uuid();
        let none = || Fault::new(Code::ResourceNotFound);
        let id = Uuid::try_parse(id).map_err(|_e| none())?;
        let now = self.issuer.0.clock.now();
        let mut tx = self.begin(caller).await?;
        let client = store::delete(&mut tx, tenant, id, now).await?.ok_or_else(none)?;
        store::end_grants(&mut tx, id, now).await?;
        tx.commit().await?;
        self.issuer.0.nudge.now();
        Ok(to_wire(client))
    }
}

fn wrong(field: &str, problem: impl std::fmt::Display) -> Fault {
    Fault::invalid(format!("{field} {problem}")).with_pointer(format!("/{field}"))
}

fn name(text: &str) -> Result<String, Fault> {
    let name = text.trim();
    if (1..=LONGEST_NAME).contains(&name.chars().count()) && !name.contains(char::is_control) {
        return Ok(name.to_owned());
    }
    Err(wrong("name", "has to be 1 to 100 characters"))
}

fn uris(uris: Vec<String>) -> Result<Vec<String>, Fault> {
    if !(1..=MOST_URIS).contains(&uris.len()) {
        return Err(wrong("redirect_uris", "has to hold 1 to 16 addresses"));
    }
    for uri in &uris {
        redirect::check(uri).map_err(|problem| wrong("redirect_uris", problem))?;
    }
    Ok(uris)
}

fn abilities(wanted: Vec<String>) -> Result<Vec<String>, Fault> {
    let wanted: BTreeSet<String> = wanted.into_iter().collect();
    let known = |ability: &String| TENANT_PERMISSIONS.contains(&ability.as_str());
    if wanted.len() > MOST_ABILITIES || !wanted.iter().all(known) {
        return Err(wrong("abilities", "has to hold permissions of a tenant, at most 64"));
    }
    Ok(wanted.into_iter().collect())
}

fn to_wire(client: Client) -> wire::OauthClient {
    wire::OauthClient {
        client_id: client.id.as_hyphenated().to_string(),
        name: client.name,
        redirect_uris: client.redirect_uris,
        abilities: client.abilities,
        first_party: client.first_party,
        created_at: Some(timestamp(client.created_at)),
        deleted_at: client.deleted_at.map(timestamp),
    }
}
