use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, Span};
use yard_fault::{Code, Fault};
use yard_ids::{Clock, IdSource};
use yard_messaging::{BatchHandler, Delivery, Nats, Outcome};
use yard_pg::{Pg, PgError};
use yard_runtime::{Runtime, trace};

use super::gate::Gate;
use super::live::Conflation;
use super::metrics::Meters;
use super::row::Row;
use super::{notify, store};
use crate::telemetry::partitions;

/// Spans of one batch at most: sampling keeps them few, a flood must not make them many.
const MOST_SPANS: usize = 32;
/// SQLSTATE of a row for which no partition exists (and of check constraints, which we have none).
const NO_PARTITION: &str = "23514";

/// What all writers of a process share.
pub(super) struct Shared {
    gate: Gate,
    conflation: Conflation,
}

impl Shared {
    pub(super) fn new(live_per_second: u32) -> Self {
        Self { gate: Gate::default(), conflation: Conflation::new(live_per_second) }
    }
}

/// Stores batches of records.
pub struct Writer {
    pg: Pg,
    nats: Nats,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    stop: CancellationToken,
    shared: Arc<Shared>,
    patience: Duration,
    meters: Meters,
}

/// What became of one row.
enum Verdict {
    Stored,
    Poison(Fault),
    Later,
}

impl Writer {
    pub(super) fn new(
        pg: &Pg,
        nats: &Nats,
        rt: &Runtime,
        shared: Arc<Shared>,
        patience: Duration,
    ) -> Self {
        Self {
            pg: pg.clone(),
            nats: nats.clone(),
            clock: rt.clock(),
            ids: rt.ids(),
            stop: rt.shutdown().soft().clone(),
            shared,
            patience,
            meters: Meters::new(),
        }
    }

    /// Writes sorted rows and finds a verdict for each. Ranges that the database refuses are
    /// halved until the rows at fault stand alone.
    async fn write(&self, rows: &[Row]) -> Vec<Verdict> {
        let mut verdicts: Vec<Verdict> = rows.iter().map(|_row| Verdict::Later).collect();
        let until = Instant::now() + self.patience;
        let mut partitions_ensured = false;
        let mut open: Vec<Range<usize>> = std::iter::once(0..rows.len()).collect();
        while let Some(range) = open.pop() {
            let Some(part) = rows.get(range.clone()).filter(|part| !part.is_empty()) else {
                continue;
            };
            match self.insert_patiently(part, until).await {
                Ok(()) => set(&mut verdicts, range, |_| Verdict::Stored),
                Err(error) if is_no_partition(&error) && !partitions_ensured => {
                    partitions_ensured = true;
                    self.ensure_partitions().await;
                    open.push(range);
                }
                Err(error) if !is_refusal(&error) => return verdicts,
                Err(error) if part.len() == 1 => {
                    set(&mut verdicts, range, |_| Verdict::Poison(poison(&error)));
                    self.meters.poison();
                }
                Err(_) => {
                    let middle = range.start + part.len() / 2;
                    open.push(middle..range.end);
                    open.push(range.start..middle);
                }
            }
        }
        verdicts
    }

    /// Tries until the database answers, but gives the batch back in time for its acknowledgement.
    async fn insert_patiently(&self, rows: &[Row], until: Instant) -> Result<(), PgError> {
        loop {
            let begun = Instant::now();
            match store::insert(&self.pg, rows).await {
                Ok(new) => {
                    self.shared.gate.opened();
                    let took = begun.elapsed().as_secs_f64();
                    self.meters.committed(rows, new, took, self.clock.now());
                    return Ok(());
                }
                Err(error) if is_refusal(&error) => {
                    self.shared.gate.opened();
                    return Err(error);
                }
                Err(error) => {
                    self.meters.waited();
                    self.shared.gate.failed();
                    let rows = rows.len();
                    tracing::warn!(error = %error, rows, "readings wait for the database");
                    if !self.shared.gate.pass(until, &self.stop).await {
                        return Err(error);
                    }
                }
            }
        }
    }

