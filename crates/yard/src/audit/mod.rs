//! `yard audit`: search the trail, write an export, and check one offline.

mod export;
mod roots;
mod search;
mod verify;

use clap::Subcommand;

use crate::api::Api;
use crate::failure::Outcome;
use crate::output::Output;

pub use export::ExportArgs;
pub use roots::RootsArgs;
pub use search::SearchArgs;
pub use verify::{VerifyArgs, check_file, verify};

/// The audit trail.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Lists entries, newest first.
    Search(SearchArgs),
    /// Writes the whole chain to a file, one item on a line.
    Export(ExportArgs),
    /// Adds the signed roots that are new to a file, to be held against exports later.
    Roots(RootsArgs),
    /// Checks an export with the public key alone: hashes, links, gaps, signatures, roots.
    Verify(VerifyArgs),
}

/// Runs a command that asks the platform.
pub async fn run(command: &AuditCommand, api: &Api, out: Output) -> Outcome {
    match command {
        AuditCommand::Search(args) => search::run(args, api, out).await,
        AuditCommand::Export(args) => export::run(args, api, out).await,
        AuditCommand::Roots(args) => roots::run(args, api, out).await,
        AuditCommand::Verify(args) => verify(args, out),
    }
}

/// A system administrator's session reads the platform's chain, everyone else's their tenant's.
async fn place(api: &Api) -> Outcome<&'static str> {
    let me = api.me().await?;
    Ok(if me.tenant_id.is_empty() { "/api/v1/audit/platform" } else { "/api/v1/audit" })
}
