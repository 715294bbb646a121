use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use crate::api::{Api, Paged};
use crate::failure::{Failure, Outcome};
use crate::operations::seconds;
use crate::output::{Output, Table};

const OPERATORS: &str = "/api/ops/v1/break-glass";
const OWNERS: &str = "/api/v1/break-glass";

/// System administrators in tenants.
#[derive(Debug, Subcommand)]
pub enum BreakGlassCommand {
    /// Enters a tenant with your session. For system administrators who have just signed in.
    Enter(EnterArgs),
    /// Leaves the tenant you entered.
    Leave,
    /// Lists entries, newest first: into your tenant (the default), or into all.
    List {
        /// Into all tenants; for system administrators.
        #[arg(long)]
        all: bool,
    },
    /// Puts an administrator out of your tenant.
    End {
        /// As listed.
        entry: Uuid,
    },
}

/// Arguments of `yard break-glass enter`.
#[derive(Debug, Args)]
pub struct EnterArgs {
    /// Id of the tenant.
    pub tenant: Uuid,
    /// Why; the tenant's owners read it.
    #[arg(long)]
    pub reason: String,
    /// For how long, in whole minutes, at most 1h.
    #[arg(long = "for", value_name = "SPAN", value_parser = seconds, default_value = "30m")]
    pub seconds: i32,
    /// A permission you need there; may be given again. A viewer's when none is named.
    #[arg(long = "permission")]
    pub permissions: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Entry {
    break_glass_id: Uuid,
    tenant_slug: String,
    display_name: String,
    #[serde(default)]
    permissions: Vec<String>,
    reason: String,
    started_at: String,
    expires_at: String,
    #[serde(default)]
    ended_at: Option<String>,
    #[serde(default)]
    ended_by: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Page {
    #[serde(default)]
    entries: Vec<Entry>,
    #[serde(default)]
    next_page_token: String,
}

impl Paged for Page {
    fn next_page_token(&self) -> &str {
        &self.next_page_token
    }

    fn add(&mut self, next: Self) {
        self.entries.extend(next.entries);
        self.next_page_token = next.next_page_token;
    }
}

/// Runs a command of this family.
pub async fn run(command: &BreakGlassCommand, api: &Api, out: Output) -> Outcome {
    match command {
        BreakGlassCommand::Enter(args) => {
            let body = json!({
                "tenant_id": args.tenant, "reason": args.reason,
                "minutes": minutes(args.seconds)?, "permissions": args.permissions,
            });
            let entry: Entry = api.post(OPERATORS, &body).await?;
            out.answer(&entry, |out| {
                let Entry { tenant_slug, expires_at, permissions, .. } = &entry;
                let may = permissions.join(" ");
                out.line(&format!("you are in {tenant_slug} until {expires_at} with: {may}"));
            });
        }
        BreakGlassCommand::Leave => {
            let entry: Entry = api.delete_read("/api/v1/me/break-glass").await?;
            out.answer(&entry, |out| out.line(&format!("you have left {}", entry.tenant_slug)));
        }
        BreakGlassCommand::List { all } => list(*all, api, out).await?,
        BreakGlassCommand::End { entry } => {
            let entry: Entry = api.delete_read(&format!("{OWNERS}/{entry}")).await?;
            out.answer(&entry, |out| out.line(&format!("{} is out", entry.display_name)));
        }
    }
    Ok(())
}

fn minutes(seconds: i32) -> Outcome<i32> {
    if seconds % 60 == 0 && (60..=3_600).contains(&seconds) {
        return Ok(seconds / 60);
    }
    Err(Failure::Usage("--for has to be whole minutes, 1m to 60m".to_owned()))
}

async fn list(everywhere: bool, api: &Api, out: Output) -> Outcome {
    let path = if everywhere { OPERATORS } else { OWNERS };
    let all: Page = api.pages(path).await?;
    out.answer(&all, |out| {
        let mut table = Table::new(&[
            "id",
            "tenant",
            "administrator",
            "since",
            "state",
            "permissions",
            "reason",
        ]);
        for entry in &all.entries {
            let state = match (&entry.ended_at, entry.ended_by.as_str()) {
                (None, _) => format!("until {}", entry.expires_at),
                (Some(at), "") => format!("ran out {at}"),
                (Some(at), by) => format!("ended {at} by {by}"),
            };
            table.row(vec![
                entry.break_glass_id.to_string(),
                entry.tenant_slug.clone(),
                entry.display_name.clone(),
                entry.started_at.clone(),
                state,
                entry.permissions.join(" "),
                entry.reason.clone(),
            ]);
        }
        table.lines().iter().for_each(|line| out.line(line));
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn span_is_whole_minutes_up_to_an_hour() {
        assert_eq!(minutes(60).unwrap(), 1);
        assert_eq!(minutes(3_600).unwrap(), 60);
        for wrong in [0, 30, 59, 61, 3_601, 3_660] {
            assert!(minutes(wrong).is_err(), "{wrong}");
        }
    }
}
