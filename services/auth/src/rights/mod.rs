//! What people may do in a tenant: roles, departments, positions, exceptions, and why.
//!
//! It promises that
//! - a deny beats an allow, an allow beats roles, and what nothing allows is refused;
//! - what an access token holds is held of everything in the tenant ([`evaluate`]); what reaches one
//!   department only is asked for by naming it;
//! - a change, and a moment at which something begins or ends, is known everywhere within two seconds,
//!   and no token outlives such a moment ([`Held::until`], [`clock`]);
//! - nobody hands on what they do not hold, and no allow is in force that one person made alone;
//! - departments form no loop, also when two are moved at once.

mod break_glass;
mod checks;
mod clock;
mod decisions;
mod departments;
mod evaluate;
mod overrides;
mod positions;
mod roles;
mod said;
mod set;
mod store;

pub(crate) use break_glass::{BREAK_GLASS, Entered, entered};
pub(crate) use checks::{named, page_after, page_next};
pub(crate) use store::role_in;

use std::sync::Arc;

use time::OffsetDateTime;
use tonic::service::Routes;
use uuid::Uuid;
use yard_authn::{Call, Caller, permissions_of};
use yard_contracts::rights::v1::break_glass_service_server::BreakGlassServiceServer;
use yard_contracts::rights::v1::decision_service_server::DecisionServiceServer;
use yard_contracts::rights::v1::department_service_server::DepartmentServiceServer;
use yard_contracts::rights::v1::override_service_server::OverrideServiceServer;
use yard_contracts::rights::v1::position_service_server::PositionServiceServer;
use yard_contracts::rights::v1::role_service_server::RoleServiceServer;
use yard_fault::{Code, Fault};
use yard_ids::{Clock, IdSource, TenantId};
use yard_pg::{Actor, Pg, PgError, PlatformTx, TenantTx};
use yard_runtime::{Runtime, TaskKind};

use crate::LARGEST_REQUEST;
use crate::feed::Nudge;
use evaluate::Target;
use said::Said;
use set::{BUILT_IN, PermissionSet};

const SYSTEM_ADMINISTRATOR: &str = "system-administrator";

/// What the domain's services stand on.
#[derive(Clone)]
pub(crate) struct Rights {
    pg: Pg,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    nudge: Nudge,
}

impl Rights {
    /// A transaction in the caller's tenant.
    async fn begin(&self, caller: &Caller) -> Result<TenantTx, Fault> {
        let actor = Actor::of_subject(caller.subject());
        Ok(TenantTx::begin(&self.pg, caller.tenant()?, &actor).await?)
    }

    /// The same for a change: one at a time for a tenant.
    async fn begin_change(&self, caller: &Caller) -> Result<TenantTx, Fault> {
        let mut tx = self.begin(caller).await?;
        store::lock(&mut tx).await?;
        Ok(tx)
    }

    /// Ends a change, and has it told.
    async fn commit(&self, tx: TenantTx) -> Result<(), Fault> {
        tx.commit().await?;
        self.nudge.now();
        Ok(())
    }
}

/// Adds the services of this domain, and begins to watch what time changes.
pub(crate) fn serve(routes: Routes, pg: &Pg, nudge: &Nudge, runtime: &Runtime) -> Routes {
    let (clock, ids) = (runtime.clock(), runtime.ids());
    let rights = Rights { pg: pg.clone(), clock, ids, nudge: nudge.clone() };
    let (watch, soft) = (rights.clone(), runtime.shutdown().soft().clone());
    runtime.tasks().spawn(TaskKind::Background, "rights that begin and end", async move {
        soft.run_until_cancelled(clock::watch(watch)).await;
        Ok(())
    });
    let most = LARGEST_REQUEST;
    routes
        .add_service(RoleServiceServer::new(rights.clone()).max_decoding_message_size(most))
        .add_service(DepartmentServiceServer::new(rights.clone()).max_decoding_message_size(most))
        .add_service(PositionServiceServer::new(rights.clone()).max_decoding_message_size(most))
        .add_service(OverrideServiceServer::new(rights.clone()).max_decoding_message_size(most))
        .add_service(DecisionServiceServer::new(rights.clone()).max_decoding_message_size(most))
        .add_service(BreakGlassServiceServer::new(rights).max_decoding_message_size(most))
}

