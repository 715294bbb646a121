use clap::Subcommand;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::api::{Api, LoginAnswer};
use crate::failure::Outcome;
use crate::output::{Output, Table};
use crate::session::{Profile, ProfileFile};

const PATH: &str = "/api/v1/me/memberships";

/// Tenants that you are in.
#[derive(Debug, Subcommand)]
pub enum OrganizationsCommand {
    /// Lists them by slug (the default).
    List,
    /// Takes your session to another one. What was proved at sign-in is proved there too.
    Switch {
        /// Slug of the tenant; empty is the platform.
        tenant: String,
    },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Membership {
    tenant_slug: String,
    #[serde(default)]
    tenant_name: String,
    #[serde(default)]
    role: String,
    #[serde(default)]
    second_factor_required: bool,
    #[serde(default)]
    suspended: bool,
    #[serde(default)]
    current: bool,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Page {
    #[serde(default)]
    memberships: Vec<Membership>,
    #[serde(default)]
    next_page_token: String,
}

/// Runs a command of this family.
pub async fn run(command: &OrganizationsCommand, file: &ProfileFile, out: Output) -> Outcome {
    let api = file.api()?;
    match command {
        OrganizationsCommand::List => list(&api, out).await,
        OrganizationsCommand::Switch { tenant } => {
            let body = json!({"tenant": tenant, "delivery": "SESSION_DELIVERY_TOKEN"});
            let answer: LoginAnswer = api.post("/api/v1/sessions/current/tenant", &body).await?;
            let url = api.base().to_owned();
            file.write(&Profile { url, session_token: answer.session_token })?;
            let me = answer.me;
            let place = if me.tenant_slug.is_empty() { "the platform" } else { &me.tenant_slug };
            out.answer(&me, |out| out.line(&format!("in {place} as {} ({})", me.email, me.role)));
            Ok(())
        }
    }
}

async fn list(api: &Api, out: Output) -> Outcome {
    let mut all = Page::default();
    loop {
        let query = [("page_token", all.next_page_token.clone())];
        let page: Page = api.get(PATH, &query).await?;
        all.memberships.extend(page.memberships);
        all.next_page_token = page.next_page_token;
        if all.next_page_token.is_empty() {
            break;
        }
    }
    out.answer(&all, |out| {
        let mut table = Table::new(&["tenant", "name", "role", ""]);
        for membership in all.memberships.iter().cloned() {
            let marks = [
                (membership.current, "here"),
                (membership.suspended, "suspended"),
                (membership.second_factor_required, "requires a second factor"),
            ];
            let said: Vec<_> = marks.iter().filter(|(is, _)| *is).map(|(_, text)| *text).collect();
            let Membership { tenant_slug, tenant_name, role, .. } = membership;
            table.row(vec![tenant_slug, tenant_name, role, said.join(", ")]);
        }
        table.lines().iter().for_each(|line| out.line(line));
    });
    Ok(())
}
