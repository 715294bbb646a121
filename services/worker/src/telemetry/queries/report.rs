use yard_contracts::telemetry::v1::{SequenceGap, SequenceReport};
use yard_ids::DeviceId;
use yard_pg::{PgError, TenantTx};

/// One statement, so that the figures belong to one moment. Rows of one arrival time count as in
/// order.
const REPORT: &str = "with stored as materialized ( \
       select sequence, received_at, \
         extract(epoch from stored_at - received_at)::double precision * 1000 as waited \
       from series.telemetry where tenant_id = $1 and device_id = $2 and epoch = $3 \
     ), gaps as ( \
       select previous + 1 as first_missing, sequence - 1 as last_missing \
       from (select sequence, lag(sequence) over (order by sequence) as previous \
             from (select distinct sequence from stored) as d) as s \
       where sequence > previous + 1 order by 1 limit 100 \
     ) \
     select count(*), count(distinct sequence), coalesce(min(sequence), 0), \
       coalesce(max(sequence), 0), \
       array(select first_missing from gaps order by 1), \
       array(select last_missing from gaps order by 1), \
       (select count(*) from (select sequence, \
          lag(sequence) over (order by received_at, sequence) as previous from stored) as a \
        where sequence < previous), \
       coalesce(percentile_cont(0.5) within group (order by waited), 0), \
       coalesce(percentile_cont(0.99) within group (order by waited), 0) \
     from stored";

type Figures = (i64, i64, i64, i64, Vec<i64>, Vec<i64>, i64, f64, f64);

/// What is stored of one epoch of a device.
pub(super) async fn of_epoch(
    tx: &mut TenantTx,
    device: DeviceId,
    epoch: i64,
) -> Result<SequenceReport, PgError> {
    let tenant = tx.tenant().uuid();
    let (stored, distinct, first, last, firsts, lasts, out_of_order, p50, p99): Figures =
        sqlx::query_as(REPORT)
            .bind(tenant)
            .bind(device.uuid())
            .bind(epoch)
            .fetch_one(&mut **tx)
            .await?;
    let gaps = firsts
        .into_iter()
        .zip(lasts)
        .map(|(first_missing, last_missing)| SequenceGap { first_missing, last_missing })
        .collect();
    Ok(SequenceReport {
        stored,
        distinct_sequences: distinct,
        first_sequence: first,
        last_sequence: last,
        gaps,
        out_of_order,
        stored_p50_ms: p50,
        stored_p99_ms: p99,
    })
}
