//! `yard bans`, `yard maintenance`, `yard origin`: what operators do at the platform's door.

mod bans;
mod maintenance;
mod origin;
mod span;

pub use bans::{BansCommand, run as run_bans};
pub use maintenance::{MaintenanceCommand, run as run_maintenance};
pub use origin::run as run_origin;
pub(crate) use span::seconds;
