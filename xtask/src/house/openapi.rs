//! The committed OpenAPI document is the one that the descriptors give.

use std::fs;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::command;
use crate::workspace::{Workspace, read};

const DOCUMENT: &str = "services/console/openapi/gateway.json";

pub(super) fn is_current(workspace: &Workspace) -> Result<Vec<String>> {
    let committed = read(&workspace.join(DOCUMENT))?;
    if committed == generate(workspace)? {
        return Ok(Vec::new());
    }
    Ok(vec![format!("{DOCUMENT} is stale: run `cargo xtask openapi`")])
}

/// Writes the document anew, and the console's types from it when Node's packages are there.
pub(crate) fn regenerate(workspace: &Workspace) -> Result<()> {
    let document = generate(workspace)?;
    let path = workspace.join(DOCUMENT);
    fs::write(&path, document).with_context(|| format!("write {}", path.display()))?;
    let console = workspace.join("services/console");
    if console.join("node_modules").is_dir() {
        command::new("npm", &console).args(["run", "--silent", "api"]).quiet()?;
    }
    Ok(())
}

fn generate(workspace: &Workspace) -> Result<String> {
    let text = command::cargo(workspace.root())
        .args(["run", "--quiet", "--package", "api-gateway", "--bin", "gateway-openapi"])
        .read()?;
    check(&text)?;
    Ok(text)
}

fn check(text: &str) -> Result<()> {
    let document: Value = serde_json::from_str(text).context("the gateway printed no JSON")?;
    let version = document.get("openapi").and_then(Value::as_str).unwrap_or_default();
    ensure!(version.starts_with("3.1"), "an OpenAPI 3.1 document was expected, not `{version}`");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_openapi_3_1_document_is_taken() {
        assert!(check("{\"openapi\":\"3.1.0\"}").is_ok());
        assert!(check("{\"openapi\":\"3.0.3\"}").is_err());
        assert!(check("usage: …").is_err());
    }
}
