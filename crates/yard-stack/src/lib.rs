//! Private copies of the real servers Switchyard stands on: PostgreSQL, Redis, NATS and Mosquitto.
//!
//! [`Tools`] finds their programs or installs them; the types in [`servers`] run each one as a child
//! process with its own data folder, its own password and a free loopback port, and can kill it and
//! start it again on the same data. Nothing here touches a server that was already on the machine.
//!
//! Blocking and free of third-party code except `serde_json`, because `cargo xtask` must build in
//! seconds before anything else has been compiled.

mod error;
pub mod http;
pub mod ports;
pub mod process;
pub mod proxy;
pub mod random;
pub mod servers;
pub mod tools;

pub use error::{Result, StackError};
pub use servers::{
    Durability, Letter, Mail, MailTls, Mosquitto, Nats, Pooler, Postgres, PostgresAdmin, Radius,
    Redis, Replica, ServerHome, ServerTls, Stack,
};
pub use tools::Tools;
