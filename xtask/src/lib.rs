//! Developer tasks: `cargo xtask up`, `test`, `check` and the measurements.
//!
//! Blocking code and five small dependencies on purpose: this is what a newcomer builds first, and
//! it has to be there in seconds. What a person should see goes to standard error; results (`--json`)
//! are alone on standard output.

mod bench;
mod chaos;
mod chart;
mod check;
mod cli;
mod command;
mod console;
mod fleet;
mod house;
mod interrupt;
mod matrix;
mod numbers;
mod platform;
mod python_env;
mod requirements;
mod say;
mod suite;
mod up;
mod workspace;

use std::process::ExitCode;

/// Runs the task that the arguments name.
#[must_use]
pub fn main() -> ExitCode {
    match cli::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say::note(format!("\n✗ {error:#}"));
            ExitCode::FAILURE
        }
    }
}
