use sqlx::postgres::types::PgInterval;
use time::OffsetDateTime;
use yard_contracts::telemetry::v1::Bucket;
use yard_contracts::values;
use yard_ids::DeviceId;
use yard_pg::{PgError, TenantTx};

use super::request::Window;

/// A metric that is no number somewhere is left out there, not taken for zero.
const BUCKETS: &str = "select r.start, min(r.value), max(r.value), avg(r.value), count(*)::integer \
     from ( \
       select date_bin($5, t.occurred_at, $3) as start, \
         case when jsonb_typeof(t.payload -> $6) = 'number' \
           then (t.payload ->> $6)::double precision end as value \
       from series.telemetry as t \
       where t.tenant_id = $1 and t.device_id = $2 \
         and t.occurred_at >= $3 and t.occurred_at < $4 \
     ) as r \
     where r.value is not null group by r.start order by r.start";

/// Minimum, maximum and mean per bucket.
pub(super) async fn buckets(
    tx: &mut TenantTx,
    device: DeviceId,
    metric: &str,
    window: Window,
    wanted: i64,
) -> Result<Vec<Bucket>, PgError> {
    let microseconds = window.bucket_micros(wanted);
    let tenant = tx.tenant().uuid();
    let rows: Vec<(OffsetDateTime, f64, f64, f64, i32)> = sqlx::query_as(BUCKETS)
        .bind(tenant)
        .bind(device.uuid())
        .bind(window.from)
        .bind(window.to)
        .bind(PgInterval { months: 0, days: 0, microseconds })
        .bind(metric)
        .fetch_all(&mut **tx)
        .await?;
    Ok(rows
        .into_iter()
        .map(|(start, min, max, mean, count)| Bucket {
            start: Some(values::timestamp(start)),
            min,
            max,
            mean,
            count,
        })
        .collect())
}
