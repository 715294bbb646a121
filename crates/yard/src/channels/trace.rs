use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use super::address::address;
use super::or_dash;
use crate::api::Api;
use crate::failure::{Failure, Outcome};
use crate::output::Output;

const KIND: &str = "REALTIME_TRACE_KIND_";

/// Arguments of `yard channels trace`.
#[derive(Debug, Args)]
pub struct TraceArgs {
    /// As `yard realtime-apps list` has it.
    pub app: u64,
    /// Only channels whose names start so.
    #[arg(long, default_value = "")]
    pub prefix: String,
    /// Only events of exactly this name.
    #[arg(long, default_value = "")]
    pub event: String,
    /// Only what is of this kind; may be given more than once.
    #[arg(long)]
    pub kind: Vec<Kind>,
    /// With what events say.
    #[arg(long)]
    pub data: bool,
    /// Ends after so many.
    #[arg(long, value_name = "N")]
    pub count: Option<u64>,
}

/// What can be traced.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Kind {
    /// Published by a server, or by test.
    Event,
    /// Sent by a client to the others.
    ClientEvent,
    /// Somebody came into a presence channel or left it.
    Member,
    /// A socket joined a channel or left it.
    Subscription,
    /// A socket opened or ended.
    Connection,
    /// A join or a socket was turned away.
    Refusal,
}

impl Kind {
    const fn wire(self) -> &'static str {
        match self {
            Self::Event => "REALTIME_TRACE_KIND_EVENT",
            Self::ClientEvent => "REALTIME_TRACE_KIND_CLIENT_EVENT",
            Self::Member => "REALTIME_TRACE_KIND_MEMBER",
            Self::Subscription => "REALTIME_TRACE_KIND_SUBSCRIPTION",
            Self::Connection => "REALTIME_TRACE_KIND_CONNECTION",
            Self::Refusal => "REALTIME_TRACE_KIND_REFUSAL",
        }
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Traced {
    at: String,
    kind: String,
    channel: String,
    event: String,
    socket_id: String,
    user_id: String,
    data: String,
    data_bytes: u64,
    withheld: String,
    left_out: u64,
}

pub(super) async fn run(args: &TraceArgs, api: &Api, out: Output) -> Outcome {
    let with_data = if args.data { "true" } else { "" };
    let mut query = vec![
        ("channel_prefix", args.prefix.as_str()),
        ("event", args.event.as_str()),
        ("with_data", with_data),
    ];
    query.extend(args.kind.iter().map(|kind| ("kinds", kind.wire())));
    let mut events = api.events(&address(args.app, &["trace"], &query)).await?;
    let mut left = args.count.unwrap_or(u64::MAX);
    while left > 0 {
        let Some(text) = events.next_data().await? else {
            return Err(Failure::other("the platform has ended the trace".to_owned()));
        };
        let event: Traced = serde_json::from_str(&text)
            .map_err(|error| Failure::other(format!("an event could not be read: {error}")))?;
        if event.left_out > 0 {
            out.note(&format!("{} left out: too many came at once", event.left_out));
        }
        if event.kind.ends_with("_LEFT_OUT") {
            continue;
        }
        left -= 1;
        out.answer(&event, |out| out.line(&line(&event)));
    }
    Ok(())
}

/// `time  kind  event  channel  who  data`.
fn line(event: &Traced) -> String {
    let Traced { at, kind, channel, event: name, socket_id, user_id, data, .. } = event;
    let time = at.split_once('T').map_or(at.as_str(), |(_, time)| time);
    let kind = kind.trim_start_matches(KIND).to_lowercase().replace('_', "-");
    let who = if user_id.is_empty() { socket_id } else { user_id };
    let (name, channel, who) = (or_dash(name), or_dash(channel), or_dash(who));
    let said = if data.is_empty() && event.data_bytes > 0 {
        format!("({} bytes)", event.data_bytes)
    } else {
        data.clone()
    };
    format!("{time:<28}  {kind:<12}  {name}  {channel}  {who}  {said}").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn event_is_one_line_with_its_size_where_its_data_is_not_shown() {
        let event = |more: serde_json::Value| {
            let mut all = json!({
                "at": "2026-01-01T10:00:00.5Z", "kind": "REALTIME_TRACE_KIND_CLIENT_EVENT",
                "channel": "private-a", "event": "client-move", "socket_id": "1.2",
            });
            for (name, value) in more.as_object().unwrap() {
                all[name] = value.clone();
            }
            line(&serde_json::from_value(all).unwrap())
        };
        let text = event(json!({"data": "{}", "data_bytes": 2}));
        assert!(text.starts_with("10:00:00.5Z "), "{text}");
        assert!(text.ends_with("client-event  client-move  private-a  1.2  {}"), "{text}");
        assert!(event(json!({"data_bytes": 7, "user_id": "7"})).ends_with("  7  (7 bytes)"));
    }
}
