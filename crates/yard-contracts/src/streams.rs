//! JetStream streams: names, subjects and limits.

/// What happens to messages of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retention {
    /// Removed once acknowledged.
    WorkQueue,
    /// Kept until a limit.
    Limits,
}

/// A stream as we want it.
#[derive(Debug, Clone, Copy)]
pub struct StreamSpec {
    /// Upper-case name.
    pub name: &'static str,
    /// Subject filters.
    pub subjects: &'static [&'static str],
    /// Work queue or log.
    pub retention: Retention,
    /// Bytes on disk; publishers are refused beyond (`discard: new`) unless `discard_old`.
    pub max_bytes: i64,
    /// Seconds a message is kept; 0 is without end.
    pub max_age_seconds: u64,
    /// Seconds in which `Nats-Msg-Id` is compared. An optimisation; the database decides.
    pub duplicate_window_seconds: u64,
    /// Drop the oldest at `max_bytes` instead of refusing the newest.
    pub discard_old: bool,
}

const MIB: i64 = 1024 * 1024;
const DAY: u64 = 86_400;

/// Accepted readings.
pub const TELEMETRY: StreamSpec = StreamSpec {
    name: "TELEMETRY",
    subjects: &["tel.v1.>"],
    retention: Retention::WorkQueue,
    max_bytes: 4096 * MIB,
    max_age_seconds: 0,
    duplicate_window_seconds: 120,
    discard_old: false,
};

/// Messages that were not accepted.
pub const QUARANTINE: StreamSpec = StreamSpec {
    name: "QUARANTINE",
    subjects: &["qtn.v1.>"],
    retention: Retention::WorkQueue,
    max_bytes: 512 * MIB,
    max_age_seconds: 0,
    duplicate_window_seconds: 120,
    discard_old: false,
};

/// What devices say of themselves and of their commands, on its way to the database.
pub const REPORTS: StreamSpec = StreamSpec {
    name: "REPORTS",
    subjects: &["rpt.v1.>"],
    retention: Retention::WorkQueue,
    max_bytes: 256 * MIB,
    max_age_seconds: 0,
    duplicate_window_seconds: 120,
    discard_old: false,
};

/// Commands between the database and the broker.
pub const COMMANDS: StreamSpec = StreamSpec {
    name: "COMMANDS",
    subjects: &["cmd.v1.>"],
    retention: Retention::WorkQueue,
    max_bytes: 256 * MIB,
    max_age_seconds: 0,
    duplicate_window_seconds: 600,
    discard_old: false,
};

/// Domain events.
pub const EVENTS: StreamSpec = StreamSpec {
    name: "EVENTS",
    subjects: &["evt.v1.>"],
    retention: Retention::Limits,
    max_bytes: 1024 * MIB,
    max_age_seconds: 7 * DAY,
    duplicate_window_seconds: 600,
    discard_old: true,
};

/// Wishes for jobs.
pub const JOBS: StreamSpec = StreamSpec {
    name: "JOBS",
    subjects: &["job.v1.>"],
    retention: Retention::WorkQueue,
    max_bytes: 256 * MIB,
    max_age_seconds: 0,
    duplicate_window_seconds: 600,
    discard_old: false,
};

/// What services tell of audited calls, on its way to the chains. Full, it refuses: a call that
/// cannot be announced is not carried out.
pub const AUDIT: StreamSpec = StreamSpec {
    name: "AUDIT",
    subjects: &["audit.v1.>"],
    retention: Retention::WorkQueue,
    max_bytes: 1024 * MIB,
    max_age_seconds: 0,
    duplicate_window_seconds: 600,
    discard_old: false,
};

/// Signed calls of tenants' webhooks on their way to the worker. Full, it refuses: edges are told
/// later, what cannot wait is counted as lost.
pub const WEBHOOKS: StreamSpec = StreamSpec {
    name: "WEBHOOKS",
    subjects: &["whk.v1.>"],
    retention: Retention::WorkQueue,
    max_bytes: 128 * MIB,
    max_age_seconds: 0,
    duplicate_window_seconds: 120,
    discard_old: false,
};

/// What could not be handled, for inspection and replay.
pub const DLQ: StreamSpec = StreamSpec {
    name: "DLQ",
    subjects: &["dlq.v1.>"],
    retention: Retention::Limits,
    max_bytes: 512 * MIB,
    max_age_seconds: 30 * DAY,
    duplicate_window_seconds: 3_600,
    discard_old: true,
};

/// A key-value bucket as we want it: one value for each key, in a file.
#[derive(Debug, Clone, Copy)]
pub struct BucketSpec {
    /// Lower-case name.
    pub name: &'static str,
    /// Bytes on disk; beyond, writers are refused.
    pub max_bytes: i64,
    /// Seconds a value is kept.
    pub max_age_seconds: u64,
}

/// What ended before its time, the issuer's keys and auth's heartbeat. Twelve times as long as the
/// longest token lives.
pub const REVOCATIONS: BucketSpec =
    BucketSpec { name: "revocations", max_bytes: 64 * MIB, max_age_seconds: 3_600 };

/// All streams.
pub const ALL: [StreamSpec; 9] =
    [TELEMETRY, QUARANTINE, REPORTS, COMMANDS, EVENTS, JOBS, AUDIT, WEBHOOKS, DLQ];
