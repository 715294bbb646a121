//! `cargo xtask bench fanout`: a load client for servers of the Pusher protocol, and the floor that
//! it is held against. Each subcommand measures one scenario of one server and prints its figures.

mod floor;
mod frames;
mod latency;
mod letter;
mod opening;
mod publisher;
mod spread;
mod swarm;
mod talk;
mod target;
mod usage;

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

/// Sockets that open at the same time.
const AT_ONCE: usize = 128;

/// What to do.
#[derive(Debug, Args)]
pub(crate) struct FanoutArgs {
    #[command(subcommand)]
    scenario: Scenario,
}

#[derive(Debug, Clone, Subcommand)]
enum Scenario {
    /// Publishers to subscribers of one channel, at full speed or at a rate.
    Spread(spread::SpreadArgs),
    /// Clients that send events to each other, in pairs.
    Talk(talk::TalkArgs),
    /// Memory of idle sockets; the server has to be fresh.
    Idle(opening::IdleArgs),
    /// Sockets that open.
    Opens(opening::OpensArgs),
    /// Private sockets that are dropped and come back.
    Storm(opening::StormArgs),
    /// Is the floor, until it is killed.
    Floor(floor::FloorArgs),
}

/// Measures.
pub(crate) async fn run(args: &FanoutArgs) -> Result<Value> {
    match &args.scenario {
        Scenario::Spread(args) => spread::run(args),
        Scenario::Talk(args) => talk::run(args),
        Scenario::Idle(args) => opening::idle(args),
        Scenario::Opens(args) => opening::opens(args),
        Scenario::Storm(args) => opening::storm(args),
        Scenario::Floor(args) => {
            floor::run(args).await?;
            Ok(json!({}))
        }
    }
}

fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests;
