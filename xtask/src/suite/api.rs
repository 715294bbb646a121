//! The OpenAPI document held against an independent reader of it, and the running platform against
//! the document.

use std::fs;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use yard_stack::{Durability, Tools};

use super::count::Count;
use crate::interrupt::Interrupt;
use crate::platform::{self, Platform, Settings, TENANTS};
use crate::python_env::{self, PythonEnv};
use crate::workspace::{Workspace, last_json};
use crate::{command, say};

const DRIVER: &str = include_str!("../python/drive_api.py");
const REQUIREMENTS: &str = include_str!("../python/api-requirements.txt");
/// For all operations together.
const SECONDS: u32 = 100;

pub(super) fn run(workspace: &Workspace) -> Result<Count> {
    let interrupt = Interrupt::install()?;
    let progress = &mut |line: &str| say::note(format!("    {line}"));
    let servers = Tools::find_or_install(&workspace.tool_cache(), progress)?;
    let python = PythonEnv {
        name: "api-python",
        what: "schemathesis and openapi-spec-validator",
        requirements: REQUIREMENTS,
        hashed: true,
        sources: "",
    }
    .ensure(workspace, |root| {
        python_env::find(root, 11).context("Python 3.11 or newer is needed")
    })?;
    platform::build(workspace, false)?;
    let settings = Settings {
        dir: workspace.join(".switchyard-api"),
        keep: false,
        release: false,
        usual_ports: false,
        durability: Durability::Throwaway,
    };
    let platform = Platform::start(workspace, &servers, &settings, &interrupt)?;
    let token = platform.folders.write_secret("api-session", &sign_in(workspace, &platform)?)?;
    let script = workspace.tool_cache().join("drive_api.py");
    fs::write(&script, DRIVER).context("write the driver")?;
    let output = command::new(python, workspace.root())
        .arg(script)
        .arg(workspace.join("services/console/openapi/gateway.json"))
        .arg(platform.url())
        .arg(token)
        .arg(SECONDS.to_string())
        .read();
    platform.stop();
    judge(&last_json(&output?)?)
}

/// Signs in as the owner of a tenant that is thrown away with the platform.
fn sign_in(workspace: &Workspace, platform: &Platform) -> Result<String> {
    let tenant = TENANTS[0];
    let profile = platform.folders.secret("api-profile.toml");
    let password = platform.folders.write_secret("api-password", platform.people.password())?;
    command::new(platform.program("yard"), workspace.root())
        .arg("--profile-file")
        .arg(&profile)
        .args(["login", "--url", &platform.url(), "--email", &tenant.email("owner")])
        .args(["--tenant", tenant.slug, "--password-file"])
        .arg(password)
        .quiet()?;
    let kept: toml::Table = fs::read_to_string(&profile)?.parse()?;
    let token = kept.get("session_token").and_then(toml::Value::as_str);
    Ok(token.context("the sign-in kept no token")?.to_owned())
}

fn judge(figures: &Value) -> Result<Count> {
    let number = |key: &str| figures.get(key).and_then(Value::as_u64);
    let texts = |key: &str| {
        let list = figures.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
        list.iter().filter_map(|text| text.as_str().map(str::to_owned)).collect::<Vec<_>>()
    };
    for line in texts("problems").into_iter().chain(texts("tail")) {
        say::note(format!("    {line}"));
    }
    say::note(format!(
        "  {} operations ({} not driven), {} answers: {}",
        number("operations").unwrap_or(0),
        texts("skipped").len(),
        number("answers").unwrap_or(0),
        figures.get("statuses").unwrap_or(&Value::Null)
    ));
    if number("invalid") != Some(0) {
        bail!("the OpenAPI document is not valid");
    }
    if figures.get("session_lasted").and_then(Value::as_bool) != Some(true) {
        bail!("a call has ended the session that drives the API: leave it out in drive_api.py");
    }
    let held = figures.get("held").and_then(Value::as_bool) == Some(true);
    // Fewer answers than operations would mean that little was tried.
    if !held || number("server_errors") != Some(0) || number("answers") < number("operations") {
        bail!("the platform does not answer as its document says");
    }
    Ok(Count { passed: number("operations").unwrap_or(0) + 1, failed: 0 })
}
