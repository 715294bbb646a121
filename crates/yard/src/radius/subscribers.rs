use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::api::Api;
use crate::failure::{Failure, Outcome};
use crate::output::{Output, Table};

const PATH: &str = "/api/v1/radius/subscribers";

/// Subscribers of your tenant.
#[derive(Debug, Subcommand)]
pub enum SubscribersCommand {
    /// Lists them by user name (the default).
    List {
        /// Only those whose user names begin so.
        #[arg(long, default_value = "")]
        prefix: String,
    },
    /// Makes one. A password that is not given is made and shown, this once.
    Create {
        /// What they type, exactly.
        user_name: String,
        /// On which terms.
        #[command(flatten)]
        terms: Terms,
    },
    /// Changes what is named; it holds from their next sign-in on.
    Update {
        /// As listed.
        subscriber: Uuid,
        /// On which terms.
        #[command(flatten)]
        terms: Terms,
        /// They are refused.
        #[arg(long, conflicts_with = "enable")]
        disable: bool,
        /// They are let in again.
        #[arg(long)]
        enable: bool,
        /// Their validity has no end.
        #[arg(long, conflicts_with = "valid_until")]
        no_end: bool,
    },
    /// Takes one away.
    Delete {
        /// As listed.
        subscriber: Uuid,
    },
}

/// What somebody signs in with, and on which terms.
#[derive(Debug, Args)]
pub struct Terms {
    /// A file with the password on its first line, 8 to 64 characters of ASCII; `-` for standard input.
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<std::path::PathBuf>,
    /// Whether only a keyed hash of the password is kept: refuses CHAP and MS-CHAPv2.
    #[arg(long, value_name = "BOOL")]
    pub pap_only: Option<bool>,
    /// When their validity ends, `2026-12-31T23:59:59Z`.
    #[arg(long, value_name = "TIME")]
    pub valid_until: Option<String>,
    /// Seconds that a session lasts; 0 for no end.
    #[arg(long, value_name = "SECONDS")]
    pub session_timeout: Option<u32>,
    /// Seconds without traffic after which it ends; 0 for none.
    #[arg(long, value_name = "SECONDS")]
    pub idle_timeout: Option<u32>,
    /// Kilobits a second from them; 0 for no limit.
    #[arg(long, value_name = "KBPS")]
    pub upload: Option<u32>,
    /// Kilobits a second to them; 0 for no limit.
    #[arg(long, value_name = "KBPS")]
    pub download: Option<u32>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Subscriber {
    subscriber_id: Uuid,
    user_name: String,
    #[serde(default)]
    pap_only: bool,
    #[serde(default)]
    disabled: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    valid_until: Option<String>,
    #[serde(default)]
    session_timeout_seconds: i32,
    #[serde(default)]
    idle_timeout_seconds: i32,
    #[serde(default)]
    upload_kbps: i32,
    #[serde(default)]
    download_kbps: i32,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Page {
    #[serde(default)]
    subscribers: Vec<Subscriber>,
    #[serde(default, skip_serializing)]
    next_page_token: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Made {
    subscriber: Subscriber,
    /// Empty if it was given.
    #[serde(default)]
    password: String,
}

pub(super) async fn run(command: &SubscribersCommand, api: &Api, out: Output) -> Outcome {
    match command {
        SubscribersCommand::List { prefix } => list(prefix, api, out).await,
        SubscribersCommand::Create { user_name, terms } => create(user_name, terms, api, out).await,
        SubscribersCommand::Update { subscriber, terms, disable, enable, no_end } => {
            let mut body = terms.named()?;
            if *disable || *enable {
                body.insert("disabled".to_owned(), json!(disable));
            }
            if *no_end {
                body.insert("valid_until".to_owned(), Value::Null);
            }
            if body.is_empty() {
                let text = "nothing to change: see `yard radius subscribers update --help`";
                return Err(Failure::Usage(text.to_owned()));
            }
            let changed: Subscriber = api.patch(&format!("{PATH}/{subscriber}"), &body).await?;
            out.answer(&changed, |out| table(std::slice::from_ref(&changed), out));
            Ok(())
        }
        SubscribersCommand::Delete { subscriber } => {
            api.delete(&format!("{PATH}/{subscriber}")).await?;
            out.answer(&json!({"subscriber_id": subscriber}), |out| {
                out.line(&format!("{subscriber} is gone"));
            });
            Ok(())
        }
    }
}

impl Terms {
    /// Only what was named.
    fn named(&self) -> Outcome<Map<String, Value>> {
        let password = self.password_file.as_deref().map(password).transpose()?;
        let all = [
            ("password", password.map(|text| json!(text))),
            ("pap_only", self.pap_only.map(|only| json!(only))),
            ("valid_until", self.valid_until.as_ref().map(|at| json!(at))),
            ("session_timeout_seconds", self.session_timeout.map(|n| json!(n))),
            ("idle_timeout_seconds", self.idle_timeout.map(|n| json!(n))),
            ("upload_kbps", self.upload.map(|n| json!(n))),
            ("download_kbps", self.download.map(|n| json!(n))),
        ];
        let named = all.into_iter().filter_map(|(field, value)| Some((field.to_owned(), value?)));
        Ok(named.collect())
    }
}

/// Not as an argument: everybody on the machine reads those.
fn password(path: &std::path::Path) -> Outcome<String> {
    let text = if path.as_os_str() == "-" {
        std::io::read_to_string(std::io::stdin())
    } else {
        std::fs::read_to_string(path)
    };
    let text = text.map_err(Failure::file(path))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

async fn create(user_name: &str, terms: &Terms, api: &Api, out: Output) -> Outcome {
    let mut body = terms.named()?;
    body.insert("user_name".to_owned(), json!(user_name));
    let made: Made = api.post(PATH, &body).await?;
    out.answer(&made, |out| {
        let id = made.subscriber.subscriber_id;
        if made.password.is_empty() {
            out.line(&format!("{user_name} is subscriber {id}"));
        } else {
            out.line(&made.password);
            out.note(&format!("the password, shown once; {user_name} is subscriber {id}"));
        }
    });
    Ok(())
}

async fn list(prefix: &str, api: &Api, out: Output) -> Outcome {
    let mut all = Page::default();
    loop {
        let query = [
            ("prefix", prefix.to_owned()),
            ("page_size", "200".to_owned()),
            ("page_token", all.next_page_token.clone()),
        ];
        let next: Page = api.get(PATH, &query).await?;
        all.subscribers.extend(next.subscribers);
        all.next_page_token = next.next_page_token;
        if all.next_page_token.is_empty() {
            break;
        }
    }
    out.answer(&all, |out| table(&all.subscribers, out));
    Ok(())
}

fn table(rows: &[Subscriber], out: Output) {
    let mut table =
        Table::new(&["user name", "id", "until", "session s", "up/down kbit/s", "state"]);
    for row in rows {
        let state = if row.disabled { "disabled" } else { "enabled" };
        table.row(vec![
            row.user_name.clone(),
            row.subscriber_id.to_string(),
            row.valid_until.clone().unwrap_or_else(|| "-".to_owned()),
            row.session_timeout_seconds.to_string(),
            format!("{}/{}", row.upload_kbps, row.download_kbps),
            state.to_owned(),
        ]);
    }
    table.lines().iter().for_each(|line| out.line(line));
}
