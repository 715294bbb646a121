//! `yard tokens`: API tokens of the person who is signed in.

use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use crate::api::{Api, Paged};
use crate::failure::Outcome;
use crate::output::{Output, Table};

const PATH: &str = "/api/v1/me/api-tokens";

/// API tokens: your rights, or some of them, in the hands of a program.
#[derive(Debug, Subcommand)]
pub enum TokensCommand {
    /// Lists your tokens, newest first, without their secrets (the default).
    List,
    /// Makes a token and shows it, this once.
    Create(CreateArgs),
    /// Ends a token.
    Revoke {
        /// As listed.
        token: Uuid,
    },
}

/// Arguments of `yard tokens create`.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// What you call it.
    #[arg(long)]
    pub name: String,
    /// A permission it may use; may be given again. You have to hold it yourself.
    #[arg(long = "ability", required = true)]
    pub abilities: Vec<String>,
    /// Until it ends, 1 to 365.
    #[arg(long, default_value_t = 90)]
    pub days: i32,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Token {
    token_id: Uuid,
    name: String,
    #[serde(default)]
    abilities: Vec<String>,
    #[serde(default)]
    expires_at: String,
    #[serde(default)]
    last_used_at: Option<String>,
    #[serde(default)]
    revoked_at: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Page {
    #[serde(default)]
    tokens: Vec<Token>,
    #[serde(default)]
    next_page_token: String,
}

impl Paged for Page {
    fn next_page_token(&self) -> &str {
        &self.next_page_token
    }

    fn add(&mut self, next: Self) {
        self.tokens.extend(next.tokens);
        self.next_page_token = next.next_page_token;
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Made {
    token: Token,
    secret: String,
}

/// Runs a command of this family.
pub async fn run(command: &TokensCommand, api: &Api, out: Output) -> Outcome {
    match command {
        TokensCommand::List => list(api, out).await,
        TokensCommand::Create(args) => create(args, api, out).await,
        TokensCommand::Revoke { token } => {
            api.delete(&format!("{PATH}/{token}")).await?;
            out.answer(&json!({"token_id": token}), |out| out.line(&format!("{token} has ended")));
            Ok(())
        }
    }
}

async fn create(args: &CreateArgs, api: &Api, out: Output) -> Outcome {
    let CreateArgs { name, abilities, days } = args;
    let body = json!({"name": name, "abilities": abilities, "expires_in_days": days});
    let made: Made = api.post(PATH, &body).await?;
    out.answer(&made, |out| {
        out.line(&made.secret);
        out.note(&format!(
            "shown once; good until {}. Send it as: Authorization: Bearer …",
            made.token.expires_at
        ));
    });
    Ok(())
}

async fn list(api: &Api, out: Output) -> Outcome {
    let all: Page = api.pages(PATH).await?;
    out.answer(&all, |out| {
        let mut table = Table::new(&["name", "id", "ends", "last used", "abilities"]);
        for token in &all.tokens {
            let ends = match &token.revoked_at {
                Some(at) => format!("revoked {at}"),
                None => token.expires_at.clone(),
            };
            let used = token.last_used_at.clone().unwrap_or_else(|| "never".to_owned());
            let abilities = token.abilities.join(" ");
            let id = token.token_id.to_string();
            table.row(vec![token.name.clone(), id, ends, used, abilities]);
        }
        table.lines().iter().for_each(|line| out.line(line));
    });
    Ok(())
}
