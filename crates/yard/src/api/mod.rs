//! The platform's REST interface, as far as the command line needs it.

mod client;
mod problem;
mod sse;
mod types;

pub use client::Api;
pub use problem::Problem;
pub use sse::{Event, EventStream};
pub use types::{
    Certificate, ClaimCode, Command, CommandEvent, CommandKind, Contract, ContractDraft,
    ContractPage, Device, DeviceDraft, DevicePage, Enrolled, LoginAnswer, Me, Metric,
    PresenceCounts, Reading, ReadingPage, SequenceGap, SequenceReport,
};
