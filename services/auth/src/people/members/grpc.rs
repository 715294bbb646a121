use std::sync::Arc;

use time::OffsetDateTime;
use tonic::{Request, Response, Status, async_trait};
use yard_authn::{Call, Caller, RpcResult as _};
use yard_contracts::identity::v1::people_service_server::PeopleService;
use yard_contracts::identity::v1::{
    ChangeRoleRequest, ListPeopleRequest, ListPeopleResponse, Person, PersonState,
    RemovePersonRequest, RemovePersonResponse,
};
use yard_contracts::values::timestamp;
use yard_fault::{Code, Fault};
use yard_ids::TenantId;
use yard_pg::{PlatformTx, page};

use super::put;
use super::store::{self, Member};
use crate::people::{OWNER, PeopleParts, lock_tenant};
use crate::rights;

const USUAL_PAGE: u16 = 50;
const LARGEST_PAGE: u16 = 200;

/// Serves `PeopleService`.
pub(crate) struct PeopleGrpc {
    pub(crate) parts: Arc<PeopleParts>,
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

    async fn change_role(
        &self,
        request: Request<ChangeRoleRequest>,
    ) -> Result<Response<Person>, Status> {
        let call = Call::of(&request);
        self.change(&call.caller, &request.into_inner()).await.rpc(&call, "change a role")
    }

    async fn remove_person(
        &self,
        request: Request<RemovePersonRequest>,
    ) -> Result<Response<RemovePersonResponse>, Status> {
        let call = Call::of(&request);
        let principal = request.into_inner().principal_id;
        self.remove(&call.caller, &principal).await.rpc(&call, "remove a person")
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
        let mut tx = self.parts.begin(caller).await?;
        let members = store::members(&mut tx, tenant, after, most).await?;
        tx.commit().await?;
        let full = i64::try_from(members.len()) == Ok(most);
        let next = members.last().filter(|_| full).map(|last| page::token(&[&last.email]));
        Ok(ListPeopleResponse {
            people: members.into_iter().map(person).collect(),
            next_page_token: next.unwrap_or_default(),
        })
    }

    async fn change(&self, caller: &Caller, request: &ChangeRoleRequest) -> Result<Person, Fault> {
        let tenant = caller.tenant()?;
        let role = request.role.as_str();
        let now = self.parts.clock.now();
        let mut tx = self.parts.begin(caller).await?;
        let member = within_reach(&mut tx, caller, &request.principal_id, now).await?;
        rights::may_hand_on(&mut tx, tenant, caller, role).await?;
        if member.role == role {
            return Ok(person(member));
        }
        keep_an_owner(&mut tx, tenant, &member).await?;
        put(&mut tx, tenant, member.principal_id, role, now).await?;
        tx.commit().await?;
        self.parts.nudge.now();
        Ok(person(Member { role: role.to_owned(), ..member }))
    }

    async fn remove(
        &self,
        caller: &Caller,
        principal: &str,
    ) -> Result<RemovePersonResponse, Fault> {
        let tenant = caller.tenant()?;
        let mut tx = self.parts.begin(caller).await?;
        let now = self.parts.clock.now();
        let member = within_reach(&mut tx, caller, principal, now).await?;
        keep_an_owner(&mut tx, tenant, &member).await?;
        store::remove(&mut tx, tenant, member.principal_id, now).await?;
        store::withdraw_invitations_of(&mut tx, tenant, member.principal_id, now).await?;
        tx.commit().await?;
        self.parts.nudge.now();
        Ok(RemovePersonResponse {})
    }
}

/// A member whom the caller may decide about. Nothing of the tenant's members changes from here to
/// the end of the transaction.
async fn within_reach(
    tx: &mut PlatformTx,
    caller: &Caller,
    principal: &str,
    now: OffsetDateTime,
) -> Result<Member, Fault> {
    let tenant = caller.tenant()?;
    let principal = rights::named(principal)?;
    lock_tenant(tx, tenant.uuid()).await?;
    let member = store::member(tx, tenant, principal).await?;
    let member = member.ok_or_else(|| Fault::new(Code::ResourceNotFound))?;
    // Everybody may step back.
    if caller.person()?.uuid() != principal {
        let about = (principal, member.role.as_str());
        rights::may_decide_about(tx, tenant, caller, about, now).await?;
    }
    Ok(member)
}

/// Refuses to go on when the member is the tenant's last owner.
async fn keep_an_owner(
    tx: &mut PlatformTx,
    tenant: TenantId,
    member: &Member,
) -> Result<(), Fault> {
    if member.role == OWNER && store::other_owners(tx, tenant, member.principal_id).await? == 0 {
        return Err(Code::MemberLastOwner.into());
    }
    Ok(())
}

fn person(member: Member) -> Person {
    let state = if member.disabled { PersonState::Disabled } else { PersonState::Active };
    Person {
        principal_id: member.principal_id.as_hyphenated().to_string(),
        email: member.email,
        display_name: member.display_name,
        role: member.role,
        state: state.into(),
        email_verified: member.email_verified,
        joined_at: Some(timestamp(member.joined_at)),
    }
}
