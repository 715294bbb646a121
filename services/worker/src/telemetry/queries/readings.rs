use serde_json::{Map, Value};
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;
use yard_contracts::telemetry::v1::Reading;
use yard_contracts::values;
use yard_fault::{Code, Fault};
use yard_ids::DeviceId;
use yard_pg::{PgError, TenantTx, fault, page};

use super::request::Window;

#[derive(sqlx::FromRow)]
pub(super) struct ReadingRow {
    message_id: Uuid,
    occurred_at: OffsetDateTime,
    received_at: OffsetDateTime,
    epoch: i64,
    sequence: i64,
    payload: Json<Map<String, Value>>,
}

/// Where the last page ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct After {
    at: OffsetDateTime,
    message_id: Uuid,
}

impl After {
    pub(super) fn parse(token: &str) -> Result<Option<Self>, Fault> {
        let Some([micros, id]) = page::parts::<2>(token)? else {
            return Ok(None);
        };
        let wrong = || Fault::new(Code::PageTokenInvalid);
        let micros: i128 = micros.parse().map_err(|_e| wrong())?;
        let nanos = micros.checked_mul(1_000).ok_or_else(wrong)?;
        let at = OffsetDateTime::from_unix_timestamp_nanos(nanos).map_err(|_e| wrong())?;
        let message_id = Uuid::try_parse(&id).map_err(|_e| wrong())?;
        Ok(Some(Self { at, message_id }))
    }

    fn token(row: &ReadingRow) -> String {
        let micros = row.occurred_at.unix_timestamp_nanos() / 1_000;
        page::token(&[&micros.to_string(), &row.message_id.to_string()])
    }
}

/// Up to `size` rows, oldest first, and the token of the next page if there may be one.
pub(super) async fn list(
    tx: &mut TenantTx,
    device: DeviceId,
    window: Window,
    after: Option<After>,
    size: i64,
) -> Result<(Vec<ReadingRow>, String), Fault> {
    // The first page begins before every id of its first moment.
    let start = after.map_or(window.from, |after| after.at.max(window.from));
    let least = after.filter(|after| after.at == start);
    let tenant = tx.tenant().uuid();
    let mut rows: Vec<ReadingRow> = sqlx::query_as(
        "select message_id, occurred_at, received_at, epoch, sequence, payload \
         from series.telemetry \
         where tenant_id = $1 and device_id = $2 and occurred_at >= $3 and occurred_at < $4 \
           and ($5::uuid is null or (occurred_at, message_id) > ($3, $5)) \
         order by occurred_at, message_id limit $6",
    )
    .bind(tenant)
    .bind(device.uuid())
    .bind(start)
    .bind(window.to)
    .bind(least.map(|after| after.message_id))
    .bind(size + 1)
    .fetch_all(&mut **tx)
    .await
    .map_err(fault)?;
    let more = i64::try_from(rows.len()).is_ok_and(|found| found > size);
    if more {
        rows.pop();
    }
    let token = rows.last().filter(|_| more).map(After::token).unwrap_or_default();
    Ok((rows, token))
}

/// The newest by the device's own time.
pub(super) async fn latest(
    tx: &mut TenantTx,
    device: DeviceId,
) -> Result<Option<ReadingRow>, PgError> {
    let tenant = tx.tenant().uuid();
    Ok(sqlx::query_as(
        "select message_id, occurred_at, received_at, epoch, sequence, payload \
         from series.telemetry where tenant_id = $1 and device_id = $2 \
         order by occurred_at desc, message_id desc limit 1",
    )
    .bind(tenant)
    .bind(device.uuid())
    .fetch_optional(&mut **tx)
    .await?)
}

/// As the contract has it.
pub(super) fn to_reading(row: ReadingRow, device: DeviceId) -> Reading {
    Reading {
        message_id: row.message_id.to_string(),
        device_id: device.to_string(),
        occurred_at: Some(values::timestamp(row.occurred_at)),
        received_at: Some(values::timestamp(row.received_at)),
        values: Some(values::to_struct(row.payload.0)),
        epoch: row.epoch,
        sequence: row.sequence,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_tokens_of_others_are_refused() {
        assert_eq!(After::parse("").unwrap(), None);
        for parts in [["x", "y"], ["1", "y"], ["99999999999999999999999999", "y"]] {
            assert!(After::parse(&page::token(&parts)).is_err(), "{parts:?}");
        }
        let id = Uuid::from_u128(5);
        let token = page::token(&["1763700000000001", &id.to_string()]);
        let after = After::parse(&token).unwrap().unwrap();
        assert_eq!((after.at.microsecond(), after.message_id), (1, id));
    }
}
