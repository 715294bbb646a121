use sqlx::FromRow;
use time::OffsetDateTime;
use uuid::Uuid;
use yard_pg::{PgError, PlatformTx, TenantTx};

use super::seats::Recipient;

/// A message to be written down.
pub(super) struct NewMessage<'a> {
    pub(super) id: Uuid,
    pub(super) app: i64,
    pub(super) channel: &'a str,
    pub(super) event: &'a str,
    pub(super) data: &'a str,
    pub(super) level: &'a str,
    pub(super) key: Option<&'a str>,
    pub(super) sender: &'a str,
    pub(super) created_at: OffsetDateTime,
    pub(super) expires_at: OffsetDateTime,
}

/// The next place in a channel; nobody else gets one before the transaction ends.
pub(super) async fn next(
    tx: &mut TenantTx,
    app: i64,
    channel: &str,
    now: OffsetDateTime,
) -> Result<(i64, i64), PgError> {
    let tenant = tx.tenant().uuid();
    let place = sqlx::query_as(
        "insert into platform.realtime_sequences as s (tenant_id, app, channel, seq, spoken_at) \
         values ($1, $2, $3, 1, $4) \
         on conflict (app, channel, tenant_id) \
           do update set seq = s.seq + 1, spoken_at = excluded.spoken_at \
         returning id, seq",
    )
    .bind(tenant)
    .bind(app)
    .bind(channel)
    .bind(now)
    .fetch_one(&mut **tx)
    .await?;
    Ok(place)
}

/// The message of an idempotency key, and how many recipients it has.
pub(super) async fn of_key(
    tx: &mut TenantTx,
    sequence: i64,
    key: &str,
) -> Result<Option<(Uuid, i64)>, PgError> {
    let found = sqlx::query_as(
        "select m.id, (select count(*) from platform.realtime_receipts r \
           where r.message_id = m.id) \
         from platform.realtime_messages m where m.sequence = $1 and m.idempotency_key = $2",
    )
    .bind(sequence)
    .bind(key)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(found)
}

/// Writes a message down at its place, with a row for each recipient.
pub(super) async fn insert(
    tx: &mut TenantTx,
    (sequence, seq): (i64, i64),
    message: &NewMessage<'_>,
    users: &[String],
) -> Result<(), PgError> {
    let tenant = tx.tenant().uuid();
    sqlx::query(
        "with message as ( \
           insert into platform.realtime_messages (id, tenant_id, sequence, app, channel, seq, \
             event, data, level, idempotency_key, sender, created_at, expires_at) \
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)) \
         insert into platform.realtime_receipts \
           (message_id, user_id, tenant_id, sequence, seq, expires_at, state) \
         select $1, u, $2, $3, $6, $13, 'queued' from unnest($14::text[]) as u",
    )
    .bind(message.id)
    .bind(tenant)
    .bind(sequence)
    .bind(message.app)
    .bind(message.channel)
    .bind(seq)
    .bind(message.event)
    .bind(message.data)
    .bind(message.level)
    .bind(message.key)
    .bind(message.sender)
    .bind(message.created_at)
    .bind(message.expires_at)
    .bind(users)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// A message that a recipient has not acknowledged.
#[derive(Debug, Clone, Copy, FromRow)]
pub(super) struct Owed {
    /// Which of those asked for, from 0.
    pub(super) asked: i64,
    pub(super) message_id: Uuid,
    pub(super) seq: i64,
}

/// The first `most` messages of each recipient that are owed and not over, in their order.
pub(super) async fn owed(
    tx: &mut PlatformTx,
    recipients: &[Recipient],
    now: OffsetDateTime,
    most: u16,
) -> Result<Vec<Owed>, PgError> {
    let apps: Vec<i64> = recipients.iter().filter_map(|one| one.app()).collect();
    let channels: Vec<&str> = recipients.iter().map(|one| one.channel.name.as_str()).collect();
    let users: Vec<&str> = recipients.iter().map(|one| &*one.user).collect();
    let rows = sqlx::query_as(
        "select w.n - 1 as asked, r.message_id, r.seq \
         from unnest($1::bigint[], $2::text[], $3::text[]) \
           with ordinality as w (app, channel, user_id, n) \
         join platform.realtime_sequences s on s.app = w.app and s.channel = w.channel \
         cross join lateral ( \
           select o.message_id, o.seq from platform.realtime_receipts o \
           where o.sequence = s.id and o.user_id = w.user_id and o.state in ('queued', 'sent') \
             and o.expires_at > $4 \
           order by o.seq limit $5) r \
         order by w.n, r.seq",
    )
    .bind(apps)
    .bind(channels)
    .bind(users)
    .bind(now)
    .bind(i64::from(most))
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows)
}

/// What is to be sent.
#[derive(Debug, FromRow)]
pub(super) struct Content {
    pub(super) id: Uuid,
    pub(super) seq: i64,
    pub(super) level: String,
    pub(super) event: String,
    pub(super) data: String,
}

