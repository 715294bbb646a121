use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use clap::Args;
use yard_export::{Checker, Verified};

use crate::failure::{Failure, Outcome};
use crate::output::{Output, Table};

/// Arguments of `yard tenants verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The export.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// Checks a file, and fails at the first thing that is not as it has to be.
pub fn verify(args: &VerifyArgs, out: Output) -> Outcome {
    let Verified { header, manifest } = check_file(&args.file)?;
    out.answer(&manifest, |out| {
        let mut table = Table::new(&["relation", "rows"]);
        for part in &manifest.relations {
            table.row(vec![part.relation.clone(), part.rows.to_string()]);
        }
        for left in &manifest.left_out {
            table.row(vec![left.relation.clone(), format!("left out: {}", left.reason)]);
        }
        table.lines().iter().for_each(|line| out.line(line));
        let facts = [
            ("tenant", format!("{} {}", header.slug, header.tenant_id)),
            ("taken", header.taken_at.clone()),
            ("digest", manifest.digest.clone()),
        ];
        Table::facts(&facts).lines().iter().for_each(|line| out.line(line));
        out.line("nothing was changed, removed or added");
    });
    Ok(())
}

/// What an export shows, if it is whole.
///
/// # Errors
/// Where it is not.
pub fn check_file(file: &Path) -> Outcome<Verified> {
    let wrong =
        |problem: yard_export::Problem| Failure::other(format!("{}: {problem}", file.display()));
    let mut checker = Checker::default();
    let reader = BufReader::new(File::open(file).map_err(Failure::file(file))?);
    for line in reader.lines() {
        checker.line(&line.map_err(Failure::file(file))?).map_err(wrong)?;
    }
    checker.finish().map_err(wrong)
}

#[cfg(test)]
mod tests {
    use yard_testkit::TestFolder;

    use super::*;

    #[test]
    fn file_that_is_no_export_is_named_with_the_reason() {
        let folder = TestFolder::new("tenants");
        let file = folder.join("no.ndjson");
        std::fs::write(&file, "{}\n").unwrap();
        let problem = check_file(&file).unwrap_err().to_string();
        assert!(problem.contains("no.ndjson") && problem.contains("first line"), "{problem}");
    }
}
