//! Rate-limit decisions per second, and requests through the gateway: a call, with its three limits
//! and the service behind, and a page that has neither.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::BenchArgs;
use crate::command;
use crate::interrupt::Interrupt;
use crate::platform::{Platform, TENANTS};
use crate::workspace::{Workspace, last_json};

pub(super) fn measure(
    workspace: &Workspace,
    platform: &mut Platform,
    args: &BenchArgs,
    interrupt: &Interrupt,
) -> Result<Value> {
    let bench = || command::new(platform.program("yard-bench"), workspace.root());
    let seconds = args.seconds.to_string();
    let decisions = bench()
        .args(["limits", "--seconds", &seconds, "--redis-url-file"])
        .arg(platform.edge.redis_url())
        .read()?;
    let token = session(workspace, platform)?;
    interrupt.check()?;
    let requests = bench()
        .args(["overhead", "--seconds", &seconds, "--url", &platform.url(), "--token-file"])
        .arg(&token)
        .read()?;
    // Only the listener, the caps and the bans.
    let page = bench()
        .args(["overhead", "--seconds", &seconds, "--url", &platform.url(), "--token-file"])
        .arg(&token)
        .args(["--path", "/errors/rate.limited"])
        .read()?;
    Ok(json!({
        "decisions": last_json(&decisions)?,
        "gateway_call": last_json(&requests)?,
        "gateway_page": last_json(&page)?,
    }))
}

fn session(workspace: &Workspace, platform: &Platform) -> Result<std::path::PathBuf> {
    let tenant = TENANTS[0];
    let profile = platform.folders.secret("bench-profile.toml");
    let password = platform.folders.write_secret("bench-password", platform.people.password())?;
    command::new(platform.program("yard"), workspace.root())
        .arg("--profile-file")
        .arg(&profile)
        .args(["login", "--url", &platform.url(), "--email", &tenant.email("owner")])
        .args(["--tenant", tenant.slug, "--password-file"])
        .arg(password)
        .quiet()?;
    let kept: toml::Table = std::fs::read_to_string(&profile)?.parse()?;
    let token = kept.get("session_token").and_then(toml::Value::as_str);
    platform.folders.write_secret("bench-session", token.context("no session token was kept")?)
}
