use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::span;
use crate::api::{Api, Ban};
use crate::failure::Outcome;
use crate::output::{Output, Table};

/// Who is kept out at the gateways.
#[derive(Debug, Subcommand)]
pub enum BansCommand {
    /// Lists bans in force, newest first (the default).
    List {
        /// Also those that are over or lifted.
        #[arg(long)]
        ended: bool,
    },
    /// Keeps an address, a session or API token, or a person out.
    Add(AddArgs),
    /// Lets them in again before the time.
    Lift {
        /// The ban's id.
        ban: String,
    },
}

/// Arguments of `yard bans add`.
#[derive(Debug, Args)]
pub struct AddArgs {
    /// What is banned.
    #[arg(value_enum)]
    pub kind: Kind,
    /// Address or network, id of a session or API token, or principal id.
    pub subject: String,
    /// Why; for operators, the banned caller does not see it.
    #[arg(long)]
    pub reason: String,
    /// For how long, for example 30m, 12h, 7d; at most a year.
    #[arg(long = "for", value_name = "SPAN", value_parser = span::seconds)]
    pub seconds: i32,
}

/// What a ban is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// An address or a network.
    Address,
    /// A session or an API token.
    Token,
    /// A person, in every tenant.
    Person,
}

impl Kind {
    const fn wire(self) -> &'static str {
        match self {
            Self::Address => "BAN_KIND_ADDRESS",
            Self::Token => "BAN_KIND_TOKEN",
            Self::Person => "BAN_KIND_PERSON",
        }
    }
}

/// Runs a command of this family.
pub async fn run(command: &BansCommand, api: &Api, out: Output) -> Outcome {
    match command {
        BansCommand::List { ended } => {
            let bans = api.bans(*ended).await?;
            out.answer(&json!({ "bans": bans }), |out| list(&bans, out));
        }
        BansCommand::Add(args) => {
            let body = json!({
                "kind": args.kind.wire(),
                "subject": args.subject,
                "reason": args.reason,
                "duration_seconds": args.seconds,
            });
            let ban: Ban = api.post("/api/ops/v1/bans", &body).await?;
            out.answer(&ban, |out| {
                let line =
                    format!("banned {} until {} ({})", ban.subject, ban.expires_at, ban.ban_id);
                out.line(&line);
            });
        }
        BansCommand::Lift { ban } => {
            let ban: Ban = api.delete_read(&format!("/api/ops/v1/bans/{ban}")).await?;
            out.answer(&ban, |out| out.line(&format!("{} may come in again", ban.subject)));
        }
    }
    Ok(())
}

fn list(bans: &[Ban], out: Output) {
    let mut table = Table::new(&["id", "kind", "subject", "until", "state", "reason"]);
    for ban in bans {
        let kind = ban.kind.trim_start_matches("BAN_KIND_").to_lowercase();
        let state = match (&ban.lifted_at, ban.automatic) {
            (Some(at), _) => format!("lifted {at}"),
            (None, true) => "automatic".to_owned(),
            (None, false) => String::new(),
        };
        table.row(vec![
            ban.ban_id.clone(),
            kind,
            ban.subject.clone(),
            ban.expires_at.clone(),
            state,
            ban.reason.clone(),
        ]);
    }
    for line in table.lines() {
        out.line(&line);
    }
}
