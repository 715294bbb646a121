//! What people know and change of themselves.

mod email;
pub(super) mod grpc;
mod store;

use time::Duration;

/// How long links that prove an address are good.
pub(super) const PROOF_FOR: Duration = Duration::days(1);
/// No mail of one kind comes to a person sooner after another.
pub(super) const PAUSE: Duration = Duration::minutes(2);
