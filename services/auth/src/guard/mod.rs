//! Who is kept out at the gateways, and the switch for maintenance.
//!
//! Kept here because the gateway has no database; enforced there. Each change makes the revision
//! grow, which is all that the gateways read twice a second while nothing changes.

mod bans;
pub(crate) mod grpc;
mod maintenance;
mod origin;
mod store;
mod subject;

use std::sync::Arc;

use yard_ids::{Clock, IdSource};
use yard_messaging::Nats;
use yard_pg::Pg;

/// What the guard's services share.
#[derive(Clone)]
pub(crate) struct Guarding {
    pub(crate) pg: Pg,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn IdSource>,
    /// Tells open sockets.
    pub(crate) nats: Nats,
}
