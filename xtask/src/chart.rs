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
    let output = command::new(python, workspace.root()).arg(script).arg(&chart).read()?;
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

/// A Python with the two packages. Helm's engine needs Python 3.12; distributions' may be older.
fn environment(workspace: &Workspace) -> Result<PathBuf> {
    let environment = PythonEnv {
        name: "chart-python",
        what: "the chart renderer",
        requirements: REQUIREMENTS,
        hashed: false,
    };
    environment.ensure(workspace, |root| {
        python_env::find(root, 12).context("the chart check needs Python 3.12 or newer")
    })
}
