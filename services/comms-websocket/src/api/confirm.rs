use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::time::timeout;
use uuid::Uuid;

use super::Api;
use super::event::Event;
use super::problem::Problem;
use super::publish::STORE_AWAY;
use crate::app::App;
use crate::channel::{ChannelKey, ChannelName};
use crate::confirmed::{Accepted, Entry, Message, Receipt, Refused, To, Wish};

impl Api {
    /// `POST /apps/{id}/events` with `confirm`. The message is committed when this is answered, whether
    /// the broker is there or not; nothing is said of one that was not.
    pub(super) async fn confirm(
        &self,
        app: &App,
        event: Event,
        body: &[u8],
    ) -> Result<Value, Problem> {
        let Event { name, data, channels, .. } = event;
        let [channel] = <[ChannelKey; 1]>::try_from(channels)
            .map_err(|_several| Problem::malformed("a confirmed event is for one channel"))?;
        let Wish { level, ttl, to, key } =
            Wish::read(body, &channel.name).map_err(Problem::malformed)?;
        let told = channel.name.to_string();
        let work = async {
            let users = match to {
                To::Named(users) => users,
                To::Present => self.present(&channel).await?,
            };
            let message = Message { channel, event: name, data, level, ttl, key, users };
            self.confirmed.accept(app, message).await.map_err(refusal)
        };
        let accepted = timeout(self.settings.patience, work).await;
        let Accepted { id, recipients } = accepted.unwrap_or(Err(DATABASE_AWAY))?;
        Ok(json!({"channels": {told: {"message_id": id, "recipients": recipients}}}))
    }

    /// Who is in a presence channel.
    async fn present(&self, channel: &ChannelKey) -> Result<Vec<String>, Problem> {
        let occupancy = self.rosters.read(channel, true).await.map_err(|_error| STORE_AWAY)?;
        // Who could not be named in a publish either can be no recipient.
        let named = |user: &String| ChannelName::to_user(user).is_some();
        Ok(occupancy.ids.into_iter().filter(named).collect())
    }

    /// `GET /apps/{id}/messages/{message_id}`: a confirmed message and what became of it.
    pub(super) async fn message(&self, app: &App, id: &str) -> Result<Value, Problem> {
        let id = Uuid::try_parse(id).map_err(|_none| NO_MESSAGE)?;
        let found = self.confirmed.find(app, id).await.map_err(|fault| {
            tracing::debug!(problem = fault.inside(), "a message cannot be looked up");
            DATABASE_AWAY
        })?;
        let (entry, receipts) = found.ok_or(NO_MESSAGE)?;
        Ok(told(&entry, &receipts))
    }
}

fn refusal(refused: Refused) -> Problem {
    match refused {
        Refused::NoTenant => Problem::malformed(
            "confirmed messages are for tenants' apps; the platform's own app has none",
        ),
        Refused::Nul => Problem::malformed("a confirmed event holds no U+0000"),
        Refused::Store(error) => {
            if error.is_transient() {
                tracing::debug!(error = %error, "a confirmed message was not written down");
            } else {
                tracing::error!(error = ?error, "a confirmed message was not written down");
            }
            DATABASE_AWAY
        }
    }
}

fn told(entry: &Entry, receipts: &[Receipt]) -> Value {
    let of = |receipt: &Receipt| {
        json!({
            "user_id": receipt.user,
            "state": receipt.state.as_str(),
            "attempts": receipt.attempts,
            "sent_at": receipt.sent_at.map(text),
            "acknowledged_at": receipt.acknowledged_at.map(text),
        })
    };
    json!({
        "message_id": entry.id,
        "channel": entry.channel,
        "seq": entry.seq,
        "name": entry.event,
        "level": entry.level.as_str(),
        "created_at": text(entry.created_at),
        "expires_at": text(entry.expires_at),
        "recipients": receipts.iter().map(of).collect::<Vec<_>>(),
    })
}

fn text(at: OffsetDateTime) -> String {
    at.format(&Rfc3339).unwrap_or_default()
}

const DATABASE_AWAY: Problem = Problem::unavailable("the database is away; try again");
const NO_MESSAGE: Problem = Problem::not_found("the app has no such message");
