//! `yard radius`: NAS and subscribers of your tenant, and the RADIUS server in front of auth.

mod configure;
mod nas;
mod subscribers;

use clap::Subcommand;

use crate::api::Api;
use crate::failure::Outcome;
use crate::output::Output;
use configure::{ConfigureArgs, TokenArgs};
use nas::NasCommand;
use subscribers::SubscribersCommand;

/// Access to networks by RADIUS.
#[derive(Debug, Subcommand)]
pub enum RadiusCommand {
    /// Routers and access points that ask whether a subscriber may in.
    Nas {
        #[command(subcommand)]
        command: Option<NasCommand>,
    },
    /// Whom they let in.
    Subscribers {
        #[command(subcommand)]
        command: Option<SubscribersCommand>,
    },
    /// Makes the token that FreeRADIUS proves itself with at auth. Asks nobody.
    Token(TokenArgs),
    /// Writes the configuration of a FreeRADIUS that asks auth. Asks nobody.
    Configure(ConfigureArgs),
}

/// Runs a command of this family; `api` is only made for those that ask.
pub async fn run(
    command: RadiusCommand,
    api: impl FnOnce() -> Outcome<Api>,
    out: Output,
) -> Outcome {
    match command {
        RadiusCommand::Nas { command } => {
            nas::run(&command.unwrap_or(NasCommand::List), &api()?, out).await
        }
        RadiusCommand::Subscribers { command } => {
            let command = command.unwrap_or(SubscribersCommand::List { prefix: String::new() });
            subscribers::run(&command, &api()?, out).await
        }
        RadiusCommand::Token(args) => configure::token(&args, out),
        RadiusCommand::Configure(args) => configure::configure(&args, out),
    }
}
