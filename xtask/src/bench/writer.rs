//! The worker's writer alone: a full stream, and how fast it becomes committed rows.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::{BenchArgs, rounded};
use crate::command;
use crate::interrupt::Interrupt;
use crate::platform::{DATABASE, Platform, TENANTS};
use crate::workspace::{Workspace, last_json};

const WITHIN: Duration = Duration::from_secs(300);

pub(super) fn measure(
    workspace: &Workspace,
    platform: &mut Platform,
    args: &BenchArgs,
    interrupt: &Interrupt,
) -> Result<Value> {
    let [tenant, _] = TENANTS;
    let find = format!("select id from platform.tenants where slug = '{}'", tenant.slug);
    let tenant = platform.admin().sql(DATABASE, &find)?;
    // The worker has made its consumers by now; the stream keeps what they have not seen.
    platform.crew.get("worker")?.stop()?;
    let filled = command::new(platform.program("yard-bench"), workspace.root())
        .args(["fill", "--tenant", &tenant, "--readings", &args.readings.to_string()])
        .args(["--devices", &args.devices.to_string(), "--nats-url-file"])
        .arg(platform.edge.nats_url())
        .read()?;
    let filled = last_json(&filled)?;
    platform.crew.get("worker")?.start_again()?;
    interrupt.wait_until("all readings written", WITHIN, || {
        platform.tend()?;
        Ok(platform.count("select count(*) from series.telemetry")? >= args.readings)
    })?;
    let took = "select extract(epoch from max(stored_at) - min(stored_at)) from series.telemetry";
    let seconds: f64 = platform.admin().sql(DATABASE, took)?.parse().context("no span")?;
    let rows = platform.count("select count(*) from series.telemetry")?;
    Ok(json!({
        "written_per_second": (rows as f64 / seconds).round(),
        "rows": rows,
        "seconds": rounded(seconds),
        "published": filled.get("published"),
        "publish_seconds": filled.get("seconds"),
    }))
}
