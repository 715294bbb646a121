use std::sync::Arc;

use fred::clients::Client;
use fred::error::{Error, ErrorKind};
use fred::interfaces::{KeysInterface as _, SetsInterface as _};
use fred::types::Value;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use yard_limits::{Redis, Script};

use super::{User, WatchLists};
use crate::bus::Bus;
use crate::telemetry;

static ONLINE: Script = Script::new(include_str!("online.lua"));
/// Users that are asked for at the same time.
const AT_ONCE: usize = 64;

/// Who is online over all instances, as Redis knows it. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Online {
    redis: Redis,
    instance: Arc<str>,
    pub(super) bus: Bus,
    pub(super) lists: WatchLists,
}

impl Online {
    pub(crate) fn new(redis: Redis, instance: &str, bus: Bus, lists: WatchLists) -> Self {
        Self { redis, instance: instance.into(), bus, lists }
    }

    /// Whether nobody is signed in here.
    pub(crate) fn is_empty(&self) -> bool {
        self.lists.is_empty()
    }

    /// Redis lost what was said: everything is said anew.
    pub(crate) fn say_all(&self) {
        self.lists.say_all();
    }

    /// Takes back all that an instance that is gone has said. Several may do it at once.
    ///
    /// # Errors
    /// When Redis does not answer; then part of it may be done.
    pub(crate) async fn bury(&self, instance: &str) -> Result<(), Error> {
        let users: Vec<String> = self.connected()?.smembers(list_key(instance)).await?;
        for user in users.iter().filter_map(|text| User::parse(text)) {
            self.set(&user, instance, false).await?;
        }
        self.connected()?.del(list_key(instance)).await
    }

    /// Says whether somebody has a signed-in socket here at this moment.
    pub(super) async fn say(&self, user: &User) -> Result<(), Error> {
        let here = self.lists.is_here(user);
        let list = list_key(&self.instance);
        if here {
            // Before it is said, so that whoever has to take it back finds it.
            self.connected()?.sadd::<(), _, _>(&list, user.to_string()).await?;
        }
        self.set(user, &self.instance, here).await?;
        if !here {
            self.connected()?.srem::<(), _, _>(&list, user.to_string()).await?;
        }
        Ok(())
    }

    /// How these stand.
    pub(super) async fn look(&self, users: Vec<User>) -> Result<Vec<(User, bool)>, Error> {
        let look = |user: User| async move {
            let known: i64 = self.connected()?.exists(online_key(&user)).await?;
            Ok::<_, Error>((user, known > 0))
        };
        stream::iter(users).map(look).buffer_unordered(AT_ONCE).try_collect().await
    }

    async fn set(&self, user: &User, instance: &str, here: bool) -> Result<(), Error> {
        let key = online_key(user);
        let flag = if here { "1" } else { "0" };
        let arguments: Vec<Value> = vec![instance.into(), flag.into()];
        let edge: i64 = ONLINE.run(self.connected()?, vec![key.as_str()], arguments).await?;
        if edge == 1 {
            self.tell(user).await;
        }
        Ok(())
    }

    /// Has whoever watches the user look; those that are not reached do so within
    /// [`super::lookout::LOOK`].
    async fn tell(&self, user: &User) {
        self.lists.doubt(user.clone());
        if let Err(error) = self.bus.online_changed(user.app, &user.id).await {
            tracing::debug!(error = %error, "who came or left is told later");
            telemetry::event_refused("broker");
        }
    }

    fn connected(&self) -> Result<&Client, Error> {
        self.redis.connected().ok_or_else(|| Error::new(ErrorKind::IO, "not connected"))
    }
}

fn online_key(user: &User) -> String {
    format!("yard:comms:online:{user}")
}

/// Whom an instance has said to be online.
fn list_key(instance: &str) -> String {
    format!("yard:comms:online-of:{instance}")
}
