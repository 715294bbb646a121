use std::io;
use std::path::{Path, PathBuf};

use tokio::io::AsyncWriteExt as _;

/// The list as a file for a broker on the same machine.
#[derive(Debug, Clone)]
pub(super) struct ListFile {
    path: PathBuf,
    draft: PathBuf,
}

impl ListFile {
    /// `None` when no file is wanted. `instance` keeps two processes' drafts apart.
    pub(super) fn new(path: &Path, instance: &str) -> Option<Self> {
        let mut draft = path.file_name()?.to_owned();
        draft.push(format!(".{instance}.new"));
        Some(Self { path: path.to_owned(), draft: path.with_file_name(draft) })
    }

    /// Replaces the file as a whole: a broker that reads now gets the old list or the new one.
    pub(super) async fn replace(&self, pem: &str) -> io::Result<()> {
        let done = self.write_and_rename(pem).await;
        if done.is_err() {
            // What is left of the draft would only be in the way.
            drop(tokio::fs::remove_file(&self.draft).await);
        }
        done
    }

    async fn write_and_rename(&self, pem: &str) -> io::Result<()> {
        let mut file = tokio::fs::File::create(&self.draft).await?;
        file.write_all(pem.as_bytes()).await?;
        file.sync_all().await?;
        tokio::fs::rename(&self.draft, &self.path).await
    }
}
