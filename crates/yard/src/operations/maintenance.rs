use clap::{Args, Subcommand};
use serde_json::json;
use time::format_description::well_known::Rfc3339;
use yard_ids::{Clock, SystemClock};

use super::span;
use crate::api::{Api, Maintenance};
use crate::failure::{Failure, Outcome};
use crate::output::Output;

const PATH: &str = "/api/ops/v1/maintenance";

/// The switch that turns everybody but operators away.
#[derive(Debug, Subcommand)]
pub enum MaintenanceCommand {
    /// Turns everybody but operators away.
    On(OnArgs),
    /// Lets everybody in again.
    Off,
    /// Shows how the switch stands (the default).
    Status,
}

/// Arguments of `yard maintenance on`.
#[derive(Debug, Args)]
pub struct OnArgs {
    /// Why; everybody who is turned away reads it.
    #[arg(long)]
    pub reason: String,
    /// How long it will take, for example 30m or 2h; at most 7d. It does not switch off by itself.
    #[arg(long = "for", value_name = "SPAN", value_parser = span::seconds)]
    pub seconds: Option<i32>,
}

/// Runs a command of this family.
pub async fn run(command: &MaintenanceCommand, api: &Api, out: Output) -> Outcome {
    let state: Maintenance = match command {
        MaintenanceCommand::Status => api.get(PATH, &[]).await?,
        MaintenanceCommand::Off => api.put(PATH, &json!({ "active": false })).await?,
        MaintenanceCommand::On(args) => {
            let mut body = json!({ "active": true, "reason": args.reason });
            if let Some(seconds) = args.seconds {
                let until = SystemClock.now() + time::Duration::seconds(seconds.into());
                let until = until.format(&Rfc3339);
                let until = until.map_err(|e| Failure::other(format!("no such moment: {e}")))?;
                body["until"] = json!(until);
            }
            api.put(PATH, &body).await?
        }
    };
    out.answer(&state, |out| out.line(&sentence(&state)));
    Ok(())
}

fn sentence(state: &Maintenance) -> String {
    if !state.active {
        return "maintenance is off".to_owned();
    }
    let until = state.until.as_ref().map(|until| format!(", until {until}")).unwrap_or_default();
    format!("maintenance is on{until}: {}", state.reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switch_is_told_in_a_sentence() {
        let off = Maintenance::default();
        assert_eq!(sentence(&off), "maintenance is off");
        let on = Maintenance {
            active: true,
            reason: "A new disk.".to_owned(),
            until: Some("2026-01-02T03:04:05Z".to_owned()),
            ..off
        };
        assert_eq!(sentence(&on), "maintenance is on, until 2026-01-02T03:04:05Z: A new disk.");
    }
}
