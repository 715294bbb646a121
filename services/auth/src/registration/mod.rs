//! Tenants that people ask for by themselves (ADR 0035): asked for, confirmed by the link of a mail,
//! made as an operator's are, and shown to whoever holds the link until they are ready.
//!
//! Asking writes one row, whoever asks for what, and nothing is looked up: the [`clerk`] writes the
//! mail a moment later, or none. What is taken is found once an address was proved.

mod clerk;
mod config;
mod confirm;
mod grpc;
mod show;
mod store;
mod wish;

use std::sync::Arc;

use time::Duration;
use tonic::service::Routes;
use uuid::Uuid;
use yard_authn::Caller;
use yard_contracts::tenancy::v1::registration_service_server::RegistrationServiceServer;
use yard_fault::{Code, Fault};
use yard_ids::{Clock, IdSource};
use yard_pg::{Actor, Pg, PlatformTx};
use yard_runtime::{ConfigError, Runtime};

use crate::LARGEST_REQUEST;
use crate::feed::Nudge;
use crate::mail::Post;
use crate::sessions::{Passwords, Throttle};
use crate::tenancy::{self, Founder};
use clerk::Clerk;
use grpc::RegistrationGrpc;

pub use config::RegistrationConfig;
pub(crate) use store::take_out;

/// How long a link may be confirmed, and a tenant that is ready shown by it.
const GOOD_FOR: Duration = Duration::days(1);
/// Links that an address is sent in [`GOOD_FOR`]: one is not kept out by another's asking, and not
/// flooded either.
const MOST_LINKS: i64 = 2;
/// No link comes to an address sooner after another.
const PAUSE: Duration = Duration::minutes(2);
/// Slugs of others' that may be tried with one link.
const MOST_TRIES: i32 = 10;

/// What all of it works with.
pub(crate) struct RegistrationParts {
    pg: Pg,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    post: Post,
    passwords: Passwords,
    throttle: Throttle,
    founder: Founder,
    nudge: Nudge,
    rules: RegistrationConfig,
}

impl RegistrationParts {
    /// # Errors
    /// When it is open and no mail can be sent, or there is no such plan.
    pub(crate) async fn over(
        runtime: &Runtime,
        pg: &Pg,
        (post, passwords, throttle): (&Post, &Passwords, &Throttle),
        (founder, nudge): (&Founder, &Nudge),
        rules: RegistrationConfig,
    ) -> anyhow::Result<Self> {
        if rules.open {
            if post.ready().is_err() {
                let rule = "needs mail.smtp_url: whoever registers follows the link of a mail";
                return Err(ConfigError::new("registration.open", rule).into());
            }
            let mut tx = PlatformTx::begin(pg, &Actor::service("auth")).await?;
            if !tenancy::is_plan(&mut tx, &rules.plan).await? {
                let rule = format!("there is no plan {:?}: name another, or make it", rules.plan);
                return Err(ConfigError::new("registration.plan", rule).into());
            }
            tx.commit().await?;
        }
        let (clock, ids) = (runtime.clock(), runtime.ids());
        let (pg, post, passwords) = (pg.clone(), post.clone(), passwords.clone());
        let (throttle, founder, nudge) = (throttle.clone(), founder.clone(), nudge.clone());
        Ok(Self { pg, clock, ids, post, passwords, throttle, founder, nudge, rules })
    }

    async fn begin(&self, caller: &Caller) -> Result<PlatformTx, Fault> {
        Ok(PlatformTx::begin(&self.pg, &Actor::of_subject(caller.subject())).await?)
    }

    fn admit(&self) -> Result<(), Fault> {
        if self.rules.open { Ok(()) } else { Err(Code::RegistrationClosed.into()) }
    }
}

/// Adds the service, and begins to look after who asked.
pub(crate) fn serve(routes: Routes, parts: RegistrationParts, runtime: &Runtime) -> Routes {
    let parts = Arc::new(parts);
    let clerk = Clerk::start(&parts, runtime);
    let service = RegistrationServiceServer::new(RegistrationGrpc { parts, clerk });
    routes.add_service(service.max_decoding_message_size(LARGEST_REQUEST))
}

/// A tenant is being made: one that somebody registered shows it.
pub(crate) async fn note_begun(
    tx: &mut PlatformTx,
    tenant: Uuid,
    clock: &dyn Clock,
) -> Result<(), Fault> {
    Ok(store::begun(tx, tenant, clock.now()).await?)
}

/// Making it failed, and is tried again.
pub(crate) async fn note_failed(
    tx: &mut PlatformTx,
    tenant: Uuid,
    clock: &dyn Clock,
) -> Result<(), Fault> {
    Ok(store::failed(tx, tenant, clock.now()).await?)
}

/// It is ready; the link shows it for a while more.
pub(crate) async fn note_ready(
    tx: &mut PlatformTx,
    tenant: Uuid,
    clock: &dyn Clock,
) -> Result<(), Fault> {
    let now = clock.now();
    Ok(store::ready(tx, tenant, now, now + GOOD_FOR).await?)
}
