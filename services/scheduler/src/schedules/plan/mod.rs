//! When a schedule is due: pure, so that daylight saving can be tried out in a table.

use croner::Cron;
use croner::parser::{CronParser, Seconds};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use time::{Duration, OffsetDateTime};

/// Later than this is a catch-up and not the plan.
const PUNCTUAL: Duration = Duration::seconds(60);

/// A plan that cannot be followed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlanError {
    /// Not five cron fields.
    #[error("cron text {0:?} cannot be read")]
    Cron(String, #[source] croner::errors::CronError),
    /// Not an IANA name.
    #[error("there is no time zone {0:?}")]
    Zone(String, #[source] jiff::Error),
}

/// Five cron fields in a time zone.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    cron: Cron,
    zone: TimeZone,
}

/// Why a fire happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    Plan,
    CatchUp,
    ByHand,
}

impl Cause {
    /// As in rows and answers.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::CatchUp => "catch-up",
            Self::ByHand => "by hand",
        }
    }
}

/// What to do about a schedule that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Once, however many were missed: for the latest of them.
    Fire { planned_at: OffsetDateTime, cause: Cause },
    /// The latest is too long ago.
    Skip { planned_at: OffsetDateTime },
}

impl Plan {
    pub(crate) fn parse(cron: &str, zone: &str) -> Result<Self, PlanError> {
        let parser = CronParser::builder().seconds(Seconds::Disallowed).build();
        let parsed = parser.parse(cron).map_err(|e| PlanError::Cron(cron.to_owned(), e))?;
        let zone = TimeZone::get(zone).map_err(|e| PlanError::Zone(zone.to_owned(), e))?;
        Ok(Self { cron: parsed, zone })
    }

    /// The first time after `at`; `None` for a plan that never comes, such as 30 February.
    pub(crate) fn next_after(&self, at: OffsetDateTime) -> Option<OffsetDateTime> {
        let next = self.cron.find_next_occurrence(&self.zoned(at)?, false).ok()?;
        moment(&next)
    }

    /// The last time at or before `at`.
    fn last_until(&self, at: OffsetDateTime) -> Option<OffsetDateTime> {
        let last = self.cron.find_previous_occurrence(&self.zoned(at)?, true).ok()?;
        moment(&last)
    }

    /// `due` is not after `now`.
    pub(crate) fn decide(
        &self,
        due: OffsetDateTime,
        now: OffsetDateTime,
        starting_deadline: Duration,
    ) -> Decision {
        let planned_at = self.last_until(now).map_or(due, |last| last.max(due));
        let late = now - planned_at;
        if late > starting_deadline {
            return Decision::Skip { planned_at };
        }
        let cause = if late > PUNCTUAL { Cause::CatchUp } else { Cause::Plan };
        Decision::Fire { planned_at, cause }
    }

    /// Times of a plan are whole seconds; what lies between them decides nothing.
    fn zoned(&self, at: OffsetDateTime) -> Option<Zoned> {
        let second = Timestamp::from_second(at.unix_timestamp()).ok()?;
        Some(second.to_zoned(self.zone.clone()))
    }
}

fn moment(at: &Zoned) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp(at.timestamp().as_second()).ok()
}

#[cfg(test)]
mod tests;
