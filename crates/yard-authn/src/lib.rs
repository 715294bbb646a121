//! Who is calling, proved, and whether the RPC's policy lets them.
//!
//! Access tokens are Ed25519 JWTs of 60 seconds. auth's issuer key speaks for people; every other
//! key in the trust file is a service's and speaks for that service alone.

mod call;
mod caller;
pub mod client;
mod config;
pub mod password;
mod permission;
pub mod seal;
pub mod server;
mod token;
mod trust;

pub use call::{Call, RpcResult};
pub use caller::Caller;
pub use config::{Identity, IdentityConfig};
pub use permission::{PLATFORM_PERMISSIONS, TENANT_PERMISSIONS, permissions_of};
pub use token::{AUDIENCE, Claims, Signer, TokenError};
pub use trust::{Jwk, TrustError, Verifier};
