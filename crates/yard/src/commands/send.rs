use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::arguments;
use crate::api::{Api, Command, CommandEvent};
use crate::devices::find_device;
use crate::failure::{Failure, Outcome};
use crate::output::Output;

/// Arguments of `yard send`.
#[derive(Debug, Args)]
pub struct SendArgs {
    /// Id or name of the device.
    pub device: String,
    /// A command of its contract, for example `set_valve`.
    pub name: String,
    /// An argument as key=value, the value JSON or text; may be given again.
    #[arg(long = "arg", value_name = "KEY=VALUE", value_parser = arguments::parse)]
    pub arguments: Vec<(String, Value)>,
    /// Seconds until the command is no longer wanted.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(i32).range(1..=604_800))]
    pub deadline: i32,
    /// Waits for the result and prints each step; fails unless the device succeeds.
    #[arg(long)]
    pub wait: bool,
}

const FIRST_LOOK: Duration = Duration::from_millis(50);
const SLOWEST_LOOK: Duration = Duration::from_millis(500);
/// After the deadline the platform still has to write down what became of the command.
const GRACE: Duration = Duration::from_secs(15);

/// Sends a command.
pub async fn run(args: &SendArgs, api: &Api, out: Output) -> Outcome {
    let device = find_device(api, &args.device).await?;
    let body = json!({
        "name": args.name,
        "arguments": arguments::object(&args.arguments),
        "deadline_seconds": args.deadline,
    });
    let path = format!("/api/v1/devices/{}/commands", device.device_id);
    let command: Command = api.post(&path, &body).await?;
    if !args.wait {
        out.answer(&command, |out| {
            out.line(&format!("{} {}", command.command_id, word(&command.state)));
        });
        return Ok(());
    }
    out.note(&format!("{} {} {}", device.name, command.name, command.command_id));
    let patience = Duration::from_secs(args.deadline.unsigned_abs().into()) + GRACE;
    let last = follow(api, command, patience, out).await?;
    if out.is_json() {
        out.json_line(&last);
    }
    if last.state == "COMMAND_STATE_SUCCEEDED" {
        return Ok(());
    }
    Err(Failure::other(format!("the command is {}", word(&last.state))))
}

async fn follow(
    api: &Api,
    mut command: Command,
    patience: Duration,
    out: Output,
) -> Outcome<Command> {
    let started = Instant::now();
    let mut shown = 0;
    let mut pause = FIRST_LOOK;
    loop {
        if command.events.len() > shown {
            pause = FIRST_LOOK;
        }
        for event in command.events.iter().skip(shown).filter(|_| !out.is_json()) {
            out.line(&line(event));
        }
        shown = command.events.len();
        if is_final(&command.state) || started.elapsed() > patience {
            return Ok(command);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(SLOWEST_LOOK);
        command = api.command(command.command_id).await?;
    }
}

/// `unknown` is not final on the platform, but nobody need wait for more.
fn is_final(state: &str) -> bool {
    !matches!(word(state).as_str(), "queued" | "dispatched" | "delivered" | "acked" | "running")
}

fn word(state: &str) -> String {
    state.strip_prefix("COMMAND_STATE_").unwrap_or(state).to_lowercase()
}

fn line(event: &CommandEvent) -> String {
    let time = event.at.split_once('T').map_or(event.at.as_str(), |(_, time)| time);
    let text = format!("{time:<28}  {:<10}  {}", word(&event.state), event.evidence);
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_is_awaited_until_a_state_that_ends_it() {
        for state in ["QUEUED", "DISPATCHED", "DELIVERED", "ACKED", "RUNNING"] {
            assert!(!is_final(&format!("COMMAND_STATE_{state}")), "{state}");
        }
        for state in
            ["SUCCEEDED", "FAILED", "REJECTED", "EXPIRED", "CANCELLED", "SUPERSEDED", "UNKNOWN"]
        {
            assert!(is_final(&format!("COMMAND_STATE_{state}")), "{state}");
        }
    }
}
