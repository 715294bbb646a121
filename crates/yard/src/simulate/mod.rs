//! `yard simulate`: a fleet of devices in one process, each with its own certificate and its own
//! long-lived MQTT connection, replaying recorded measurements and counting what is acknowledged.

mod blueprint;
mod device;
mod fleet;
mod pace;
mod run;
mod summary;
mod tally;

use std::path::PathBuf;

use clap::Args;

pub use run::run;

/// Arguments of `yard simulate`.
#[derive(Debug, Args)]
pub struct SimulateArgs {
    /// CSV file to replay: first column the time, the others numbers.
    #[arg(long, value_name = "FILE")]
    pub data: PathBuf,
    /// How many devices.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub count: u32,
    /// Contract to use, made when missing. [default: by the columns of the file]
    #[arg(long, value_name = "NAME")]
    pub contract: Option<String>,
    /// Replays the recorded steps so many times faster.
    #[arg(long, value_name = "X", conflicts_with = "rate", value_parser = positive)]
    pub speed: Option<f64>,
    /// Readings per second of all devices together. [default: one each]
    #[arg(long, value_name = "R", value_parser = positive)]
    pub rate: Option<f64>,
    /// Sends as fast as the broker acknowledges.
    #[arg(long, conflicts_with_all = ["rate", "speed"])]
    pub flood: bool,
    /// Unacknowledged publishes of a device at a time.
    #[arg(long, value_name = "W", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub window: u32,
    /// Stops taking readings after so many seconds.
    #[arg(long, value_name = "SECONDS", value_parser = positive)]
    pub duration: Option<f64>,
    /// Stops each device after so many readings.
    #[arg(long, value_name = "N")]
    pub readings: Option<u64>,
    /// Folder for keys and acked.json; a later run with the same folder is the same fleet.
    #[arg(long, value_name = "DIR")]
    pub state_dir: PathBuf,
    /// Keeps each reading until the platform says that it is stored.
    #[arg(long)]
    pub receipts: bool,
    /// Prints the counts every second.
    #[arg(long)]
    pub follow: bool,
}

fn positive(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_error| "not a number".to_owned())?;
    let sound = number.is_finite() && number > 0.0;
    sound.then_some(number).ok_or_else(|| "must be above 0".to_owned())
}
