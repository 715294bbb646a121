use std::collections::BTreeSet;
use std::sync::Arc;

use time::Duration;
use tonic::{Request, Response, Status, async_trait};
use uuid::Uuid;
use yard_authn::{Call, Caller, RpcResult as _};
use yard_contracts::identity::v1::api_token_service_server::ApiTokenService;
use yard_contracts::identity::v1::{
    ApiToken, CreateApiTokenRequest, CreateApiTokenResponse, ListApiTokensRequest,
    ListApiTokensResponse, RevokeApiTokenRequest,
};
use yard_contracts::values::timestamp;
use yard_fault::{Code, Fault};
use yard_ids::{Clock, IdSource, TenantId};
use yard_pg::limit::{self, Limit};
use yard_pg::{Actor, Pg, PlatformTx, page};

use super::format::{self, TokenText};
use super::store::{self, Owner, Row};
use crate::factors::MULTI_FACTOR;
use crate::feed::Nudge;

const USUAL_PAGE: u16 = 50;
const LARGEST_PAGE: u16 = 200;
const LONGEST_NAME: usize = 100;
const MOST_ABILITIES: usize = 64;
const USUAL_DAYS: i32 = 90;
const MOST_DAYS: i32 = 365;
/// Tokens of one person in one tenant at the same time.
const MOST_TOKENS: i64 = 100;
/// How long an ended token is still listed.
const LISTED_AFTER: Duration = Duration::days(30);

/// Serves `ApiTokenService`.
pub(crate) struct TokensGrpc {
    pub(crate) pg: Pg,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn IdSource>,
    pub(crate) nudge: Nudge,
}

#[async_trait]
impl ApiTokenService for TokensGrpc {
    async fn create_api_token(
        &self,
        request: Request<CreateApiTokenRequest>,
    ) -> Result<Response<CreateApiTokenResponse>, Status> {
        let call = Call::of(&request);
        self.create(&call.caller, request.into_inner()).await.rpc(&call, "make an API token")
    }

    async fn list_api_tokens(
        &self,
        request: Request<ListApiTokensRequest>,
    ) -> Result<Response<ListApiTokensResponse>, Status> {
        let call = Call::of(&request);
        self.list(&call.caller, request.get_ref()).await.rpc(&call, "list API tokens")
    }

    async fn revoke_api_token(
        &self,
        request: Request<RevokeApiTokenRequest>,
    ) -> Result<Response<ApiToken>, Status> {
        let call = Call::of(&request);
        self.revoke(&call.caller, &request.get_ref().token_id).await.rpc(&call, "end an API token")
    }
}

impl TokensGrpc {
    async fn create(
        &self,
        caller: &Caller,
        request: CreateApiTokenRequest,
    ) -> Result<CreateApiTokenResponse, Fault> {
        let owner = owner(caller)?;
        let now = self.clock.now();
        let row = Row {
            id: self.ids.uuid7(),
            name: name(&request.name)?,
            abilities: abilities(caller, request.abilities)?,
            created_at: now,
            expires_at: now + Duration::days(i64::from(days(request.expires_in_days)?)),
            last_used_at: None,
            revoked_at: None,
        };
        let token = TokenText::generate(format::API_TOKEN, row.id)?;
        let mut tx = PlatformTx::begin(&self.pg, &Actor::of_subject(caller.subject())).await?;
        if store::in_force(&mut tx, owner, now).await? >= MOST_TOKENS {
            let text = format!("you have {MOST_TOKENS} tokens; revoke one first");
            return Err(Fault::invalid(text));
        }
        if let Some(tenant) = caller.tenant_opt() {
            limit::hold(&mut tx, tenant, Limit::ApiTokens, now).await?;
        }
        store::insert(&mut tx, owner, &row, &token.hash()).await?;
        tx.commit().await?;
        Ok(CreateApiTokenResponse { token: Some(wire(row)), secret: token.expose().to_owned() })
    }

