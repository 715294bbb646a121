//! `yard tenants`: take a tenant's export, and check one offline.

mod export;
mod verify;

use clap::Subcommand;

use crate::api::Api;
use crate::failure::Outcome;
use crate::output::Output;

pub use export::ExportArgs;
pub use verify::{VerifyArgs, check_file, verify};

/// Tenants.
#[derive(Debug, Subcommand)]
pub enum TenantsCommand {
    /// Writes everything that the tenant of the session has to a file, one record on a line.
    Export(ExportArgs),
    /// Checks an export: that it is whole and as it was given.
    Verify(VerifyArgs),
}

/// Runs a command that asks the platform.
pub async fn run(command: &TenantsCommand, api: &Api, out: Output) -> Outcome {
    match command {
        TenantsCommand::Export(args) => export::run(args, api, out).await,
        TenantsCommand::Verify(args) => verify(args, out),
    }
}
