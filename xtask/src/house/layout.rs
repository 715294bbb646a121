//! Lint tables, thin mains and file sizes.

use std::path::Path;

use anyhow::Result;

use crate::workspace::{Workspace, read};

const LONGEST_MAIN: usize = 12;
const LONGEST_FILE: usize = 600;
// Generated code decides its own style in the first; the second speaks C and has a stricter table.
const OWN_LINTS: [&str; 2] = ["crates/yard-contracts", "crates/yard-broker-plugin"];

pub(super) fn lints_inherited(workspace: &Workspace) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    for member in workspace.members()? {
        if OWN_LINTS.iter().any(|own| member == Path::new(own)) {
            continue;
        }
        let manifest = read(&workspace.root().join(&member).join("Cargo.toml"))?;
        if !inherits_lints(&manifest)? {
            wrong.push(format!("{}: add `[lints] workspace = true`", member.display()));
        }
    }
    Ok(wrong)
}

pub(super) fn mains_are_thin(workspace: &Workspace) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    for member in workspace.members()?.iter().filter(|member| member.starts_with("services")) {
        let main = workspace.root().join(member).join("src/main.rs");
        if main.is_file() {
            let lines = read(&main)?.lines().count();
            if lines > LONGEST_MAIN {
                wrong.push(format!("{}: {lines} lines in src/main.rs", member.display()));
            }
        }
    }
    Ok(wrong)
}

pub(super) fn files_are_short(workspace: &Workspace) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    for file in workspace.files()? {
        if !is_source(&file) {
            continue;
        }
        let lines = lines_without_tests(&read(&workspace.root().join(&file))?);
        if lines > LONGEST_FILE {
            wrong.push(format!("{}: {lines} lines", file.display()));
        }
    }
    Ok(wrong)
}

fn is_source(file: &Path) -> bool {
    let name = file.to_string_lossy();
    let written = [".rs", ".ts", ".vue", ".mjs", ".py", ".proto", ".sql"];
    // Types made from the OpenAPI document.
    written.iter().any(|end| name.ends_with(end)) && !name.ends_with("schema.d.ts")
}

fn inherits_lints(manifest: &str) -> Result<bool> {
    let manifest: toml::Table = manifest.parse()?;
    let workspace = manifest.get("lints").and_then(|lints| lints.get("workspace"));
    Ok(workspace.and_then(toml::Value::as_bool) == Some(true))
}

fn lines_without_tests(text: &str) -> usize {
    text.lines().take_while(|line| *line != "#[cfg(test)]").count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_without_the_workspace_lints_is_noticed() {
        assert!(inherits_lints("[package]\nname='x'\n[lints]\nworkspace = true").unwrap());
        assert!(!inherits_lints("[package]\nname='x'\n[lints.rust]\nunsafe_code='deny'").unwrap());
        assert!(!inherits_lints("[package]\nname='x'").unwrap());
    }

    #[test]
    fn tests_at_the_end_do_not_count_as_length() {
        assert_eq!(lines_without_tests("a\nb\n#[cfg(test)]\nmod tests {}\n"), 2);
    }

    #[test]
    fn generated_types_are_no_source() {
        assert!(is_source(Path::new("services/console/src/app/main.ts")));
        assert!(!is_source(Path::new("services/console/src/api/schema.d.ts")));
        assert!(!is_source(Path::new("Cargo.lock")));
    }
}
