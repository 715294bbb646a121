//! `yard oauth-clients`: programs that act in people's names; `yard identity-providers`: who else says
//! who people are.

mod clients;
mod providers;
mod settings;

pub use clients::{ClientsCommand, run as run_clients};
pub use providers::{ProvidersCommand, run as run_providers};
