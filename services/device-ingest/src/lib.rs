//! device-ingest: what devices say, and what they are told.
//!
//! It owns devices, contracts, commands, presence and quarantine, and speaks for the platform with
//! the broker and its plugin. It promises that a message is
//! acknowledged to the broker only when JetStream has confirmed what became of it, that
//! acknowledgements keep the order of arrival, and that a command is answered only when it is
//! stored. It never takes a tenant from a payload, never stores readings itself, and never lets
//! one bad message, one slow device or the database hold up the others' telemetry.

mod broker;
mod commands;
mod config;
mod contracts;
mod devices;
mod idempotency;
mod mqtt;
mod paging;
mod presence;
mod quarantine;
mod receipts;
mod registry;
mod service;
mod telemetry;

pub use config::{
    AuthConfig, CommandsConfig, Config, DEFAULT_CONFIG, ListenConfig, MqttConfig, PresenceConfig,
    TelemetryConfig,
};
pub use service::run;

/// Our name in the database.
const SERVICE: &str = "device-ingest";
/// Our name as the actor of a step.
const ACTOR: &str = "service:device-ingest";
