use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use clap::Args;
use yard_audit::PublicKeys;
use yard_audit::export::{Checker, Verified};

use super::roots;
use crate::failure::{Failure, Outcome};
use crate::output::{Output, Table};

/// Arguments of `yard audit verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The export.
    #[arg(long, value_name = "FILE")]
    pub file: PathBuf,
    /// Public keys of the installation: `audit-keys.json` of `yard pki init`.
    #[arg(long, value_name = "FILE")]
    pub keys: PathBuf,
    /// Roots that were kept elsewhere (`yard audit roots`); the export's must be the same.
    #[arg(long, value_name = "FILE")]
    pub roots: Option<PathBuf>,
}

/// Checks a file, and fails at the first line that is not as it has to be.
pub fn verify(args: &VerifyArgs, out: Output) -> Outcome {
    let found = check_file(&args.file, &args.keys, args.roots.as_deref())?;
    out.answer(&found, |out| {
        let facts = [
            ("chain", found.chain.clone()),
            ("entries", format!("{} to {}", found.first_sequence, found.last_sequence)),
            ("last hash", found.last_hash.to_string()),
            ("signed roots", format!("{}, up to entry {}", found.roots, found.anchored_sequence)),
            ("erased", found.erased.to_string()),
            ("exported", found.exported_at.clone()),
        ];
        Table::facts(&facts).lines().iter().for_each(|line| out.line(line));
        out.line("nothing was changed, removed or added");
    });
    Ok(())
}

/// What an export shows, if it is whole.
///
/// # Errors
/// The line at which it is not.
pub fn check_file(file: &Path, keys: &Path, kept: Option<&Path>) -> Outcome<Verified> {
    let json = fs::read(keys).map_err(Failure::file(keys))?;
    let wrong =
        |problem: &dyn std::fmt::Display| Failure::other(format!("{}: {problem}", file.display()));
    let believed = PublicKeys::from_json(&json)
        .map_err(|problem| Failure::other(format!("{}: {problem}", keys.display())))?;
    let kept = kept.map(roots::read).transpose()?.unwrap_or_default();
    let mut checker = Checker::new(believed).against(kept);
    let reader = BufReader::new(File::open(file).map_err(Failure::file(file))?);
    for line in reader.lines() {
        checker.line(&line.map_err(Failure::file(file))?).map_err(|problem| wrong(&problem))?;
    }
    checker.finish().map_err(|problem| wrong(&problem))
}
