use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::settings::{Rule, Settings};
use crate::api::Api;
use crate::failure::{Failure, Outcome};
use crate::output::{Output, Table};

const PATH: &str = "/api/v1/identity-providers";

/// Identity providers of your tenant. Setting one up, changing it and taking it away want a sign-in of
/// the last ten minutes.
#[derive(Debug, Subcommand)]
pub enum ProvidersCommand {
    /// Lists them by name (the default).
    List,
    /// Shows one with all that it is set up with; its secret is never shown.
    Show {
        /// As listed.
        provider: Uuid,
    },
    /// Sets one up and shows what it has to have as redirect URI.
    Create(CreateArgs),
    /// Changes what is named; it counts from the next sign-in on.
    Update(UpdateArgs),
    /// Takes one away and ends the sessions that it opened.
    Delete {
        /// As listed.
        provider: Uuid,
    },
}

/// Arguments of `yard identity-providers create`.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// What the sign-in page calls it.
    #[arg(long)]
    pub name: String,
    /// Its issuer, exactly as it calls itself; it never changes.
    #[arg(long)]
    pub issuer: String,
    /// What it knows us as.
    #[arg(long)]
    pub client_id: String,
    /// How it is asked, and whom it lets in as what.
    #[command(flatten)]
    pub settings: Settings,
    /// Makes an account for who has none.
    #[arg(long)]
    pub create_people: bool,
    /// Lets nobody in until it is enabled.
    #[arg(long)]
    pub disabled: bool,
}