    async fn ensure_partitions(&self) {
        match partitions::ensure(&self.pg).await {
            Ok(made) => tracing::warn!(made, "a partition was missing; asked for all of them"),
            Err(error) => tracing::warn!(error = %error, "partitions could not be ensured"),
        }
    }

    /// 1 to 5 s, so that what failed together does not come back together.
    fn later(&self) -> Outcome {
        let chance = self.ids.uuid7().as_u128() % 4_000;
        Outcome::Later(Duration::from_millis(1_000 + u64::try_from(chance).unwrap_or(0)))
    }

    async fn store_rows(&self, rows: &[Row], outcomes: &mut [Option<Outcome>]) {
        let verdicts = self.write(rows).await;
        let mut stored = Vec::with_capacity(rows.len());
        for (row, verdict) in rows.iter().zip(verdicts) {
            let outcome = match verdict {
                Verdict::Stored => {
                    stored.push(row);
                    Outcome::Done
                }
                Verdict::Poison(fault) => Outcome::Failed(fault),
                Verdict::Later => self.later(),
            };
            if let Some(slot) = outcomes.get_mut(row.index) {
                *slot = Some(outcome);
            }
        }
        // Almost always everything, and then nothing is copied.
        if stored.len() == rows.len() {
            notify::tell(&self.nats, &self.shared.conflation, rows).await;
        } else {
            let stored: Vec<Row> = stored.into_iter().cloned().collect();
            notify::tell(&self.nats, &self.shared.conflation, &stored).await;
        }
    }
}

impl BatchHandler for Writer {
    async fn handle(&mut self, batch: &[Delivery]) -> Vec<Outcome> {
        let mut outcomes: Vec<Option<Outcome>> = Vec::with_capacity(batch.len());
        let mut rows = Vec::with_capacity(batch.len());
        for (index, delivery) in batch.iter().enumerate() {
            match Row::read(index, delivery) {
                Ok(row) => {
                    rows.push(row);
                    outcomes.push(None);
                }
                Err(fault) => {
                    self.meters.poison();
                    outcomes.push(Some(Outcome::Failed(fault)));
                }
            }
        }
        rows.sort_unstable_by_key(Row::key);
        let spans = spans(batch, rows.len());
        // The database's own work belongs to the first; the others show that they shared it.
        let span = spans.first().cloned().unwrap_or_else(Span::none);
        self.store_rows(&rows, &mut outcomes).instrument(span).await;
        drop(spans);
        outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(|| self.later())).collect()
    }
}

/// One span for each sampled record, which goes on with the trace that came with it.
fn spans(batch: &[Delivery], rows: usize) -> Vec<Span> {
    let sampled = batch.iter().filter_map(|delivery| {
        let parent = delivery.traceparent.as_deref()?;
        let span = tracing::info_span!(
            "store telemetry",
            db.system = "postgresql",
            messaging.destination = delivery.subject.as_str(),
            messaging.batch_rows = rows,
        );
        trace::continue_from(&span, Some(parent));
        Some(span)
    });
    sampled.take(MOST_SPANS).collect()
}

fn set(verdicts: &mut [Verdict], range: Range<usize>, make: impl Fn(usize) -> Verdict) {
    let start = range.start;
    for (offset, slot) in verdicts.get_mut(range).into_iter().flatten().enumerate() {
        *slot = make(start + offset);
    }
}

/// The values are at fault, and not the moment.
const fn is_refusal(error: &PgError) -> bool {
    matches!(error, PgError::Refused(_) | PgError::Taken { .. })
}

fn is_no_partition(error: &PgError) -> bool {
    store::sqlstate(error).as_deref() == Some(NO_PARTITION)
}

fn poison(error: &PgError) -> Fault {
    let state = store::sqlstate(error).unwrap_or_default();
    if state == NO_PARTITION {
        return Fault::new(Code::TelemetryTimestampSkewed)
            .with_detail("no partition for the day of the reading (SQLSTATE 23514)");
    }
    let source = match error {
        PgError::Refused(source) | PgError::Taken { source, .. } => source.to_string(),
        other => other.to_string(),
    };
    Fault::new(Code::TelemetryContractViolated).with_detail(format!("SQLSTATE {state}: {source}"))
}
