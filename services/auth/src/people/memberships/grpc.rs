use std::sync::Arc;

use time::OffsetDateTime;
use tonic::{Request, Response, Status, async_trait};
use yard_authn::{Call, Caller, RpcResult as _};
use yard_contracts::identity::v1 as wire;
use yard_contracts::identity::v1::membership_service_server::MembershipService;
use yard_contracts::values::timestamp;
use yard_fault::{Code, Fault};
use yard_ids::TenantId;
use yard_pg::page;

use super::store::{self, Account, Left};
use crate::people::PeopleParts;
use crate::rights;
use crate::sessions::{
    self, Client, Membership, NewlyOpened, Opener, Opening, ROTATION, lacks_factor,
};

const USUAL_PAGE: u16 = 50;
const LARGEST_PAGE: u16 = 200;
const LONGEST_SLUG: usize = 63;
/// How old a proof may be, seconds, that shows who has the present token of a session.
const JUST_NOW: u32 = 10;

/// Serves `MembershipService`.
pub(crate) struct MembershipsGrpc {
    pub(crate) parts: Arc<PeopleParts>,
    pub(crate) opener: Opener,
}

/// A session that went over.
struct Switched {
    opened: NewlyOpened,
    me: wire::Me,
}

#[async_trait]
impl MembershipService for MembershipsGrpc {
    async fn list_memberships(
        &self,
        request: Request<wire::ListMembershipsRequest>,
    ) -> Result<Response<wire::ListMembershipsResponse>, Status> {
        let call = Call::of(&request);
        self.list(&call.caller, request.get_ref()).await.rpc(&call, "list own tenants")
    }

    async fn switch_tenant(
        &self,
        request: Request<wire::SwitchTenantRequest>,
    ) -> Result<Response<wire::LoginResponse>, Status> {
        let call = Call::of(&request);
        let client = Client::of(request.metadata());
        let wire::SwitchTenantRequest { tenant, delivery } = request.into_inner();
        let done = async {
            let by_token = sessions::by_token(delivery)?;
            Ok((by_token, self.switch(&call, &tenant, &client).await?))
        };
        let (by_token, switched) = done.await.rpc(&call, "go over to a tenant")?.into_inner();
        Ok(self.hand_out(switched, by_token))
    }
}

impl MembershipsGrpc {
    async fn list(
        &self,
        caller: &Caller,
        request: &wire::ListMembershipsRequest,
    ) -> Result<wire::ListMembershipsResponse, Fault> {
        let person = caller.person()?;
        let most = page::size(request.page_size, USUAL_PAGE, LARGEST_PAGE)?;
        let after = page::parts::<1>(&request.page_token)?;
        let after = after.as_ref().map(|[slug]| slug.as_str());
        if after.is_some_and(|slug| !is_slug(slug)) {
            return Err(Code::PageTokenInvalid.into());
        }
        let mut tx = self.parts.begin(caller).await?;
        let rows = store::list(&mut tx, person.uuid(), after, most).await?;
        tx.commit().await?;
        let full = i64::try_from(rows.len()) == Ok(most);
        let next = rows.last().filter(|_| full).map(|last| page::token(&[&last.slug]));
        let here = caller.tenant_opt();
        Ok(wire::ListMembershipsResponse {
            memberships: rows.into_iter().map(|row| wired(row, here)).collect(),
            next_page_token: next.unwrap_or_default(),
        })
    }

    async fn switch(&self, call: &Call, slug: &str, client: &Client) -> Result<Switched, Fault> {
        let caller = &call.caller;
        let (person, session) = (caller.person()?, caller.session());
        let session = session.ok_or_else(|| Fault::new(Code::AuthSessionRequired))?;
        let expired = || Fault::new(Code::AuthSessionExpired);
        let now = self.parts.clock.now();
        let mut tx = self.parts.begin(caller).await?;
        let account = store::keep_account(&mut tx, person.uuid()).await?.ok_or_else(expired)?;
        let place = match slug {
            "" if account.system_administrator => None,
            slug if is_slug(slug) => store::get(&mut tx, person.uuid(), slug).await?,
            _ => return Err(Code::ResourceNotFound.into()),
        };
        match &place {
            None if !slug.is_empty() => return Err(Code::ResourceNotFound.into()),
            Some(place) if place.state == "suspended" => return Err(Code::TenantSuspended.into()),
            _ => {}
        }
        note_place(call, place.as_ref());
        let left = store::leave(&mut tx, session.uuid(), person.uuid(), now).await?;
        let left = left.ok_or_else(expired)?;
        has_present_token(caller, &left)?;
        let tenant = place.as_ref().map(|place| place.tenant_id);
        let opening = Opening {
            person: person.uuid(),
            tenant,
            auth_time: left.auth_time,
            amr: &left.amr,
            ends: Some(left.expires_at),
            client,
            provider: None,
        };
        let opened = self.opener.open(&mut tx, &opening).await?;
        let held = rights::held(&mut tx, tenant, person.uuid(), now).await?;
        tx.commit().await?;
        self.parts.nudge.now();
        let me = me_of(person.to_string(), account, place, &left, held.permissions);
        Ok(Switched { opened, me })
    }

