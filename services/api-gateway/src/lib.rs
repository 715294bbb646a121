//! wip
pub mod openapi;
pub mod session;
pub mod transcode;
