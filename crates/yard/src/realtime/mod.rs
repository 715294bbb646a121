//! `yard realtime-apps`: your tenant's own apps of the Pusher protocol.

mod messages;
mod settings;
mod webhooks;

use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

pub use self::messages::MessagesArgs;
use self::settings::Settings;
use self::webhooks::{SetWebhookArgs, Webhook};
use crate::api::Api;
use crate::failure::{Failure, Outcome};
use crate::output::{Output, Table};

const PATH: &str = "/api/v1/realtime-apps";

/// Realtime apps of your tenant: what servers publish and clients listen by, with Pusher's own
/// libraries.
#[derive(Debug, Subcommand)]
pub enum RealtimeCommand {
    /// Lists them by name (the default).
    List,
    /// Shows one with all that it is set up with; its secrets are never shown again.
    Show {
        /// As listed.
        app: u64,
    },
    /// Makes one and shows its secret, this once.
    Create(CreateArgs),
    /// Changes what is named; it holds within a second.
    Update(UpdateArgs),
    /// Deletes one and closes its sockets, for good.
    Delete {
        /// As listed.
        app: u64,
    },
    /// Makes a second secret and shows it, this once. Both are good until one is ended.
    AddSecret {
        /// As listed.
        app: u64,
    },
    /// Lists what was published with `confirm`, newest first, and what became of it.
    Messages(MessagesArgs),
    /// Shows one such message with each of its recipients.
    Message {
        /// As listed.
        app: u64,
        /// As `yard realtime-apps messages` has it.
        message: Uuid,
    },
    /// Has one of your servers told of what happens in an app's channels, or changes how.
    SetWebhook(SetWebhookArgs),
    /// Tells one of your servers no more.
    RemoveWebhook {
        /// As listed.
        app: u64,
        /// As `yard realtime-apps show` has it.
        url: String,
    },
    /// Ends one of two secrets.
    EndSecret {
        /// As listed.
        app: u64,
        /// As `yard realtime-apps show` has it.
        secret: Uuid,
    },
}

/// Arguments of `yard realtime-apps create`.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// What your people call it.
    #[arg(long)]
    pub name: String,
    /// What it may do, and how much.
    #[command(flatten)]
    pub settings: Settings,
}

