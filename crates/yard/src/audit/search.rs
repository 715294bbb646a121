use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::place;
use crate::api::Api;
use crate::failure::Outcome;
use crate::output::{Output, Table};

/// Arguments of `yard audit search`; each narrows.
#[derive(Debug, Args)]
pub struct SearchArgs {
    /// From this time on, as in 2026-01-31T08:00:00Z.
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// Until before this time.
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
    /// Who did it, for example `person:<id>`.
    #[arg(long)]
    pub actor: Option<String>,
    /// What was done, or the start of its name.
    #[arg(long)]
    pub action: Option<String>,
    /// Kind of thing it was done to.
    #[arg(long)]
    pub object_type: Option<String>,
    /// The thing it was done to.
    #[arg(long)]
    pub object: Option<String>,
    /// `ok`, `refused`, `unknown` or a code.
    #[arg(long)]
    pub outcome: Option<String>,
    /// The `instance` of an error.
    #[arg(long)]
    pub incident: Option<String>,
    /// At most so many.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: usize,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Page {
    events: Vec<Value>,
    next_page_token: String,
}

/// What is shown of an entry.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Entry {
    sequence: i64,
    occurred_at: String,
    actor: String,
    action: String,
    object_type: String,
    object_id: String,
    outcome: String,
    repeats: i32,
    address_prefix: String,
    personal: Option<Personal>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Personal {
    email: String,
    erased: bool,
}

const LARGEST_PAGE: usize = 200;

pub(super) async fn run(args: &SearchArgs, api: &Api, out: Output) -> Outcome {
    let path = format!("{}/events", place(api).await?);
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let (mut found, mut token) = (Vec::new(), String::new());
    while found.len() < args.limit {
        let query = [
            ("from", text(&args.from)),
            ("to", text(&args.to)),
            ("actor", text(&args.actor)),
            ("action", text(&args.action)),
            ("object_type", text(&args.object_type)),
            ("object_id", text(&args.object)),
            ("outcome", text(&args.outcome)),
            ("incident", text(&args.incident)),
            ("page_size", (args.limit - found.len()).min(LARGEST_PAGE).to_string()),
            ("page_token", token),
        ];
        let page: Page = api.get(&path, &query).await?;
        found.extend(page.events);
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    show(&found, out);
    Ok(())
}

fn show(found: &[Value], out: Output) {
    if out.is_json() {
        found.iter().for_each(|entry| out.json_line(entry));
        return;
    }
    let mut table = Table::new(&["no", "time", "who", "action", "object", "outcome", "from"]);
    for value in found {
        let entry: Entry = serde_json::from_value(value.clone()).unwrap_or_default();
        table.row(row(entry));
    }
    table.lines().iter().for_each(|line| out.line(line));
}

fn row(entry: Entry) -> Vec<String> {
    let who = match entry.personal {
        Some(personal) if personal.erased => format!("{} (erased)", entry.actor),
        Some(personal) if !personal.email.is_empty() => personal.email,
        _ => entry.actor,
    };
    // The RPC without its package: enough for people.
    let action = entry.action.rsplit('.').next().unwrap_or_default().to_owned();
    let times = if entry.repeats > 1 { format!(" ×{}", entry.repeats) } else { String::new() };
    vec![
        entry.sequence.to_string(),
        entry.occurred_at,
        who,
        action,
        format!("{} {}", entry.object_type, entry.object_id).trim().to_owned(),
        format!("{}{times}", entry.outcome),
        entry.address_prefix,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entry_shows_the_person_until_they_are_erased() {
        let mut entry = Entry {
            actor: "person:1".to_owned(),
            action: "yard.device.v1.DeviceService/GetDevice".to_owned(),
            outcome: "auth.forbidden".to_owned(),
            repeats: 7,
            personal: Some(Personal { email: "ann@example.org".to_owned(), erased: false }),
            ..Entry::default()
        };
        entry.object_type = "device".to_owned();
        let shown = row(entry);
        assert_eq!(shown.get(2).unwrap(), "ann@example.org");
        assert_eq!(shown.get(3).unwrap(), "DeviceService/GetDevice");
        assert_eq!(shown.get(5).unwrap(), "auth.forbidden ×7");
        let erased = Some(Personal { erased: true, ..Personal::default() });
        let shown =
            row(Entry { actor: "person:1".to_owned(), personal: erased, ..Entry::default() });
        assert_eq!(shown.get(2).unwrap(), "person:1 (erased)");
    }
}
