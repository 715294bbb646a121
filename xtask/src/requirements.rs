//! The ledger of requirements: each id has a state, and what is called done has evidence.
//!
//! A row of `docs/requirements.md` is `| ID | state | evidence | note |`. Evidence is a list of
//! `` `path` `` or `` `path#needle` ``: the file must exist and contain the needle.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Result, bail};
use serde_json::json;

use crate::cli::Json;
use crate::say;
use crate::workspace::{Workspace, read};

const LEDGER: &str = "docs/requirements.md";
const SERIES: [(&str, u32); 5] =
    [("ICAS", 45), ("LMU", 96), ("WIFI", 77), ("HOT", 64), ("OSV", 75)];

/// Checks the ledger.
pub(crate) fn run(workspace: &Workspace, how: Json) -> Result<()> {
    let rows = rows(&read(&workspace.join(LEDGER))?);
    let mut wrong = complete(&rows);
    for row in &rows {
        wrong.extend(row.problems(&|path| fs::read_to_string(workspace.join(path)).ok()));
    }
    for problem in &wrong {
        say::note(format!("  ✗ {problem}"));
    }
    let count = |state| rows.iter().filter(|row| row.state == state).count();
    let (done, partial, open) = (count("done"), count("partial"), count("open"));
    say::note(format!("  requirements: {done} done, {partial} partial, {open} open"));
    if how.json {
        say::out(json!({"done": done, "partial": partial, "open": open, "wrong": wrong.len()}));
    }
    if wrong.is_empty() {
        return Ok(());
    }
    bail!("{} findings in {LEDGER}", wrong.len())
}

/// One line of the ledger.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    id: String,
    state: String,
    evidence: Vec<String>,
}

impl Row {
    fn problems(&self, content: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
        let id = &self.id;
        let mut wrong = Vec::new();
        match self.state.as_str() {
            "open" => {}
            "done" | "partial" if self.evidence.is_empty() => {
                wrong.push(format!("{id} is {} without evidence", self.state));
            }
            "done" | "partial" => {}
            other => wrong.push(format!("{id} has the state `{other}`, not done, partial or open")),
        }
        for evidence in &self.evidence {
            let (path, needle) = evidence.split_once('#').unwrap_or((evidence, ""));
            match content(path) {
                None => wrong.push(format!("{id}: there is no file `{path}`")),
                Some(text) if !text.contains(needle) => {
                    wrong.push(format!("{id}: `{path}` does not contain `{needle}`"));
                }
                Some(_) => {}
            }
        }
        wrong
    }
}

fn rows(ledger: &str) -> Vec<Row> {
    ledger.lines().filter_map(row).collect()
}

fn row(line: &str) -> Option<Row> {
    let mut cells = line.strip_prefix('|')?.split('|').map(str::trim);
    let id = cells.next()?;
    let (series, _) = id.split_once('-')?;
    if !SERIES.iter().any(|(known, _)| *known == series) {
        return None;
    }
    let state = cells.next().unwrap_or_default().to_owned();
    let quoted = cells.next().unwrap_or_default().split('`').skip(1).step_by(2);
    Some(Row { id: id.to_owned(), state, evidence: quoted.map(str::to_owned).collect() })
}

/// Every id once, and no id that does not exist.
fn complete(rows: &[Row]) -> Vec<String> {
    let mut seen: BTreeMap<String, u32> = SERIES
        .iter()
        .flat_map(|(series, last)| (1..=*last).map(move |n| (format!("{series}-{n:02}"), 0)))
        .collect();
    let mut wrong = Vec::new();
    for row in rows {
        match seen.get_mut(&row.id) {
            Some(count) => *count += 1,
            None => wrong.push(format!("{} is no requirement", row.id)),
        }
    }
    for (id, count) in seen.into_iter().filter(|(_, count)| *count != 1) {
        wrong.push(format!("{id} stands in the ledger {count} times, not once"));
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(path: &str) -> Option<String> {
        (path == "a.rs").then(|| "fn req_icas_01_x() {}".to_owned())
    }

    #[test]
    fn all_three_hundred_and_fifty_seven_ids_are_wanted_once() {
        assert_eq!(complete(&[]).len(), 357);
        let line = "| LMU-07 | open | | |";
        let twice = rows(&format!("{line}\n{line}\n| LMU-97 | open | | |"));
        let wrong = complete(&twice);
        assert!(wrong.contains(&"LMU-07 stands in the ledger 2 times, not once".to_owned()));
        assert!(wrong.contains(&"LMU-97 is no requirement".to_owned()));
    }

    #[test]
    fn evidence_must_exist_and_contain_its_needle() {
        let good = row("| ICAS-01 | done | `a.rs#req_icas_01_` | own deployments |").unwrap();
        assert_eq!(good.problems(&content), Vec::<String>::new());
        let gone = row("| ICAS-01 | partial | `b.rs`, `a.rs#req_icas_02_` | |").unwrap();
        assert_eq!(gone.problems(&content).len(), 2);
    }

    #[test]
    fn done_without_evidence_and_unknown_states_are_refused() {
        assert_eq!(row("| HOT-01 | done | | |").unwrap().problems(&content).len(), 1);
        assert_eq!(row("| HOT-01 | soon | | |").unwrap().problems(&content).len(), 1);
        assert_eq!(row("| ID | state | evidence | note |"), None);
    }
}