/// Arguments of `yard realtime-apps update`.
#[derive(Debug, Args)]
pub struct UpdateArgs {
    /// As listed.
    pub app: u64,
    /// What your people call it.
    #[arg(long)]
    pub name: Option<String>,
    /// What it may do, and how much.
    #[command(flatten)]
    pub settings: Settings,
    /// Closes its sockets, and takes neither sockets nor publishes.
    #[arg(long, conflicts_with = "enable")]
    pub disable: bool,
    /// Lets its clients and servers in again.
    #[arg(long)]
    pub enable: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct App {
    app_id: String,
    key: String,
    name: String,
    #[serde(default)]
    disabled: bool,
    #[serde(default)]
    client_events: bool,
    #[serde(default)]
    client_events_per_second: i32,
    #[serde(default)]
    allowed_origins: Vec<String>,
    #[serde(default)]
    max_connections: i32,
    #[serde(default)]
    max_members: i32,
    #[serde(default)]
    max_event_bytes: i32,
    #[serde(default)]
    subscription_count: bool,
    #[serde(default)]
    recoverable_prefixes: Vec<String>,
    #[serde(default)]
    history_events: i32,
    #[serde(default)]
    history_seconds: i32,
    #[serde(default)]
    secrets: Vec<Secret>,
    #[serde(default)]
    created_at: String,
    #[serde(default)]
    changed_at: Option<String>,
    #[serde(default)]
    webhooks: Vec<Webhook>,
}

/// That there is one.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Secret {
    secret_id: Uuid,
    #[serde(default)]
    created_at: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct All {
    #[serde(default)]
    apps: Vec<App>,
}

/// What is shown once.
#[derive(Debug, Serialize, Deserialize)]
struct Made {
    app: App,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    secret_id: Option<Uuid>,
    secret: String,
}

/// Runs a command of this family.
pub async fn run(command: &RealtimeCommand, api: &Api, out: Output) -> Outcome {
    match command {
        RealtimeCommand::List => list(api, out).await,
        RealtimeCommand::Show { app } => {
            let app: App = api.get(&format!("{PATH}/{app}"), &[]).await?;
            show(&app, out);
            Ok(())
        }
        RealtimeCommand::Create(args) => create(args, api, out).await,
        RealtimeCommand::Update(args) => {
            let changed: App = api.patch(&format!("{PATH}/{}", args.app), &changes(args)?).await?;
            show(&changed, out);
            Ok(())
        }
        RealtimeCommand::Delete { app } => {
            api.delete(&format!("{PATH}/{app}")).await?;
            out.answer(&json!({"app_id": app.to_string()}), |out| {
                out.line(&format!("{app} is gone, and its sockets are closed"));
            });
            Ok(())
        }
        RealtimeCommand::AddSecret { app } => add_secret(*app, api, out).await,
        RealtimeCommand::Messages(args) => messages::list(args, api, out).await,
        RealtimeCommand::Message { app, message } => messages::show(*app, *message, api, out).await,
        RealtimeCommand::SetWebhook(args) => {
            show(&webhooks::set(args, api).await?, out);
            Ok(())
        }
        RealtimeCommand::RemoveWebhook { app, url } => {
            show(&webhooks::remove(*app, url, api).await?, out);
            Ok(())
        }
        RealtimeCommand::EndSecret { app, secret } => {
            let path = format!("{PATH}/{app}/secrets/{secret}");
            let left: App = api.delete_read(&path).await?;
            out.answer(&left, |out| out.line(&format!("{secret} has ended")));
            Ok(())
        }
    }
}

async fn create(args: &CreateArgs, api: &Api, out: Output) -> Outcome {
    let mut body = args.settings.named();
    body.insert("name".to_owned(), json!(args.name));
    let made: Made = api.post(PATH, &body).await?;
    out.answer(&made, |out| {
        out.line(&made.secret);
        out.note(&format!(
            "the secret, shown once; the app's id is {} and its key {}",
            made.app.app_id, made.app.key
        ));
    });
    Ok(())
}

async fn add_secret(app: u64, api: &Api, out: Output) -> Outcome {
    let made: Made = api.post(&format!("{PATH}/{app}/secrets"), &json!({})).await?;
    out.answer(&made, |out| {
        out.line(&made.secret);
        out.note("shown once; the older secret is good until you end it");
    });
    Ok(())
}

/// Only what was named.
fn changes(args: &UpdateArgs) -> Outcome<Map<String, Value>> {
    let mut body = args.settings.named();
    let rest = [
        ("name", args.name.as_ref().map(|name| json!(name))),
        ("disabled", (args.disable || args.enable).then(|| json!(args.disable))),
    ];
    for (field, value) in rest {
        if let Some(value) = value {
            body.insert(field.to_owned(), value);
        }
    }
    if body.is_empty() {
        let text = "nothing to change: see `yard realtime-apps update --help`";
        return Err(Failure::Usage(text.to_owned()));
    }
    Ok(body)
}

async fn list(api: &Api, out: Output) -> Outcome {
    let all: All = api.get(PATH, &[]).await?;
    out.answer(&all, |out| {
        let mut table = Table::new(&["name", "id", "key", "secrets", "state"]);
        for app in &all.apps {
            let secrets = app.secrets.len().to_string();
            let (id, key) = (app.app_id.clone(), app.key.clone());
            table.row(vec![app.name.clone(), id, key, secrets, state(app).to_owned()]);
        }
        table.lines().iter().for_each(|line| out.line(line));
    });
    Ok(())
}

const fn state(app: &App) -> &'static str {
    if app.disabled { "disabled" } else { "enabled" }
}

fn show(app: &App, out: Output) {
    out.answer(app, |out| facts(app).iter().for_each(|line| out.line(line)));
}

fn recoverable(app: &App) -> String {
    if app.recoverable_prefixes.is_empty() {
        return "no channel".to_owned();
    }
    let (prefixes, events) = (app.recoverable_prefixes.join(" "), app.history_events);
    format!("{prefixes} ({events} events, {} s)", app.history_seconds)
}

fn facts(app: &App) -> Vec<String> {
    let client_events = if app.client_events {
        format!("{} a second and socket", app.client_events_per_second)
    } else {
        "refused".to_owned()
    };
    let connections = match app.max_connections {
        0 => "as many as an instance takes".to_owned(),
        most => format!("{most} on one instance"),
    };
    let mut rows = vec![
        ("name", app.name.clone()),
        ("id", app.app_id.clone()),
        ("key", app.key.clone()),
        ("state", state(app).to_owned()),
        ("client events", client_events),
        ("origins", app.allowed_origins.join(" ")),
        ("sockets", connections),
        ("members", format!("{} in a presence channel", app.max_members)),
        ("largest event", format!("{} bytes", app.max_event_bytes)),
        ("counts", if app.subscription_count { "told" } else { "not told" }.to_owned()),
        ("recoverable", recoverable(app)),
    ];
    let secrets = app.secrets.iter();
    rows.extend(
        secrets.map(|one| ("secret", format!("{} since {}", one.secret_id, one.created_at))),
    );
    rows.extend(app.webhooks.iter().map(|one| ("webhook", one.told())));
    rows.push(("since", app.created_at.clone()));
    rows.extend(app.changed_at.clone().map(|at| ("changed", at)));
    Table::facts(&rows).lines()
}
