//! A tenant's export: its format, written line by line and checked without asking anyone. No I/O.
//!
//! One JSON object on each line, each line ended by LF:
//! 1. `{"format": "switchyard-tenant-export/1", "tenant_id", "slug", "taken_at"}`
//! 2. `{"relation", "row"}` for every row; the rows of one relation follow each other.
//! 3. `{"manifest": {"relations": [{"relation", "rows", "sha256"}], "left_out": [{"relation",
//!    "reason"}], "digest"}}`
//!
//! `sha256` is over the relation's lines as they stand, with their LF. `digest` is the SHA-256 of
//! the first line with its LF, then for each relation in the manifest's order
//! `relation TAB rows TAB sha256 LF`, then for each that was left out `- TAB relation LF`. Hashes are
//! lower-case hexadecimal. A file is whole if its last line is the manifest and all of it agrees.

mod check;
mod digest;
mod write;

pub use check::{Checker, Problem, Verified};
pub use write::Writer;

use serde::{Deserialize, Serialize};

/// The value of `format`.
pub const FORMAT: &str = "switchyard-tenant-export/1";

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// [`FORMAT`]
    pub format: String,
    /// The tenant, hyphenated.
    pub tenant_id: String,
    /// Its short name.
    pub slug: String,
    /// RFC 3339; every row is as it was at one moment near it.
    pub taken_at: String,
}

/// What a relation has in the export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// `tenant.<table>` for the tenant's own schema, else schema and table.
    pub relation: String,
    /// Lines.
    pub rows: u64,
    /// Over the lines.
    pub sha256: String,
}

/// A relation that holds rows of the tenant and is not in the export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Schema and table.
    pub relation: String,
    /// For people.
    pub reason: String,
}

/// What the last line says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// In the order of the file.
    pub relations: Vec<Part>,
    /// In any order.
    pub left_out: Vec<LeftOut>,
    /// Names the export.
    pub digest: String,
}

#[cfg(test)]
mod tests;
