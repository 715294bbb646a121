use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{App, PATH};
use crate::api::Api;
use crate::failure::{Failure, Outcome};

/// Arguments of `yard realtime-apps set-webhook`.
#[derive(Debug, Args)]
pub struct SetWebhookArgs {
    /// As listed.
    pub app: u64,
    /// Where your server takes it, https://…
    pub url: String,
    /// What it is told of: `channel_occupied`, `channel_vacated`, `member_added`, `member_removed`,
    /// `client_event`, `cache_miss` or `subscription_count`; may be given again. All if there is none.
    #[arg(long = "kind", value_name = "KIND")]
    pub kinds: Vec<String>,
    /// Only of channels whose names begin so.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub channel_prefix: String,
    /// Keeps it, and tells it nothing.
    #[arg(long)]
    pub disable: bool,
}

/// A server that is told.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Webhook {
    url: String,
    #[serde(default)]
    kinds: Vec<String>,
    #[serde(default)]
    channel_prefix: String,
    #[serde(default)]
    disabled: bool,
}

impl Webhook {
    /// In one line.
    pub(super) fn told(&self) -> String {
        let kinds = match self.kinds.is_empty() {
            true => "all".to_owned(),
            false => self.kinds.join(" "),
        };
        let channels = match self.channel_prefix.as_str() {
            "" => String::new(),
            prefix => format!(" of {prefix}…"),
        };
        let state = if self.disabled { ", disabled" } else { "" };
        format!("{}: {kinds}{channels}{state}", self.url)
    }

    /// The platform writes an address without a path with a slash.
    fn is(&self, url: &str) -> bool {
        self.url.trim_end_matches('/') == url.trim_end_matches('/')
    }
}

/// Puts one in the place of that with the same address, or behind the others.
pub(super) async fn set(args: &SetWebhookArgs, api: &Api) -> Outcome<App> {
    let mut all = read(args.app, api).await?;
    let one = Webhook {
        url: args.url.clone(),
        kinds: args.kinds.clone(),
        channel_prefix: args.channel_prefix.clone(),
        disabled: args.disable,
    };
    match all.iter_mut().find(|other| other.is(&args.url)) {
        Some(other) => *other = one,
        None => all.push(one),
    }
    write(args.app, &all, api).await
}

/// Takes one away.
pub(super) async fn remove(app: u64, url: &str, api: &Api) -> Outcome<App> {
    let mut all = read(app, api).await?;
    let before = all.len();
    all.retain(|one| !one.is(url));
    if all.len() == before {
        return Err(Failure::Usage(format!("{app} has no webhook at {url}")));
    }
    write(app, &all, api).await
}

async fn read(app: u64, api: &Api) -> Outcome<Vec<Webhook>> {
    let app: App = api.get(&format!("{PATH}/{app}"), &[]).await?;
    Ok(app.webhooks)
}

async fn write(app: u64, all: &[Webhook], api: &Api) -> Outcome<App> {
    api.patch(&format!("{PATH}/{app}"), &json!({"webhooks": all})).await
}
