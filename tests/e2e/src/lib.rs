//! All six services in one process, on real servers, for tests of what crosses their borders.

pub mod bench;
pub mod client;
pub mod device;
pub mod factory;
pub mod matrix;
pub mod platform;
pub mod radius;
pub mod realtime;
pub mod rights;
pub mod world;

/// Trace id that a device of the world sends with its reading.
pub const TRACE_OF_A_READING: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
