//! What tests of services share: the real servers, a database of their own, patience and a log
//! that must stay clean. A development dependency only.
//!
//! `cargo xtask test` starts PostgreSQL and Redis once for the whole run and says where in
//! `YARD_TEST_STACK`; a plain `cargo test -p …` starts its own once per process. Either way a test
//! says `TestDb::create().await` and gets a migrated database that nobody else uses.

mod authenticator;
mod broker;
mod database;
mod eventually;
mod filled;
mod folder;
pub mod logs;
mod mail;
mod mutate;
mod nats;
mod papers;
mod radius;
mod redis;
mod redis_cluster;
mod replica;
mod stack;

pub use authenticator::{Answered, Authenticator, Created, KeyKind, flags};
pub use broker::TestBroker;
pub use database::TestDb;
pub use eventually::{Settled, eventually};
pub use folder::TestFolder;
pub use mail::{CONSOLE, TestMail, link_token};
pub use mutate::{Mutator, hammer};
pub use nats::TestNats;
pub use papers::TestPapers;
pub use radius::{RadiusAnswer, TestRadius};
pub use redis::TestRedis;
pub use redis_cluster::TestRedisCluster;
pub use replica::TestReplica;
pub use stack::{TestStack, pusher_python};
pub use yard_stack::proxy::ChaosProxy;
pub use yard_stack::{Letter, MailTls};
