//! How much of everything a caller may have: calls over time, calls and connections at once, the
//! size and shape of a request, and the time it may take.

pub(crate) mod addresses;
mod config;
pub(crate) mod head;
mod places;
mod quota;
mod rates;

pub(crate) use addresses::Addresses;
pub use config::{CapsConfig, ClassConfig, LimitsConfig, RateConfig, class_name};
pub(crate) use places::{Place, Places};
pub(crate) use quota::Quota;
pub(crate) use rates::Rates;
