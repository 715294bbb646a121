use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::{Deserialize, Serialize};
use yard_audit::Root;
use yard_audit::export::RootLine;

use crate::api::Api;
use crate::failure::{Failure, Outcome};
use crate::output::Output;

/// Arguments of `yard audit roots`.
#[derive(Debug, Args)]
pub struct RootsArgs {
    /// The file, one root on a line; made when missing.
    #[arg(long, value_name = "FILE")]
    pub file: PathBuf,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Page {
    roots: Vec<RootLine>,
    next_page_token: String,
}

#[derive(Serialize)]
struct Kept<'a> {
    file: &'a Path,
    added: usize,
}

pub(super) async fn run(args: &RootsArgs, api: &Api, out: Output) -> Outcome {
    let last = if args.file.exists() { read(&args.file)?.last().map(|r| r.number) } else { None };
    let last = last.unwrap_or(0);
    let (mut fresh, mut token) = (Vec::new(), String::new());
    loop {
        let query = [("page_size", "200".to_owned()), ("page_token", token)];
        let page: Page = api.get("/api/v1/audit/roots", &query).await?;
        let known = page.roots.iter().any(|root| root.number <= last);
        fresh.extend(page.roots.into_iter().filter(|root| root.number > last));
        token = page.next_page_token;
        if known || token.is_empty() {
            break;
        }
    }
    fresh.reverse();
    append(&args.file, &fresh)?;
    let kept = Kept { file: &args.file, added: fresh.len() };
    out.answer(&kept, |out| {
        out.line(&format!("{} roots added to {}", kept.added, args.file.display()));
    });
    Ok(())
}

fn append(file: &Path, roots: &[RootLine]) -> Outcome {
    let mut open = fs::OpenOptions::new().create(true).append(true).open(file);
    let open = open.as_mut().map_err(|e| Failure::other(format!("{}: {e}", file.display())))?;
    for root in roots {
        let line = serde_json::to_string(root).map_err(|e| Failure::other(e.to_string()))?;
        writeln!(open, "{line}").map_err(Failure::file(file))?;
    }
    Ok(())
}

/// The roots of a file, oldest first.
pub(super) fn read(file: &Path) -> Outcome<Vec<Root>> {
    let text = fs::read_to_string(file).map_err(Failure::file(file))?;
    let wrong = || Failure::other(format!("{} is no file of roots", file.display()));
    let root = |line: &str| {
        let line: RootLine = serde_json::from_str(line).map_err(|_not_one| wrong())?;
        line.root().ok_or_else(wrong)
    };
    text.lines().map(root).collect()
}
