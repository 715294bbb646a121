use clap::Subcommand;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::api::{Api, LoginAnswer, Paged};
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

#[derive(Debug, Serialize, Deserialize)]
struct Page {
    #[serde(default)]
    memberships: Vec<Membership>,
    #[serde(default)]
    next_page_token: String,
}

impl Paged for Page {
    fn next_page_token(&self) -> &str {
        &self.next_page_token
    }

    fn add(&mut self, next: Self) {
        self.memberships.extend(next.memberships);
        self.next_page_token = next.next_page_token;
    }
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
    let all: Page = api.pages(PATH).await?;
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
