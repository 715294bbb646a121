//! What devices report of their commands, from stream REPORTS.

use prost::Message as _;
use serde_json::Value;
use time::OffsetDateTime;
use yard_contracts::device::v1::DeviceReport;
use yard_contracts::device::v1::device_report::Report;
use yard_contracts::values::moment;
use yard_fault::{Code, Fault};
use yard_ids::{CommandId, DeviceId, TenantId};
use yard_messaging::{BatchHandler, Delivery, Outcome};
use yard_pg::{Actor, TenantTx};

use super::store::{self, Proof};
use super::{Desk, DeviceWord, Step, live};

/// Applies reports. Late, repeated and out-of-order ones change nothing.
pub(crate) struct CommandReports {
    pub(crate) desk: Desk,
}

struct Reported {
    tenant: TenantId,
    device: DeviceId,
    command: CommandId,
    word: DeviceWord,
    result: Option<Value>,
    evidence: String,
    at: OffsetDateTime,
}

impl BatchHandler for CommandReports {
    async fn handle(&mut self, batch: &[Delivery]) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(batch.len());
        for delivery in batch {
            let applied = async { self.apply(&read(&delivery.payload)?).await };
            outcomes.push(match applied.await {
                Ok(()) => Outcome::Done,
                Err(fault) => Outcome::Failed(fault),
            });
        }
        outcomes
    }
}

impl CommandReports {
    async fn apply(&self, report: &Reported) -> Result<(), Fault> {
        let actor = format!("device:{}", report.device);
        let by = Actor::device(report.device);
        let mut tx = TenantTx::begin(&self.desk.pg, report.tenant, &by).await?;
        let row = store::lock(&mut tx, report.command).await?;
        // Another device's command is as unknown to this one as one that never was.
        let Some(row) = row.filter(|row| row.device() == report.device) else {
            count(Code::CommandReportInvalid.as_str());
            tracing::info!(
                device = %report.device,
                command = %report.command,
                "report on a command that is not the device's"
            );
            return Ok(());
        };
        let Some(next) = row.state().after(Step::Device(report.word)) else {
            count("no_change");
            return Ok(());
        };
        let proof = Proof { at: report.at, actor: &actor, evidence: &report.evidence };
        store::advance(&mut tx, &row, next, proof, report.result.as_ref()).await?;
        tx.commit().await?;
        count("applied");
        live::announce(&self.desk.nats, report.tenant, &row, next, report.at, &report.evidence)
            .await;
        Ok(())
    }
}

fn count(outcome: &'static str) {
    metrics::counter!("yard_command_reports_total", "outcome" => outcome).increment(1);
}

fn read(payload: &[u8]) -> Result<Reported, Fault> {
    let unreadable = |what: &str| Fault::new(Code::RequestMalformed).with_detail(what);
    let report =
        DeviceReport::decode(payload).map_err(|e| unreadable("command report").with_source(e))?;
    let Some(Report::Command(command)) = report.report else {
        return Err(unreadable("not a command report"));
    };
    let result = match command.result_json.as_str() {
        "" => None,
        json => Some(serde_json::from_str(json).map_err(|e| unreadable("result").with_source(e))?),
    };
    let evidence = match command.reason.as_str() {
        "" => "device reported".to_owned(),
        reason => format!("device reported: {reason}"),
    };
    let at = report.received_at.as_ref().and_then(moment);
    Ok(Reported {
        tenant: report.tenant_id.parse().map_err(|e| unreadable("tenant").with_source(e))?,
        device: report.device_id.parse().map_err(|e| unreadable("device").with_source(e))?,
        command: command.command_id.parse().map_err(|e| unreadable("command").with_source(e))?,
        word: DeviceWord::from_text(&command.state).ok_or_else(|| unreadable("state"))?,
        result,
        evidence,
        at: at.ok_or_else(|| unreadable("time"))?,
    })
}
