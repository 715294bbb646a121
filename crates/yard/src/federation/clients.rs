use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use crate::api::{Api, Paged};
use crate::failure::Outcome;
use crate::output::{Output, Table};

const PATH: &str = "/api/v1/oauth-clients";

/// OAuth clients of your tenant: mobile applications, partners' software.
#[derive(Debug, Subcommand)]
pub enum ClientsCommand {
    /// Lists them, newest first (the default).
    List,
    /// Registers one and shows its client id.
    Create(CreateArgs),
    /// Deletes one and ends everything it was granted.
    Delete {
        /// As listed.
        client: Uuid,
    },
}

/// Arguments of `yard oauth-clients create`.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// What people are shown when they are asked for consent.
    #[arg(long)]
    pub name: String,
    /// Where a browser may be sent back to; may be given again.
    #[arg(long = "redirect-uri", required = true)]
    pub redirect_uris: Vec<String>,
    /// A permission it may ask for; may be given again.
    #[arg(long = "ability")]
    pub abilities: Vec<String>,
    /// Your own: people are not asked for consent.
    #[arg(long)]
    pub first_party: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Client {
    client_id: Uuid,
    name: String,
    #[serde(default)]
    redirect_uris: Vec<String>,
    #[serde(default)]
    abilities: Vec<String>,
    #[serde(default)]
    first_party: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct Page {
    #[serde(default)]
    clients: Vec<Client>,
    #[serde(default)]
    next_page_token: String,
}

impl Paged for Page {
    fn next_page_token(&self) -> &str {
        &self.next_page_token
    }

    fn add(&mut self, next: Self) {
        self.clients.extend(next.clients);
        self.next_page_token = next.next_page_token;
    }
}

/// Runs a command of this family.
pub async fn run(command: &ClientsCommand, api: &Api, out: Output) -> Outcome {
    match command {
        ClientsCommand::List => list(api, out).await,
        ClientsCommand::Create(args) => create(args, api, out).await,
        ClientsCommand::Delete { client } => {
            api.delete(&format!("{PATH}/{client}")).await?;
            out.answer(&json!({"client_id": client}), |out| {
                out.line(&format!("{client} is deleted, and what it was granted has ended"));
            });
            Ok(())
        }
    }
}

async fn create(args: &CreateArgs, api: &Api, out: Output) -> Outcome {
    let CreateArgs { name, redirect_uris, abilities, first_party } = args;
    let body = json!({
        "name": name, "redirect_uris": redirect_uris, "abilities": abilities,
        "first_party": first_party,
    });
    let made: Client = api.post(PATH, &body).await?;
    out.answer(&made, |out| {
        out.line(&made.client_id.to_string());
        out.note("a public client: it needs no secret, and has to use PKCE (S256)");
    });
    Ok(())
}

async fn list(api: &Api, out: Output) -> Outcome {
    let all: Page = api.pages(PATH).await?;
    out.answer(&all, |out| {
        let mut table = Table::new(&["name", "client id", "consent", "redirects to", "abilities"]);
        for client in &all.clients {
            let consent = if client.first_party { "not asked" } else { "asked" };
            let (uris, abilities) = (client.redirect_uris.join(" "), client.abilities.join(" "));
            let id = client.client_id.to_string();
            table.row(vec![client.name.clone(), id, consent.to_owned(), uris, abilities]);
        }
        table.lines().iter().for_each(|line| out.line(line));
    });
    Ok(())
}
