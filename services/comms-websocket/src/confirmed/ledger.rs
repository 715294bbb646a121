use time::OffsetDateTime;
use uuid::Uuid;
use yard_fault::Fault;
use yard_ids::TenantId;
use yard_pg::{Actor, TenantTx};

use super::records::{self, EntryRow, ReceiptRow};
use super::wish::Level;
use super::{Confirmed, actor};
use crate::app::App;

/// What became of a message for one recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Waits for a socket of the recipient.
    Queued,
    /// Given to a socket, and not acknowledged.
    Sent,
    Acknowledged,
    /// Its time passed before it was acknowledged.
    Expired,
}

impl State {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sent => "sent",
            Self::Acknowledged => "acknowledged",
            Self::Expired => "expired",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let all = [Self::Queued, Self::Sent, Self::Acknowledged, Self::Expired];
        all.into_iter().find(|state| state.as_str() == text)
    }
}

/// A message and what became of it.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) id: Uuid,
    pub(crate) app: i64,
    pub(crate) channel: String,
    pub(crate) seq: i64,
    pub(crate) event: String,
    pub(crate) level: Level,
    pub(crate) sender: String,
    pub(crate) created_at: OffsetDateTime,
    pub(crate) expires_at: OffsetDateTime,
    /// Recipients: queued, sent, acknowledged, expired.
    pub(crate) counts: [i32; 4],
}

/// A recipient of a message.
#[derive(Debug, Clone)]
pub(crate) struct Receipt {
    pub(crate) user: String,
    pub(crate) state: State,
    pub(crate) attempts: i32,
    pub(crate) sent_at: Option<OffsetDateTime>,
    pub(crate) acknowledged_at: Option<OffsetDateTime>,
}

impl Confirmed {
    /// A message of an app with its data and its recipients; `None` for any that is not the app's.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn find(
        &self,
        app: &App,
        id: Uuid,
    ) -> Result<Option<(Entry, Vec<Receipt>)>, Fault> {
        let (Some(tenant), Some(number)) = (app.tenant(), app.id().stored()) else {
            return Ok(None);
        };
        let found = self.read(tenant, &actor(), number, id).await?;
        Ok(found.map(|(entry, _data, receipts)| (entry, receipts)))
    }

    pub(super) async fn read(
        &self,
        tenant: TenantId,
        reader: &Actor,
        app: i64,
        id: Uuid,
    ) -> Result<Option<(Entry, String, Vec<Receipt>)>, Fault> {
        let mut tx = TenantTx::begin(&self.pg, tenant, reader).await?;
        let Some(whole) = records::one(&mut tx, app, id).await? else { return Ok(None) };
        let receipts = records::receipts(&mut tx, id).await?;
        tx.commit().await?;
        let receipts = receipts.into_iter().map(receipt).collect::<Result<_, _>>()?;
        Ok(Some((entry(whole.entry)?, whole.data, receipts)))
    }

    pub(super) async fn page(
        &self,
        (tenant, reader): (TenantId, &Actor),
        channel: (i64, &str),
        before: Option<Uuid>,
        most: i64,
    ) -> Result<Vec<Entry>, Fault> {
        let mut tx = TenantTx::begin(&self.pg, tenant, reader).await?;
        let rows = records::page(&mut tx, channel, before, most).await?;
        tx.commit().await?;
        rows.into_iter().map(entry).collect()
    }
}

fn entry(row: EntryRow) -> Result<Entry, Fault> {
    let count = |count: i64| i32::try_from(count).unwrap_or(i32::MAX);
    let level = Level::parse(&row.level).ok_or_else(|| Fault::internal("a level that is none"))?;
    Ok(Entry {
        id: row.id,
        app: row.app,
        channel: row.channel,
        seq: row.seq,
        event: row.event,
        level,
        sender: row.sender,
        created_at: row.created_at,
        expires_at: row.expires_at,
        counts: [row.queued, row.sent, row.acknowledged, row.expired].map(count),
    })
}

fn receipt(row: ReceiptRow) -> Result<Receipt, Fault> {
    let state = State::parse(&row.state).ok_or_else(|| Fault::internal("a state that is none"))?;
    Ok(Receipt {
        user: row.user_id,
        state,
        attempts: row.attempts,
        sent_at: row.sent_at,
        acknowledged_at: row.acknowledged_at,
    })
}
