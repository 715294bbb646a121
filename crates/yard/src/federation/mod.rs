//! `yard oauth-clients`: programs that act in people's names.

mod clients;

pub use clients::{ClientsCommand, run as run_clients};
