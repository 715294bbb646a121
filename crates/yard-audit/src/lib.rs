//! The audit chain as bytes: how an entry is encoded and hashed, how heads become a signed root,
//! and how an export is checked by someone who trusts nothing but the public key.
//!
//! auth writes chains with it and `yard audit verify` reads them; `docs/audit-chain.md` says the
//! same for a program that is not ours. No I/O, no clock, no randomness.

mod canonical;
mod entry;
pub mod export;
mod hash;
mod keys;
pub mod merkle;
mod personal;
mod root;

pub use entry::Entry;
pub use hash::{Hash, HashError, to_hex};
pub use keys::{KeyError, PublicKeys, SigningKey};
pub use personal::Personal;
pub use root::Root;

/// Name of the platform's own chain; every other chain is named by its tenant's UUID.
pub const PLATFORM: &str = "platform";
