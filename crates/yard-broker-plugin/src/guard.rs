//! What the plugin remembers and decides, without a word of C.

use std::time::{Duration, Instant};

use crate::handshake::{self, Line, Reason};
use crate::json;
use crate::rules::{self, Access};
use crate::tally::Tally;

/// Where refusals are reported.
pub(crate) const REFUSALS: &str = "$yard/v1/refusals";
/// Where it is said that a device was disconnected.
pub(crate) const KICKED: &str = "$yard/v1/kicked";
/// Where the revocation list in force is told.
pub(crate) const STATE: &str = "$yard/v1/state";

const BETWEEN_REPORTS: Duration = Duration::from_secs(1);

/// What the broker shall do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It may; nobody else is asked.
    Allow,
    /// Ask the access rules file.
    Defer,
    /// Refuse.
    Deny,
}

/// A message for device-ingest.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) topic: &'static str,
    pub(crate) payload: String,
    /// The client that alone shall have it; every subscriber otherwise.
    pub(crate) only_for: Option<Vec<u8>>,
}

/// A wish to end a device's connections.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Kick {
    /// The asker's own name for it, repeated in the answer.
    request: String,
    pub(crate) device: String,
}

#[derive(Debug)]
pub(crate) struct Guard {
    /// Common names of device-ingest's certificates, and which of them listen now.
    ingest: Vec<(Vec<u8>, bool)>,
    tally: Tally,
    reported: Option<Instant>,
    /// Whose copies of the log are read; with several instances each line is offered to all.
    log_reader: Option<usize>,
    /// A certificate was refused, and the end of its connection follows.
    refused: Option<Reason>,
    /// The device being kicked, and how many of its connections have ended.
    kicking: Option<(String, u32)>,
    list: Option<u64>,
    list_unreadable: bool,
    /// Seen in this turn of the broker's loop: a reload says it before and after it tells us.
    unreadable_line: bool,
    reloads: u64,
    state_due: bool,
}

impl Guard {
    /// `ingest` holds the common names of device-ingest's certificates, separated by commas.
    pub(crate) fn new(ingest: &str) -> Option<Self> {
        let names = ingest.split(',').map(str::trim).filter(|name| !name.is_empty());
        let ingest: Vec<_> = names.map(|name| (name.as_bytes().to_vec(), false)).collect();
        if ingest.is_empty() || ingest.iter().any(|(name, _)| rules::is_device(name)) {
            return None;
        }
        Some(Self {
            ingest,
            tally: Tally::default(),
            reported: None,
            log_reader: None,
            refused: None,
            kicking: None,
            list: None,
            list_unreadable: false,
            unreadable_line: false,
            reloads: 0,
            state_due: true,
        })
    }

    fn ingest_index(&self, identity: &[u8]) -> Option<usize> {
        self.ingest.iter().position(|(name, _)| name == identity)
    }

    /// Decides on an access. This runs for every message and allocates for refusals only.
    pub(crate) fn access(
        &mut self,
        identity: &[u8],
        topic: &[u8],
        access: Access,
        payload: &[u8],
    ) -> Verdict {
        if let Some(index) = self.ingest_index(identity) {
            return self.ingest_access(index, topic, access, payload);
        }
        if rules::is_own(identity, topic, access) {
            return Verdict::Defer;
        }
        let known = if rules::is_device(identity) { identity } else { b"" };
        self.tally.topic(known, topic, access);
        Verdict::Deny
    }

    fn ingest_access(
        &mut self,
        index: usize,
        topic: &[u8],
        access: Access,
        payload: &[u8],
    ) -> Verdict {
        match access {
            Access::Subscribe if topic == REFUSALS.as_bytes() => {
                if let Some((_, listens)) = self.ingest.get_mut(index) {
                    *listens = true;
                }
                self.state_due = true;
            }
            // Read here and never delivered: under attack there would be thousands a second.
            Access::Receive if topic.starts_with(rules::LOG) => {
                if *self.log_reader.get_or_insert(index) == index {
                    self.log_line(payload);
                }
                return Verdict::Deny;
            }
            Access::Publish | Access::Subscribe | Access::Receive => {}
        }
        if rules::is_ingests(topic, access) { Verdict::Allow } else { Verdict::Defer }
    }

