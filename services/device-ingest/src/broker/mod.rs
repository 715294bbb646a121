//! What the broker tells of itself, by its plugin (`crates/yard-broker-plugin`), and what it is
//! asked to do.
//!
//! A device that touches what is not its own, and a connection whose certificate does not hold,
//! are refused by the broker: such messages never reach the pipeline. The plugin counts them and
//! reports; here they become metrics, a warning, and a row that the device's owner can see.

mod cutter;
mod desk;
mod refusals;
mod report;

pub(crate) use cutter::Cutter;
pub(crate) use desk::BrokerDesk;
pub(crate) use refusals::Refusals;
