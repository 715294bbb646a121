//! Somebody works while everything around them dies: contracts are made, one after the other, and
//! held against the audit trail afterwards.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::{Value, json};

use crate::interrupt::Interrupt;
use crate::platform::{DATABASE, Platform, TENANTS};

const BETWEEN: Duration = Duration::from_millis(20);
const SETTLE: Duration = Duration::from_secs(60);

/// A person at work.
pub(super) struct Acts {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<u64>>,
}

impl Acts {
    /// Signs the owner of the first tenant in and begins.
    pub(super) fn start(platform: &Platform) -> Result<Self> {
        let [tenant, _] = TENANTS;
        platform.sign_in(&tenant, "owner")?;
        let program = platform.program("yard");
        let profile = platform.profile(&tenant, "owner");
        let draft = profile.with_extension("contract.json");
        let stop = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&stop);
        let thread = thread::spawn(move || work(&program, &profile, &draft, &until));
        Ok(Self { stop, thread })
    }

    /// Ends the work, and compares. What took effect has an entry, or an announcement that will
    /// become one; what an entry calls done has taken effect.
    pub(super) fn settle(self, platform: &mut Platform, interrupt: &Interrupt) -> Result<Value> {
        self.stop.store(true, Ordering::Relaxed);
        let answered = self.thread.join().map_err(|_panic| anyhow!("the worker panicked"))??;
        let [tenant, _] = TENANTS;
        let find = format!("select id from platform.tenants where slug = '{}'", tenant.slug);
        let id = platform.admin().sql(DATABASE, &find)?;
        let schema = format!("ts_{}", id.replace('-', ""));
        let made = platform
            .count(&format!("select count(*) from {schema}.contracts where name like 'act %'"))?;
        let of = format!(
            "select count(*) from platform.audit_events e where e.tenant_id::text = '{id}' \
             and e.action like '%/CreateContract'"
        );
        let thing = format!("select from {schema}.contracts c where c.id::text = e.object_id");
        let done =
            format!("{of} and e.outcome = 'ok' and exists ({thing} and c.name like 'act %')");
        let untrue = format!("{of} and e.outcome = 'ok' and not exists ({thing})");
        let unknown = format!("{of} and e.outcome = 'unknown'");
        let open = "select count(*) from platform.audit_open";
        interrupt.wait_until("every act in the audit trail", SETTLE, || {
            platform.tend()?;
            let told = platform.count(&done)? + platform.count(&unknown)?;
            Ok(told + platform.count(open)? >= made)
        })?;
        let (done, unknown) = (platform.count(&done)?, platform.count(&unknown)?);
        let untrue = platform.count(&untrue)?;
        let gaps = platform.count(
            "select count(*) from platform.audit_events e where e.sequence > 1 and not exists \
             (select from platform.audit_events p where p.tenant_id = e.tenant_id \
              and p.sequence = e.sequence - 1 and p.hash = e.previous_hash)",
        )?;
        ensure!(answered > 0, "nobody worked while the services were killed");
        ensure!(answered <= made, "{answered} acts were confirmed, {made} took effect");
        ensure!(untrue == 0, "{untrue} entries call done what is not there");
        ensure!(gaps == 0, "{gaps} gaps in the audit trail");
        Ok(json!({
            "confirmed": answered, "took_effect": made, "entries_ok": done,
            "entries_unknown": unknown, "announced_open": platform.count(open)?,
        }))
    }
}

/// How many acts were confirmed.
fn work(program: &PathBuf, profile: &PathBuf, draft: &PathBuf, stop: &AtomicBool) -> Result<u64> {
    let (mut number, mut confirmed) = (0_u64, 0);
    while !stop.load(Ordering::Relaxed) {
        number += 1;
        let contract = json!({
            "name": format!("act {number}"), "version": 1,
            "telemetry_schema": {"type": "object"}, "metrics": [], "commands": [],
        });
        fs::write(draft, contract.to_string()).context("write a contract")?;
        let done = Command::new(program)
            .args(["--json", "--profile-file"])
            .arg(profile)
            .args(["contracts", "create", "--file"])
            .arg(draft)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .context("start yard")?;
        confirmed += u64::from(done.success());
        thread::sleep(BETWEEN);
    }
    Ok(confirmed)
}
