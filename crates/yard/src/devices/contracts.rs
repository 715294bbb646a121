use std::path::PathBuf;

use clap::Subcommand;

use crate::api::{Api, Contract, ContractDraft};
use crate::failure::{Failure, Outcome};
use crate::output::{Output, Table};

/// What kinds of device say and accept.
#[derive(Debug, Subcommand)]
pub enum ContractsCommand {
    /// Lists contracts (the default).
    List,
    /// Makes a contract version from a JSON file: name, version, telemetry_schema, metrics,
    /// commands.
    Create {
        /// The file.
        #[arg(long)]
        file: PathBuf,
    },
}

/// Runs a command of this family.
pub async fn run(command: &ContractsCommand, api: &Api, out: Output) -> Outcome {
    match command {
        ContractsCommand::List => {
            let contracts = api.contracts().await?;
            out.answer(&serde_json::json!({ "contracts": contracts }), |out| {
                table(&contracts).lines().iter().for_each(|line| out.line(line));
            });
        }
        ContractsCommand::Create { file } => {
            let text = std::fs::read_to_string(file).map_err(Failure::file(file))?;
            let draft: ContractDraft = serde_json::from_str(&text)
                .map_err(|error| Failure::other(format!("{}: {error}", file.display())))?;
            let made = api.create_contract(&draft).await?;
            out.answer(&made, |out| {
                out.line(&format!(
                    "created {} version {} {}",
                    made.name, made.version, made.contract_id
                ));
            });
        }
    }
    Ok(())
}

fn table(contracts: &[Contract]) -> Table {
    let mut table = Table::new(&["name", "version", "metrics", "commands", "id"]);
    for contract in contracts {
        let metrics: Vec<_> = contract.metrics.iter().map(|m| m.key.as_str()).collect();
        let commands: Vec<_> = contract.commands.iter().map(|c| c.name.as_str()).collect();
        table.row(vec![
            contract.name.clone(),
            contract.version.to_string(),
            metrics.join(" "),
            commands.join(" "),
            contract.contract_id.to_string(),
        ]);
    }
    table
}
