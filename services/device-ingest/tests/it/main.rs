//! device-ingest between real servers: PostgreSQL, NATS and Mosquitto with certificates.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers as well")]

mod api;
mod audit;
mod broker;
mod commands;
mod device;
mod imports;
mod isolation;
mod limits;
mod papers;
mod presence;
mod readings;
mod support;
