//! The plugin's reports as they are read.

use serde::Deserialize;
use uuid::Uuid;

/// On `$yard/v1/refusals`: everything refused since the last one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct RefusalReport {
    pub(super) topics: Vec<TopicsRefused>,
    pub(super) certificates: Vec<CertificatesRefused>,
    /// Not listed for want of room.
    pub(super) more_topics: u64,
    /// As `more_topics`.
    pub(super) more_certificates: u64,
}

/// Topics that one device was refused.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct TopicsRefused {
    /// Its id; empty for an identity that is no device's.
    pub(super) device: String,
    pub(super) access: String,
    /// One of them.
    pub(super) topic: String,
    pub(super) count: u64,
}

/// Connections from one address that were refused for their certificate.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct CertificatesRefused {
    pub(super) source: String,
    pub(super) reason: String,
    pub(super) count: u64,
}

/// On `$yard/v1/state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) struct BrokerState {
    /// Number of the revocation list in force, where the broker knows it.
    pub(crate) list: Option<i64>,
    /// It could not read the list and checks none at all.
    pub(crate) list_unreadable: bool,
}

/// On `$yard/v1/kicked`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) struct Kicked {
    pub(super) request: Uuid,
    /// Connections that were ended.
    pub(super) connections: u32,
}

/// The word of an access or a reason, as a label; the plugin is trusted, the wire is not.
pub(super) fn known_word(word: &str) -> &'static str {
    const WORDS: [&str; 5] = ["publish", "subscribe", "receive", "unverified", "missing"];
    WORDS.into_iter().find(|known| *known == word).unwrap_or("other")
}
