//! `yard roles`, `yard rights`, `yard break-glass`: who may do what, why, and the way in for
//! emergencies.

mod break_glass;
mod explain;
mod roles;

pub use break_glass::{BreakGlassCommand, run as run_break_glass};
pub use explain::{RightsCommand, run as run_rights};
pub use roles::{RolesCommand, run as run_roles};
