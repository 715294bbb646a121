use aws_lc_rs::digest::Context;
use serde::Serialize;

use crate::{Header, LeftOut, Manifest, Part, digest};

/// Makes the lines of an export, in order.
pub struct Writer {
    header: String,
    relations: Vec<Part>,
    at: Option<(String, u64, Context)>,
}

impl Writer {
    /// Begins; the first line is [`Writer::header`].
    ///
    /// # Errors
    /// Never for a header of texts.
    pub fn begin(header: &Header) -> serde_json::Result<Self> {
        Ok(Self { header: serde_json::to_string(header)?, relations: Vec::new(), at: None })
    }

    /// The first line, without its LF.
    #[must_use]
    pub fn header(&self) -> &str {
        &self.header
    }

    /// From here on rows are of this relation. It is in the manifest also when none comes.
    pub fn relation(&mut self, name: &str) {
        self.close();
        self.at = Some((name.to_owned(), 0, digest::begin()));
    }

    /// The line of a row that is JSON text already; empty before the first relation.
    pub fn row(&mut self, json: &str) -> String {
        let Some((name, rows, context)) = &mut self.at else { return String::new() };
        let line = format!("{{\"relation\":\"{name}\",\"row\":{json}}}");
        digest::add_line(context, &line);
        *rows += 1;
        line
    }

    /// The last line, with what it says.
    ///
    /// # Errors
    /// Never for texts.
    pub fn finish(mut self, left_out: Vec<LeftOut>) -> serde_json::Result<(String, Manifest)> {
        #[derive(Serialize)]
        struct Last<'a> {
            manifest: &'a Manifest,
        }
        self.close();
        let digest = digest::whole(&self.header, &self.relations, &left_out);
        let manifest = Manifest { relations: self.relations, left_out, digest };
        Ok((serde_json::to_string(&Last { manifest: &manifest })?, manifest))
    }

    fn close(&mut self) {
        if let Some((relation, rows, context)) = self.at.take() {
            self.relations.push(Part { relation, rows, sha256: digest::hex(context) });
        }
    }
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("relations", &self.relations).finish_non_exhaustive()
    }
}
