use std::sync::Arc;
use std::time::{Duration, Instant};

use prost::Message as _;
use yard_contracts::realtime::v1::{InspectionQuery, InspectionReport, InstanceCoverage};
use yard_contracts::subjects;
use yard_fault::{Code, Fault};
use yard_ids::Clock;
use yard_messaging::Nats;

use super::pulse::{Pace, SHOWN};
use crate::presence::Rosters;

/// Instances answer from memory; one that takes longer is left out, and the answer says so.
const PATIENCE: Duration = Duration::from_millis(400);

/// Asks every instance. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Gatherer {
    nats: Nats,
    rosters: Rosters,
    clock: Arc<dyn Clock>,
    pace: Pace,
}

/// What the instances told.
pub(super) struct Gathered {
    pub(super) reports: Vec<InspectionReport>,
    pub(super) coverage: InstanceCoverage,
    /// The first interval that is shown.
    first: u64,
}

impl Gatherer {
    pub(crate) fn new(nats: Nats, rosters: Rosters, clock: Arc<dyn Clock>, pace: Pace) -> Self {
        Self { nats, rosters, clock, pace }
    }

    /// Answers as soon as all have answered that are alive.
    pub(super) async fn ask(&self, query: &InspectionQuery) -> Result<Gathered, Fault> {
        if !self.nats.is_connected() {
            return Err(Code::ServiceUnavailable.into());
        }
        let now = self.clock.now();
        let known = match self.rosters.alive(now).await {
            Ok(known) => known,
            Err(error) => {
                tracing::debug!(error = %error, "how many instances there are is not known");
                0
            }
        };
        let most = if known == 0 { usize::MAX } else { known };
        let subject = subjects::LIVE_INSPECTION.to_owned();
        let asked = self.nats.ask_all(subject, query.encode_to_vec().into(), most, PATIENCE);
        let answers =
            asked.await.map_err(|e| Fault::new(Code::ServiceUnavailable).with_source(e))?;
        let reports: Vec<InspectionReport> = answers
            .into_iter()
            .filter_map(|answer| match InspectionReport::decode(answer) {
                Ok(report) => Some(report),
                Err(error) => {
                    tracing::warn!(error = %error, "an instance's report is not readable");
                    None
                }
            })
            .collect();
        let coverage =
            InstanceCoverage { answered: count(reports.len() as u64), known: count(known as u64) };
        let interval = self.pace.interval(Instant::now());
        Ok(Gathered { reports, coverage, first: interval.saturating_sub(SHOWN as u64) })
    }
}

impl Gathered {
    /// A number that each instance has its own part of.
    pub(super) fn sum(&self, part: impl Fn(&InspectionReport) -> u32) -> i32 {
        count(self.reports.iter().map(|report| u64::from(part(report))).sum())
    }

    /// Counts that each instance has its own part of.
    pub(super) fn add_up(&self, part: impl Fn(&InspectionReport) -> &[u32]) -> Vec<i32> {
        let mut sums = [0_u64; SHOWN];
        for report in &self.reports {
            for (sum, part) in sums.iter_mut().zip(self.aligned(report, part(report))) {
                *sum += u64::from(part);
            }
        }
        sums.map(count).to_vec()
    }

    /// The counts of one of the channels that were asked for. Every instance where somebody is in it
    /// hears all that is said: the largest number is the whole one.
    pub(super) fn of_channel(&self, index: usize) -> Vec<i32> {
        let mut most = [0_u32; SHOWN];
        for report in &self.reports {
            let its = report.channels.iter().find(|pulse| pulse.index as usize == index);
            let Some(pulse) = its else { continue };
            for (most, part) in most.iter_mut().zip(self.aligned(report, &pulse.messages)) {
                *most = part.max(*most);
            }
        }
        most.map(|most| count(u64::from(most))).to_vec()
    }

    /// Counts of an instance whose clock may be one interval off, in the intervals that are shown.
    fn aligned(&self, report: &InspectionReport, counts: &[u32]) -> [u32; SHOWN] {
        std::array::from_fn(|at| {
            let place = (self.first + at as u64).checked_sub(report.interval);
            let place = place.and_then(|place| usize::try_from(place).ok());
            place.and_then(|place| counts.get(place)).copied().unwrap_or(0)
        })
    }
}

/// For the wire, whose whole numbers are signed.
pub(super) fn count(number: u64) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use yard_contracts::realtime::v1::ChannelPulse;

    use super::*;

    fn counts(last: &[u32]) -> Vec<u32> {
        let mut all = vec![0; SHOWN - last.len()];
        all.extend(last);
        all
    }

    fn gathered(reports: Vec<InspectionReport>) -> Gathered {
        Gathered { reports, coverage: InstanceCoverage::default(), first: 100 }
    }

    fn report(interval: u64, last: &[u32]) -> InspectionReport {
        let pulse = ChannelPulse { index: 1, messages: counts(last) };
        let (published, channels) = (counts(last), vec![pulse]);
        InspectionReport { interval, published, channels, sockets: 2, ..Default::default() }
    }

    #[test]
    fn parts_are_added_and_what_all_hear_is_taken_once() {
        let both = gathered(vec![report(100, &[3, 1]), report(100, &[2, 4])]);
        assert_eq!(both.add_up(|report| &report.published)[10..], [5, 5]);
        assert_eq!(both.of_channel(1)[10..], [3, 4]);
        assert_eq!(both.of_channel(0), [0; SHOWN]);
        assert_eq!(both.sum(|report| report.sockets), 4);
    }

    #[test]
    fn instance_whose_clock_is_an_interval_off_counts_in_the_same_intervals() {
        let ahead = gathered(vec![report(101, &[3, 1])]);
        assert_eq!(ahead.add_up(|report| &report.published)[9..], [0, 0, 3]);
        let behind = gathered(vec![report(99, &[3, 1])]);
        assert_eq!(behind.add_up(|report| &report.published)[9..], [3, 1, 0]);
        let foreign = gathered(vec![report(0, &[3, 1]), report(u64::MAX, &[3, 1])]);
        assert_eq!(foreign.add_up(|report| &report.published), [0; SHOWN]);
    }
}
