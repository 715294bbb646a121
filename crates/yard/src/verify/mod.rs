//! `yard verify`: what a simulated fleet was told is safe, held against what is stored.

mod arithmetic;
mod quarantine;
mod stored;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use arithmetic::{Account, Verification};

use crate::api::Api;
use crate::failure::{Failure, Outcome};
use crate::ledger::{DeviceRun, Ledger};
use crate::output::{Output, Table};

/// Arguments of `yard verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Folder of the simulation.
    #[arg(long, value_name = "DIR")]
    pub state_dir: PathBuf,
    /// Looks again for so many seconds while something is missing: it may be on its way.
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub wait: u64,
}

const AT_ONCE: usize = 8;
const BETWEEN_LOOKS: Duration = Duration::from_millis(500);

/// Compares, and fails when an acknowledged reading is missing or stored twice.
pub async fn run(args: &VerifyArgs, api: &Api, out: Output) -> Outcome {
    let ledger = Ledger::read(&args.state_dir)?;
    if ledger.devices.is_empty() {
        let file = Ledger::path(&args.state_dir);
        return Err(Failure::other(format!("{} tells of no run", file.display())));
    }
    let until = Instant::now() + Duration::from_secs(args.wait);
    let mut open = ledger.devices;
    let mut settled: Vec<Account> = Vec::new();
    loop {
        let accounts = look(api, open).await?;
        let last = Instant::now() >= until;
        let (missing, complete): (Vec<_>, Vec<_>) =
            accounts.into_iter().partition(|account| !last && !account.lost.is_empty());
        settled.extend(complete);
        if missing.is_empty() {
            break;
        }
        open = missing.into_iter().map(|account| account.run).collect();
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
    conclude(&Verification::of(&settled), out)
}

async fn look(api: &Api, runs: Vec<DeviceRun>) -> Outcome<Vec<Account>> {
    let gate = Arc::new(Semaphore::new(AT_ONCE));
    let mut work = JoinSet::new();
    for run in runs {
        let (api, gate) = (api.clone(), Arc::clone(&gate));
        work.spawn(async move {
            // The gate is never closed, so there is always a permit to wait for.
            let _permit = gate.acquire_owned().await.ok();
            let stored = stored::of(&api, &run).await?;
            let quarantined = quarantine::of(&api, &run).await?;
            Ok(Account::settle(run, &stored, &quarantined))
        });
    }
    let mut accounts = Vec::new();
    while let Some(done) = work.join_next().await {
        let account: Outcome<Account> = done.map_err(|e| Failure::other(e.to_string()))?;
        accounts.push(account?);
    }
    Ok(accounts)
}

fn conclude(found: &Verification, out: Output) -> Outcome {
    out.answer(found, |out| {
        let facts = [
            ("devices", found.devices.to_string()),
            ("acknowledged", found.acked.to_string()),
            ("stored", found.stored.to_string()),
            ("lost", found.lost.to_string()),
            ("duplicates", found.duplicates.to_string()),
            ("out of order", found.out_of_order.to_string()),
            ("quarantined", found.quarantined.to_string()),
            ("receipts", format!("{} ({} lost)", found.receipts, found.receipts_lost)),
            ("stored p50", format!("{:.1} ms", found.stored_p50_ms)),
            ("stored p99", format!("{:.1} ms", found.stored_p99_ms)),
        ];
        for line in Table::facts(&facts).lines() {
            out.line(&line);
        }
        for failing in &found.failing {
            out.line(&failing.line());
        }
    });
    if found.is_sound() {
        return Ok(());
    }
    Err(Failure::other(format!("{} lost, {} duplicates", found.lost, found.duplicates)))
}
