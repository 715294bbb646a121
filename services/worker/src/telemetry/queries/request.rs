//! What a request may ask for.

use prost_types::Timestamp;
use time::{Duration, OffsetDateTime};
use yard_contracts::values;
use yard_fault::Fault;
use yard_ids::DeviceId;

/// Partitions are kept for 90 days; a little more never asks for what is not there.
const LONGEST_RANGE: Duration = Duration::days(93);
const USUAL_RANGE: Duration = Duration::days(1);
const USUAL_BUCKETS: i32 = 500;
const MOST_BUCKETS: i32 = 2_000;
const LONGEST_METRIC: usize = 63;

/// From the first moment to before the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) from: OffsetDateTime,
    pub(super) to: OffsetDateTime,
}

impl Window {
    /// Missing: `to` is now, `from` is a day before `to`.
    pub(super) fn new(
        from: Option<&Timestamp>,
        to: Option<&Timestamp>,
        now: OffsetDateTime,
    ) -> Result<Self, Fault> {
        let to = moment("to", to)?.unwrap_or(now);
        let from = match moment("from", from)? {
            Some(from) => from,
            None => to.checked_sub(USUAL_RANGE).ok_or_else(|| not_a_moment("to"))?,
        };
        if from >= to {
            return Err(Fault::invalid("from has to lie before to").with_pointer("/from"));
        }
        Ok(Self { from, to })
    }

    /// Refuses what would read too many partitions at once.
    pub(super) fn at_most_kept(self) -> Result<Self, Fault> {
        if self.to - self.from > LONGEST_RANGE {
            return Err(Fault::invalid("a range is 93 days at most").with_pointer("/from"));
        }
        Ok(self)
    }

    /// The width of a bucket in microseconds: equal for all, at least one, and so that there are
    /// no more than asked for.
    pub(super) fn bucket_micros(self, buckets: i64) -> i64 {
        let whole = i64::try_from((self.to - self.from).whole_microseconds()).unwrap_or(i64::MAX);
        (whole.saturating_add(buckets - 1) / buckets).max(1)
    }
}

fn moment(name: &str, at: Option<&Timestamp>) -> Result<Option<OffsetDateTime>, Fault> {
    at.map(|at| values::moment(at).ok_or_else(|| not_a_moment(name))).transpose()
}

fn not_a_moment(name: &str) -> Fault {
    Fault::invalid(format!("{name} is no moment in time")).with_pointer(format!("/{name}"))
}

/// Takes the canonical spelling only.
pub(super) fn device(text: &str) -> Result<DeviceId, Fault> {
    text.parse().map_err(|_e| {
        Fault::invalid("device_id has to be a lower-case UUID with hyphens")
            .with_pointer("/device_id")
    })
}

/// `[A-Za-z_][A-Za-z0-9_]{0,62}`.
pub(super) fn metric(text: &str) -> Result<&str, Fault> {
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let goes_on = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if begins && goes_on && text.len() <= LONGEST_METRIC {
        return Ok(text);
    }
    Err(Fault::invalid("metric has to be a name of letters, digits and _, 63 at most")
        .with_pointer("/metric"))
}

/// 0 means the usual number.
pub(super) fn buckets(asked: i32) -> Result<i64, Fault> {
    match asked {
        0 => Ok(i64::from(USUAL_BUCKETS)),
        1..=MOST_BUCKETS => Ok(i64::from(asked)),
        _ => Err(Fault::invalid("buckets has to be 1 to 2000").with_pointer("/buckets")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(seconds).unwrap()
    }

    fn window(from: i64, to: i64) -> Window {
        Window { from: at(from), to: at(to) }
    }

    #[test]
    fn window_missing_ends_are_the_last_day() {
        let now = at(1_763_700_000);
        let made = Window::new(None, None, now).unwrap();
        assert_eq!(made, Window { from: now - Duration::days(1), to: now });
        let to = values::timestamp(at(86_400));
        assert_eq!(Window::new(None, Some(&to), now).unwrap(), window(0, 86_400));
    }

    #[test]
    fn window_backwards_empty_impossible_or_too_long_is_refused() {
        let (early, late) = (values::timestamp(at(10)), values::timestamp(at(20)));
        assert!(Window::new(Some(&late), Some(&early), at(0)).is_err());
        assert!(Window::new(Some(&late), Some(&late), at(0)).is_err());
        let impossible = Timestamp { seconds: i64::MAX, nanos: 0 };
        assert!(Window::new(None, Some(&impossible), at(0)).is_err());
        assert!(window(0, 94 * 86_400).at_most_kept().is_err());
        assert!(window(0, 93 * 86_400).at_most_kept().is_ok());
    }

    #[test]
    fn metric_names_are_plain_identifiers() {
        for good in ["t", "_x", "room_temperature2", &"a".repeat(63)] {
            assert!(metric(good).is_ok(), "{good}");
        }
        for bad in ["", "2t", "a-b", "a.b", "a'b", "ä", "a b", &"a".repeat(64)] {
            assert!(metric(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn buckets_edges() {
        assert_eq!((buckets(0).unwrap(), buckets(2_000).unwrap()), (500, 2_000));
        assert!(buckets(-1).is_err() && buckets(2_001).is_err());
    }

    proptest! {
        #[test]
        fn bucket_width_covers_the_window_in_no_more_than_asked(
            seconds in 1_i64..8_000_000, micros in 0_i64..1_000_000, asked in 1_i64..=2_000,
        ) {
            let mut window = window(0, seconds);
            window.to += Duration::microseconds(micros);
            let (whole, width) = (seconds * 1_000_000 + micros, window.bucket_micros(asked));
            prop_assert!(width >= 1);
            prop_assert!(width * asked >= whole);
        }
    }
}
