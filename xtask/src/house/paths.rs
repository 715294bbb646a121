//! Nothing in the tree may only work on the machine that it was written on.

use anyhow::Result;

use crate::workspace::Workspace;

// Written apart, so that this file does not find itself.
const HOMES: [(&str, &str); 4] = [("/ho", "me/"), ("/ro", "ot/"), ("/wo", "rk/"), ("/Us", "ers/")];

pub(super) fn no_machine_paths(workspace: &Workspace) -> Result<Vec<String>> {
    let homes: Vec<String> = HOMES.iter().map(|(a, b)| format!("{a}{b}")).collect();
    let mut wrong = Vec::new();
    for file in workspace.files()? {
        let Ok(text) = std::fs::read_to_string(workspace.root().join(&file)) else {
            continue; // not text
        };
        for (index, line) in text.lines().enumerate() {
            if homes.iter().any(|home| names_path(line, home)) {
                wrong.push(format!("{}:{}", file.display(), index + 1));
            }
        }
    }
    Ok(wrong)
}

/// The path stands alone: `https://host/home/x` and `../root/x` are no machine paths.
fn names_path(line: &str, home: &str) -> bool {
    line.match_indices(home).any(|(at, _)| {
        let before = line.get(..at).and_then(|head| head.chars().next_back());
        let after = line.get(at + home.len()..).and_then(|tail| tail.chars().next());
        let alone = before.is_none_or(|c| !c.is_alphanumeric() && !"/._-}$".contains(c));
        alone && after.is_some_and(|c| c.is_ascii_lowercase())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_absolute_paths_of_people_are_found() {
        let home = format!("{}{}", HOMES[0].0, HOMES[0].1);
        assert!(names_path(&format!("dir = \"{home}anna/x\""), &home));
        assert!(names_path(&format!("{home}anna"), &home));
        assert!(!names_path(&format!("https://example.org{home}page"), &home));
        assert!(!names_path(&format!("below {home} and others"), &home));
    }
}
