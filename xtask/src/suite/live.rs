//! The console in a browser against the real platform: nothing between page and database is
//! pretended.

use std::time::Duration;

use anyhow::Result;
use yard_stack::{Durability, Tools, tools};

use super::count::Count;
use crate::fleet::{Fleet, KEEPER, Pace, Plan, Receipts};
use crate::interrupt::Interrupt;
use crate::platform::{self, Platform, Settings, TENANTS};
use crate::workspace::Workspace;
use crate::{console, numbers, say};

const PATIENCE: Duration = Duration::from_secs(60);
/// Enough for a chart to show something.
const WANTED_READINGS: u64 = 30;

pub(super) fn run(workspace: &Workspace) -> Result<Count> {
    let interrupt = Interrupt::install()?;
    let progress = &mut |line: &str| say::note(format!("    {line}"));
    let servers = Tools::find_or_install(&workspace.tool_cache(), progress)?;
    let chromium = tools::chromium(progress)?;
    platform::build(workspace, false)?;
    console::install(workspace)?;
    console::build(workspace)?;
    let settings = Settings {
        dir: workspace.join(".switchyard-live"),
        keep: false,
        release: false,
        usual_ports: false,
        durability: Durability::Throwaway,
    };
    let mut platform = Platform::start(workspace, &servers, &settings, &interrupt)?;
    let plan = Plan { devices: 3, pace: Pace::PerSecond(6.0), receipts: Receipts::None };
    let mut fleet = Fleet::start(&platform, workspace, &plan)?;
    fleet.wait_connected(&interrupt)?;
    interrupt.wait_until("the first readings", PATIENCE, || {
        platform.tend()?;
        fleet.tend()?;
        Ok(numbers::stored(&platform, &TENANTS[0])? >= WANTED_READINGS)
    })?;
    let count = browse(workspace, &platform, &chromium.to_string_lossy());
    drop(fleet);
    platform.stop();
    count
}

fn browse(workspace: &Workspace, platform: &Platform, chromium: &str) -> Result<Count> {
    let tenant = TENANTS[0];
    let env = [
        ("CHROMIUM", chromium),
        ("BASE_URL", &platform.url()),
        ("YARD_EMAIL", &tenant.email(KEEPER)),
        ("YARD_PASSWORD", platform.people.password()),
        ("YARD_TENANT", tenant.slug),
    ];
    super::console::npm(workspace, "e2e:live", &env)
}
