//! Messages that were not accepted: kept with their reason, for people to look at.

mod consumer;
mod store;

use time::OffsetDateTime;
use uuid::Uuid;
use yard_contracts::device::v1::{ListQuarantineResponse, QuarantinedMessage};
use yard_contracts::values::timestamp;
use yard_fault::Fault;
use yard_ids::DeviceId;
use yard_pg::TenantTx;

pub(crate) use consumer::Keeper;

use store::Row;

/// A page of a device's quarantined messages, newest first.
pub(crate) async fn list(
    tx: &mut TenantTx,
    device: DeviceId,
    after: Option<(OffsetDateTime, Uuid)>,
    size: i64,
) -> Result<ListQuarantineResponse, Fault> {
    let mut rows = store::list(tx, device, after, size + 1).await?;
    let next_page_token = crate::paging::cut(&mut rows, size, |last| {
        crate::paging::moment_token(last.received_at, last.message_id)
    });
    Ok(ListQuarantineResponse {
        messages: rows.into_iter().map(message).collect(),
        next_page_token,
    })
}

fn message(row: Row) -> QuarantinedMessage {
    QuarantinedMessage {
        message_id: row.message_id.as_hyphenated().to_string(),
        device_id: row.device_id.as_hyphenated().to_string(),
        topic: row.topic,
        reason_code: row.reason_code,
        pointer: row.pointer,
        detail: row.detail,
        payload: row.payload,
        received_at: Some(timestamp(row.received_at)),
    }
}
