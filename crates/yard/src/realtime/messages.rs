use clap::Args;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::PATH;
use crate::api::Api;
use crate::failure::Outcome;
use crate::output::{Output, Table};

/// Arguments of `yard realtime-apps messages`.
#[derive(Debug, Args)]
pub struct MessagesArgs {
    /// As listed.
    pub app: u64,
    /// Of this channel only.
    #[arg(long, default_value = "")]
    pub channel: String,
    /// How many, 1 to 200.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=200))]
    pub most: u16,
}

#[derive(Debug, Serialize, Deserialize)]
struct Page {
    #[serde(default)]
    messages: Vec<Message>,
    #[serde(default)]
    next_page_token: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Message {
    message_id: Uuid,
    app_id: String,
    channel: String,
    seq: i64,
    event: String,
    #[serde(default)]
    data: String,
    level: String,
    #[serde(default)]
    sender: String,
    #[serde(default)]
    created_at: String,
    #[serde(default)]
    expires_at: String,
    #[serde(default)]
    queued: i32,
    #[serde(default)]
    sent: i32,
    #[serde(default)]
    acknowledged: i32,
    #[serde(default)]
    expired: i32,
    #[serde(default)]
    receipts: Vec<Receipt>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Receipt {
    user_id: String,
    state: String,
    #[serde(default)]
    attempts: i32,
    #[serde(default)]
    sent_at: Option<String>,
    #[serde(default)]
    acknowledged_at: Option<String>,
}

pub(super) async fn list(args: &MessagesArgs, api: &Api, out: Output) -> Outcome {
    let query = [("channel", args.channel.clone()), ("page_size", args.most.to_string())];
    let page: Page = api.get(&format!("{PATH}/{}/messages", args.app), &query).await?;
    out.answer(&page, |out| {
        let head =
            ["message", "channel", "seq", "event", "level", "queued", "sent", "acked", "expired"];
        let mut table = Table::new(&head);
        for one in &page.messages {
            let counts = [one.queued, one.sent, one.acknowledged, one.expired];
            let mut row = vec![
                one.message_id.to_string(),
                one.channel.clone(),
                one.seq.to_string(),
                one.event.clone(),
                word(&one.level, "REALTIME_MESSAGE_LEVEL_"),
            ];
            row.extend(counts.map(|count| count.to_string()));
            table.row(row);
        }
        table.lines().iter().for_each(|line| out.line(line));
        if !page.next_page_token.is_empty() {
            out.note("there are older ones");
        }
    });
    Ok(())
}

pub(super) async fn show(app: u64, message: Uuid, api: &Api, out: Output) -> Outcome {
    let message: Message = api.get(&format!("{PATH}/{app}/messages/{message}"), &[]).await?;
    out.answer(&message, |out| {
        let facts = [
            ("channel", message.channel.clone()),
            ("seq", message.seq.to_string()),
            ("event", message.event.clone()),
            ("data", message.data.clone()),
            ("level", word(&message.level, "REALTIME_MESSAGE_LEVEL_")),
            ("sender", message.sender.clone()),
            ("since", message.created_at.clone()),
            ("until", message.expires_at.clone()),
        ];
        Table::facts(&facts).lines().iter().for_each(|line| out.line(line));
        let mut table = Table::new(&["recipient", "state", "attempts", "sent", "acknowledged"]);
        for one in &message.receipts {
            table.row(vec![
                one.user_id.clone(),
                word(&one.state, "REALTIME_RECEIPT_STATE_"),
                one.attempts.to_string(),
                one.sent_at.clone().unwrap_or_default(),
                one.acknowledged_at.clone().unwrap_or_default(),
            ]);
        }
        table.lines().iter().for_each(|line| out.line(line));
    });
    Ok(())
}

/// An enum's value as people read it.
fn word(value: &str, prefix: &str) -> String {
    value.strip_prefix(prefix).unwrap_or(value).to_lowercase()
}
