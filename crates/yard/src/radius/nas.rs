use std::net::IpAddr;

use clap::Subcommand;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::api::{Api, Paged};
use crate::failure::{Failure, Outcome};
use crate::output::{Output, Table};

const PATH: &str = "/api/v1/radius/nas";

/// NAS of your tenant.
#[derive(Debug, Subcommand)]
pub enum NasCommand {
    /// Lists them by name (the default).
    List,
    /// Registers one and shows its secret, this once.
    Create {
        /// What your people call it.
        #[arg(long)]
        name: String,
        /// Where its packets come from.
        #[arg(long)]
        address: IpAddr,
    },
    /// Changes what is named.
    Update {
        /// As listed.
        nas: Uuid,
        /// What your people call it.
        #[arg(long)]
        name: Option<String>,
        /// Where its packets come from; the RADIUS server knows within a minute.
        #[arg(long)]
        address: Option<IpAddr>,
        /// Is no longer answered.
        #[arg(long, conflicts_with = "enable")]
        disable: bool,
        /// Is answered again.
        #[arg(long)]
        enable: bool,
    },
    /// Gives it another secret and shows it, this once; the RADIUS server takes it within a minute.
    RotateSecret {
        /// As listed.
        nas: Uuid,
    },
    /// Takes it away; it is no longer answered.
    Delete {
        /// As listed.
        nas: Uuid,
    },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Nas {
    nas_id: Uuid,
    name: String,
    address: String,
    #[serde(default)]
    disabled: bool,
    #[serde(default)]
    created_at: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Page {
    #[serde(default)]
    nas: Vec<Nas>,
    #[serde(default, skip_serializing)]
    next_page_token: String,
}

impl Paged for Page {
    fn next_page_token(&self) -> &str {
        &self.next_page_token
    }

    fn add(&mut self, next: Self) {
        self.nas.extend(next.nas);
        self.next_page_token = next.next_page_token;
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Made {
    nas: Nas,
    secret: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Rotated {
    nas_id: Uuid,
    secret: String,
}

pub(super) async fn run(command: &NasCommand, api: &Api, out: Output) -> Outcome {
    match command {
        NasCommand::List => list(api, out).await,
        NasCommand::Create { name, address } => {
            let made: Made = api.post(PATH, &json!({"name": name, "address": address})).await?;
            out.answer(&made, |out| {
                out.line(&made.secret);
                out.note(&format!("the secret, shown once; the NAS is {}", made.nas.nas_id));
            });
            Ok(())
        }
        NasCommand::Update { nas, name, address, disable, enable } => {
            let mut body = Map::new();
            let wanted = [
                ("name", name.as_ref().map(|name| json!(name))),
                ("address", address.map(|address| json!(address))),
                ("disabled", (*disable || *enable).then(|| json!(disable))),
            ];
            let named = wanted.into_iter().filter_map(|(field, value)| Some((field, value?)));
            body.extend(named.map(|(field, value): (&str, Value)| (field.to_owned(), value)));
            if body.is_empty() {
                let text = "nothing to change: see `yard radius nas update --help`";
                return Err(Failure::Usage(text.to_owned()));
            }
            let changed: Nas = api.patch(&format!("{PATH}/{nas}"), &body).await?;
            out.answer(&changed, |out| table(std::slice::from_ref(&changed), out));
            Ok(())
        }
        NasCommand::RotateSecret { nas } => {
            let made: Rotated = api.post(&format!("{PATH}/{nas}/secret"), &json!({})).await?;
            out.answer(&made, |out| {
                out.line(&made.secret);
                out.note("shown once; within a minute it holds, and the one before no longer");
            });
            Ok(())
        }
        NasCommand::Delete { nas } => {
            api.delete(&format!("{PATH}/{nas}")).await?;
            out.answer(&json!({"nas_id": nas}), |out| {
                out.line(&format!("{nas} is gone and is no longer answered"));
            });
            Ok(())
        }
    }
}

async fn list(api: &Api, out: Output) -> Outcome {
    let all: Page = api.pages(PATH).await?;
    out.answer(&all, |out| table(&all.nas, out));
    Ok(())
}

fn table(rows: &[Nas], out: Output) {
    let mut table = Table::new(&["name", "id", "address", "state"]);
    for nas in rows {
        let state = if nas.disabled { "disabled" } else { "enabled" };
        let (id, address) = (nas.nas_id.to_string(), nas.address.clone());
        table.row(vec![nas.name.clone(), id, address, state.to_owned()]);
    }
    table.lines().iter().for_each(|line| out.line(line));
}
