//! `yard keys`: the keys that sign people's access tokens.

use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::api::{Api, Paged};
use crate::failure::Outcome;
use crate::output::{Output, Table};

const PATH: &str = "/api/v1/keys";

/// Keys that sign people's access tokens.
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Lists all keys, newest first (the default).
    List,
    /// Has the pending key take over before its time.
    Rotate {
        /// Even if some client that caches the key set cannot know it yet.
        #[arg(long)]
        emergency: bool,
    },
    /// Withdraws a key: its tokens are refused everywhere within two seconds.
    Revoke(RevokeArgs),
}

/// Arguments of `yard keys revoke`.
#[derive(Debug, Args)]
pub struct RevokeArgs {
    /// As listed.
    pub kid: String,
    /// For the record.
    #[arg(long)]
    pub reason: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Key {
    kid: String,
    state: String,
    #[serde(default)]
    created_at: String,
    #[serde(default)]
    next_change_at: Option<String>,
    #[serde(default)]
    reason: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Page {
    #[serde(default)]
    keys: Vec<Key>,
    #[serde(default)]
    next_page_token: String,
}

impl Paged for Page {
    fn next_page_token(&self) -> &str {
        &self.next_page_token
    }

    fn add(&mut self, next: Self) {
        self.keys.extend(next.keys);
        self.next_page_token = next.next_page_token;
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Change {
    active: Key,
    previous: Key,
}

/// Runs a command of this family.
pub async fn run(command: &KeysCommand, api: &Api, out: Output) -> Outcome {
    match command {
        KeysCommand::List => list(api, out).await,
        KeysCommand::Rotate { emergency } => {
            let body = json!({"emergency": emergency});
            let change: Change = api.post("/api/v1/keys/rotate", &body).await?;
            told(&change, out);
            Ok(())
        }
        KeysCommand::Revoke(args) => {
            // A colon needs no escape in a path.
            let path = format!("{PATH}/{}/revoke", args.kid);
            let change: Change = api.post(&path, &json!({"reason": args.reason})).await?;
            told(&change, out);
            Ok(())
        }
    }
}

async fn list(api: &Api, out: Output) -> Outcome {
    let all: Page = api.pages(PATH).await?;
    out.answer(&all, |out| {
        let mut table = Table::new(&["key", "state", "made", "next change", "reason"]);
        for key in &all.keys {
            let next = key.next_change_at.clone().unwrap_or_else(|| "-".to_owned());
            let cells = [key.kid.clone(), state(key), key.created_at.clone(), next];
            table.row(cells.into_iter().chain([key.reason.clone()]).collect());
        }
        table.lines().iter().for_each(|line| out.line(line));
    });
    Ok(())
}

fn state(key: &Key) -> String {
    key.state.strip_prefix("SIGNING_KEY_STATE_").unwrap_or(&key.state).to_lowercase()
}

fn told(change: &Change, out: Output) {
    out.answer(change, |out| {
        out.line(&format!("{} signs now", change.active.kid));
        out.line(&format!("{} is {}", change.previous.kid, state(&change.previous)));
    });
}
