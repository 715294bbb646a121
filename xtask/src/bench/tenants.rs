//! What many tenants cost: making them, migrating them, and one pooled connection that serves them all.

use anyhow::{Context, Result};
use serde_json::Value;

use super::BenchArgs;
use crate::command;
use crate::platform::{DATABASE, Platform};
use crate::workspace::{Workspace, last_json};

pub(super) fn measure(
    workspace: &Workspace,
    platform: &mut Platform,
    args: &BenchArgs,
) -> Result<Value> {
    let ingest = platform.edge.postgres_url("device-ingest")?;
    let ingest = std::fs::read_to_string(ingest).context("the role's URL")?;
    let output = command::new(platform.program("bench-tenants"), workspace.root())
        .arg(platform.admin().url(DATABASE))
        .arg(ingest.trim_end())
        .arg(args.tenants.to_string())
        .read()?;
    last_json(&output)
}
