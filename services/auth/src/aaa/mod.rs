//! AAA: a tenant's NAS and subscribers, and what the RADIUS server beside auth asks about them
//! (ADR 0045).
//!
//! A NAS is found first, by the address it asks from; with it the tenant; and the subscriber then in that
//! tenant's schema alone. Nothing that a NAS or a subscriber sends says which tenant it is.

mod config;
mod edge;
mod keys;
mod nas;
mod subscribers;

pub use config::RadiusConfig;

use std::sync::Arc;

use tonic::service::Routes;
use yard_authn::Caller;
use yard_authn::data_key::DataKey;
use yard_authn::seal::Sealer;
use yard_contracts::aaa::v1::nas_service_server::NasServiceServer;
use yard_contracts::aaa::v1::subscriber_service_server::SubscriberServiceServer;
use yard_fault::Fault;
use yard_ids::{Clock, IdSource};
use yard_pg::{Actor, Pg, TenantTx};
use yard_runtime::Runtime;

use crate::sessions::Throttle;
use crate::{LARGEST_REQUEST, resealing, secrets};
use nas::NasGrpc;
use subscribers::SubscribersGrpc;

/// Letters and digits that nobody takes for one another: 32 of them.
const PLAIN: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// What everything here works with. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Aaa(Arc<Inner>);

struct Inner {
    pg: Pg,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    sealer: Sealer,
}

impl Aaa {
    /// Refuses to start without a key that tenants' keys are sealed with. Listens for the RADIUS server
    /// where that is wanted.
    ///
    /// # Errors
    /// Names the option, file or key that cannot be used.
    pub(crate) async fn start(
        (pg, sealer): (&Pg, &Sealer),
        throttle: &Throttle,
        config: &RadiusConfig,
        runtime: &Runtime,
    ) -> anyhow::Result<Self> {
        resealing::start::<keys::TenantKeys>(pg, sealer, runtime).await?;
        let (clock, ids) = (runtime.clock(), runtime.ids());
        let aaa = Self(Arc::new(Inner { pg: pg.clone(), clock, ids, sealer: sealer.clone() }));
        if let Some(token) = config.token()? {
            let listener = runtime.bind("radius", config.listen).await?;
            edge::serve(
                runtime,
                listener,
                &token,
                (aaa.clone(), throttle.clone(), config.attempts()),
            );
        }
        Ok(aaa)
    }

    /// Adds the RPCs.
    pub(crate) fn serve(&self, routes: Routes) -> Routes {
        let most = LARGEST_REQUEST;
        let (nas, subscribers) =
            (NasGrpc { aaa: self.clone() }, SubscribersGrpc { aaa: self.clone() });
        routes
            .add_service(NasServiceServer::new(nas).max_decoding_message_size(most))
            .add_service(SubscriberServiceServer::new(subscribers).max_decoding_message_size(most))
    }

    /// A transaction in the caller's tenant.
    async fn begin(&self, caller: &Caller) -> Result<TenantTx, Fault> {
        let actor = Actor::of_subject(caller.subject());
        Ok(TenantTx::begin(&self.0.pg, caller.tenant()?, &actor).await?)
    }

    /// The key of the transaction's tenant, made at first use.
    async fn key(&self, tx: &mut TenantTx) -> Result<DataKey, Fault> {
        keys::of_tenant(tx, &self.0.sealer, self.0.clock.now()).await
    }
}

/// A text of `N` random characters, 5 bits each, that people can read out and type.
fn random_text<const N: usize>() -> Result<String, Fault> {
    let bytes = secrets::random::<N>()?;
    // 32 divides 256, so each is as likely as the next.
    let one = |byte: u8| PLAIN.get(usize::from(byte % 32)).copied().map_or('a', char::from);
    Ok(bytes.into_iter().map(one).collect())
}
