//! Sessions as their owner, or those who manage people, see and end them.

use std::sync::Arc;

use time::OffsetDateTime;
use uuid::Uuid;
use yard_authn::Caller;
use yard_contracts::identity::v1 as wire;
use yard_contracts::values::timestamp;
use yard_fault::{Code, Fault};
use yard_ids::{Clock, SessionId};
use yard_pg::{Actor, Pg, PlatformTx, page};

use super::own_store::{self, Row};
use crate::feed::Nudge;
use crate::rights;

const USUAL_PAGE: u16 = 50;
const LARGEST_PAGE: u16 = 200;

/// Lists and ends sessions.
#[derive(Clone)]
pub(crate) struct OwnSessions {
    pub(crate) pg: Pg,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) nudge: Nudge,
}

impl OwnSessions {
    pub(super) async fn list(
        &self,
        caller: &Caller,
        request: &wire::ListSessionsRequest,
    ) -> Result<wire::ListSessionsResponse, Fault> {
        let person = caller.person()?.uuid();
        let most = page::size(request.page_size, USUAL_PAGE, LARGEST_PAGE)?;
        let after = rights::page_after(&request.page_token)?;
        let mut tx = self.begin(caller).await?;
        let rows = own_store::page(&mut tx, person, self.clock.now(), after, most).await?;
        tx.commit().await?;
        let next_page_token = rights::page_next(rows.iter().map(|row| row.id), most);
        let current = caller.session().map(SessionId::uuid);
        Ok(wire::ListSessionsResponse {
            sessions: rows.into_iter().map(|row| shown(row, current)).collect(),
            next_page_token,
        })
    }

    /// Ends one session of the caller's; whether it was the one that asks.
    pub(super) async fn revoke(&self, caller: &Caller, session: &str) -> Result<bool, Fault> {
        let person = caller.person()?.uuid();
        let id = rights::named(session)?;
        let mut tx = self.begin(caller).await?;
        let known = own_store::revoke(&mut tx, person, id, self.clock.now()).await?;
        tx.commit().await?;
        self.nudge.now();
        let own = caller.session().map(SessionId::uuid) == Some(id);
        known.then_some(own).ok_or_else(|| Code::ResourceNotFound.into())
    }

    pub(super) async fn revoke_others(&self, caller: &Caller) -> Result<i32, Fault> {
        let person = caller.person()?.uuid();
        let mut tx = self.begin(caller).await?;
        own_store::lock_person(&mut tx, person).await?;
        let now = self.clock.now();
        let ended = super::store::end_others(&mut tx, person, caller.session(), now).await?;
        tx.commit().await?;
        self.nudge.now();
        Ok(count(ended))
    }

    /// Ends what a member of the caller's tenant has open in it.
    pub(super) async fn revoke_of_member(
        &self,
        caller: &Caller,
        member: &str,
    ) -> Result<i32, Fault> {
        let tenant = caller.tenant()?;
        let member = rights::named(member)?;
        let mut tx = self.begin(caller).await?;
        let role = rights::role_in(&mut tx, tenant.uuid(), member).await?;
        let role = role.ok_or_else(|| Fault::new(Code::ResourceNotFound))?;
        let now = self.clock.now();
        rights::may_decide_about(&mut tx, tenant, caller, (member, &role), now).await?;
        own_store::lock_person(&mut tx, member).await?;
        let ended = own_store::revoke_in_tenant(&mut tx, tenant.uuid(), member, now).await?;
        tx.commit().await?;
        self.nudge.now();
        Ok(count(ended))
    }

    async fn begin(&self, caller: &Caller) -> Result<PlatformTx, Fault> {
        Ok(PlatformTx::begin(&self.pg, &Actor::of_subject(caller.subject())).await?)
    }
}

fn count(rows: u64) -> i32 {
    i32::try_from(rows).unwrap_or(i32::MAX)
}

fn shown(row: Row, current: Option<Uuid>) -> wire::Session {
    let used: OffsetDateTime = row.last_used_at.unwrap_or(row.created_at);
    wire::Session {
        session_id: row.id.as_hyphenated().to_string(),
        created_at: Some(timestamp(row.created_at)),
        last_used_at: Some(timestamp(used)),
        expires_at: Some(timestamp(row.expires_at)),
        client: row.client,
        network: row.network,
        application: row.application.unwrap_or_default(),
        tenant_slug: row.slug.unwrap_or_default(),
        amr: row.amr,
        current: current == Some(row.id),
    }
}
