//! `cargo xtask chart`: renders `helm/switchyard` with each values file by Helm's own engine and
//! validates every object against Kubernetes' schemas.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};

use crate::cli::Json;
use crate::python_env::{self, PythonEnv};
use crate::workspace::{Workspace, last_json};
use crate::{command, say};

const CHART: &str = "helm/switchyard";
const RENDER: &str = include_str!("python/render_chart.py");
// Helm's engine as a Python extension, and the schemas of Kubernetes' API.
const REQUIREMENTS: &str = "helm-sdkpy==0.1.32\nkubernetes-validate==1.37.0\nPyYAML==6.0.3\n";

/// Renders and validates the chart.
pub(crate) fn run(workspace: &Workspace, how: Json) -> Result<()> {
    let chart = workspace.join(CHART);
    ensure!(chart.join("Chart.yaml").is_file(), "there is no chart at {CHART}");
    let python = environment(workspace)?;
    let script = workspace.tool_cache().join("render_chart.py");
    fs::write(&script, RENDER).context("write the renderer")?;
    let pools = serde_json::Value::Object(pools(workspace)?).to_string();
    let output =
        command::new(python, workspace.root()).arg(script).arg(&chart).arg(pools).read()?;
    let figures = last_json(&output)?;
    for problem in figures.get("problems").and_then(|p| p.as_array()).into_iter().flatten() {
        say::note(format!("  ✗ {}", problem.as_str().unwrap_or_default()));
    }
    let number = |key: &str| figures.get(key).and_then(serde_json::Value::as_u64);
    let invalid = number("invalid").context("the renderer did not say what is invalid")?;
    if how.json {
        say::out(&figures);
    } else {
        say::note(format!("  chart: {figures}"));
    }
    if invalid > 0 {
        bail!("{invalid} objects of the chart are invalid");
    }
    Ok(())
}

/// How many connections to PostgreSQL a replica of each service opens at most, as it is delivered.
fn pools(workspace: &Workspace) -> Result<serde_json::Map<String, serde_json::Value>> {
    let mut pools = serde_json::Map::new();
    for service in fs::read_dir(workspace.join("services")).context("list the services")? {
        let service = service.context("list the services")?;
        let Ok(config) = fs::read_to_string(service.path().join("config/default.toml")) else {
            continue; // The console has none.
        };
        let config: toml::Table = config.parse()?;
        let most = config.get("postgres").and_then(|section| section.get("max_connections"));
        if let Some(most) = most.and_then(toml::Value::as_integer) {
            pools.insert(service.file_name().to_string_lossy().into_owned(), most.into());
        }
    }
    ensure!(!pools.is_empty(), "no service has a pool");
    Ok(pools)
}

/// A Python with the two packages. Helm's engine needs Python 3.12; distributions' may be older.
fn environment(workspace: &Workspace) -> Result<PathBuf> {
    let environment = PythonEnv {
        name: "chart-python",
        what: "the chart renderer",
        requirements: REQUIREMENTS,
        hashed: false,
        sources: "",
    };
    environment.ensure(workspace, |root| {
        python_env::find(root, 12).context("the chart check needs Python 3.12 or newer")
    })
}
