//! Who is calling, proved, and whether the RPC's policy lets them.
//!
//! Access tokens are Ed25519 JWTs of 60 seconds. auth's issuer keys speak for people; every other
//! key in the trust file is a service's and speaks for that service alone. Issuer keys come and go
//! while services run: auth states them by the revocation feed, signed with its own key.

pub mod audit;
mod call;
mod caller;
pub mod client;
mod config;
pub mod data_key;
mod keyset;
pub mod password;
mod permission;
mod public;
pub mod revocations;
pub mod seal;
pub mod server;
mod token;
mod trust;

pub use call::{Call, RpcResult};
pub use caller::Caller;
pub use config::{Identity, IdentityConfig};
pub use keyset::{KeyStatement, Refused, STATEMENT_AUDIENCE};
pub use permission::{PLATFORM_PERMISSIONS, TENANT_PERMISSIONS, permissions_of};
pub use public::PublicClaims;
pub use revocations::{Grant, Revocation, Revocations};
pub use token::{AUDIENCE, Claims, Signer, TokenError};
pub use trust::{Jwk, TrustError, Verifier};