/// What a person may do in all of a tenant, or on the platform, at a moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Held {
    /// In the catalogue's order.
    pub(crate) permissions: Vec<String>,
    /// When that changes by itself; a whole second. No token may live longer.
    pub(crate) until: Option<OffsetDateTime>,
}

/// What somebody holds in `tenant`; what a system administrator holds for `None`.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn held(
    tx: &mut PlatformTx,
    tenant: Option<Uuid>,
    person: Uuid,
    now: OffsetDateTime,
) -> Result<Held, PgError> {
    let Some(tenant) = tenant else {
        let all = permissions_of(SYSTEM_ADMINISTRATOR);
        let permissions = all.iter().map(|&name| name.to_owned()).collect();
        return Ok(Held { permissions, until: None });
    };
    let said = Said::of(tx, tenant, person, now).await?;
    let set = evaluate::held(&said.rules, &Target::default());
    Ok(Held { permissions: set.names().map(str::to_owned).collect(), until: said.until })
}

/// Whether a caller may give somebody a role of `tenant`, or take it away: there has to be such a role,
/// and the caller has to hold all that it holds. An own role cannot be deleted or changed before this
/// transaction ends. For whoever writes `platform.memberships`.
///
/// # Errors
/// `request.invalid` for a role that does not exist, `rights.beyond_own`.
pub(crate) async fn may_hand_on(
    tx: &mut sqlx::PgConnection,
    tenant: TenantId,
    caller: &Caller,
    role: &str,
) -> Result<(), Fault> {
    let given = set_of_role(tx, tenant, role).await?;
    checks::within(caller, given.ok_or_else(|| checks::wrong("there is no such role", "/role"))?)
}

/// Whether a caller may decide about a member of `tenant` who has `role` there: nobody decides about
/// those who hold what they do not, by their role or by anything else.
///
/// # Errors
/// `rights.beyond_own`.
pub(crate) async fn may_decide_about(
    tx: &mut PlatformTx,
    tenant: TenantId,
    caller: &Caller,
    (person, role): (Uuid, &str),
    now: OffsetDateTime,
) -> Result<(), Fault> {
    let of_role = set_of_role(tx, tenant, role).await?.unwrap_or_default();
    let held = held(tx, Some(tenant.uuid()), person, now).await?;
    checks::above(caller, of_role.or(PermissionSet::of(&held.permissions)))
}

/// Whether `tenant` has such a role. One of its own cannot be deleted before this transaction ends.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn is_role(
    tx: &mut sqlx::PgConnection,
    tenant: TenantId,
    role: &str,
) -> Result<bool, PgError> {
    Ok(set_of_role(tx, tenant, role).await?.is_some())
}

/// What a role of `tenant` holds; `None` when there is none of that key.
async fn set_of_role(
    tx: &mut sqlx::PgConnection,
    tenant: TenantId,
    role: &str,
) -> Result<Option<PermissionSet>, PgError> {
    if BUILT_IN.contains(&role) {
        return Ok(Some(PermissionSet::of_role(role, &[])));
    }
    // PostgreSQL takes no NUL in a text.
    if !checks::is_key(role) {
        return Ok(None);
    }
    let own = store::permissions_of_own(tx, tenant.uuid(), role).await?;
    Ok(own.map(|own| PermissionSet::of_role(role, &own)))
}

/// Names what an audited call was about where the request's address does not say it.
fn note_object(call: &Call, kind: &str, id: impl ToString) {
    let object = Some((kind.to_owned(), id.to_string()));
    call.note(|notes| notes.object = object);
}

/// A row that has to be there.
fn there<T>(row: Option<T>) -> Result<T, Fault> {
    row.ok_or_else(|| Code::ResourceNotFound.into())
}
