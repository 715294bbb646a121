//! Rate limits in two tiers: this process first, then Redis, which all processes share.
//!
//! The rule is the generic cell rate algorithm: a limit grants so many at once and then one more
//! per interval, and needs one number per key. The first tier refuses floods without a round trip
//! and stands alone while Redis does not answer. The second is exact over all processes, on the
//! server's clock, on a single node or a cluster.

mod eviction;
mod gcra;
mod limiter;
mod local;
mod network;
mod redis;
mod script;
mod tls;

pub use gcra::{Limit, Standing, Verdict};
pub use limiter::{Limiter, Rule};
pub use local::Local;
pub use network::{Network, network};
pub use redis::{Redis, RedisConfig};
pub use script::{Script, admit};
