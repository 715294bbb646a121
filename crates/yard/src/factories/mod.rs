//! `yard factories`: manufacturers whose devices enrol by themselves.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use crate::api::Api;
use crate::failure::{Failure, Outcome};
use crate::output::{Output, Table};

const PATH: &str = "/api/v1/factory-authorities";

/// Manufacturers' CAs of your tenant.
#[derive(Debug, Subcommand)]
pub enum FactoriesCommand {
    /// Lists them, newest first (the default).
    List,
    /// Makes one known: its devices may enrol if they are expected.
    Register(RegisterArgs),
    /// Nobody enrols by it any more.
    Withdraw {
        /// As listed.
        authority: Uuid,
    },
}

/// Arguments of `yard factories register`.
#[derive(Debug, Args)]
pub struct RegisterArgs {
    /// What people call it.
    #[arg(long)]
    pub name: String,
    /// The CA's certificate, PEM.
    #[arg(long, value_name = "FILE")]
    pub certificate: PathBuf,
    /// A certificate that the CA has signed for CN=switchyard TENANT, PEM.
    #[arg(long, value_name = "FILE")]
    pub proof: PathBuf,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Authority {
    authority_id: Uuid,
    name: String,
    #[serde(default)]
    subject: String,
    #[serde(default)]
    fingerprint: String,
    #[serde(default)]
    not_after: Option<String>,
    #[serde(default)]
    created_at: Option<String>,
    #[serde(default)]
    withdrawn_at: Option<String>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct All {
    #[serde(default)]
    authorities: Vec<Authority>,
}

/// Runs a command of this family.
pub async fn run(command: &FactoriesCommand, api: &Api, out: Output) -> Outcome {
    match command {
        FactoriesCommand::List => list(api, out).await,
        FactoriesCommand::Register(args) => {
            let body = json!({
                "name": args.name,
                "certificate_pem": read(&args.certificate)?,
                "proof_pem": read(&args.proof)?,
            });
            let made: Authority = api.post(PATH, &body).await?;
            out.answer(&made, |out| {
                out.line(&format!("registered {} {}", made.name, made.authority_id));
            });
            Ok(())
        }
        FactoriesCommand::Withdraw { authority } => {
            let path = format!("{PATH}/{authority}/withdrawal");
            let gone: Authority = api.post(&path, &json!({})).await?;
            out.answer(&gone, |out| {
                out.line(&format!(
                    "withdrawn: {}; its enrolled devices keep what they have",
                    gone.name
                ));
            });
            Ok(())
        }
    }
}

fn read(path: &Path) -> Outcome<String> {
    std::fs::read_to_string(path).map_err(Failure::file(path))
}

async fn list(api: &Api, out: Output) -> Outcome {
    let all: All = api.get(PATH, &[]).await?;
    out.answer(&all, |out| {
        let mut table = Table::new(&["name", "subject", "until", "withdrawn", "id"]);
        let moment = |at: &Option<String>| at.clone().unwrap_or_else(|| "-".to_owned());
        for one in &all.authorities {
            table.row(vec![
                one.name.clone(),
                one.subject.clone(),
                moment(&one.not_after),
                moment(&one.withdrawn_at),
                one.authority_id.to_string(),
            ]);
        }
        table.lines().iter().for_each(|line| out.line(line));
    });
    Ok(())
}
