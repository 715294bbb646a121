use uuid::Uuid;
use yard_ids::TenantId;
use yard_pg::{PgError, TenantTx};

use super::wish::Level;
use super::{Confirmed, actor, store, telemetry};
use crate::app::App;
use crate::channel::ChannelKey;

/// A message that its sender wants confirmed.
pub(crate) struct Message {
    pub(crate) channel: ChannelKey,
    pub(crate) event: String,
    pub(crate) data: String,
    pub(crate) level: Level,
    pub(crate) ttl: std::time::Duration,
    /// The same again is the same message, while it is kept.
    pub(crate) key: Option<String>,
    /// Each once.
    pub(crate) users: Vec<String>,
}

/// A message that is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Accepted {
    pub(crate) id: Uuid,
    pub(crate) recipients: i64,
}

/// Why a message is not written down.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    /// Only tenants' apps have them.
    #[error("confirmed messages are for tenants' apps")]
    NoTenant,
    /// PostgreSQL takes no text with it.
    #[error("a confirmed event holds no U+0000")]
    Nul,
    #[error(transparent)]
    Store(#[from] PgError),
}

impl Confirmed {
    /// Writes a message down for its recipients; it is committed when this returns, and sent from
    /// then on. Nothing is ever said of a message that was not.
    ///
    /// # Errors
    /// When it is not known to be committed.
    pub(crate) async fn accept(&self, app: &App, message: Message) -> Result<Accepted, Refused> {
        let tenant = app.tenant().ok_or(Refused::NoTenant)?;
        if message.event.contains('\0') || message.data.contains('\0') {
            return Err(Refused::Nul);
        }
        let channel = message.channel.clone();
        let accepted = self.write_down(tenant, message).await?;
        self.tell(&channel).await;
        Ok(accepted)
    }

    async fn write_down(&self, tenant: TenantId, message: Message) -> Result<Accepted, Refused> {
        let (channel, now) = (&message.channel, self.clock.now());
        let app = channel.app.stored().ok_or(Refused::NoTenant)?;
        let mut tx = TenantTx::begin(&self.pg, tenant, &actor()).await?;
        let place = store::next(&mut tx, app, channel.name.as_str(), now).await?;
        if let Some(key) = &message.key
            && let Some((id, recipients)) = store::of_key(&mut tx, place.0, key).await?
        {
            // Rolled back: the place is free for the next.
            return Ok(Accepted { id, recipients });
        }
        let id = self.ids.uuid7();
        let new = store::NewMessage {
            id,
            app,
            channel: channel.name.as_str(),
            event: &message.event,
            data: &message.data,
            level: message.level.as_str(),
            key: message.key.as_deref(),
            sender: &format!("app:{}", channel.app),
            created_at: now,
            expires_at: now + message.ttl,
        };
        store::insert(&mut tx, place, &new, &message.users).await?;
        tx.commit().await?;
        telemetry::accepted(message.level);
        let recipients = i64::try_from(message.users.len()).unwrap_or(i64::MAX);
        Ok(Accepted { id, recipients })
    }

    /// Has every instance look. A notice that is lost costs no more than the time to the next look.
    async fn tell(&self, channel: &ChannelKey) {
        if let Err(error) = self.bus.confirmed_in(channel).await {
            tracing::debug!(channel = %channel, error = %error, "instances look by themselves");
            self.wake(channel);
        }
    }
}