    fn log_line(&mut self, line: &[u8]) {
        match handshake::read(line) {
            Line::Refused(reason, Some(source)) => self.tally.certificate(source, reason),
            Line::Refused(reason, None) => self.refused = Some(reason),
            Line::ListUnreadable => {
                self.unreadable_line = true;
                self.list_unreadable = true;
                self.state_due = true;
            }
            Line::Other => {}
        }
    }

    /// A connection has ended; without an identity it never was anyone's.
    pub(crate) fn disconnected(&mut self, identity: Option<&[u8]>, source: &[u8]) {
        let Some(identity) = identity else {
            if let Some(reason) = self.refused.take() {
                self.tally.certificate(source, reason);
            }
            return;
        };
        if let Some(index) = self.ingest_index(identity) {
            if let Some((_, listens)) = self.ingest.get_mut(index) {
                *listens = false;
            }
            if self.log_reader == Some(index) {
                self.log_reader = None;
            }
        } else if let Some((device, ended)) = &mut self.kicking
            && device.as_bytes() == identity
        {
            *ended += 1;
        }
    }

    /// The broker has read its files again; `list` is the number written in the list's file.
    pub(crate) fn reloaded(&mut self, list: Option<u64>) {
        self.list = list;
        self.list_unreadable = self.unreadable_line;
        self.reloads += 1;
        self.state_due = true;
    }

    /// The list that the broker has started with.
    pub(crate) fn started(&mut self, list: Option<u64>) {
        self.list = list;
    }

    /// Takes `<request> <device>` from device-ingest and from nobody else.
    pub(crate) fn kick_begins(&mut self, identity: &[u8], payload: &[u8]) -> Option<Kick> {
        self.ingest_index(identity)?;
        let text = std::str::from_utf8(payload).ok()?;
        let (request, device) = text.split_once(' ')?;
        // Never the instances of device-ingest themselves, or names with other meanings.
        if !rules::is_device(request.as_bytes()) || !rules::is_device(device.as_bytes()) {
            return None;
        }
        self.kicking = Some((device.to_owned(), 0));
        Some(Kick { request: request.to_owned(), device: device.to_owned() })
    }

    /// The answer to a kick that has been done.
    pub(crate) fn kick_ends(&mut self, kick: &Kick) -> Report {
        let ended = self.kicking.take().map_or(0, |(_, ended)| ended);
        let mut payload = String::from("{\"request\":");
        json::string(&mut payload, kick.request.as_bytes());
        payload.push_str(",\"device\":");
        json::string(&mut payload, kick.device.as_bytes());
        payload.push_str(&format!(",\"connections\":{ended}}}"));
        Report { topic: KICKED, payload, only_for: None }
    }

    /// A turn of the broker's loop has ended; whether [`Guard::due`] can have anything.
    pub(crate) fn turn_ended(&mut self) -> bool {
        self.unreadable_line = false;
        self.may_be_due()
    }

    fn may_be_due(&self) -> bool {
        (self.state_due || !self.tally.is_empty())
            && self.ingest.iter().any(|(_, listens)| *listens)
    }

    /// What is to be told now. While nobody listens it is kept, so that the broker never queues it.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<Report> {
        let mut reports = Vec::new();
        if !self.may_be_due() {
            return reports;
        }
        if std::mem::take(&mut self.state_due) {
            reports.push(self.state());
        }
        let early = self.reported.is_some_and(|last| now.duration_since(last) < BETWEEN_REPORTS);
        if !self.tally.is_empty() && !early {
            self.reported = Some(now);
            // One instance counts them; client ids are the names of certificates.
            let listener = self.ingest.iter().find(|(_, listens)| *listens);
            let only_for = listener.map(|(name, _)| name.clone());
            reports.push(Report { topic: REFUSALS, payload: self.tally.take(), only_for });
        }
        reports
    }

    fn state(&self) -> Report {
        let list = self.list.map_or_else(|| "null".to_owned(), |number| number.to_string());
        let payload = format!(
            "{{\"list\":{list},\"list_unreadable\":{},\"reloads\":{}}}",
            self.list_unreadable, self.reloads
        );
        Report { topic: STATE, payload, only_for: None }
    }
}

