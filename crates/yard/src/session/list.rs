//! `yard sessions`: where you are signed in.

use clap::Subcommand;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::api::{Api, Paged};
use crate::failure::Outcome;
use crate::output::{Output, Table};

const PATH: &str = "/api/v1/me/sessions";

/// Your sessions, in all tenants.
#[derive(Debug, Subcommand)]
pub enum SessionsCommand {
    /// Lists them, newest first (the default).
    List,
    /// Ends one, or all but this one.
    Revoke {
        /// As listed.
        #[arg(required_unless_present = "others")]
        session: Option<Uuid>,
        /// All but the one that this command uses.
        #[arg(long, conflicts_with = "session")]
        others: bool,
    },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Session {
    session_id: Uuid,
    #[serde(default)]
    created_at: String,
    #[serde(default)]
    last_used_at: String,
    #[serde(default)]
    client: String,
    /// What it was granted to, if it was not opened by signing in.
    #[serde(default)]
    application: String,
    #[serde(default)]
    network: String,
    #[serde(default)]
    tenant_slug: String,
    #[serde(default)]
    amr: Vec<String>,
    #[serde(default)]
    current: bool,
}

impl Session {
    fn with(&self) -> &str {
        if self.application.is_empty() { &self.client } else { &self.application }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Page {
    #[serde(default)]
    sessions: Vec<Session>,
    #[serde(default)]
    next_page_token: String,
}

impl Paged for Page {
    fn next_page_token(&self) -> &str {
        &self.next_page_token
    }

    fn add(&mut self, next: Self) {
        self.sessions.extend(next.sessions);
        self.next_page_token = next.next_page_token;
    }
}

/// Runs a command of this family.
pub async fn run(command: &SessionsCommand, api: &Api, out: Output) -> Outcome {
    match command {
        SessionsCommand::List => list(api, out).await,
        SessionsCommand::Revoke { session: Some(session), .. } => {
            api.delete(&format!("{PATH}/{session}")).await?;
            let told = json!({ "session_id": session });
            out.answer(&told, |out| out.line(&format!("{session} has ended")));
            Ok(())
        }
        SessionsCommand::Revoke { session: None, .. } => {
            let ended: Value = api.post(&format!("{PATH}/revoke-others"), &json!({})).await?;
            let count = ended.get("ended").and_then(Value::as_i64).unwrap_or_default();
            out.answer(&ended, |out| out.line(&format!("{count} other sessions have ended")));
            Ok(())
        }
    }
}

async fn list(api: &Api, out: Output) -> Outcome {
    let all: Page = api.pages(PATH).await?;
    out.answer(&all, |out| {
        let mut table = Table::new(&["", "id", "in", "with", "from", "proved by", "last used"]);
        for session in &all.sessions {
            table.row(vec![
                if session.current { "*" } else { "" }.to_owned(),
                session.session_id.to_string(),
                session.tenant_slug.clone(),
                session.with().to_owned(),
                session.network.clone(),
                session.amr.join(" "),
                session.last_used_at.clone(),
            ]);
        }
        table.lines().iter().for_each(|line| out.line(line));
    });
    Ok(())
}
