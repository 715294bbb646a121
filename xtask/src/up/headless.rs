//! `cargo xtask up --check`: the same without a person, ending with figures.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;

use crate::fleet::{Fleet, KEEPER};
use crate::interrupt::Interrupt;
use crate::platform::{Platform, TENANTS};
use crate::{numbers, say};

const WANTED_READINGS: u64 = 1_000;
const COMMANDS: u32 = 20;
const PATIENCE: Duration = Duration::from_secs(180);
// What is on its way when the devices stop has to arrive first.
const SETTLE: Duration = Duration::from_secs(60);

pub(super) fn run(
    platform: &mut Platform,
    fleet: &mut Fleet,
    interrupt: &Interrupt,
    ready: Duration,
) -> Result<()> {
    say::step("waiting for 1,000 stored readings of each tenant", || {
        interrupt.wait_until("1,000 stored readings of each tenant", PATIENCE, || {
            platform.tend()?;
            fleet.tend()?;
            let mut enough = true;
            for tenant in TENANTS {
                enough &= numbers::stored(platform, &tenant)? >= WANTED_READINGS;
            }
            Ok(enough)
        })
    })?;
    say::step("sending commands", || send_commands(platform, interrupt))?;
    let memory = platform.memory();
    let verdict = say::step("stopping the devices and comparing", || {
        fleet.stop()?;
        fleet.verify(platform, SETTLE)
    })?;
    let [command_p50, command_p99] = numbers::command_times(platform)?;
    let [stored_p50, stored_p99] = numbers::stored_times(platform)?;
    say::out(json!({
        "stored": verdict.stored,
        "lost": verdict.lost,
        "duplicates": verdict.duplicates,
        "command_p50_ms": command_p50,
        "command_p99_ms": command_p99,
        "stored_p50_ms": stored_p50,
        "stored_p99_ms": stored_p99,
        "rss_kib": memory,
        "ready_seconds": (ready.as_secs_f64() * 10.0).round() / 10.0,
    }));
    ensure!(verdict.lost == 0, "{} acknowledged readings are not stored", verdict.lost);
    ensure!(verdict.duplicates == 0, "{} readings are stored twice", verdict.duplicates);
    Ok(())
}

/// Each tenant's first device is asked for a harmless thing, one command after the other.
fn send_commands(platform: &Platform, interrupt: &Interrupt) -> Result<()> {
    for tenant in TENANTS {
        for _ in 0..COMMANDS {
            interrupt.check()?;
            platform
                .yard(&tenant, KEEPER)
                .args(["send", tenant.first_device, "identify", "--arg", "seconds=0"])
                .args(["--wait", "--deadline", "30"])
                .quiet()?;
        }
        let done = numbers::succeeded(platform, &tenant)?;
        ensure!(done > 0, "no command of {} has succeeded", tenant.name);
    }
    Ok(())
}
