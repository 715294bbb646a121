//! Rows that tell of other rows: written in the same transaction, published later by the relay
//! (`yard_outbox::Relay`). One table per service, `platform.<service>_outbox`.

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{Actor, Pg, PgError, PlatformTx};

/// Which service's outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outbox {
    /// device-ingest: commands and events.
    Ingest,
    /// scheduler: job requests and events.
    Scheduler,
}

/// A message that shall reach JetStream.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Also the `Nats-Msg-Id`.
    pub id: Uuid,
    /// The tenant it belongs to; `None` for the platform's own.
    pub tenant: Option<Uuid>,
    /// Full subject.
    pub subject: String,
    /// Protobuf or JSON.
    pub payload: Vec<u8>,
    /// W3C trace context of the request that wrote it.
    pub traceparent: Option<String>,
}

type Row = (Uuid, Option<Uuid>, String, Vec<u8>, Option<String>);

/// Writes an entry in the caller's transaction.
///
/// # Errors
/// As any statement.
pub async fn write(
    connection: &mut PgConnection,
    outbox: Outbox,
    entry: &Entry,
    now: OffsetDateTime,
) -> Result<(), PgError> {
    let statement = match outbox {
        Outbox::Ingest => {
            "insert into platform.ingest_outbox \
             (id, tenant_id, subject, payload, traceparent, created_at) \
             values ($1, $2, $3, $4, $5, $6)"
        }
        Outbox::Scheduler => {
            "insert into platform.scheduler_outbox \
             (id, tenant_id, subject, payload, traceparent, created_at) \
             values ($1, $2, $3, $4, $5, $6)"
        }
    };
    sqlx::query(statement)
        .bind(entry.id)
        .bind(entry.tenant)
        .bind(&entry.subject)
        .bind(&entry.payload)
        .bind(&entry.traceparent)
        .bind(now)
        .execute(connection)
        .await?;
    Ok(())
}

/// As [`write`], but an entry that is there already stays as it is.
///
/// # Errors
/// As any statement.
pub async fn write_once(
    connection: &mut PgConnection,
    outbox: Outbox,
    entry: &Entry,
    now: OffsetDateTime,
) -> Result<(), PgError> {
    let statement = match outbox {
        Outbox::Ingest => {
            "insert into platform.ingest_outbox \
             (id, tenant_id, subject, payload, traceparent, created_at) \
             values ($1, $2, $3, $4, $5, $6) on conflict (id) do nothing"
        }
        Outbox::Scheduler => {
            "insert into platform.scheduler_outbox \
             (id, tenant_id, subject, payload, traceparent, created_at) \
             values ($1, $2, $3, $4, $5, $6) on conflict (id) do nothing"
        }
    };
    sqlx::query(statement)
        .bind(entry.id)
        .bind(entry.tenant)
        .bind(&entry.subject)
        .bind(&entry.payload)
        .bind(&entry.traceparent)
        .bind(now)
        .execute(connection)
        .await?;
    Ok(())
}

/// Unsent entries, oldest first, locked for this relay until the transaction ends.
///
/// # Errors
/// As any statement.
pub async fn claim(tx: &mut PlatformTx, outbox: Outbox, most: i64) -> Result<Vec<Entry>, PgError> {
    let statement = match outbox {
        Outbox::Ingest => {
            "select id, tenant_id, subject, payload, traceparent from platform.ingest_outbox \
             where sent_at is null order by created_at, id limit $1 for update skip locked"
        }
        Outbox::Scheduler => {
            "select id, tenant_id, subject, payload, traceparent from platform.scheduler_outbox \
             where sent_at is null order by created_at, id limit $1 for update skip locked"
        }
    };
    let rows: Vec<Row> = sqlx::query_as(statement).bind(most).fetch_all(&mut **tx).await?;
    Ok(rows
        .into_iter()
        .map(|(id, tenant, subject, payload, traceparent)| Entry {
            id,
            tenant,
            subject,
            payload,
            traceparent,
        })
        .collect())
}

/// Marks entries as sent, with the stream sequence each got.
///
/// # Errors
/// As any statement.
pub async fn mark_sent(
    tx: &mut PlatformTx,
    outbox: Outbox,
    ids: &[Uuid],
    sequences: &[i64],
    now: OffsetDateTime,
) -> Result<(), PgError> {
    let statement = match outbox {
        Outbox::Ingest => {
            "update platform.ingest_outbox o set sent_at = $3, stream_sequence = s.sequence \
             from unnest($1::uuid[], $2::bigint[]) as s(id, sequence) where o.id = s.id"
        }
        Outbox::Scheduler => {
            "update platform.scheduler_outbox o set sent_at = $3, stream_sequence = s.sequence \
             from unnest($1::uuid[], $2::bigint[]) as s(id, sequence) where o.id = s.id"
        }
    };
    sqlx::query(statement).bind(ids).bind(sequences).bind(now).execute(&mut **tx).await?;
    Ok(())
}

/// Deletes entries that were sent before `before`; they are kept a while so that a broker that
/// lost them can be given them again.
///
/// # Errors
/// As any statement.
pub async fn prune(pg: &Pg, outbox: Outbox, before: OffsetDateTime) -> Result<u64, PgError> {
    let statement = match outbox {
        Outbox::Ingest => "delete from platform.ingest_outbox where sent_at < $1",
        Outbox::Scheduler => "delete from platform.scheduler_outbox where sent_at < $1",
    };
    let mut tx = PlatformTx::begin(pg, &Actor::service("outbox")).await?;
    let done = sqlx::query(statement).bind(before).execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(done.rows_affected())
}

/// Makes entries unsent again whose stream sequence lies above what the stream has: the broker
/// lost them. Returns how many.
///
/// # Errors
/// As any statement.
pub async fn resend_above(
    pg: &Pg,
    outbox: Outbox,
    subject_prefix: &str,
    last_sequence: i64,
) -> Result<u64, PgError> {
    let statement = match outbox {
        Outbox::Ingest => {
            "update platform.ingest_outbox set sent_at = null, stream_sequence = null \
             where stream_sequence > $1 and starts_with(subject, $2)"
        }
        Outbox::Scheduler => {
            "update platform.scheduler_outbox set sent_at = null, stream_sequence = null \
             where stream_sequence > $1 and starts_with(subject, $2)"
        }
    };
    let mut tx = PlatformTx::begin(pg, &Actor::service("outbox")).await?;
    let done =
        sqlx::query(statement).bind(last_sequence).bind(subject_prefix).execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(done.rows_affected())
}
