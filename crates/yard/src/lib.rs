//! `yard`, the operators' command line: sign in, register and enrol devices, send commands, watch,
//! simulate a fleet over real mTLS connections, and verify that nothing of it was lost.
//!
//! Exit codes: 0 done, 1 refused or not as it should be, 2 called wrongly.

pub mod api;
mod cli;
pub mod failure;
pub mod output;
pub mod pki;
pub mod session;
#[cfg(test)]
mod testing;

pub use cli::main;
