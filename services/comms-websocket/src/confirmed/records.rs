use sqlx::FromRow;
use time::OffsetDateTime;
use uuid::Uuid;
use yard_pg::{PgError, TenantTx};

/// A message in the ledger, with how many recipients it has in each state.
#[derive(Debug, Clone, FromRow)]
pub(super) struct EntryRow {
    pub(super) id: Uuid,
    pub(super) app: i64,
    pub(super) channel: String,
    pub(super) seq: i64,
    pub(super) event: String,
    pub(super) level: String,
    pub(super) sender: String,
    pub(super) created_at: OffsetDateTime,
    pub(super) expires_at: OffsetDateTime,
    pub(super) queued: i64,
    pub(super) sent: i64,
    pub(super) acknowledged: i64,
    pub(super) expired: i64,
}

/// The query for [`EntryRow`]s of messages `m`, and `more` of them.
macro_rules! entries {
    ($more:literal, $messages:literal) => {
        concat!(
            "select m.id, m.app, m.channel, m.seq, m.event, m.level, m.sender, m.created_at, ",
            "m.expires_at, c.queued, c.sent, c.acknowledged, c.expired",
            $more,
            " from ",
            $messages,
            " m cross join lateral (select ",
            "count(*) filter (where r.state = 'queued') as queued, ",
            "count(*) filter (where r.state = 'sent') as sent, ",
            "count(*) filter (where r.state = 'acknowledged') as acknowledged, ",
            "count(*) filter (where r.state = 'expired') as expired ",
            "from platform.realtime_receipts r where r.message_id = m.id) c "
        )
    };
}

/// The tenant's messages of an app older than `before`, newest first; of one channel unless that is
/// empty.
pub(super) async fn page(
    tx: &mut TenantTx,
    (app, channel): (i64, &str),
    before: Option<Uuid>,
    most: i64,
) -> Result<Vec<EntryRow>, PgError> {
    let tenant = tx.tenant().uuid();
    let rows = sqlx::query_as(concat!(
        entries!(
            "",
            "(select id, app, channel, seq, event, level, sender, created_at, expires_at \
              from platform.realtime_messages \
              where tenant_id = $1 and app = $2 and ($3 = '' or channel = $3) \
                and ($4::uuid is null or id < $4) \
              order by id desc limit $5)"
        ),
        "order by m.id desc"
    ))
    .bind(tenant)
    .bind(app)
    .bind(channel)
    .bind(before)
    .bind(most)
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows)
}

/// A message with its data.
#[derive(Debug, FromRow)]
pub(super) struct WholeRow {
    #[sqlx(flatten)]
    pub(super) entry: EntryRow,
    pub(super) data: String,
}

/// One message of the tenant's app.
pub(super) async fn one(
    tx: &mut TenantTx,
    app: i64,
    id: Uuid,
) -> Result<Option<WholeRow>, PgError> {
    let tenant = tx.tenant().uuid();
    let whole = sqlx::query_as(concat!(
        entries!(", m.data", "platform.realtime_messages"),
        "where m.tenant_id = $1 and m.app = $2 and m.id = $3"
    ))
    .bind(tenant)
    .bind(app)
    .bind(id)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(whole)
}

/// What became of a message for one recipient.
#[derive(Debug, Clone, FromRow)]
pub(super) struct ReceiptRow {
    pub(super) user_id: String,
    pub(super) state: String,
    pub(super) attempts: i32,
    pub(super) sent_at: Option<OffsetDateTime>,
    pub(super) acknowledged_at: Option<OffsetDateTime>,
}

/// By recipient.
pub(super) async fn receipts(tx: &mut TenantTx, id: Uuid) -> Result<Vec<ReceiptRow>, PgError> {
    let tenant = tx.tenant().uuid();
    let rows = sqlx::query_as(
        "select user_id, state, attempts, sent_at, acknowledged_at \
         from platform.realtime_receipts where tenant_id = $1 and message_id = $2 order by user_id",
    )
    .bind(tenant)
    .bind(id)
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows)
}