pub(super) async fn contents(tx: &mut PlatformTx, ids: &[Uuid]) -> Result<Vec<Content>, PgError> {
    let rows = sqlx::query_as(
        "select id, seq, level, event, data from platform.realtime_messages where id = any($1)",
    )
    .bind(ids)
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows)
}

/// Notes that messages were given to sockets of their recipients; ids and users are pairs.
pub(super) async fn mark_sent(
    tx: &mut PlatformTx,
    (ids, users): (&[Uuid], &[&str]),
    now: OffsetDateTime,
) -> Result<(), PgError> {
    sqlx::query(
        "update platform.realtime_receipts r \
         set state = 'sent', attempts = r.attempts + 1, sent_at = coalesce(r.sent_at, $3) \
         from unnest($1::uuid[], $2::text[]) as p (message_id, user_id) \
         where r.message_id = p.message_id and r.user_id = p.user_id \
           and r.state in ('queued', 'sent')",
    )
    .bind(ids)
    .bind(users)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Acknowledgements, one place of each list for each.
#[derive(Default)]
pub(super) struct Acknowledged<'a> {
    pub(super) ids: Vec<Uuid>,
    pub(super) users: Vec<&'a str>,
    pub(super) apps: Vec<i64>,
    pub(super) channels: Vec<&'a str>,
    pub(super) at: Vec<OffsetDateTime>,
}

/// Notes acknowledgements that came in time; seconds since each of those messages was written down.
/// What came in time counts also where it is noted after the end.
pub(super) async fn acknowledge(
    tx: &mut PlatformTx,
    all: &Acknowledged<'_>,
) -> Result<Vec<f64>, PgError> {
    let took = sqlx::query_scalar(
        "update platform.realtime_receipts r set state = 'acknowledged', acknowledged_at = a.at \
         from unnest($1::uuid[], $2::text[], $3::bigint[], $4::text[], $5::timestamptz[]) \
           as a (message_id, user_id, app, channel, at) \
         join platform.realtime_messages m \
           on m.id = a.message_id and m.app = a.app and m.channel = a.channel \
         where r.message_id = a.message_id and r.user_id = a.user_id \
           and r.state <> 'acknowledged' and a.at < r.expires_at \
         returning extract(epoch from a.at - m.created_at)::float8",
    )
    .bind(&all.ids)
    .bind(&all.users)
    .bind(&all.apps)
    .bind(&all.channels)
    .bind(&all.at)
    .fetch_all(&mut **tx)
    .await?;
    Ok(took)
}

/// Channels of which a message has an id from `since` on.
pub(super) async fn spoken_in(
    tx: &mut PlatformTx,
    since: Uuid,
) -> Result<Vec<(i64, String)>, PgError> {
    let channels = sqlx::query_as(
        "select distinct app, channel from platform.realtime_messages where id >= $1",
    )
    .bind(since)
    .fetch_all(&mut **tx)
    .await?;
    Ok(channels)
}

/// Ends the waiting for what is over; how many rows. Instances do it side by side.
pub(super) async fn expire(
    tx: &mut PlatformTx,
    now: OffsetDateTime,
    most: i64,
) -> Result<u64, PgError> {
    let done = sqlx::query(
        "with over as ( \
           select message_id, user_id from platform.realtime_receipts \
           where state in ('queued', 'sent') and expires_at <= $1 \
           order by expires_at limit $2 for update skip locked) \
         update platform.realtime_receipts r set state = 'expired' from over \
         where r.message_id = over.message_id and r.user_id = over.user_id",
    )
    .bind(now)
    .bind(most)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected())
}

/// Deletes messages whose time passed before `before`, with their receipts.
pub(super) async fn clear(
    tx: &mut PlatformTx,
    before: OffsetDateTime,
    most: i64,
) -> Result<u64, PgError> {
    let done = sqlx::query(
        "with old as ( \
           select id from platform.realtime_messages where expires_at <= $1 \
           order by expires_at limit $2 for update skip locked) \
         delete from platform.realtime_messages m using old where m.id = old.id",
    )
    .bind(before)
    .bind(most)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected())
}

/// Forgets the order of channels that nobody has spoken in since `before` and of which nothing is left.
pub(super) async fn clear_sequences(
    tx: &mut PlatformTx,
    before: OffsetDateTime,
    most: i64,
) -> Result<u64, PgError> {
    let done = sqlx::query(
        "with idle as ( \
           select s.id from platform.realtime_sequences s where s.spoken_at <= $1 \
             and not exists (select from platform.realtime_messages m where m.sequence = s.id) \
           limit $2 for update skip locked) \
         delete from platform.realtime_sequences s using idle where s.id = idle.id",
    )
    .bind(before)
    .bind(most)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected())
}
