//! Asking where a tenant says: at public addresses, and not inside our own network.
//!
//! Tenants choose the addresses of identity providers and of webhooks. Whoever asks there holds the
//! URL to a [`Guard`], and uses the client of this crate, which resolves names by it.

#[cfg(feature = "client")]
mod client;
mod guard;

#[cfg(feature = "client")]
pub use client::client;
pub use guard::Guard;
