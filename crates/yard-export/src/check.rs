use std::collections::HashMap;

use aws_lc_rs::digest::Context;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::{FORMAT, Header, Manifest, Part, digest};

/// Where and why an export is not whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Not a line of this format.
    #[error("line {0} is no line of an export")]
    Unreadable(u64),
    /// Begins with something else, or with a version that is not known here.
    #[error("the first line is not that of an export of {FORMAT}")]
    Header,
    /// A relation's rows do not follow each other.
    #[error("line {0}: {1} comes a second time")]
    Again(u64, String),
    /// There is more behind the manifest.
    #[error("line {0} comes after the end")]
    AfterEnd(u64),
    /// The file ends before the manifest.
    #[error("the end is missing: the export broke off")]
    Broken,
    /// Rows differ from what the manifest says.
    #[error("{0} is not what the manifest says: rows are changed, missing or added")]
    Relation(String),
    /// The manifest differs from its own digest.
    #[error("the manifest is not that of its digest")]
    Digest,
}

/// What a whole export shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The first line.
    pub header: Header,
    /// The last line.
    pub manifest: Manifest,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    relation: Option<String>,
    row: Option<IgnoredAny>,
    manifest: Option<Manifest>,
}

/// Reads an export line by line.
#[derive(Default)]
pub struct Checker {
    lines: u64,
    header: Option<(String, Header)>,
    seen: HashMap<String, Part>,
    at: Option<(String, u64, Context)>,
    manifest: Option<Manifest>,
}

impl Checker {
    /// The next line, without its LF.
    ///
    /// # Errors
    /// At the first line that does not belong where it stands.
    pub fn line(&mut self, line: &str) -> Result<(), Problem> {
        self.lines += 1;
        if self.manifest.is_some() {
            return Err(Problem::AfterEnd(self.lines));
        }
        if self.header.is_none() {
            let header: Header = serde_json::from_str(line).map_err(|_not_one| Problem::Header)?;
            if header.format != FORMAT {
                return Err(Problem::Header);
            }
            self.header = Some((line.to_owned(), header));
            return Ok(());
        }
        let unreadable = Problem::Unreadable(self.lines);
        match serde_json::from_str(line).map_err(|_not_one| unreadable.clone())? {
            Line { relation: Some(relation), row: Some(_), manifest: None } => {
                self.row(relation, line)
            }
            Line { relation: None, row: None, manifest: Some(manifest) } => {
                self.close();
                self.manifest = Some(manifest);
                Ok(())
            }
            Line { .. } => Err(unreadable),
        }
    }

    fn row(&mut self, relation: String, line: &str) -> Result<(), Problem> {
        if self.at.as_ref().is_none_or(|(at, ..)| *at != relation) {
            self.close();
            if self.seen.contains_key(&relation) {
                return Err(Problem::Again(self.lines, relation));
            }
            self.at = Some((relation, 0, digest::begin()));
        }
        if let Some((_, rows, context)) = &mut self.at {
            digest::add_line(context, line);
            *rows += 1;
        }
        Ok(())
    }

    fn close(&mut self) {
        if let Some((relation, rows, context)) = self.at.take() {
            let part = Part { relation: relation.clone(), rows, sha256: digest::hex(context) };
            self.seen.insert(relation, part);
        }
    }

    /// After the last line.
    ///
    /// # Errors
    /// When what was read does not agree.
    pub fn finish(mut self) -> Result<Verified, Problem> {
        let (line, header) = self.header.take().ok_or(Problem::Header)?;
        let manifest = self.manifest.take().ok_or(Problem::Broken)?;
        for part in &manifest.relations {
            let found = self.seen.remove(&part.relation);
            let nothing = || Part {
                relation: part.relation.clone(),
                rows: 0,
                sha256: digest::hex(digest::begin()),
            };
            if found.unwrap_or_else(nothing) != *part {
                return Err(Problem::Relation(part.relation.clone()));
            }
        }
        if let Some(stray) = self.seen.into_keys().min() {
            return Err(Problem::Relation(stray));
        }
        if digest::whole(&line, &manifest.relations, &manifest.left_out) != manifest.digest {
            return Err(Problem::Digest);
        }
        Ok(Verified { header, manifest })
    }
}

impl std::fmt::Debug for Checker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Checker").field("lines", &self.lines).finish_non_exhaustive()
    }
}