/// Arguments of `yard identity-providers update`. Of what may be given again, those left out go.
#[derive(Debug, Args)]
pub struct UpdateArgs {
    /// As listed.
    pub provider: Uuid,
    /// What the sign-in page calls it.
    #[arg(long)]
    pub name: Option<String>,
    /// What it knows us as.
    #[arg(long)]
    pub client_id: Option<String>,
    /// How it is asked, and whom it lets in as what.
    #[command(flatten)]
    pub settings: Settings,
    /// Makes us a public client.
    #[arg(long, conflicts_with = "client_secret_file")]
    pub no_client_secret: bool,
    /// Takes all rules away.
    #[arg(long, conflicts_with = "rules")]
    pub no_rules: bool,
    /// Takes addresses of any domain.
    #[arg(long, conflicts_with = "email_domains")]
    pub no_email_domains: bool,
    /// Whether accounts are made for who has none.
    #[arg(long, value_name = "BOOL")]
    pub create_people: Option<bool>,
    /// Ends the sessions that it opened, and lets nobody in.
    #[arg(long, conflicts_with = "enable")]
    pub disable: bool,
    /// Lets its people in again.
    #[arg(long)]
    pub enable: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Provider {
    provider_id: Uuid,
    name: String,
    issuer: String,
    #[serde(default)]
    client_id: String,
    #[serde(default)]
    scopes: Vec<String>,
    #[serde(default)]
    groups_claim: String,
    #[serde(default)]
    role_rules: Vec<Rule>,
    #[serde(default)]
    default_role: String,
    #[serde(default)]
    email_domains: Vec<String>,
    #[serde(default)]
    create_people: bool,
    #[serde(default)]
    disabled: bool,
    #[serde(default)]
    redirect_uri: String,
    #[serde(default)]
    created_at: String,
    #[serde(default)]
    changed_at: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct All {
    #[serde(default)]
    identity_providers: Vec<Provider>,
}

/// Runs a command of this family.
pub async fn run(command: &ProvidersCommand, api: &Api, out: Output) -> Outcome {
    match command {
        ProvidersCommand::List => list(api, out).await,
        ProvidersCommand::Show { provider } => show(*provider, api, out).await,
        ProvidersCommand::Create(args) => create(args, api, out).await,
        ProvidersCommand::Update(args) => {
            let path = format!("{PATH}/{}", args.provider);
            let changed: Provider = api.patch(&path, &changes(args)?).await?;
            out.answer(&changed, |out| facts(&changed).iter().for_each(|line| out.line(line)));
            Ok(())
        }
        ProvidersCommand::Delete { provider } => {
            api.delete(&format!("{PATH}/{provider}")).await?;
            out.answer(&json!({"provider_id": provider}), |out| {
                out.line(&format!(
                    "{provider} is gone, and the sessions that it opened have ended"
                ));
            });
            Ok(())
        }
    }
}

async fn create(args: &CreateArgs, api: &Api, out: Output) -> Outcome {
    let mut body = args.settings.named()?;
    for (field, value) in [
        ("name", json!(args.name)),
        ("issuer", json!(args.issuer)),
        ("client_id", json!(args.client_id)),
        ("create_people", json!(args.create_people)),
        ("disabled", json!(args.disabled)),
    ] {
        body.insert(field.to_owned(), value);
    }
    let made: Provider = api.post(PATH, &body).await?;
    out.answer(&made, |out| {
        out.line(&made.provider_id.to_string());
        out.note(&format!("register {} as the client's redirect URI", made.redirect_uri));
    });
    Ok(())
}

/// Only what was named.
fn changes(args: &UpdateArgs) -> Outcome<Map<String, Value>> {
    let mut body = args.settings.named()?;
    let texts = [("name", &args.name), ("client_id", &args.client_id)];
    let texts = texts.map(|(field, text)| (field, text.as_ref().map(|text| json!(text))));
    let cleared = [
        ("client_secret", args.no_client_secret.then(|| json!(""))),
        ("role_rules", args.no_rules.then(|| json!([]))),
        ("email_domains", args.no_email_domains.then(|| json!([]))),
        ("create_people", args.create_people.map(|make| json!(make))),
        ("disabled", (args.disable || args.enable).then(|| json!(args.disable))),
    ];
    for (field, value) in texts.into_iter().chain(cleared) {
        if let Some(value) = value {
            body.insert(field.to_owned(), value);
        }
    }
    if body.is_empty() {
        let text = "nothing to change: see `yard identity-providers update --help`";
        return Err(Failure::Usage(text.to_owned()));
    }
    Ok(body)
}

async fn all(api: &Api) -> Outcome<All> {
    api.get(PATH, &[]).await
}

async fn list(api: &Api, out: Output) -> Outcome {
    let all = all(api).await?;
    out.answer(&all, |out| {
        let mut table = Table::new(&["name", "issuer", "lets in", "id"]);
        for one in &all.identity_providers {
            let lets_in = if one.disabled { "nobody (disabled)".to_owned() } else { roles(one) };
            let id = one.provider_id.to_string();
            table.row(vec![one.name.clone(), one.issuer.clone(), lets_in, id]);
        }
        table.lines().iter().for_each(|line| out.line(line));
    });
    Ok(())
}

async fn show(provider: Uuid, api: &Api, out: Output) -> Outcome {
    let all = all(api).await?;
    let found = all.identity_providers.into_iter().find(|one| one.provider_id == provider);
    let Some(found) = found else {
        return Err(Failure::other(format!("there is no identity provider {provider}")));
    };
    out.answer(&found, |out| facts(&found).iter().for_each(|line| out.line(line)));
    Ok(())
}

fn facts(one: &Provider) -> Vec<String> {
    let or = |text: &str, nothing: &str| if text.is_empty() { nothing } else { text }.to_owned();
    let accounts = if one.create_people { "made at the first sign-in" } else { "linked by people" };
    let mut rows = vec![
        ("name", one.name.clone()),
        ("id", one.provider_id.to_string()),
        ("issuer", one.issuer.clone()),
        ("client id", one.client_id.clone()),
        ("redirect URI", one.redirect_uri.clone()),
        ("scopes", one.scopes.join(" ")),
        ("groups claim", or(&one.groups_claim, "none")),
        ("roles", roles(one)),
        ("e-mail domains", or(&one.email_domains.join(" "), "any")),
        ("accounts", accounts.to_owned()),
        ("state", if one.disabled { "disabled" } else { "enabled" }.to_owned()),
        ("since", one.created_at.clone()),
    ];
    rows.extend(one.changed_at.clone().map(|at| ("changed", at)));
    Table::facts(&rows).lines()
}

/// Who gets which role, in a line.
fn roles(one: &Provider) -> String {
    let rules = one.role_rules.iter().map(|rule| format!("{} as {}", rule.group, rule.role));
    let rest = match one.default_role.as_str() {
        "" => None,
        role if one.role_rules.is_empty() => Some(format!("who is new as {role}")),
        role => Some(format!("everybody else as {role}")),
    };
    let all: Vec<_> = rules.chain(rest).collect();
    if all.is_empty() { "who is linked".to_owned() } else { all.join(", ") }
}
