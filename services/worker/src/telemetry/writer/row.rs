use prost::Message as _;
use time::OffsetDateTime;
use uuid::Uuid;
use yard_contracts::telemetry::v1::TelemetryRecord;
use yard_contracts::{streams, values};
use yard_fault::{Code, Fault};
use yard_ids::{DeviceId, TenantId};
use yard_messaging::Delivery;

/// A record that has everything a row needs.
#[derive(Debug, Clone)]
pub(super) struct Row {
    /// Which delivery of the batch it came from.
    pub(super) index: usize,
    pub(super) tenant: TenantId,
    pub(super) device: DeviceId,
    pub(super) occurred_at: OffsetDateTime,
    pub(super) message_id: Uuid,
    pub(super) received_at: OffsetDateTime,
    pub(super) epoch: i64,
    pub(super) sequence: i64,
    /// A JSON object as text; the database is the one that parses it.
    pub(super) values: String,
    pub(super) receipt_requested: bool,
}

impl Row {
    /// Reads a delivery. What it refuses can never be stored.
    pub(super) fn read(index: usize, delivery: &Delivery) -> Result<Self, Fault> {
        let record = TelemetryRecord::decode(delivery.payload.clone())
            .map_err(|e| Fault::new(Code::RequestMalformed).with_source(e))?;
        let row = Self::of_record(index, record)?;
        row.check_subject(&delivery.subject)?;
        Ok(row)
    }

    fn of_record(index: usize, record: TelemetryRecord) -> Result<Self, Fault> {
        let moment = |at: Option<prost_types::Timestamp>| at.as_ref().and_then(values::moment);
        let message_id = Uuid::try_parse(&record.message_id).map_err(|_e| wrong("message_id"))?;
        if !record.values_json.trim_start().starts_with('{') {
            return Err(wrong("values_json"));
        }
        Ok(Self {
            index,
            tenant: record.tenant_id.parse().map_err(|_e| wrong("tenant_id"))?,
            device: record.device_id.parse().map_err(|_e| wrong("device_id"))?,
            occurred_at: moment(record.occurred_at).ok_or_else(|| wrong("occurred_at"))?,
            message_id,
            received_at: moment(record.received_at).ok_or_else(|| wrong("received_at"))?,
            epoch: record.epoch,
            sequence: record.sequence,
            values: record.values_json,
            receipt_requested: record.receipt_requested,
        })
    }

    /// The subject is what the broker's permissions speak of; a record must not say otherwise.
    fn check_subject(&self, subject: &str) -> Result<(), Fault> {
        let prefix = streams::TELEMETRY.subjects.first().and_then(|s| s.strip_suffix('>'));
        let rest = prefix.and_then(|prefix| subject.strip_prefix(prefix));
        let mut parts = rest.unwrap_or_default().split('.').skip(1);
        let tenant = parts.next().and_then(|part| part.parse().ok());
        let device = parts.next().and_then(|part| part.parse().ok());
        if tenant == Some(self.tenant) && device == Some(self.device) {
            return Ok(());
        }
        Err(wrong("tenant_id or device_id, as the subject says"))
    }

    /// Two writers that meet the same rows lock them in the same order; and neighbours in a batch
    /// become neighbours in the index.
    pub(super) fn key(&self) -> (TenantId, DeviceId, OffsetDateTime, Uuid) {
        (self.tenant, self.device, self.occurred_at, self.message_id)
    }

    /// The device numbers its messages.
    pub(super) const fn is_numbered(&self) -> bool {
        self.epoch != 0 || self.sequence != 0
    }
}

fn wrong(what: &str) -> Fault {
    Fault::new(Code::RequestInvalid).with_detail(format!("telemetry record with a wrong {what}"))
}
