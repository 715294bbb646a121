//! Everything that crosses a process boundary: the generated protobuf messages and gRPC services,
//! the policies declared with them, NATS subjects and MQTT topics. No logic.

mod generated;
pub mod policy;
pub mod streams;
pub mod subjects;
pub mod topics;
pub mod values;

pub use generated::*;

use std::sync::OnceLock;

use prost_reflect::DescriptorPool;

/// The compiled descriptors of `proto/` with comments, for documents. Decoded they take several
/// megabytes, which no service keeps.
pub const COMMENTED_DESCRIPTOR_SET: &[u8] =
    include_bytes!(concat!(env!("OUT_DIR"), "/commented.fds"));

/// The compiled descriptors of `proto/`, with options.
pub const DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/switchyard.fds"));

/// The descriptors, decoded once.
pub fn descriptors() -> &'static DescriptorPool {
    static POOL: OnceLock<DescriptorPool> = OnceLock::new();
    POOL.get_or_init(|| {
        DescriptorPool::decode(DESCRIPTOR_SET).expect("our own build wrote this descriptor set")
    })
}
