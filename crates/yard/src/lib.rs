//! `yard`, the operators' command line: sign in, register and enrol devices, send commands, watch,
//! simulate a fleet over real mTLS connections, and verify that nothing of it was lost.
//!
//! Exit codes: 0 done, 1 refused or not as it should be, 2 called wrongly.

pub mod api;
pub mod audit;
pub mod broker;
mod cli;
pub mod commands;
pub mod devices;
pub mod enrollment;
pub mod factories;
pub mod failure;
pub mod federation;
pub mod keys;
pub mod ledger;
pub mod operations;
pub mod output;
pub mod people;
pub mod pki;
pub mod radius;
pub mod realtime;
pub mod replay;
pub mod rights;
pub mod sequences;
pub mod session;
pub mod simulate;
pub mod tenants;
pub mod tokens;
pub mod verify;

pub use cli::main;
