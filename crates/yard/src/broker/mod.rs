//! `yard broker-agent`: keeps the broker's revocation list fresh.
//!
//! It runs beside Mosquitto (a sidecar in a cluster; `cargo xtask up` starts one), follows the list
//! that auth signs, and gives it to the broker: checked, replaced as a whole, and announced by
//! SIGHUP. It never hands over a list that it cannot verify, because Mosquitto reloads without
//! checking revocations at all when it cannot read its list.

mod agent;
mod list;
mod source;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

pub use agent::{Agent, BrokerProcess, Settings, Step};
pub use list::{Authority, CheckedList, ListError};
pub use source::Source;

use crate::failure::{Failure, Outcome};
use crate::output::Output;

/// Arguments of `yard broker-agent`.
#[derive(Debug, Args)]
pub struct BrokerAgentArgs {
    /// Where the list comes from: auth's /crl/device-ca.pem as http(s) URL, or a file.
    #[arg(long, value_name = "URL or FILE")]
    pub source: Source,
    /// Certificate of the device CA, PEM: who has to have signed the list.
    #[arg(long, value_name = "FILE")]
    pub ca: PathBuf,
    /// The broker's `crlfile`.
    #[arg(long, value_name = "FILE")]
    pub list_file: PathBuf,
    /// The broker's `pid_file`, read before each signal.
    #[arg(long, value_name = "FILE")]
    pub pid_file: PathBuf,
    /// Between two looks at the source, milliseconds: 50 to 60000.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u64).range(50..=60_000))]
    pub interval_ms: u64,
}

/// Runs until it is ended.
pub async fn run(args: BrokerAgentArgs, out: Output) -> Outcome {
    let ca = std::fs::read(&args.ca).map_err(Failure::file(&args.ca))?;
    let authority = Authority::from_pem(&ca).map_err(|e| Failure::other(e.to_string()))?;
    let settings = Settings {
        source: args.source,
        authority,
        list_file: args.list_file,
        broker: BrokerProcess::PidFile(args.pid_file),
    };
    let mut agent = Agent::new(settings)?;
    let interval = Duration::from_millis(args.interval_ms);
    let mut told = String::new();
    loop {
        let line = match agent.step().await {
            Ok(Step::Unchanged | Step::TooSoon) => {
                told.clear();
                String::new()
            }
            Ok(Step::Placed { number, entries }) => {
                format!("revocation list {number} with {entries} entries given to the broker")
            }
            Err(problem) => format!("{problem}; the broker keeps the list it has"),
        };
        // A problem that lasts is told once.
        if !line.is_empty() && line != told {
            out.note(&line);
            told = line;
        }
        tokio::time::sleep(interval).await;
    }
}
