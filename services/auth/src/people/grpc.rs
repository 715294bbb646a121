use tonic::{Request, Response, Status, async_trait};
use yard_authn::{Call, Caller, RpcResult as _};
use yard_contracts::identity::v1::people_service_server::PeopleService;
use yard_contracts::identity::v1::{ListPeopleRequest, ListPeopleResponse, Person};
use yard_fault::{Code, Fault};
use yard_pg::{Actor, Pg, PlatformTx, page};

use super::store::{self, Member};

const USUAL_PAGE: u16 = 50;
const LARGEST_PAGE: u16 = 200;

/// Serves `PeopleService`.
pub(crate) struct PeopleGrpc {
    pub(crate) pg: Pg,
}

#[async_trait]
impl PeopleService for PeopleGrpc {
    async fn list_people(
        &self,
        request: Request<ListPeopleRequest>,
    ) -> Result<Response<ListPeopleResponse>, Status> {
        let call = Call::of(&request);
        self.list(&call.caller, &request.into_inner()).await.rpc(&call, "list people")
    }
}

impl PeopleGrpc {
    async fn list(
        &self,
        caller: &Caller,
        request: &ListPeopleRequest,
    ) -> Result<ListPeopleResponse, Fault> {
        let tenant = caller.tenant()?;
        let most = page::size(request.page_size, USUAL_PAGE, LARGEST_PAGE)?;
        let after = page::parts::<1>(&request.page_token)?;
        let after = after.as_ref().map(|[email]| email.as_str());
        // PostgreSQL takes no NUL in a text.
        if after.is_some_and(|email| email.contains('\0')) {
            return Err(Code::PageTokenInvalid.into());
        }
        let mut tx = PlatformTx::begin(&self.pg, &Actor::of_subject(caller.subject())).await?;
        let members = store::members(&mut tx, tenant, after, most).await?;
        tx.commit().await?;
        let full = i64::try_from(members.len()) == Ok(most);
        let next = members.last().filter(|_| full).map(|last| page::token(&[&last.email]));
        Ok(ListPeopleResponse {
            people: members.into_iter().map(person).collect(),
            next_page_token: next.unwrap_or_default(),
        })
    }
}

fn person(member: Member) -> Person {
    Person {
        principal_id: member.principal_id.as_hyphenated().to_string(),
        email: member.email,
        display_name: member.display_name,
        role: member.role,
    }
}
