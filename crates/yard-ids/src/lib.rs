//! Typed identifiers, and the two things that code may not take from the machine by itself: the
//! time and chance. Both come in through [`Clock`] and [`IdSource`], so that a test can hold them.

mod clock;
mod kinds;
mod source;

pub use clock::{Clock, ManualClock, SystemClock};
pub use kinds::{
    CommandId, ContractId, DeviceId, FireId, IdError, JobId, MessageId, PrincipalId, SessionId,
    TenantId,
};
pub use source::{IdSource, RandomIds, SeededIds};
