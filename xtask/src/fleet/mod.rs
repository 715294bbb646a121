//! Simulated devices of both demo tenants: the `yard` command line over real mTLS connections.

mod verdict;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use yard_stack::process::{Process, ProcessSpec, Ready, Signal};

use crate::interrupt::Interrupt;
use crate::platform::{DemoTenant, Platform, TENANTS};
use crate::workspace::{Workspace, last_json, read};

pub(crate) use verdict::Verdict;

// Buffered readings are handed over and written down before a simulation ends.
const STOP_WITHIN: Duration = Duration::from_secs(60);
const CONNECT_WITHIN: Duration = Duration::from_secs(120);
/// The role that registers, enrols and watches the demo's devices.
pub(crate) const KEEPER: &str = "owner";

/// How the devices of each tenant behave.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Plan {
    /// Devices of each tenant.
    pub(crate) devices: u32,
    pub(crate) pace: Pace,
    /// Tenants whose devices keep a reading until its storage is confirmed.
    pub(crate) receipts: Receipts,
}

/// How fast the readings of one tenant come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Pace {
    /// So many a second, of all its devices together.
    PerSecond(f64),
    /// As fast as the broker acknowledges.
    Flood,
}

/// Which devices wait for storage receipts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Receipts {
    None,
    /// Those of the second tenant, so that both kinds are seen side by side.
    SecondTenant,
}

/// Running simulations, one for each tenant.
#[derive(Debug)]
pub(crate) struct Fleet {
    parts: Vec<Part>,
}

#[derive(Debug)]
struct Part {
    tenant: DemoTenant,
    process: Process,
    state: PathBuf,
}

/// `--follow` prints the counts every second.
fn all_connected(log: &Path) -> bool {
    let text = fs::read_to_string(log).unwrap_or_default();
    let Ok(report) = last_json(&text) else {
        return false;
    };
    let number = |key: &str| report.get(key).and_then(Value::as_u64);
    number("connected").is_some_and(|connected| Some(connected) == number("devices"))
}

impl Fleet {
    /// Signs the keepers in, registers and enrols what is missing, and sets the devices going.
    pub(crate) fn start(platform: &Platform, workspace: &Workspace, plan: &Plan) -> Result<Self> {
        let mut parts = Vec::new();
        for (index, tenant) in TENANTS.into_iter().enumerate() {
            platform.sign_in(&tenant, KEEPER)?;
            let state = platform.folders.fleet(tenant.slug);
            fs::create_dir_all(&state).with_context(|| format!("create {}", state.display()))?;
            let receipts = plan.receipts == Receipts::SecondTenant && index == 1;
            let mut args = vec![
                "--json".into(),
                "--profile-file".into(),
                platform.folders.profile(tenant.slug, KEEPER).into_os_string(),
                "simulate".into(),
                "--follow".into(),
                "--count".into(),
                plan.devices.to_string().into(),
                "--data".into(),
                workspace.join(&format!("data/{}.csv", tenant.data)).into_os_string(),
                "--state-dir".into(),
                state.clone().into_os_string(),
            ];
            match plan.pace {
                Pace::Flood => args.push("--flood".into()),
                Pace::PerSecond(rate) => args.extend(["--rate".into(), rate.to_string().into()]),
            }
            if receipts {
                args.push("--receipts".into());
            }
            let name = format!("simulate-{}", tenant.slug);
            let yard = platform.program("yard");
            let mut spec = ProcessSpec::new(&name, &yard, workspace.root(), Ready::Alive);
            spec = spec.args(args);
            spec.log = platform.folders.log(&name);
            // Its log is its report: an earlier run's must not be read for this one's.
            drop(fs::remove_file(&spec.log));
            spec.stop_signal = Signal::Interrupt;
            spec.stop_within = STOP_WITHIN;
            parts.push(Part { tenant, process: Process::launch(spec)?, state });
        }
        Ok(Self { parts })
    }

    /// Waits until every device has its connection to the broker.
    pub(crate) fn wait_connected(&mut self, interrupt: &Interrupt) -> Result<()> {
        interrupt.wait_until("all devices connected", CONNECT_WITHIN, || {
            self.tend()?;
            let parts = self.parts.iter();
            Ok(parts.map(|part| part.process.spec()).all(|spec| all_connected(&spec.log)))
        })
    }

    /// Fails when a simulation has ended by itself.
    pub(crate) fn tend(&mut self) -> Result<()> {
        for part in &mut self.parts {
            if !part.process.is_running() {
                let (name, log) = (part.process.spec().name.clone(), part.process.log_tail());
                bail!("{name} has ended; its log ends:\n{log}");
            }
        }
        Ok(())
    }

    /// Processor time of the simulations together, in seconds.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        self.parts.iter().map(|part| part.process.cpu_seconds()).sum()
    }

    /// Ends the simulations in order and gives back each one's closing report, by tenant.
    pub(crate) fn stop(&mut self) -> Result<Vec<(DemoTenant, Value)>> {
        for part in &self.parts {
            part.process.signal(Signal::Interrupt)?;
        }
        let mut reports = Vec::new();
        for part in &mut self.parts {
            part.process.stop()?;
            let log = read(&part.process.spec().log)?;
            let name = &part.process.spec().name;
            let report = last_json(&log).with_context(|| format!("{name} left no report"))?;
            reports.push((part.tenant, report));
        }
        Ok(reports)
    }

    /// Compares what the devices were told is safe with what is stored, over both tenants. What is
    /// missing may still be on its way: it gets `wait` to arrive.
    pub(crate) fn verify(&self, platform: &Platform, wait: Duration) -> Result<Verdict> {
        let mut sum = Verdict::default();
        for part in &self.parts {
            // Its exit code says whether anything is missing; the figures say what.
            let output = platform
                .yard(&part.tenant, KEEPER)
                .args(["verify", "--wait", &wait.as_secs().to_string(), "--state-dir"])
                .arg(&part.state)
                .read_any()?;
            sum = sum + Verdict::from_json(&last_json(&output)?)?;
        }
        Ok(sum)
    }
}
