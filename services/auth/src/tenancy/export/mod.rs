//! Everything a tenant has, as lines of JSON with a manifest at the end (format: `yard-export`).
//!
//! One transaction sees one moment of all tables and reads them row by row through a cursor that a
//! function of the database opens; auth itself may read none of them (ADR 0029).

mod store;

use std::collections::VecDeque;
use std::sync::Arc;

use futures::stream::{BoxStream, StreamExt as _, TryStreamExt as _, try_unfold};
use time::format_description::well_known::Rfc3339;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use yard_contracts::tenancy::v1::ExportChunk;
use yard_export::{FORMAT, Header, LeftOut, Writer};
use yard_fault::{Code, Fault};
use yard_ids::{Clock, IdSource, TenantId};
use yard_pg::{Actor, Pg, PlatformTx};

use store::Taken;

/// Each holds a connection for as long as its reader takes.
const AT_ONCE: usize = 2;
/// Bytes of lines in a chunk, about: a chunk ends with the line that passes it.
const CHUNK: usize = 256 * 1024;

pub(super) use store::is_recent;

/// Takes exports.
#[derive(Clone)]
pub(super) struct Exports {
    pg: Pg,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    slots: Arc<Semaphore>,
}

impl Exports {
    pub(super) fn new(pg: Pg, clock: Arc<dyn Clock>, ids: Arc<dyn IdSource>) -> Self {
        Self { pg, clock, ids, slots: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Begins one. It is read as its reader takes it, and kept as finished once the last chunk is
    /// on its way.
    ///
    /// # Errors
    /// `service.overloaded` while others are being read.
    pub(super) async fn begin(
        &self,
        tenant: TenantId,
        actor: Actor,
    ) -> Result<BoxStream<'static, Result<ExportChunk, Fault>>, Fault> {
        let slot = Arc::clone(&self.slots).try_acquire_owned();
        let slot = slot.map_err(|_taken| Fault::new(Code::ServiceOverloaded))?;
        let mut tx = PlatformTx::begin_snapshot(&self.pg, &actor).await?;
        store::be_patient(&mut tx).await?;
        let slug = store::slug(&mut tx, tenant).await?;
        let header = self.header(tenant, slug.ok_or_else(|| Fault::new(Code::TenantUnknown))?)?;
        let (exported, left): (Vec<_>, Vec<_>) =
            store::relations(&mut tx, tenant).await?.into_iter().partition(|r| r.exported);
        let left_out =
            left.into_iter().map(|r| LeftOut { relation: r.relation, reason: r.reason }).collect();
        let writer = Writer::begin(&header).map_err(unwritable)?;
        let first = ExportChunk { lines: vec![writer.header().to_owned()] };
        let export = Export {
            by: self.clone(),
            tenant,
            actor,
            ahead: exported.into_iter().map(|r| r.relation).collect(),
            left_out,
            open: false,
            records: 0,
            reading: Some(Reading { tx, writer, _slot: slot }),
        };
        let rest = try_unfold(export, |mut export| async move {
            Ok::<_, Fault>(export.next().await?.map(|chunks| (chunks, export)))
        });
        let rest = rest
            .map_ok(|chunks| futures::stream::iter(chunks.into_iter().map(Ok::<_, Fault>)))
            .try_flatten();
        Ok(futures::stream::once(async { Ok(first) }).chain(rest).boxed())
    }

    fn header(&self, tenant: TenantId, slug: String) -> Result<Header, Fault> {
        let now = self.clock.now().format(&Rfc3339);
        let taken_at = now.map_err(|e| Fault::internal("time of an export").with_source(e))?;
        let (format, tenant_id) = (FORMAT.to_owned(), tenant.to_string());
        Ok(Header { format, tenant_id, slug, taken_at })
    }
}

fn unwritable(error: serde_json::Error) -> Fault {
    Fault::internal("a line of an export").with_source(error)
}

/// What is held until the last row is read.
struct Reading {
    tx: PlatformTx,
    writer: Writer,
    _slot: OwnedSemaphorePermit,
}

/// Where an export is.
struct Export {
    by: Exports,
    tenant: TenantId,
    actor: Actor,
    ahead: VecDeque<String>,
    left_out: Vec<LeftOut>,
    /// Whether a relation is being read.
    open: bool,
    records: i64,
    /// `None` after the end.
    reading: Option<Reading>,
}

impl Export {
    async fn next(&mut self) -> Result<Option<Vec<ExportChunk>>, Fault> {
        loop {
            let Some(Reading { tx, writer, .. }) = &mut self.reading else { return Ok(None) };
            if !self.open {
                let Some(relation) = self.ahead.pop_front() else {
                    return Ok(Some(vec![self.end().await?]));
                };
                store::open(tx, self.tenant, &relation).await?;
                writer.relation(&relation);
                self.open = true;
            }
            let rows = store::fetch(tx).await?;
            if rows.is_empty() {
                store::close(tx).await?;
                self.open = false;
                continue;
            }
            self.records += i64::try_from(rows.len()).unwrap_or_default();
            return Ok(Some(chunks(rows.iter().map(|row| writer.row(row)))));
        }
    }

    async fn end(&mut self) -> Result<ExportChunk, Fault> {
        let over = || Fault::internal("an export ends twice");
        let Reading { tx, writer, .. } = self.reading.take().ok_or_else(over)?;
        tx.commit().await?;
        let left_out = std::mem::take(&mut self.left_out);
        let (line, manifest) = writer.finish(left_out).map_err(unwritable)?;
        let taken = Taken {
            id: self.by.ids.uuid7(),
            digest: &manifest.digest,
            records: self.records,
            by: &self.actor.to_string(),
            at: self.by.clock.now(),
        };
        let mut tx = PlatformTx::begin(&self.by.pg, &self.actor).await?;
        store::insert(&mut tx, self.tenant, &taken).await?;
        tx.commit().await?;
        Ok(ExportChunk { lines: vec![line] })
    }
}

/// Lines in pieces that fit into a message.
fn chunks(lines: impl Iterator<Item = String>) -> Vec<ExportChunk> {
    let (mut done, mut lines_of_one, mut size) = (Vec::new(), Vec::new(), 0);
    for line in lines {
        size += line.len();
        lines_of_one.push(line);
        if size >= CHUNK {
            done.push(ExportChunk { lines: std::mem::take(&mut lines_of_one) });
            size = 0;
        }
    }
    if !lines_of_one.is_empty() {
        done.push(ExportChunk { lines: lines_of_one });
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunk_ends_with_the_line_that_passes_its_size() {
        let sizes = |lines: &[usize]| -> Vec<usize> {
            let lines = lines.iter().map(|&size| "x".repeat(size));
            chunks(lines).into_iter().map(|chunk| chunk.lines.len()).collect()
        };
        assert_eq!(sizes(&[]), Vec::<usize>::new());
        assert_eq!(sizes(&[1, 1, 1]), [3]);
        assert_eq!(sizes(&[CHUNK - 1, 1, 1]), [2, 1]);
        assert_eq!(sizes(&[CHUNK, CHUNK * 2]), [1, 1]);
    }
}
