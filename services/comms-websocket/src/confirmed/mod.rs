//! Messages that have to arrive (ADR 0039).
//!
//! It promises that what its sender was answered for is written down with a row for every recipient,
//! that it is sent to each of their sockets in the order of its channel, and again with the same id,
//! until it is acknowledged or its time has passed. The database is the only truth: what is sent is
//! read from there, NATS and whatever stands in memory here only say when to look. So neither a lost
//! notice nor a killed instance loses a message; it comes later, or twice with one id.
//!
//! Only tenants' apps have them: what the platform's own app says is in the database already.

mod accept;
mod config;
mod delivery;
mod frames;
mod grpc;
mod ledger;
mod receipt;
mod records;
mod seat;
mod seats;
mod store;
mod telemetry;
mod upkeep;
mod wish;

use std::sync::Arc;

use yard_ids::{Clock, IdSource};
use yard_pg::{Actor, Pg};
use yard_runtime::{Runtime, TaskKind};

use crate::bus::Bus;
use crate::channel::ChannelKey;
use crate::hub::Hub;

pub(crate) use accept::{Accepted, Message, Refused};
pub use config::ConfirmedConfig;
pub(crate) use frames::{Letter, PingNumber};
pub(crate) use grpc::MessagesGrpc;
pub(crate) use ledger::{Entry, Receipt, State};
pub(crate) use receipt::ACKNOWLEDGEMENT;
pub(crate) use seat::{Seat, acknowledge};
use seats::Seats;
pub(crate) use wish::{To, Wish};

/// Writes confirmed messages down and sees to their delivery. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Confirmed {
    pg: Pg,
    bus: Bus,
    seats: Arc<Seats>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
}

impl Confirmed {
    /// Begins to deliver, to expire and to clear away, until the soft stop.
    pub(crate) fn start(config: ConfirmedConfig, pg: Pg, hub: Hub, rt: &Runtime) -> Self {
        let this = Self {
            pg: pg.clone(),
            bus: hub.bus().clone(),
            seats: Arc::default(),
            clock: rt.clock(),
            ids: rt.ids(),
        };
        let soft = rt.shutdown().soft().clone();
        let delivery = delivery::Delivery::new(config, this.clone(), hub);
        rt.tasks().spawn(TaskKind::Critical, "confirmed delivery", delivery.run(soft.clone()));
        let clock = rt.clock();
        rt.tasks().spawn(TaskKind::Background, "confirmed upkeep", async move {
            soft.run_until_cancelled(upkeep::run(config, pg, clock)).await;
            Ok(())
        });
        this
    }

    /// Something was written down for recipients in this channel.
    pub(crate) fn wake(&self, channel: &ChannelKey) {
        self.seats.wake(channel);
    }
}

/// On whose behalf rows are written.
fn actor() -> Actor {
    Actor::service("comms-websocket")
}
