//! What `cargo xtask bench` needs beside the platform: the *floor* (a subscriber of the same broker
//! over the same TLS that only counts), a source that fills the telemetry stream at once, so that
//! the writer can be measured alone, senders that need no platform, to measure the broker alone, and
//! many clients of comms-websocket. Figures are one JSON object on standard output.

mod audit;
mod broker;
mod fanout;
mod fill;
mod floor;
mod limits;
mod overhead;

use std::io::Write as _;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Counts what the broker hands out, in the place of device-ingest.
    Floor(floor::FloorArgs),
    /// Publishes at full speed and counts what the broker hands out.
    Broker(broker::BrokerArgs),
    /// Fills the telemetry stream with readings.
    Fill(fill::FillArgs),
    /// Fills the audit stream with records.
    AuditRecords(audit::RecordsArgs),
    /// Makes audited calls, one after the other.
    AuditedCalls(audit::CallsArgs),
    /// Decides rate limits as fast as it can.
    Limits(limits::LimitsArgs),
    /// Asks the gateway as fast as it can.
    Overhead(overhead::OverheadArgs),
    /// Is many clients of comms-websocket, or the bare broadcaster in its place.
    Fanout(fanout::FanoutArgs),
}

/// Runs one of the counterparts.
///
/// # Errors
/// When its server does not answer.
pub fn main() -> Result<()> {
    let _already_there = rustls::crypto::aws_lc_rs::default_provider().install_default().err();
    let executor = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let figures = executor.block_on(async {
        match Cli::parse().what {
            What::Floor(args) => floor::run(&args).await,
            What::Broker(args) => broker::run(&args).await,
            What::Fill(args) => fill::run(&args).await,
            What::AuditRecords(args) => audit::records(&args).await,
            What::AuditedCalls(args) => audit::calls(&args).await,
            What::Limits(args) => limits::run(&args).await,
            What::Overhead(args) => overhead::run(&args).await,
            What::Fanout(args) => fanout::run(&args).await,
        }
    })?;
    writeln!(std::io::stdout(), "{figures}")?;
    Ok(())
}
