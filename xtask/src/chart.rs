//! `cargo xtask chart`: renders `helm/switchyard` with each values file by Helm's own engine and
//! validates every object against Kubernetes' schemas.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::cli::Json;
use crate::workspace::{Workspace, last_json};
use crate::{command, say};

const CHART: &str = "helm/switchyard";
const RENDER: &str = include_str!("python/render_chart.py");
// Helm's engine as a Python extension, and the schemas of Kubernetes' API.
const REQUIREMENTS: &str = "helm-sdkpy==0.1.32\nkubernetes-validate==1.37.0\nPyYAML==6.0.3\n";
const PYTHONS: [&str; 5] = ["python3.13", "python3.12", "python3.14", "python3", "python"];

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

/// A Python with the two packages, made once and kept with the other tools.
fn environment(workspace: &Workspace) -> Result<PathBuf> {
    let folder = workspace.tool_cache().join("chart-python");
    let (python, stamp) = (folder.join("bin/python"), folder.join("requirements.txt"));
    if fs::read_to_string(&stamp).is_ok_and(|made| made == REQUIREMENTS) {
        return Ok(python);
    }
    fs::create_dir_all(workspace.tool_cache())?;
    say::step("installing the chart renderer (PyPI)", || {
        let base = find_python(workspace.root())?;
        command::new(base, workspace.root())
            .args(["-m", "venv", "--clear"])
            .arg(&folder)
            .quiet()?;
        let wanted = folder.join("wanted.txt");
        fs::write(&wanted, REQUIREMENTS)?;
        command::new(&python, workspace.root())
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"])
            .arg(&wanted)
            .quiet()?;
        fs::rename(&wanted, &stamp)?;
        Ok(())
    })?;
    Ok(python)
}

/// Helm's engine needs Python 3.12; distributions' `python3` may be older.
fn find_python(root: &Path) -> Result<PathBuf> {
    let new_enough = "import sys; sys.exit(sys.version_info < (3, 12))";
    let mut candidates: Vec<PathBuf> = PYTHONS.iter().map(PathBuf::from).collect();
    candidates.extend(pyenv_pythons());
    let fits =
        |python: &PathBuf| command::new(python, root).args(["-c", new_enough]).quiet().is_ok();
    candidates.into_iter().find(fits).context("the chart check needs Python 3.12 or newer")
}

fn pyenv_pythons() -> Vec<PathBuf> {
    let Some(home) = std::env::var_os("HOME") else {
        return Vec::new();
    };
    let versions = fs::read_dir(Path::new(&home).join(".pyenv/versions"));
    let folders = versions.into_iter().flatten().flatten();
    let mut found: Vec<_> = folders.map(|entry| entry.path().join("bin/python")).collect();
    found.sort();
    found.reverse();
    found
}
