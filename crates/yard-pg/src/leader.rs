use std::time::Duration;

use time::OffsetDateTime;

use crate::{Actor, Pg, PgError, PlatformTx};

/// A named lease in `platform.leases`, timed by the database's clock alone.
#[derive(Debug, Clone)]
pub struct Lease {
    pg: Pg,
    name: &'static str,
    holder: String,
    ttl: Duration,
}

/// Proof of holding a lease; every effect of the leader is written under its epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseHold {
    /// Grows by one at every change of holder.
    pub epoch: i64,
    /// By the database's clock.
    pub expires_at: OffsetDateTime,
}

impl Lease {
    /// `holder` is one per process start, not a host name.
    #[must_use]
    pub fn new(pg: Pg, name: &'static str, holder: &str, ttl: Duration) -> Self {
        Self { pg, name, holder: holder.to_owned(), ttl }
    }

    /// Takes the lease if it is free or expired, renews it if it is ours; `None` while another
    /// holds it.
    ///
    /// # Errors
    /// When the database does not answer; the caller has to act as if it had lost the lease once
    /// its time is over.
    pub async fn acquire_or_renew(&self) -> Result<Option<LeaseHold>, PgError> {
        let mut tx = PlatformTx::begin(&self.pg, &Actor::service("lease")).await?;
        let row: Option<(i64, OffsetDateTime)> = sqlx::query_as(
            "insert into platform.leases as l (name, holder, epoch, expires_at) \
             values ($1, $2, 1, clock_timestamp() + make_interval(secs => $3)) \
             on conflict (name) do update set \
               epoch = case when l.holder = excluded.holder then l.epoch else l.epoch + 1 end, \
               holder = excluded.holder, \
               expires_at = clock_timestamp() + make_interval(secs => $3) \
             where l.holder = excluded.holder or l.expires_at < clock_timestamp() \
             returning epoch, expires_at",
        )
        .bind(self.name)
        .bind(&self.holder)
        .bind(self.ttl.as_secs_f64())
        .fetch_optional(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(row.map(|(epoch, expires_at)| LeaseHold { epoch, expires_at }))
    }

    /// Checks inside the effect's own transaction that the epoch still holds, and keeps it from
    /// changing until the transaction ends.
    ///
    /// # Errors
    /// As any statement. `false` means: not the leader, write nothing.
    pub async fn holds(&self, tx: &mut PlatformTx, epoch: i64) -> Result<bool, PgError> {
        let row: Option<(i64,)> = sqlx::query_as(
            "select epoch from platform.leases where name = $1 and holder = $2 and epoch = $3 \
             and expires_at > clock_timestamp() for share",
        )
        .bind(self.name)
        .bind(&self.holder)
        .bind(epoch)
        .fetch_optional(&mut **tx)
        .await?;
        Ok(row.is_some())
    }

    /// Gives the lease back, so that the next leader need not wait for its end.
    ///
    /// # Errors
    /// As any statement.
    pub async fn release(&self) -> Result<(), PgError> {
        let mut tx = PlatformTx::begin(&self.pg, &Actor::service("lease")).await?;
        sqlx::query(
            "update platform.leases set expires_at = clock_timestamp() - interval '1 ms' \
             where name = $1 and holder = $2",
        )
        .bind(self.name)
        .bind(&self.holder)
        .execute(&mut *tx)
        .await?;
        tx.commit().await
    }
}
