use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::{Deserialize, Serialize};
use yard_export::{Checker, Verified};

use crate::api::Api;
use crate::failure::{Failure, Outcome};
use crate::output::Output;

/// Arguments of `yard tenants export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// Where to; must not exist yet.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

#[derive(Serialize)]
struct Written<'a> {
    file: &'a Path,
    tenant_id: &'a str,
    rows: u64,
    digest: &'a str,
}

#[derive(Deserialize)]
struct Chunk {
    lines: Vec<String>,
}

pub(super) async fn run(args: &ExportArgs, api: &Api, out: Output) -> Outcome {
    if args.file.exists() {
        let text = format!("{} is there already", args.file.display());
        return Err(Failure::Usage(text));
    }
    // Only a whole export gets the name that was asked for.
    let partial = args.file.with_extension("partial");
    let Verified { header, manifest } = write(&partial, api).await?;
    fs::rename(&partial, &args.file).map_err(Failure::file(&args.file))?;
    let written = Written {
        file: &args.file,
        tenant_id: &header.tenant_id,
        rows: manifest.relations.iter().map(|part| part.rows).sum(),
        digest: &manifest.digest,
    };
    out.answer(&written, |out| {
        out.line(&format!("{} rows of {} in {}", written.rows, header.slug, args.file.display()));
        out.line(&format!("digest {}", written.digest));
    });
    Ok(())
}

async fn write(to: &Path, api: &Api) -> Outcome<Verified> {
    let mut options = File::options();
    options.write(true).create(true).truncate(true);
    // It holds everything the tenant has.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut writer = BufWriter::new(options.open(to).map_err(Failure::file(to))?);
    let mut chunks = api.events("/api/v1/organization/export").await?;
    let mut checker = Checker::default();
    let wrong = |problem: String| Failure::other(format!("the export is not whole: {problem}"));
    while let Some(data) = chunks.next_data().await? {
        let chunk: Chunk = serde_json::from_str(&data).map_err(|e| wrong(e.to_string()))?;
        for line in chunk.lines {
            checker.line(&line).map_err(|problem| wrong(problem.to_string()))?;
            writeln!(writer, "{line}").map_err(Failure::file(to))?;
        }
    }
    writer.flush().map_err(Failure::file(to))?;
    checker.finish().map_err(|problem| wrong(problem.to_string()))
}