    async fn list(
        &self,
        caller: &Caller,
        request: &ListApiTokensRequest,
    ) -> Result<ListApiTokensResponse, Fault> {
        let owner = owner(caller)?;
        let most = page::size(request.page_size, USUAL_PAGE, LARGEST_PAGE)?;
        let after = match page::parts::<1>(&request.page_token)? {
            None => None,
            Some([id]) => Some(Uuid::try_parse(&id).map_err(|_e| Code::PageTokenInvalid)?),
        };
        let since = self.clock.now() - LISTED_AFTER;
        let mut tx = PlatformTx::begin(&self.pg, &Actor::of_subject(caller.subject())).await?;
        let rows = store::page(&mut tx, owner, since, after, most).await?;
        tx.commit().await?;
        let full = i64::try_from(rows.len()) == Ok(most);
        let next = rows.last().filter(|_| full);
        let next = next.map(|last| page::token(&[&last.id.as_hyphenated().to_string()]));
        Ok(ListApiTokensResponse {
            tokens: rows.into_iter().map(wire).collect(),
            next_page_token: next.unwrap_or_default(),
        })
    }

    async fn revoke(&self, caller: &Caller, token: &str) -> Result<ApiToken, Fault> {
        let owner = owner(caller)?;
        let unknown = || Fault::new(Code::ResourceNotFound);
        let id = Uuid::try_parse(token).map_err(|_e| unknown())?;
        let mut tx = PlatformTx::begin(&self.pg, &Actor::of_subject(caller.subject())).await?;
        let row = store::revoke(&mut tx, owner, id, self.clock.now()).await?;
        tx.commit().await?;
        self.nudge.now();
        row.map(wire).ok_or_else(unknown)
    }
}

fn owner(caller: &Caller) -> Result<Owner, Fault> {
    let principal = caller.person()?.uuid();
    let multi_factor = caller.amr().iter().any(|mark| mark == MULTI_FACTOR);
    Ok(Owner { principal, tenant: caller.tenant_opt().map(TenantId::uuid), multi_factor })
}

fn name(text: &str) -> Result<String, Fault> {
    let text = text.trim();
    let wrong = !(1..=LONGEST_NAME).contains(&text.chars().count());
    if wrong || text.contains(char::is_control) {
        return Err(Fault::invalid("name has to be 1 to 100 characters").with_pointer("/name"));
    }
    Ok(text.to_owned())
}

fn days(asked: i32) -> Result<i32, Fault> {
    match asked {
        0 => Ok(USUAL_DAYS),
        1..=MOST_DAYS => Ok(asked),
        _ => {
            Err(Fault::invalid("expires_in_days has to be 1 to 365")
                .with_pointer("/expires_in_days"))
        }
    }
}

/// Nobody hands on what they do not hold.
fn abilities(caller: &Caller, asked: Vec<String>) -> Result<Vec<String>, Fault> {
    let asked: BTreeSet<String> = asked.into_iter().collect();
    let wrong = |text: String| Err(Fault::invalid(text).with_pointer("/abilities"));
    if asked.is_empty() || asked.len() > MOST_ABILITIES {
        return wrong(format!("abilities has to hold 1 to {MOST_ABILITIES} permissions"));
    }
    if let Some(foreign) = asked.iter().find(|ability| !caller.has(ability)) {
        let shown: String = foreign.chars().take(64).collect();
        return wrong(format!("you do not hold {shown:?} yourself"));
    }
    Ok(asked.into_iter().collect())
}

fn wire(row: Row) -> ApiToken {
    ApiToken {
        token_id: row.id.as_hyphenated().to_string(),
        name: row.name,
        abilities: row.abilities,
        created_at: Some(timestamp(row.created_at)),
        expires_at: Some(timestamp(row.expires_at)),
        last_used_at: row.last_used_at.map(timestamp),
        revoked_at: row.revoked_at.map(timestamp),
    }
}
