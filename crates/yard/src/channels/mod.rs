//! `yard channels`: what goes on in your tenant's realtime apps.

mod address;
mod trace;

use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use serde_json::json;

use self::address::address;
pub use self::trace::TraceArgs;
use crate::api::{Api, Paged};
use crate::failure::Outcome;
use crate::output::{Output, Table};

/// What goes on in a realtime app, over all instances: who listens, how much is said, who was
/// turned away, and what is said at this moment.
#[derive(Debug, Subcommand)]
pub enum ChannelsCommand {
    /// Sockets, subscriptions and rates of an app.
    Activity {
        /// As `yard realtime-apps list` has it.
        app: u64,
    },
    /// Lists the channels that somebody is in, by name.
    List {
        /// As `yard realtime-apps list` has it.
        app: u64,
        /// Only names that start so.
        #[arg(long, default_value = "")]
        prefix: String,
    },
    /// Shows one channel, and who is in it if it is a presence channel.
    Show {
        /// As `yard realtime-apps list` has it.
        app: u64,
        /// Its name.
        channel: String,
    },
    /// Joins and sockets that were turned away, newest first.
    Refused {
        /// As `yard realtime-apps list` has it.
        app: u64,
    },
    /// Prints what happens in an app from now on, until interrupted.
    Trace(TraceArgs),
    /// Publishes one event as the app's server would, and says how many it was for.
    Publish(PublishArgs),
}

