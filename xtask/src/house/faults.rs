//! Every error that leaves the platform is explained on a page.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Result, ensure};

use crate::workspace::{Workspace, read};

pub(super) fn codes_have_pages(workspace: &Workspace) -> Result<Vec<String>> {
    let codes = codes(&read(&workspace.join("crates/yard-fault/src/codes.rs"))?);
    ensure!(!codes.is_empty(), "no fault code found: has the list in yard-fault moved?");
    let pages = pages(workspace)?;
    let missing = codes.difference(&pages).map(|code| format!("docs/errors/{code}.md is missing"));
    let stale = pages.difference(&codes).filter(|page| *page != "README");
    let stale = stale.map(|page| format!("docs/errors/{page}.md explains no code"));
    Ok(missing.chain(stale).collect())
}

fn pages(workspace: &Workspace) -> Result<BTreeSet<String>> {
    let Ok(folder) = fs::read_dir(workspace.join("docs/errors")) else {
        return Ok(BTreeSet::new());
    };
    let mut pages = BTreeSet::new();
    for entry in folder {
        let name = entry?.file_name().to_string_lossy().into_owned();
        pages.extend(name.strip_suffix(".md").map(str::to_owned));
    }
    Ok(pages)
}

/// Lines of the form `Name = "some.code", Class, "Text.";`.
fn codes(source: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in source.lines().map(str::trim) {
        let Some((name, rest)) = line.split_once(" = \"") else {
            continue;
        };
        let is_name = !name.is_empty() && name.chars().all(char::is_alphanumeric);
        if let Some((code, _)) = rest.split_once("\", ").filter(|_| is_name) {
            found.insert(code.to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_from_the_list_and_nothing_else_is() {
        let source = "macro_rules! codes { ($($n:ident = $t:literal, $c:ident;)+) => {} }\n\
            codes! {\n    RouteNotFound = \"route.not_found\", NotFound, \"Nothing here.\";\n}\n\
            let x = \"y\";";
        assert_eq!(codes(source), BTreeSet::from(["route.not_found".to_owned()]));
    }
}
