use std::collections::BTreeMap;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Value, json};

use super::Api;
use super::event::channel;
use super::info::Info;
use super::problem::Problem;
use super::publish::STORE_AWAY;
use super::signature::Query;
use crate::app::App;
use crate::channel::{ChannelKey, ChannelName, Kind};

const PRESENCE: &str = "presence-";
/// Channels that are asked for at the same time.
const AT_ONCE: usize = 64;

impl Api {
    /// `GET /apps/{id}/channels`: the channels that somebody is in, all of them. The protocol knows no
    /// pages, and a part would pass for the whole: an app that has more is asked for a prefix.
    pub(super) async fn channels(&self, app: &App, query: &Query) -> Result<Value, Problem> {
        let prefix = query.get("filter_by_prefix").unwrap_or_default();
        let info = Info::parse(query.get("info"))?;
        if info.subscription_count || info.cache {
            return Err(Problem::malformed("info of all channels is user_count"));
        }
        if info.user_count && !prefix.starts_with(PRESENCE) {
            let problem = "user_count is known of presence channels only; set filter_by_prefix";
            return Err(Problem::malformed(problem));
        }
        let most = self.settings.max_listed_channels;
        let asked = i64::try_from(most).unwrap_or(i64::MAX - 1) + 1;
        let names = self.rosters.occupied(app.id(), prefix, None, asked);
        let names = names.await.map_err(|_error| STORE_AWAY)?;
        if names.len() > most {
            let problem =
                format!("more than {most} channels; set filter_by_prefix, or a longer one");
            return Err(Problem::malformed(problem));
        }
        let told: BTreeMap<String, Value> = stream::iter(names)
            .map(|name| self.told(app, name, info))
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        Ok(json!({"channels": told}))
    }

    async fn told(
        &self,
        app: &App,
        name: ChannelName,
        info: Info,
    ) -> Result<(String, Value), Problem> {
        let text = name.to_string();
        if info.is_empty() {
            return Ok((text, json!({})));
        }
        let key = ChannelKey { app: app.id(), name };
        let occupancy = self.rosters.read(&key, false).await.map_err(|_error| STORE_AWAY)?;
        Ok((text, Value::Object(info.of(&key.name, &occupancy))))
    }

    /// `GET /apps/{id}/channels/{name}`: one channel.
    pub(super) async fn one_channel(
        &self,
        app: &App,
        name: &str,
        query: &Query,
    ) -> Result<Value, Problem> {
        let key = channel(app, name)?;
        let info = Info::of_channel(query.get("info"), &key.name)?;
        let occupancy = self.rosters.read(&key, false).await.map_err(|_error| STORE_AWAY)?;
        let mut told = info.of(&key.name, &occupancy);
        told.insert("occupied".to_owned(), (occupancy.listeners > 0).into());
        Ok(Value::Object(told))
    }

    /// `GET /apps/{id}/channels/{name}/users`: who is in a presence channel.
    pub(super) async fn users(&self, app: &App, name: &str) -> Result<Value, Problem> {
        let key = channel(app, name)?;
        if key.name.kind() != Kind::Presence {
            return Err(Problem::malformed("users are known of presence channels only"));
        }
        let occupancy = self.rosters.read(&key, true).await.map_err(|_error| STORE_AWAY)?;
        let mut ids = occupancy.ids;
        ids.sort_unstable();
        let users: Vec<Value> = ids.into_iter().map(|id| json!({"id": id})).collect();
        Ok(json!({"users": users}))
    }
}
