//! What goes on in a tenant's app, over all instances, for the people who run it.
//!
//! Sockets, rates and refusals are known to the instance where they happen and are asked for when
//! somebody looks: one question over NATS, which every instance answers from memory. Nothing is
//! written anywhere for it, a killed instance leaves nothing behind that would have to be taken back,
//! and what an answer is worth can be said: how many answered, of how many that are alive. Who is in
//! a channel is in Redis already, see [`crate::presence`]. ADR 0044.
//!
//! A trace listens to what is on the bus anyway; what never goes there (sockets, joins, refusals)
//! instances tell only while an app is traced. Nothing is done for a delivery, ever, and while nobody
//! traces nothing for a join.

mod activity;
mod answer;
mod filter;
mod gather;
mod grpc;
mod leases;
mod pulse;
mod seen;
mod trace;
mod watch;
mod wishes;

pub(crate) use activity::Activity;
pub(crate) use answer::answer;
pub(crate) use gather::Gatherer;
pub(crate) use grpc::{Inspection, Sources};
pub(crate) use pulse::{Pace, Pulse};
pub(crate) use watch::{RefusedJoin, Watch};
