//! Secrets in files that change while the service runs.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::{ConfigError, Runtime, TaskKind};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(5);

/// What tells one state of a file from another, without its content.
type Mark = Option<(u64, i64, i64, u64)>;

/// Calls `take` each time one of `files` was written or replaced, until the soft stop. The content
/// is not kept for comparing. What is wrong is logged once for each change; it is for `take` to
/// leave what was in force before then.
pub fn follow_files(
    runtime: &Runtime,
    name: &'static str,
    files: Vec<PathBuf>,
    mut take: impl FnMut() -> Result<(), ConfigError> + Send + 'static,
) {
    let stop = runtime.shutdown().soft().clone();
    let mut known = marks(&files);
    runtime.tasks().spawn(TaskKind::Background, name, async move {
        while stop.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_some() {
            let now = marks(&files);
            if now == known {
                continue;
            }
            known = now;
            match take() {
                Ok(()) => tracing::info!(secret = name, "changed files were taken"),
                Err(error) => tracing::warn!(secret = name, %error, "changed files were not taken"),
            }
        }
        Ok(())
    });
}

fn marks(files: &[PathBuf]) -> Vec<Mark> {
    files.iter().map(|file| mark(file)).collect()
}

/// Follows links: Kubernetes changes a mounted secret by pointing one at another folder.
fn mark(file: &Path) -> Mark {
    let of = |m: &Metadata| (m.ino(), m.mtime(), m.mtime_nsec(), m.size());
    std::fs::metadata(file).ok().as_ref().map(of)
}