/// Arguments of `yard channels publish`.
#[derive(Debug, Args)]
pub struct PublishArgs {
    /// As `yard realtime-apps list` has it.
    pub app: u64,
    /// Where it is said.
    pub channel: String,
    /// The event's name.
    #[arg(long, default_value = "test")]
    pub event: String,
    /// What it says, any text; clients read it as JSON where it is some.
    #[arg(long, default_value = "{}")]
    pub data: String,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Instances {
    answered: u32,
    known: u32,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Activity {
    app_id: String,
    socket_count: u32,
    subscription_count: u32,
    channel_count: u32,
    published_per_second: f64,
    published: Vec<u32>,
    client_events_per_second: f64,
    client_events: Vec<u32>,
    refused_count: u32,
    instances: Instances,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Channel {
    name: String,
    kind: String,
    cache: bool,
    subscription_count: u32,
    user_count: u32,
    messages_per_second: f64,
    messages: Vec<u32>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Channels {
    channels: Vec<Channel>,
    next_page_token: String,
    instances: Instances,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Detail {
    channel: Channel,
    holds_event: bool,
    members: Vec<Member>,
    next_page_token: String,
    instances: Instances,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Member {
    user_id: String,
    user_info: String,
    socket_count: u32,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Refusals {
    refusals: Vec<Refusal>,
    instances: Instances,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Refusal {
    at: String,
    channel: String,
    socket_id: String,
    reason: String,
    detail: String,
    code: u32,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Published {
    published_at: String,
    subscription_count: u32,
    user_count: u32,
    took_ms: u32,
}

impl Paged for Channels {
    fn next_page_token(&self) -> &str {
        &self.next_page_token
    }

    fn add(&mut self, next: Self) {
        self.channels.extend(next.channels);
        self.next_page_token = next.next_page_token;
        self.instances = next.instances;
    }
}

impl Paged for Detail {
    fn next_page_token(&self) -> &str {
        &self.next_page_token
    }

    fn add(&mut self, next: Self) {
        self.members.extend(next.members);
        self.next_page_token = next.next_page_token;
    }
}

/// Runs a command of this family.
pub async fn run(command: &ChannelsCommand, api: &Api, out: Output) -> Outcome {
    match command {
        ChannelsCommand::Activity { app } => activity(*app, api, out).await,
        ChannelsCommand::List { app, prefix } => list(*app, prefix, api, out).await,
        ChannelsCommand::Show { app, channel } => show(*app, channel, api, out).await,
        ChannelsCommand::Refused { app } => refused(*app, api, out).await,
        ChannelsCommand::Trace(args) => trace::run(args, api, out).await,
        ChannelsCommand::Publish(args) => publish(args, api, out).await,
    }
}

async fn activity(app: u64, api: &Api, out: Output) -> Outcome {
    let found: Activity = api.get(&address(app, &["activity"], &[]), &[]).await?;
    out.answer(&found, |out| {
        let facts = [
            ("sockets", found.socket_count.to_string()),
            ("subscriptions", found.subscription_count.to_string()),
            ("channels", found.channel_count.to_string()),
            ("published", format!("{} a second", found.published_per_second)),
            ("client events", format!("{} a second", found.client_events_per_second)),
            ("refused", format!("{} in the last minute", found.refused_count)),
        ];
        Table::facts(&facts).lines().iter().for_each(|line| out.line(line));
        tell_coverage(&found.instances, out);
    });
    Ok(())
}

async fn list(app: u64, prefix: &str, api: &Api, out: Output) -> Outcome {
    let path = address(app, &["channels"], &[("prefix", prefix), ("page_size", "200")]);
    let all: Channels = api.pages(&path).await?;
    out.answer(&all, |out| {
        let mut table = Table::new(&["name", "kind", "subscriptions", "users", "events/s"]);
        for channel in &all.channels {
            table.row(vec![
                channel.name.clone(),
                kind(channel),
                channel.subscription_count.to_string(),
                channel.user_count.to_string(),
                channel.messages_per_second.to_string(),
            ]);
        }
        table.lines().iter().for_each(|line| out.line(line));
        tell_coverage(&all.instances, out);
    });
    Ok(())
}

async fn show(app: u64, channel: &str, api: &Api, out: Output) -> Outcome {
    let path = address(app, &["channels", channel], &[("page_size", "500")]);
    let found: Detail = api.pages(&path).await?;
    out.answer(&found, |out| {
        let channel = &found.channel;
        let mut facts = vec![
            ("name", channel.name.clone()),
            ("kind", kind(channel)),
            ("subscriptions", channel.subscription_count.to_string()),
            ("users", channel.user_count.to_string()),
            ("events", format!("{} a second", channel.messages_per_second)),
        ];
        if channel.cache {
            let kept = if found.holds_event { "there is one" } else { "none" };
            facts.push(("kept event", kept.to_owned()));
        }
        Table::facts(&facts).lines().iter().for_each(|line| out.line(line));
        if !found.members.is_empty() {
            out.line("");
            let mut table = Table::new(&["user", "sockets", "info"]);
            for one in &found.members {
                let (id, info) = (one.user_id.clone(), one.user_info.clone());
                table.row(vec![id, one.socket_count.to_string(), info]);
            }
            table.lines().iter().for_each(|line| out.line(line));
        }
        tell_coverage(&found.instances, out);
    });
    Ok(())
}

async fn refused(app: u64, api: &Api, out: Output) -> Outcome {
    let found: Refusals = api.get(&address(app, &["refusals"], &[]), &[]).await?;
    out.answer(&found, |out| {
        let mut table = Table::new(&["time", "reason", "code", "channel", "socket", "detail"]);
        for one in &found.refusals {
            let Refusal { at, channel, socket_id, reason, detail, code } = one;
            let texts = [at, reason, &code.to_string(), channel, socket_id, detail];
            table.row(texts.map(|text| or_dash(text)).to_vec());
        }
        table.lines().iter().for_each(|line| out.line(line));
        tell_coverage(&found.instances, out);
    });
    Ok(())
}

async fn publish(args: &PublishArgs, api: &Api, out: Output) -> Outcome {
    let PublishArgs { app, channel, event, data } = args;
    let body = json!({"channel": channel, "event": event, "data": data});
    let done: Published = api.post(&address(*app, &["test-events"], &[]), &body).await?;
    out.answer(&done, |out| {
        let sockets = done.subscription_count;
        out.line(&format!("{event} was said in {channel}, where {sockets} subscribed"));
    });
    Ok(())
}

/// Numbers that are too small are not shown as if they were whole.
fn tell_coverage(of: &Instances, out: Output) {
    if of.answered < of.known {
        let Instances { answered, known } = of;
        out.note(&format!("only {answered} of {known} instances answered"));
    }
}

fn kind(channel: &Channel) -> String {
    let kind = channel.kind.trim_start_matches("REALTIME_CHANNEL_KIND_").to_lowercase();
    if channel.cache { format!("{kind}, cache") } else { kind }
}

fn or_dash(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { text.to_owned() }
}
