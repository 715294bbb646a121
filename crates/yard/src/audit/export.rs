use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use yard_audit::export::Line;

use super::place;
use crate::api::Api;
use crate::failure::{Failure, Outcome};
use crate::output::Output;

/// Arguments of `yard audit export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// Where to; must not exist yet.
    #[arg(long, value_name = "FILE")]
    pub file: PathBuf,
}

#[derive(Serialize)]
struct Written<'a> {
    file: &'a Path,
    entries: u64,
}

pub(super) async fn run(args: &ExportArgs, api: &Api, out: Output) -> Outcome {
    if args.file.exists() {
        let text = format!("{} is there already", args.file.display());
        return Err(Failure::Usage(text));
    }
    let path = format!("{}/export", place(api).await?);
    // Only a whole export gets the name that was asked for.
    let partial = args.file.with_extension("partial");
    let entries = write(&path, &partial, api).await?;
    fs::rename(&partial, &args.file).map_err(Failure::file(&args.file))?;
    let written = Written { file: &args.file, entries };
    out.answer(&written, |out| {
        out.line(&format!("{entries} entries in {}", args.file.display()));
    });
    Ok(())
}

async fn write(path: &str, to: &Path, api: &Api) -> Outcome<u64> {
    let file = Failure::file(to);
    let mut writer = BufWriter::new(File::create(to).map_err(file)?);
    let mut items = api.events(path).await?;
    let (mut entries, mut ended) = (0, false);
    while let Some(data) = items.next_data().await? {
        let line = Line::read(&data)
            .map_err(|problem| Failure::other(format!("an item of the export: {problem}")))?;
        entries += u64::from(matches!(line, Line::Event(_)));
        ended = matches!(line, Line::End(_));
        writeln!(writer, "{data}").map_err(Failure::file(to))?;
    }
    writer.flush().map_err(Failure::file(to))?;
    if ended { Ok(entries) } else { Err(Failure::other("the export broke off; try again")) }
}
