//! Who calls whom, read from manifests and sources.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::workspace::{Workspace, read};

const GATEWAY: &str = "api-gateway";
const CALLED_BY_ALL: &str = "auth";
const DATABASE_CRATES: [&str; 3] = ["sqlx", "yard-pg", "yard-migrations"];

/// A service may call `auth` and itself; the gateway forwards to all, without a typed client.
pub(super) fn calls_are_allowed(workspace: &Workspace) -> Result<Vec<String>> {
    let files = workspace.files()?;
    let owners = owners(workspace, &files)?;
    let mut wrong = Vec::new();
    for service in services(workspace)? {
        let sources = Path::new("services").join(&service).join("src");
        for file in files.iter().filter(|file| file.starts_with(&sources)) {
            let text = read(&workspace.root().join(file))?;
            for owner in called(&text, &owners) {
                if owner != CALLED_BY_ALL && owner != service {
                    wrong.push(format!("{}: {service} calls {owner}", file.display()));
                }
            }
        }
        for other in depends_on_services(workspace, &service)? {
            wrong.push(format!("services/{service}: depends on the crate of {other}"));
        }
    }
    Ok(wrong)
}

/// Follows the gateway's dependencies through our own crates.
pub(super) fn gateway_has_no_database(workspace: &Workspace) -> Result<Vec<String>> {
    let mut manifests = BTreeMap::new();
    for member in workspace.members()? {
        let manifest = read(&workspace.root().join(&member).join("Cargo.toml"))?;
        let (name, dependencies) = dependencies(&manifest)?;
        manifests.insert(name, dependencies);
    }
    let reached = reachable(GATEWAY, &manifests);
    let wrong = DATABASE_CRATES.iter().filter(|krate| reached.contains(**krate));
    Ok(wrong.map(|krate| format!("{GATEWAY} reaches {krate}")).collect())
}

fn services(workspace: &Workspace) -> Result<Vec<String>> {
    let members = workspace.members()?;
    let names = members.iter().filter_map(|member| member.strip_prefix("services").ok());
    Ok(names.map(|name| name.to_string_lossy().into_owned()).collect())
}

fn owners(workspace: &Workspace, files: &[PathBuf]) -> Result<BTreeMap<String, String>> {
    let mut owners = BTreeMap::new();
    for file in files.iter().filter(|file| file.extension().is_some_and(|e| e == "proto")) {
        owners.extend(owned_services(&read(&workspace.root().join(file))?));
    }
    Ok(owners)
}

/// `service X { option (yard.access.v1.owner) = "y"; … }` gives X → y.
fn owned_services(proto: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut current = None;
    for line in proto.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix("service ") {
            current = rest.split([' ', '{']).next().map(str::to_owned);
        }
        if line.starts_with("option (yard.access.v1.owner)") {
            let owner = line.split('"').nth(1).map(str::to_owned);
            found.extend(current.take().zip(owner));
        }
    }
    found
}

/// The owners of the generated clients that a source file names.
fn called(text: &str, owners: &BTreeMap<String, String>) -> BTreeSet<String> {
    let words: BTreeSet<&str> = text.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    let uses = |service: &&String| words.contains(format!("{service}Client").as_str());
    owners.keys().filter(uses).filter_map(|service| owners.get(service)).cloned().collect()
}

fn depends_on_services(workspace: &Workspace, service: &str) -> Result<Vec<String>> {
    let path = workspace.join("services").join(service).join("Cargo.toml");
    let (_, dependencies) = dependencies(&read(&path)?)?;
    let all: BTreeSet<_> = services(workspace)?.into_iter().collect();
    Ok(dependencies.into_iter().filter(|name| all.contains(name)).collect())
}

fn dependencies(manifest: &str) -> Result<(String, BTreeSet<String>)> {
    let manifest: toml::Table = manifest.parse()?;
    let name = manifest
        .get("package")
        .and_then(|package| package.get("name"))
        .and_then(toml::Value::as_str)
        .context("a member without a package name")?;
    let listed = manifest.get("dependencies").and_then(toml::Value::as_table);
    let names = listed.map(|table| table.keys().cloned().collect()).unwrap_or_default();
    Ok((name.to_owned(), names))
}

fn reachable(from: &str, manifests: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from.to_owned()];
    while let Some(name) = open.pop() {
        for next in manifests.get(&name).into_iter().flatten() {
            if reached.insert(next.clone()) {
                open.push(next.clone());
            }
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROTO: &str = "
        service DeviceService {
          option (yard.access.v1.owner) = \"device-ingest\";
          rpc X(Y) returns (Z) {}
        }
        service SessionService {
          option (yard.access.v1.owner) = \"auth\";
        }";

    #[test]
    fn a_typed_client_of_another_service_is_an_edge() {
        let owners: BTreeMap<_, _> = owned_services(PROTO).into_iter().collect();
        assert_eq!(owners.len(), 2);
        let text = "use v1::device_service_client::DeviceServiceClient; // SessionServiceServer";
        assert_eq!(called(text, &owners), BTreeSet::from(["device-ingest".to_owned()]));
        assert!(called("DeviceServiceServer::new()", &owners).is_empty());
    }

    #[test]
    fn a_database_behind_two_crates_is_still_reached() {
        let edges = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
        let manifests = BTreeMap::from([
            ("api-gateway".to_owned(), edges(&["yard-authn"])),
            ("yard-authn".to_owned(), edges(&["yard-pg"])),
            ("yard-pg".to_owned(), edges(&["sqlx"])),
        ]);
        assert!(reachable("api-gateway", &manifests).contains("sqlx"));
    }

    #[test]
    fn development_dependencies_do_not_count() {
        let manifest = "[package]\nname='a'\n[dependencies]\nb.workspace=true\n\
                        [dev-dependencies]\nc.workspace=true";
        let (name, found) = dependencies(manifest).unwrap();
        assert_eq!((name.as_str(), found), ("a", BTreeSet::from(["b".to_owned()])));
    }
}
