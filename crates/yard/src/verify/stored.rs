//! Which sequences of a run are stored.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::api::{Api, SequenceReport};
use crate::failure::Outcome;
use crate::ledger::DeviceRun;
use crate::sequences::Sequences;

/// The report names no more gaps than this.
const GAPS_IN_REPORT: usize = 100;

/// What the platform has of a run.
#[derive(Debug, Default)]
pub(super) struct Stored {
    pub(super) sequences: Sequences,
    pub(super) report: SequenceReport,
}

/// Asks for the report, and for the readings themselves where the report cannot tell all.
pub(super) async fn of(api: &Api, run: &DeviceRun) -> Outcome<Stored> {
    let report = api.sequence_report(run.device_id, run.epoch).await?;
    let sequences = match by_report(&report) {
        Some(sequences) => sequences,
        None => by_readings(api, run).await?,
    };
    Ok(Stored { sequences, report })
}

/// `None` when the gaps are cut off, or do not add up to what is stored.
pub(super) fn by_report(report: &SequenceReport) -> Option<Sequences> {
    if report.distinct_sequences == 0 {
        return Some(Sequences::default());
    }
    let whole: Sequences = vec![(report.first_sequence, report.last_sequence)].into();
    let gaps = report.gaps.iter().map(|gap| (gap.first_missing, gap.last_missing));
    let sequences = whole.without(&gaps.collect::<Vec<_>>().into());
    let told_all = report.gaps.len() < GAPS_IN_REPORT;
    (told_all && sequences.len() == report.distinct_sequences).then_some(sequences)
}

async fn by_readings(api: &Api, run: &DeviceRun) -> Outcome<Sequences> {
    // No reading of a run is older than the run.
    let from = begin(run.epoch).format(&Rfc3339).unwrap_or_default();
    let mut sequences = Sequences::default();
    let mut page = String::new();
    loop {
        let answer = api.readings(run.device_id, &from, &page).await?;
        let ours = answer.readings.iter().filter(|reading| reading.epoch == run.epoch);
        ours.for_each(|reading| sequences.insert(reading.sequence));
        page = answer.next_page_token;
        if page.is_empty() {
            return Ok(sequences);
        }
    }
}

/// The moment that an epoch names.
pub(super) fn begin(epoch: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(epoch) * 1_000_000)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}
