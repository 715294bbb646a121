//! What an audited call costs, and how fast records become entries of one chain.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::{BenchArgs, rounded};
use crate::command;
use crate::interrupt::Interrupt;
use crate::platform::{DATABASE, Platform, TENANTS};
use crate::workspace::{Workspace, last_json};

const WITHIN: Duration = Duration::from_secs(300);
const CALLS: u64 = 1_000;

pub(super) fn measure(
    workspace: &Workspace,
    platform: &mut Platform,
    args: &BenchArgs,
    interrupt: &Interrupt,
) -> Result<Value> {
    let [tenant, _] = TENANTS;
    platform.sign_in(&tenant, "owner")?;
    let calls = command::new(platform.program("yard-bench"), workspace.root())
        .args(["audited-calls", "--calls", &CALLS.to_string(), "--profile"])
        .arg(platform.profile(&tenant, "owner"))
        .read()?;
    let calls = last_json(&calls)?;
    let confirm = |phase| mean(platform, phase);
    let (begin, end) = (confirm("begin")?, confirm("end")?);

    let find = format!("select id from platform.tenants where slug = '{}'", tenant.slug);
    let id = platform.admin().sql(DATABASE, &find)?;
    let filled = command::new(platform.program("yard-bench"), workspace.root())
        .args(["audit-records", "--tenant", &id, "--records", &args.records.to_string()])
        .arg("--nats-url-file")
        .arg(platform.edge.nats_url())
        .read()?;
    let filled = last_json(&filled)?;
    let count = "select count(*) from platform.audit_events where service = 'bench'";
    interrupt.wait_until("all records in the chain", WITHIN, || {
        platform.tend()?;
        Ok(platform.count(count)? >= args.records)
    })?;
    let took = "select extract(epoch from max(recorded_at) - min(recorded_at)) \
                from platform.audit_events where service = 'bench'";
    let seconds: f64 = platform.admin().sql(DATABASE, took)?.parse().context("no span")?;
    Ok(json!({
        "entries_per_second": (args.records as f64 / seconds).round(),
        "entries": args.records,
        "published_in_seconds": filled.get("seconds"),
        "announce_mean_ms": begin,
        "outcome_mean_ms": end,
        "audited_call_p50_ms": calls.get("audited_p50_ms"),
        "audited_call_p99_ms": calls.get("audited_p99_ms"),
        "reading_call_p50_ms": calls.get("read_p50_ms"),
    }))
}

/// Milliseconds until device-ingest had a record confirmed, on average.
fn mean(platform: &Platform, phase: &str) -> Result<f64> {
    let metrics = platform.metrics("device-ingest")?;
    let value = |part: &str| -> Result<f64> {
        let name = format!("yard_audit_confirm_seconds_{part}{{phase=\"{phase}\"}} ");
        let line = metrics.lines().find_map(|line| line.strip_prefix(name.as_str()));
        line.with_context(|| format!("no {name}"))?.parse().context("a number")
    };
    Ok(rounded(value("sum")? / value("count")? * 1_000.0))
}
