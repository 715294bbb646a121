//! All six services in one process, on real servers, for tests of what crosses their borders.

pub mod client;
mod device;
pub mod matrix;
pub mod platform;
pub mod world;
