//! Who is where, over all instances.
//!
//! Each instance says in Redis how many of its own sockets are in a channel and, in presence
//! channels, as whom; what it says replaces what it said before. Sums over the instances, their
//! edges (somebody came, somebody left, a channel is occupied, is vacated) and what cache channels
//! keep are made there, in one step. Nothing of it is the only copy: what Redis lost is said again,
//! and what a killed instance said is taken back when its lease ends.

mod changes;
mod lease;
mod ledger;
mod owed;
mod store;

pub(crate) use changes::{Changes, Person};
pub(crate) use ledger::Ledger;
pub(crate) use store::{Member, Occupancy, Rosters};
