//! `yard devices import`: an inventory from a file, checked as a whole before anything is made.

mod csv;
mod rows;

use std::path::{Path, PathBuf};

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::find_contract;
use crate::api::Api;
use crate::failure::{Failure, Outcome};
use crate::output::{Output, Table};
use rows::Row;

const PATH: &str = "/api/v1/device-imports";
/// Far above an inventory of a hundred thousand devices.
const LARGEST_FILE: u64 = 32 * 1024 * 1024;

/// Arguments of `yard devices import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// Comma-separated values with the columns name, external_id and label.KEY, or JSON lines with
    /// name, external_id and labels (a name that ends in .jsonl or .ndjson).
    pub file: PathBuf,
    /// Id or name of the contract of all of them; of a name, the highest version.
    #[arg(long)]
    pub contract: String,
    /// Only says what would happen.
    #[arg(long)]
    pub dry_run: bool,
    /// They may enrol, once each, with their manufacturer's certificate; the external ids are the
    /// serial numbers in those.
    #[arg(long, conflicts_with = "expect_no_longer")]
    pub expect: bool,
    /// They may not any more, unless they have already.
    #[arg(long)]
    pub expect_no_longer: bool,
}

#[derive(Debug, Deserialize)]
struct Answer {
    verdicts: Vec<Verdict>,
    #[serde(default)]
    created: u64,
    #[serde(default)]
    existing: u64,
    #[serde(default)]
    committed: bool,
}

#[derive(Debug, Deserialize)]
struct Verdict {
    row: usize,
    #[serde(default)]
    code: String,
    #[serde(default)]
    pointer: String,
    #[serde(default)]
    detail: String,
}

/// A line of the file that cannot be.
#[derive(Debug, Serialize)]
struct Refused {
    line: usize,
    code: String,
    pointer: String,
    detail: String,
}

#[derive(Debug, Default, Serialize)]
struct Summary {
    created: u64,
    existing: u64,
    refused: Vec<Refused>,
    committed: bool,
}

/// Imports a file: tries all of it first, and makes it only if nothing is refused.
pub(super) async fn run(args: &ImportArgs, api: &Api, out: Output) -> Outcome {
    let rows = read(&args.file)?;
    let contract = find_contract(api, &args.contract).await?.contract_id.to_string();
    let wish = match (args.expect, args.expect_no_longer) {
        (true, _) => "FACTORY_ENROLMENT_EXPECTED",
        (_, true) => "FACTORY_ENROLMENT_WITHDRAWN",
        _ => "FACTORY_ENROLMENT_UNSPECIFIED",
    };
    let ask = async |part: &[Row], dry_run: bool| -> Outcome<Answer> {
        let body = json!({
            "contract_id": contract, "devices": part, "dry_run": dry_run,
            "factory_enrolment": wish,
        });
        api.post(PATH, &body).await
    };
    let mut summary = Summary::default();
    for part in rows::parts(&rows) {
        summary.add(part, ask(part, true).await?);
    }
    if summary.refused.is_empty() && !args.dry_run {
        summary = Summary { committed: true, ..Summary::default() };
        for part in rows::parts(&rows) {
            let answer = ask(part, false).await?;
            summary.committed &= answer.committed;
            summary.add(part, answer);
            if !summary.committed {
                break;
            }
        }
    }
    tell(&summary, args.dry_run, out)
}

impl Summary {
    fn add(&mut self, part: &[Row], answer: Answer) {
        self.created += answer.created;
        self.existing += answer.existing;
        let refused = answer.verdicts.into_iter().filter(|verdict| !verdict.code.is_empty());
        self.refused.extend(refused.map(|verdict| {
            let row = verdict.row.checked_sub(1).and_then(|index| part.get(index));
            Refused {
                line: row.map_or(0, |row| row.line),
                code: verdict.code,
                pointer: verdict.pointer,
                detail: verdict.detail,
            }
        }));
    }
}

fn tell(summary: &Summary, dry_run: bool, out: Output) -> Outcome {
    out.answer(summary, |out| {
        if !summary.refused.is_empty() {
            let mut table = Table::new(&["line", "where", "why"]);
            for refused in &summary.refused {
                let (line, at) = (refused.line.to_string(), refused.pointer.clone());
                table.row(vec![line, at, refused.detail.clone()]);
            }
            table.lines().iter().for_each(|line| out.line(line));
        }
        let Summary { created, existing, .. } = summary;
        let tried = dry_run || !summary.refused.is_empty();
        let verb = if summary.committed || !tried { "made" } else { "to be made" };
        out.line(&format!("{created} {verb}, {existing} there already"));
    });
    match summary.refused.len() {
        0 if summary.committed || dry_run => Ok(()),
        // Somebody made or changed a device between the trial and the import.
        0 => Err(Failure::other("not all of it was imported; import the file again")),
        count => {
            Err(Failure::other(format!("{count} lines are refused; nothing of them was made")))
        }
    }
}

fn read(path: &Path) -> Outcome<Vec<Row>> {
    let size = std::fs::metadata(path).map_err(Failure::file(path))?.len();
    if size > LARGEST_FILE {
        return Err(Failure::Usage(format!("{}: is larger than 32 MiB", path.display())));
    }
    let text = std::fs::read_to_string(path).map_err(Failure::file(path))?;
    let extension = path.extension().and_then(|extension| extension.to_str());
    let lines = matches!(extension, Some("jsonl" | "ndjson"));
    let read = if lines { rows::of_json_lines(&text) } else { rows::of_csv(&text) };
    let rows = read.and_then(rows::without_doubles);
    rows.map_err(|wrong| Failure::Usage(format!("{}: {wrong}", path.display())))
}