    fn hand_out(&self, switched: Switched, by_token: bool) -> Response<wire::LoginResponse> {
        let Switched { opened: NewlyOpened { token, expires_at }, me } = switched;
        let token = token.expose();
        let mut response = Response::new(wire::LoginResponse {
            me: Some(me),
            expires_at: Some(timestamp(expires_at)),
            session_token: if by_token { token.to_owned() } else { String::new() },
            challenge: None,
        });
        if !by_token {
            let left = (expires_at - self.parts.clock.now()).whole_seconds().max(1);
            sessions::set_session(&mut response, &format!("{token};{left}"));
        }
        response
    }
}

/// Refuses the token that a session had before its present one, which is exchanged for a moment more:
/// whoever copied it shall not take the session elsewhere. Who proved something since has the present
/// one; so has everybody whose access token was made when the one before was void.
fn has_present_token(caller: &Caller, left: &Left) -> Result<(), Fault> {
    let Some(rotated_at) = left.rotated_at else { return Ok(()) };
    let proved = |before: OffsetDateTime| {
        caller.auth_time().is_some_and(|proved| proved > before.unix_timestamp())
    };
    let void_from = (rotated_at + ROTATION).unix_timestamp();
    if left.previous_auth_time.is_some_and(proved)
        || caller.issued_at().is_some_and(|issued| issued > void_from)
    {
        return Ok(());
    }
    let text = "The session has just got another token: prove again who you are, or wait.";
    let fault = Fault::new(Code::AuthStepUpRequired).with_public(text);
    Err(fault.with_max_auth_age(JUST_NOW))
}

fn is_slug(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=LONGEST_SLUG).contains(&text.len()) && text.bytes().all(plain)
}

/// The tenant that is entered sees it in its trail, as the one that is left does.
fn note_place(call: &Call, place: Option<&Membership>) {
    let Some(place) = place else { return };
    let tenant = TenantId::from_uuid(place.tenant_id);
    call.note(|notes| {
        notes.object = Some(("tenant".to_owned(), tenant.to_string()));
        notes.copy_to = Some(tenant);
    });
}

fn wired(row: Membership, here: Option<TenantId>) -> wire::Membership {
    wire::Membership {
        current: here == Some(TenantId::from_uuid(row.tenant_id)),
        tenant_id: row.tenant_id.as_hyphenated().to_string(),
        tenant_slug: row.slug,
        tenant_name: row.name,
        role: row.role,
        second_factor_required: row.second_factor_required,
        suspended: row.state == "suspended",
    }
}

fn me_of(
    principal_id: String,
    account: Account,
    place: Option<Membership>,
    left: &Left,
    permissions: Vec<String>,
) -> wire::Me {
    let required = place.as_ref().is_some_and(|place| place.second_factor_required);
    let missing = lacks_factor(required, &left.amr);
    let (tenant_id, tenant_slug, tenant_name, role) = match place {
        Some(m) => (m.tenant_id.as_hyphenated().to_string(), m.slug, m.name, m.role),
        None => {
            (String::new(), String::new(), String::new(), sessions::SYSTEM_ADMINISTRATOR.to_owned())
        }
    };
    wire::Me {
        principal_id,
        email: account.email,
        display_name: account.display_name,
        tenant_id,
        tenant_slug,
        tenant_name,
        role,
        permissions: if missing { Vec::new() } else { permissions },
        second_factor_missing: missing,
        identity_provider_id: String::new(),
    }
}
