//! Pusher apps: who may sign for which channels, and how much each may take.
//!
//! One app is the platform's own, from the configuration: the console's and the mobiles'. The others
//! are tenants', made by their people and used by their own servers.

#[expect(clippy::module_inception, reason = "the folder is named for what it is about")]
mod app;
mod apps;
mod settings;

pub(crate) use app::{App, AppId, Secrets, to_hex};
pub(crate) use apps::{Apps, Unavailable};
pub(crate) use settings::AppSettings;
