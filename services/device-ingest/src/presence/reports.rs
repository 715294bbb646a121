use prost::Message as _;
use yard_contracts::device::v1::DeviceReport;
use yard_contracts::device::v1::device_report::Report;
use yard_contracts::values::moment;
use yard_fault::{Code, Fault};
use yard_ids::{DeviceId, TenantId};
use yard_messaging::{BatchHandler, Delivery, Nats, Outcome};
use yard_pg::{Actor, Pg, PlatformTx};

use super::store::{self, Written};
use super::{Change, Said, State, after, announce};
use crate::SERVICE;
use crate::commands::Redispatch;

/// Handles presence reports from stream REPORTS: a batch in one transaction.
pub(crate) struct StatusReports {
    pub(crate) pg: Pg,
    pub(crate) nats: Nats,
    pub(crate) redispatch: Redispatch,
}

/// A report, read.
struct Status {
    device: DeviceId,
    tenant: TenantId,
    said: Said,
    cause: String,
    at: time::OffsetDateTime,
}

impl BatchHandler for StatusReports {
    async fn handle(&mut self, batch: &[Delivery]) -> Vec<Outcome> {
        let read: Vec<_> = batch.iter().map(|delivery| read(&delivery.payload)).collect();
        let statuses: Vec<&Status> = read.iter().filter_map(|r| r.as_ref().ok()).collect();
        let written = self.write(&statuses).await;
        let failed = match written {
            Ok(changes) => {
                self.follow_up(changes).await;
                None
            }
            Err(fault) => Some(fault),
        };
        let outcome = |read: Result<Status, Fault>| match (read, &failed) {
            (Err(fault), _) => Outcome::Failed(fault),
            (Ok(_), None) => Outcome::Done,
            (Ok(_), Some(fault)) => {
                Outcome::Failed(Fault::new(fault.code()).with_detail(fault.inside()))
            }
        };
        read.into_iter().map(outcome).collect()
    }
}

impl StatusReports {
    async fn write(&self, statuses: &[&Status]) -> Result<Vec<Change>, Fault> {
        let mut tx = PlatformTx::begin(&self.pg, &Actor::service(SERVICE)).await?;
        let mut changes = Vec::new();
        // Locks in one order, whatever other instances have in hand; of one device by arrival.
        let mut ordered = statuses.to_vec();
        ordered.sort_by_key(|status| status.device);
        for status in ordered {
            changes.extend(apply(&mut tx, status).await?);
        }
        tx.commit().await?;
        Ok(changes)
    }

    async fn follow_up(&self, changes: Vec<Change>) {
        for change in changes {
            announce(&self.nats, change).await;
            if change.state == State::Online {
                self.redispatch.device_is_back(change.tenant, change.device);
            }
        }
    }
}

/// A device that says it is online, though it was so, has connected anew: what it was sent before
/// may be lost. So that counts as a change too.
async fn apply(tx: &mut PlatformTx, status: &Status) -> Result<Option<Change>, Fault> {
    let stored = store::lock(tx, status.device).await?;
    let Some(state) = after(stored, status.said) else {
        metrics::counter!("yard_presence_reports_fenced_total").increment(1);
        return Ok(None);
    };
    let written = Written {
        device: status.device,
        tenant: status.tenant,
        state,
        epoch: status.said.epoch,
        cause: &status.cause,
        at: status.at,
    };
    store::write(tx, &written).await?;
    let change = Change { device: status.device, tenant: status.tenant, state, at: status.at };
    let repeated = stored.is_some_and(|before| before.state == state);
    Ok((!repeated || state == State::Online).then_some(change))
}

fn read(payload: &[u8]) -> Result<Status, Fault> {
    let unreadable = |what: &str| Fault::new(Code::RequestMalformed).with_detail(what);
    let report =
        DeviceReport::decode(payload).map_err(|e| unreadable("status report").with_source(e))?;
    let Some(Report::Status(status)) = report.report else {
        return Err(unreadable("not a status report"));
    };
    let at = report.received_at.as_ref().and_then(moment);
    Ok(Status {
        device: report.device_id.parse().map_err(|e| unreadable("device").with_source(e))?,
        tenant: report.tenant_id.parse().map_err(|e| unreadable("tenant").with_source(e))?,
        said: Said { online: status.online, epoch: status.epoch },
        cause: status.cause,
        at: at.ok_or_else(|| unreadable("time"))?,
    })
}
