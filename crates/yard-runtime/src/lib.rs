//! The same life for every service: configuration, logs, traces and metrics, an admin listener,
//! readiness, supervised tasks and a two-step shutdown.
//!
//! A service is a function `run(config, runtime)`. It binds its listeners with [`Runtime::bind`],
//! spawns its work on [`Runtime::tasks`] and returns once that work is under way; the runtime then
//! waits for a signal or a failed task, drains, and leaves.
//!
//! Nothing but the modules below may move in here without an ADR.

mod admin;
mod build_info;
pub mod config;
mod follow;
mod health;
mod lifecycle;
mod main_loop;
mod runtime;
mod secret;
mod tasks;
mod telemetry;
pub mod trace;

pub use config::{ConfigError, RuntimeConfig, ServiceConfig};
pub use follow::follow_files;
pub use health::{Check, Health, ReadyHandle};
pub use lifecycle::Shutdown;
pub use main_loop::{ServiceInfo, service_main};
pub use runtime::{Runtime, RuntimeBuilder};
pub use secret::Secret;
pub use tasks::{TaskKind, Tasks};
pub use telemetry::metrics_text;

/// Installs the one crypto provider of the process. Harmless to repeat.
pub fn install_crypto_provider() {
    // The error only says that it is installed already, by an earlier test of the same process.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
}

/// Writes a service's `main`: names the service crate, and nothing else.
///
/// The crate offers `Config`, `DEFAULT_CONFIG` and `run(config, runtime)`.
#[macro_export]
macro_rules! main {
    ($service:ident) => {
        fn main() -> ::std::process::ExitCode {
            $crate::service_main(
                $crate::ServiceInfo {
                    name: env!("CARGO_PKG_NAME"),
                    version: env!("CARGO_PKG_VERSION"),
                    default_config: $service::DEFAULT_CONFIG,
                },
                $service::run,
            )
        }
    };
}
