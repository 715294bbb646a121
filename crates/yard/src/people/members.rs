use clap::Subcommand;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use crate::api::{Api, Paged};
use crate::failure::Outcome;
use crate::output::{Output, Table};

const PATH: &str = "/api/v1/people";

/// Members of your tenant.
#[derive(Debug, Subcommand)]
pub enum PeopleCommand {
    /// Lists members by e-mail (the default).
    List,
    /// Gives a member another role.
    Role {
        /// As listed.
        person: Uuid,
        /// `owner`, `operator`, `viewer` or a role of your tenant's own.
        role: String,
    },
    /// Takes a member out: their sessions, API tokens and positions here end.
    Remove {
        /// As listed.
        person: Uuid,
    },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Person {
    principal_id: Uuid,
    email: String,
    #[serde(default)]
    display_name: String,
    role: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    joined_at: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Page {
    #[serde(default)]
    people: Vec<Person>,
    #[serde(default)]
    next_page_token: String,
}

impl Paged for Page {
    fn next_page_token(&self) -> &str {
        &self.next_page_token
    }

    fn add(&mut self, next: Self) {
        self.people.extend(next.people);
        self.next_page_token = next.next_page_token;
    }
}

/// Runs a command of this family.
pub async fn run(command: &PeopleCommand, api: &Api, out: Output) -> Outcome {
    match command {
        PeopleCommand::List => list(api, out).await,
        PeopleCommand::Role { person, role } => {
            let body = json!({ "role": role });
            let changed: Person = api.post(&format!("{PATH}/{person}/role"), &body).await?;
            out.answer(&changed, |out| {
                out.line(&format!("{} is {} now", changed.email, changed.role));
            });
            Ok(())
        }
        PeopleCommand::Remove { person } => {
            api.delete(&format!("{PATH}/{person}")).await?;
            let answer = json!({ "principal_id": person });
            out.answer(&answer, |out| out.line(&format!("{person} is out")));
            Ok(())
        }
    }
}

async fn list(api: &Api, out: Output) -> Outcome {
    let all: Page = api.pages(PATH).await?;
    out.answer(&all, |out| {
        let mut table = Table::new(&["e-mail", "name", "role", "since", "id"]);
        for person in all.people.iter().cloned() {
            let disabled = person.state == "PERSON_STATE_DISABLED";
            let role = if disabled { format!("{} (disabled)", person.role) } else { person.role };
            let id = person.principal_id.to_string();
            table.row(vec![person.email, person.display_name, role, person.joined_at, id]);
        }
        table.lines().iter().for_each(|line| out.line(line));
    });
    Ok(())
}
