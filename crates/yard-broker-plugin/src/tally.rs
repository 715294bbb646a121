//! Refusals since the last report, in bounded room.

use std::fmt::Write as _;

use crate::handshake::Reason;
use crate::json;
use crate::rules::Access;

/// Rows of one report. What does not fit is counted together.
pub(crate) const MOST_ROWS: usize = 256;
/// Bytes kept of a topic as an example.
const LONGEST_SAMPLE: usize = 128;
/// Longer than any address.
const LONGEST_SOURCE: usize = 64;

#[derive(Debug, PartialEq, Eq)]
struct Row {
    key: Key,
    count: u64,
    /// One topic of those refused.
    sample: Vec<u8>,
}

#[derive(Debug, PartialEq, Eq)]
enum Key {
    Topic(Vec<u8>, Access),
    Certificate(Vec<u8>, Reason),
}

impl Key {
    fn is_topic(&self, identity: &[u8], access: Access) -> bool {
        matches!(self, Self::Topic(who, how) if *how == access && who == identity)
    }

    fn is_certificate(&self, source: &[u8], reason: Reason) -> bool {
        matches!(self, Self::Certificate(from, why) if *why == reason && from == source)
    }
}

/// Counts by device and access, and by source and reason.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    rows: Vec<Row>,
    /// Where the last refusal was counted: a flood comes from one place.
    last: usize,
    more_topics: u64,
    more_certificates: u64,
}

impl Tally {
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.more_topics == 0 && self.more_certificates == 0
    }

    /// A device was refused a topic. An identity that is no device's is left out of the report.
    pub(crate) fn topic(&mut self, identity: &[u8], topic: &[u8], access: Access) {
        if let Some(row) = self.find(|key| key.is_topic(identity, access)) {
            row.count += 1;
        } else if self.rows.len() < MOST_ROWS {
            let sample = topic.get(..LONGEST_SAMPLE).unwrap_or(topic).to_vec();
            self.add(Key::Topic(identity.to_vec(), access), sample);
        } else {
            self.more_topics += 1;
        }
    }

    /// A connection was refused for its certificate.
    pub(crate) fn certificate(&mut self, source: &[u8], reason: Reason) {
        let source = source.get(..LONGEST_SOURCE).unwrap_or(source);
        if let Some(row) = self.find(|key| key.is_certificate(source, reason)) {
            row.count += 1;
        } else if self.rows.len() < MOST_ROWS {
            self.add(Key::Certificate(source.to_vec(), reason), Vec::new());
        } else {
            self.more_certificates += 1;
        }
    }

    fn find(&mut self, is_it: impl Fn(&Key) -> bool) -> Option<&mut Row> {
        let at = match self.rows.get(self.last) {
            Some(row) if is_it(&row.key) => self.last,
            _ => self.rows.iter().position(|row| is_it(&row.key))?,
        };
        self.last = at;
        self.rows.get_mut(at)
    }

    fn add(&mut self, key: Key, sample: Vec<u8>) {
        self.last = self.rows.len();
        self.rows.push(Row { key, count: 1, sample });
    }

    /// Everything as JSON; the count begins anew.
    pub(crate) fn take(&mut self) -> String {
        let taken = std::mem::take(self);
        let mut out = String::from("{\"topics\":[");
        let topics = taken.rows.iter().filter_map(|row| match &row.key {
            Key::Topic(identity, access) => Some((row, identity, access)),
            Key::Certificate(..) => None,
        });
        for (at, (row, identity, access)) in topics.enumerate() {
            out.push_str(if at == 0 { "{\"device\":" } else { ",{\"device\":" });
            json::string(&mut out, identity);
            let _infallible = write!(out, ",\"access\":\"{}\",\"topic\":", access.word());
            json::string(&mut out, &row.sample);
            let _infallible = write!(out, ",\"count\":{}}}", row.count);
        }
        out.push_str("],\"certificates\":[");
        let certificates = taken.rows.iter().filter_map(|row| match &row.key {
            Key::Certificate(source, reason) => Some((row, source, reason)),
            Key::Topic(..) => None,
        });
        for (at, (row, source, reason)) in certificates.enumerate() {
            out.push_str(if at == 0 { "{\"source\":" } else { ",{\"source\":" });
            json::string(&mut out, source);
            let _infallible =
                write!(out, ",\"reason\":\"{}\",\"count\":{}}}", reason.word(), row.count);
        }
        let _infallible = write!(
            out,
            "],\"more_topics\":{},\"more_certificates\":{}}}",
            taken.more_topics, taken.more_certificates
        );
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_counted_by_device_and_access_and_by_source() {
        let mut tally = Tally::default();
        for _ in 0..3 {
            tally.topic(b"a", b"device/b/telemetry", Access::Publish);
        }
        tally.topic(b"a", b"#", Access::Subscribe);
        tally.topic(b"a", b"device/c/telemetry", Access::Publish);
        tally.certificate(b"10.0.0.9", Reason::Unverified);
        tally.certificate(b"10.0.0.9", Reason::Unverified);
        tally.certificate(b"10.0.0.9", Reason::Missing);
        assert_eq!(
            tally.take(),
            "{\"topics\":[{\"device\":\"a\",\"access\":\"publish\",\"topic\":\"device/b/telemetry\",\
             \"count\":4},{\"device\":\"a\",\"access\":\"subscribe\",\"topic\":\"#\",\"count\":1}],\
             \"certificates\":[{\"source\":\"10.0.0.9\",\"reason\":\"unverified\",\"count\":2},\
             {\"source\":\"10.0.0.9\",\"reason\":\"missing\",\"count\":1}],\
             \"more_topics\":0,\"more_certificates\":0}"
        );
        assert!(tally.is_empty());
    }

    #[test]
    fn a_report_stays_small_whatever_is_refused() {
        let mut tally = Tally::default();
        for device in 0..10_000 {
            let identity = format!("{device:036}");
            tally.topic(identity.as_bytes(), &[b'"'; 60_000], Access::Publish);
            tally.certificate(&[b'9'; 1_000], Reason::Missing);
        }
        let report = tally.take();
        assert!(report.len() < 128 * 1024, "{}", report.len());
        let most = u64::try_from(MOST_ROWS).unwrap();
        // One row went to the certificates.
        assert!(report.contains(&format!("\"more_topics\":{}", 10_000 - (most - 1))), "topics");
        assert!(report.ends_with("\"more_certificates\":0}"), "certificates");
    }
}
