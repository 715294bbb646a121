//! One partition a day. The table has none by default, so the days ahead have to exist in time.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use yard_pg::{Actor, Pg, PgError, PlatformTx};
use yard_runtime::ReadyHandle;

/// Readings are taken up to seven days back; one day more, because they may wait in the stream.
const DAYS_BACK: i32 = 8;
const DAYS_AHEAD: i32 = 7;

/// Makes the partitions that are missing; answers how many.
///
/// # Errors
/// As any statement.
pub(crate) async fn ensure(pg: &Pg) -> Result<i32, PgError> {
    let mut tx = PlatformTx::begin(pg, &Actor::service("worker")).await?;
    let made: i32 = sqlx::query_scalar("select series.ensure_telemetry_partitions($1, $2)")
        .bind(DAYS_BACK)
        .bind(DAYS_AHEAD)
        .fetch_one(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(made)
}

/// How many days after today have a partition, by the database's clock, without a gap.
///
/// # Errors
/// As any statement.
pub(crate) async fn days_ahead(pg: &Pg) -> Result<i32, PgError> {
    let mut tx = PlatformTx::begin(pg, &Actor::service("worker")).await?;
    let days: i32 = sqlx::query_scalar(
        "select (coalesce(min(d.day) filter (where p.name is null), 32) - 1)::integer \
         from generate_series(1, 31) as d(day) \
         left join series.telemetry_partitions() as p on p.name = 'telemetry_' || \
           to_char((now() at time zone 'UTC')::date + d.day, 'YYYYMMDD')",
    )
    .fetch_one(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(days)
}

/// The worker is not ready before this is done once, even where no scheduler runs.
pub(crate) async fn ensure_at_start(
    pg: Pg,
    ready: ReadyHandle,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut pause = Duration::from_millis(250);
    while !stop.is_cancelled() {
        match ensure(&pg).await {
            Ok(made) => {
                tracing::info!(made, "telemetry partitions are there");
                break;
            }
            Err(error) => tracing::warn!(error = %error, "telemetry partitions have to wait"),
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(Duration::from_secs(5)),
            () = stop.cancelled() => {}
        }
    }
    drop(ready);
    Ok(())
}
