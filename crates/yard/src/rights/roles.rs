use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::api::{Api, Paged};
use crate::failure::{Failure, Outcome};
use crate::output::{Output, Table};

const PATH: &str = "/api/v1/roles";

/// Roles of your tenant.
#[derive(Debug, Subcommand)]
pub enum RolesCommand {
    /// Lists the built-in roles and the tenant's own (the default).
    List,
    /// Lists every permission that a role can hold.
    Permissions,
    /// Makes a role. You have to hold what it holds.
    Create(CreateArgs),
    /// Changes a role; whoever holds it has the new permissions within two seconds.
    Update(UpdateArgs),
    /// Deletes a role that nobody holds.
    Delete {
        /// Its key.
        role: String,
    },
}

/// Arguments of `yard roles create`.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// Its key: lower-case letters, digits and hyphens.
    pub role: String,
    /// What people read.
    #[arg(long)]
    pub name: String,
    /// What it is for.
    #[arg(long, default_value = "")]
    pub description: String,
    /// A permission that it holds; may be given again.
    #[arg(long = "permission")]
    pub permissions: Vec<String>,
}

/// Arguments of `yard roles update`.
#[derive(Debug, Args)]
pub struct UpdateArgs {
    /// Its key.
    pub role: String,
    /// What people read.
    #[arg(long)]
    pub name: Option<String>,
    /// What it is for.
    #[arg(long)]
    pub description: Option<String>,
    /// A permission that it holds from now on; may be given again. Those left out go.
    #[arg(long = "permission")]
    pub permissions: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Role {
    role: String,
    name: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    permissions: Vec<String>,
    #[serde(default)]
    built_in: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct Page {
    #[serde(default)]
    roles: Vec<Role>,
    #[serde(default)]
    next_page_token: String,
}

impl Paged for Page {
    fn next_page_token(&self) -> &str {
        &self.next_page_token
    }

    fn add(&mut self, next: Self) {
        self.roles.extend(next.roles);
        self.next_page_token = next.next_page_token;
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Permissions {
    permissions: Vec<String>,
}

/// Runs a command of this family.
pub async fn run(command: &RolesCommand, api: &Api, out: Output) -> Outcome {
    match command {
        RolesCommand::List => list(api, out).await,
        RolesCommand::Permissions => {
            let all: Permissions = api.get("/api/v1/permissions", &[]).await?;
            out.answer(&all, |out| all.permissions.iter().for_each(|name| out.line(name)));
            Ok(())
        }
        RolesCommand::Create(args) => {
            let CreateArgs { role, name, description, permissions } = args;
            let body = json!({
                "role": role, "name": name, "description": description,
                "permissions": permissions,
            });
            let made: Role = api.post(PATH, &body).await?;
            out.answer(&made, |out| out.line(&sentence(&made)));
            Ok(())
        }
        RolesCommand::Update(args) => {
            let path = format!("{PATH}/{}", args.role);
            let made: Role = api.patch(&path, &changes(args)?).await?;
            out.answer(&made, |out| out.line(&sentence(&made)));
            Ok(())
        }
        RolesCommand::Delete { role } => {
            api.delete(&format!("{PATH}/{role}")).await?;
            out.answer(&json!({"role": role}), |out| out.line(&format!("{role} is deleted")));
            Ok(())
        }
    }
}

/// Only what was named.
fn changes(args: &UpdateArgs) -> Outcome<Value> {
    let mut body = Map::new();
    if let Some(name) = &args.name {
        body.insert("name".to_owned(), json!(name));
    }
    if let Some(description) = &args.description {
        body.insert("description".to_owned(), json!(description));
    }
    if !args.permissions.is_empty() {
        body.insert("permissions".to_owned(), json!(args.permissions));
    }
    if body.is_empty() {
        let text = "nothing to change: give --name, --description or --permission";
        return Err(Failure::Usage(text.to_owned()));
    }
    Ok(Value::Object(body))
}

fn sentence(role: &Role) -> String {
    format!("{} ({}): {}", role.role, role.name, role.permissions.join(" "))
}

async fn list(api: &Api, out: Output) -> Outcome {
    let all: Page = api.pages(PATH).await?;
    out.answer(&all, |out| {
        let mut table = Table::new(&["role", "name", "", "permissions"]);
        for role in &all.roles {
            let kind = if role.built_in { "built in" } else { "" };
            let permissions = role.permissions.join(" ");
            table.row(vec![role.role.clone(), role.name.clone(), kind.to_owned(), permissions]);
        }
        table.lines().iter().for_each(|line| out.line(line));
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> UpdateArgs {
        let role = "night-shift".to_owned();
        UpdateArgs { role, name: None, description: None, permissions: Vec::new() }
    }

    #[test]
    fn update_sends_what_was_named_and_nothing_else() {
        let named = UpdateArgs { name: Some("Night".to_owned()), ..args() };
        assert_eq!(changes(&named).unwrap(), json!({"name": "Night"}));
        let permissions = vec!["devices.read".to_owned()];
        let held = UpdateArgs { permissions, ..args() };
        assert_eq!(changes(&held).unwrap(), json!({"permissions": ["devices.read"]}));
        assert!(matches!(changes(&args()), Err(Failure::Usage(_))));
    }
}
