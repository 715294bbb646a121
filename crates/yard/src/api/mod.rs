//! The platform's REST interface, as far as the command line needs it.

mod client;
mod problem;
mod sse;
mod types;

pub use client::{Api, Paged};
pub use problem::Problem;
pub use sse::{Event, EventStream};
pub use types::{
    Ban, BanPage, Certificate, Challenge, ClaimCode, Command, CommandEvent, CommandKind, Contract,
    ContractDraft, ContractPage, Device, DeviceDraft, DevicePage, Enrolled, LoginAnswer,
    Maintenance, Me, Metric, Origin, PresenceCounts, QuarantinedDevice, Reading, ReadingPage,
    Renewed, SequenceGap, SequenceReport,
};
