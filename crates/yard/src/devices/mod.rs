//! `yard devices` and `yard contracts`.

mod authorities;
mod certificates;
mod contracts;
mod inventory;
mod lookup;

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use uuid::Uuid;

pub use contracts::{ContractsCommand, run as run_contracts};
pub use inventory::ImportArgs;
pub use lookup::{find_contract, find_device};

use crate::api::{Api, Device, DeviceDraft, DevicePage};
use crate::enrollment::{self, RenewArgs};
use crate::failure::Outcome;
use crate::output::{Output, Table};

/// Registered devices.
#[derive(Debug, Subcommand)]
pub enum DevicesCommand {
    /// Lists devices by name (the default).
    List(ListArgs),
    /// Shows one device.
    Show {
        /// Id or name.
        device: String,
    },
    /// Registers a device and, with --claim-code, makes a code to enrol it with.
    Create(CreateArgs),
    /// Registers an inventory from a file: nothing when a line is refused. More than 1,000 rows go
    /// in parts; what fails on the way leaves the parts before it, and the file can be sent again.
    Import(ImportArgs),
    /// Makes a one-time code with which a device may enrol.
    Claim {
        /// Id or name.
        device: String,
    },
    /// Shows a device's certificates and whether they can be used.
    Certificates {
        /// Id or name.
        device: String,
    },
    /// Revokes a certificate, and waits until its device is disconnected.
    Revoke {
        /// As `yard devices certificates` shows it.
        serial: String,
        /// Does not wait.
        #[arg(long)]
        no_wait: bool,
    },
    /// Renews the certificate of the device whose files are here.
    Renew(RenewArgs),
    /// Lists devices that renewed too late and wait for a decision.
    Quarantined,
    /// Lists the CAs behind devices' certificates. For operators of the platform.
    Authorities,
    /// Approves a device in quarantine: what it says is accepted from then on.
    Approve {
        /// Id or name.
        device: String,
    },
    /// Revokes every certificate of a device in quarantine.
    Refuse {
        /// Id or name.
        device: String,
    },
}

impl DevicesCommand {
    /// The address that a command brings with it, which needs no session there.
    #[must_use]
    pub fn elsewhere(&self) -> Option<&str> {
        match self {
            Self::Renew(args) => args.url.as_deref(),
            _ => None,
        }
    }
}

/// Arguments of `yard devices list`.
#[derive(Debug, Default, Args)]
pub struct ListArgs {
    /// Only names that begin so.
    #[arg(long, default_value = "")]
    pub prefix: String,
}

/// Arguments of `yard devices create`.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// Unique in the tenant.
    #[arg(long)]
    pub name: String,
    /// Id or name of the contract; of a name, the highest version.
    #[arg(long)]
    pub contract: String,
    /// The owner's own number for it.
    #[arg(long)]
    pub external_id: Option<String>,
    /// Labels, as key=value; may be given again.
    #[arg(long = "label", value_parser = label)]
    pub labels: Vec<(String, String)>,
    /// Also makes a one-time enrolment code.
    #[arg(long)]
    pub claim_code: bool,
}

fn label(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("a label is key=value")?;
    Ok((key.to_owned(), value.to_owned()))
}

/// Runs a command of this family.
pub async fn run(command: &DevicesCommand, api: &Api, out: Output) -> Outcome {
    match command {
        DevicesCommand::List(args) => list(args, api, out).await,
        DevicesCommand::Show { device } => {
            let device = find_device(api, device).await?;
            out.answer(&device, |out| show(&device, out));
            Ok(())
        }
        DevicesCommand::Create(args) => create(args, api, out).await,
        DevicesCommand::Import(args) => inventory::run(args, api, out).await,
        DevicesCommand::Claim { device } => {
            let device = find_device(api, device).await?;
            claim(api, device.device_id, out).await
        }
        DevicesCommand::Certificates { device } => {
            let device = find_device(api, device).await?;
            certificates::list(api, device.device_id, out).await
        }
        DevicesCommand::Revoke { serial, no_wait } => {
            certificates::revoke(api, serial, !no_wait, out).await
        }
        DevicesCommand::Renew(args) => enrollment::renew(args, api, out).await,
        DevicesCommand::Quarantined => certificates::quarantined(api, out).await,
        DevicesCommand::Authorities => authorities::list(api, out).await,
        DevicesCommand::Approve { device } => decide(api, device, true, out).await,
        DevicesCommand::Refuse { device } => decide(api, device, false, out).await,
    }
}

async fn decide(api: &Api, device: &str, approve: bool, out: Output) -> Outcome {
    let device = find_device(api, device).await?.device_id;
    certificates::decide(api, device, approve, out).await
}

async fn list(args: &ListArgs, api: &Api, out: Output) -> Outcome {
    let page = api.all_devices(&args.prefix).await?;
    out.answer(&page, |out| {
        let mut table = Table::new(&["name", "presence", "last seen", "id"]);
        for device in &page.devices {
            table.row(vec![
                device.name.clone(),
                presence(device),
                device.last_seen_at.clone().unwrap_or_else(|| "-".to_owned()),
                device.device_id.to_string(),
            ]);
        }
        for line in table.lines() {
            out.line(&line);
        }
        out.line(&summary(&page));
    });
    Ok(())
}

fn summary(page: &DevicePage) -> String {
    let count = &page.presence_counts;
    format!(
        "{} listed; in all {} online, {} stale, {} offline, {} never connected",
        page.devices.len(),
        count.online,
        count.stale,
        count.offline,
        count.never
    )
}

fn presence(device: &Device) -> String {
    let name = device.presence.strip_prefix("PRESENCE_").unwrap_or(&device.presence);
    name.to_lowercase()
}

fn show(device: &Device, out: Output) {
    let labels: Vec<_> = device.labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
    let facts = [
        ("name", device.name.clone()),
        ("id", device.device_id.to_string()),
        ("presence", presence(device)),
        ("since", device.presence_changed_at.clone().unwrap_or_default()),
        ("last seen", device.last_seen_at.clone().unwrap_or_default()),
        ("contract", device.contract_id.clone()),
        ("external id", device.external_id.clone()),
        ("labels", labels.join(" ")),
    ];
    for line in Table::facts(&facts).lines() {
        out.line(&line);
    }
}

async fn create(args: &CreateArgs, api: &Api, out: Output) -> Outcome {
    let contract = find_contract(api, &args.contract).await?.contract_id.to_string();
    let draft = DeviceDraft {
        name: &args.name,
        external_id: args.external_id.as_deref(),
        contract_id: &contract,
        labels: args.labels.iter().cloned().collect::<BTreeMap<_, _>>(),
    };
    let device = api.create_device(&draft).await?;
    out.answer(&device, |out| out.line(&format!("created {} {}", device.name, device.device_id)));
    if args.claim_code { claim(api, device.device_id, out).await } else { Ok(()) }
}

async fn claim(api: &Api, device: Uuid, out: Output) -> Outcome {
    let code = api.create_claim_code(device).await?;
    out.answer(&code, |out| {
        out.line(&format!("claim code {} (shown once)", code.code));
        out.line(&format!("yard enroll --url {} --claim-code {} --dir DIR", api.base(), code.code));
    });
    Ok(())
}