/// The number in the first line of a list's file, `# switchyard revocation list 17`: text before
/// the PEM block, which the broker passes over and the agent that placed the file has written.
pub(crate) fn list_number(file: &[u8]) -> Option<u64> {
    let first = file.split(|byte| *byte == b'\n').next()?;
    let number = first.strip_prefix(b"# switchyard revocation list ")?;
    std::str::from_utf8(number).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const INGEST: &[u8] = b"device-ingest-1";
    const DEVICE: &str = "0190a6f2-7c2a-7b52-9c11-000000000002";
    const OTHER: &str = "0190a6f2-7c2a-7b52-9c11-000000000003";
    const REQUEST: &str = "0190a6f2-7c2a-7b52-9c11-00000000000a";

    fn listening() -> Guard {
        let mut guard = Guard::new("device-ingest-1, device-ingest-2").unwrap();
        let filter = REFUSALS.as_bytes();
        assert_eq!(guard.access(INGEST, filter, Access::Subscribe, b""), Verdict::Allow);
        guard
    }

    fn told(guard: &mut Guard, now: Instant) -> Vec<&'static str> {
        guard.due(now).into_iter().map(|report| report.topic).collect()
    }

    #[test]
    fn settings_without_a_name_or_with_a_devices_are_refused() {
        for names in ["", " , ", DEVICE, &format!("device-ingest-1,{DEVICE}")] {
            assert!(Guard::new(names).is_none(), "{names}");
        }
    }

    #[test]
    fn foreign_topics_are_refused_and_reported_once_a_second() {
        let mut guard = listening();
        let begin = Instant::now();
        assert_eq!(told(&mut guard, begin), [STATE]);
        let (me, own) = (DEVICE.as_bytes(), format!("device/{DEVICE}/telemetry"));
        let foreign = format!("device/{OTHER}/telemetry");
        assert_eq!(guard.access(me, own.as_bytes(), Access::Publish, b""), Verdict::Defer);
        assert!(!guard.may_be_due());
        for _ in 0..2 {
            let verdict = guard.access(me, foreign.as_bytes(), Access::Publish, b"");
            assert_eq!(verdict, Verdict::Deny);
        }
        let reports = guard.due(begin);
        assert_eq!(reports.len(), 1);
        let report = reports.first().unwrap();
        assert!(report.payload.contains("\"count\":2"), "{}", report.payload);
        assert_eq!(report.only_for.as_deref(), Some(INGEST), "counted by one instance");
        guard.access(me, foreign.as_bytes(), Access::Publish, b"");
        assert!(told(&mut guard, begin + BETWEEN_REPORTS / 2).is_empty());
        assert_eq!(told(&mut guard, begin + BETWEEN_REPORTS), [REFUSALS]);
    }

    #[test]
    fn refusals_wait_for_a_listener() {
        let mut guard = listening();
        let begin = Instant::now();
        guard.due(begin);
        guard.disconnected(Some(INGEST), b"10.0.0.1");
        guard.access(DEVICE.as_bytes(), b"#", Access::Subscribe, b"");
        assert!(told(&mut guard, begin).is_empty());
        guard.access(b"device-ingest-2", REFUSALS.as_bytes(), Access::Subscribe, b"");
        assert_eq!(told(&mut guard, begin), [STATE, REFUSALS]);
    }

    #[test]
    fn identities_that_are_neither_get_nothing_and_are_not_named() {
        let mut guard = listening();
        guard.due(Instant::now());
        let verdict = guard.access(b"evil\"name", b"device/x/telemetry", Access::Publish, b"");
        assert_eq!(verdict, Verdict::Deny);
        let report = guard.due(Instant::now()).remove(0);
        assert!(report.payload.contains("\"device\":\"\""), "{}", report.payload);
    }

    #[test]
    fn refused_certificates_are_counted_once_with_their_source() {
        let mut guard = listening();
        guard.due(Instant::now());
        let line = b"OpenSSL Error[0]: error:0A000086:SSL routines::certificate verify failed";
        // Offered to both instances, counted for one.
        for reader in [INGEST, b"device-ingest-2"] {
            let verdict = guard.access(reader, b"$SYS/broker/log/E", Access::Receive, line);
            assert_eq!(verdict, Verdict::Deny, "the line is not delivered");
        }
        guard.disconnected(None, b"10.0.0.9");
        // A port scan: nothing was said of a certificate.
        guard.disconnected(None, b"10.0.0.10");
        let at_once = b"Client connection from 10.0.0.11 failed: certificate verify failed.";
        for reader in [INGEST, b"device-ingest-2"] {
            guard.access(reader, b"$SYS/broker/log/N", Access::Receive, at_once);
        }
        let report = guard.due(Instant::now()).remove(0).payload;
        for source in ["10.0.0.9", "10.0.0.11"] {
            let row = format!("{{\"source\":\"{source}\",\"reason\":\"unverified\",\"count\":1}}");
            assert!(report.contains(&row), "{report}");
        }
        assert!(!report.contains("10.0.0.10"), "{report}");
    }

    #[test]
    fn devices_never_receive_the_log() {
        let mut guard = listening();
        let verdict =
            guard.access(DEVICE.as_bytes(), b"$SYS/broker/log/E", Access::Receive, b"secret");
        assert_eq!(verdict, Verdict::Deny);
    }

    #[test]
    fn kicks_are_taken_from_device_ingest_only_and_count_what_ended() {
        let mut guard = listening();
        let wish = format!("{REQUEST} {DEVICE}");
        assert_eq!(guard.kick_begins(OTHER.as_bytes(), wish.as_bytes()), None);
        let kick = guard.kick_begins(INGEST, wish.as_bytes()).unwrap();
        assert_eq!(kick.device, DEVICE);
        guard.disconnected(Some(DEVICE.as_bytes()), b"");
        guard.disconnected(Some(OTHER.as_bytes()), b"");
        let report = guard.kick_ends(&kick);
        assert_eq!(report.topic, KICKED);
        assert!(report.payload.ends_with("\"connections\":1}"), "{}", report.payload);
        // Ended by itself later: not ours to count.
        guard.disconnected(Some(DEVICE.as_bytes()), b"");
        assert!(guard.kicking.is_none());
    }

    #[test]
    fn kicks_of_anything_but_a_device_are_not_done() {
        let mut guard = listening();
        for wish in [
            String::new(),
            DEVICE.to_owned(),
            format!("{REQUEST} device-ingest-1"),
            format!("{REQUEST} {DEVICE} {OTHER}"),
            format!("x {DEVICE}"),
            format!("{REQUEST}\n{DEVICE}"),
        ] {
            assert_eq!(guard.kick_begins(INGEST, wish.as_bytes()), None, "{wish}");
        }
        assert_eq!(guard.kick_begins(INGEST, b"\xff \xff"), None);
    }

    #[test]
    fn reload_tells_the_list_in_force_and_whether_it_could_be_read() {
        let mut guard = listening();
        guard.started(Some(3));
        let state = guard.due(Instant::now()).remove(0).payload;
        assert_eq!(state, "{\"list\":3,\"list_unreadable\":false,\"reloads\":0}");
        let line = b"Error: Unable to load certificate revocation file \"x\". Check crlfile.";
        guard.access(INGEST, b"$SYS/broker/log/E", Access::Receive, line);
        guard.reloaded(None);
        // The broker says it a second time.
        guard.access(INGEST, b"$SYS/broker/log/E", Access::Receive, line);
        assert!(guard.turn_ended());
        let state = guard.due(Instant::now()).remove(0).payload;
        assert_eq!(state, "{\"list\":null,\"list_unreadable\":true,\"reloads\":1}");
        guard.reloaded(Some(4));
        let state = guard.due(Instant::now()).remove(0).payload;
        assert_eq!(state, "{\"list\":4,\"list_unreadable\":false,\"reloads\":2}");
    }

    #[test]
    fn list_number_is_read_from_the_first_line_only() {
        assert_eq!(list_number(b"# switchyard revocation list 17\n-----BEGIN"), Some(17));
        for file in [&b"-----BEGIN X509 CRL-----"[..], b"", b"# switchyard revocation list x\n"] {
            assert_eq!(list_number(file), None);
        }
    }
}
