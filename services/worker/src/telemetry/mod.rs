//! Readings: from the stream into day partitions, and out again by queries.

pub(crate) mod partitions;
pub(crate) mod queries;
pub mod writer;
