//! Bodies of the REST interface. Fields that the platform leaves out have their zero value.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

/// The signed-in person.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
#[derive(Default)]
pub struct Me {
    pub principal_id: String,
    pub email: String,
    pub display_name: String,
    pub tenant_id: String,
    pub tenant_slug: String,
    pub tenant_name: String,
    pub role: String,
    pub permissions: Vec<String>,
}

/// Answer of a sign-in that asked for the token.
#[derive(Debug, Deserialize)]
pub struct LoginAnswer {
    #[serde(default)]
    pub me: Me,
    #[serde(default)]
    pub expires_at: Option<String>,
    /// Empty with a challenge.
    #[serde(default)]
    pub session_token: String,
    #[serde(default)]
    pub challenge: Option<Challenge>,
}

/// A second factor is asked for.
#[derive(Debug, Clone, Deserialize)]
pub struct Challenge {
    pub challenge_token: String,
    #[serde(default)]
    pub factors: Vec<String>,
}

/// A registered device.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Device {
    pub device_id: Uuid,
    pub name: String,
    #[serde(default)]
    pub external_id: String,
    #[serde(default)]
    pub contract_id: String,
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    #[serde(default)]
    pub presence: String,
    #[serde(default)]
    pub presence_changed_at: Option<String>,
    #[serde(default)]
    pub last_seen_at: Option<String>,
    #[serde(default)]
    pub created_at: Option<String>,
}

/// What a device connects with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Certificate {
    pub serial: String,
    pub device_id: Uuid,
    #[serde(default)]
    pub state: String,
    #[serde(default)]
    pub not_before: Option<String>,
    #[serde(default)]
    pub not_after: Option<String>,
    #[serde(default)]
    pub revoked_at: Option<String>,
    #[serde(default)]
    pub enforced_at: Option<String>,
    #[serde(default)]
    pub superseded_at: Option<String>,
}

/// A page of certificates.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct CertificatePage {
    pub(super) certificates: Vec<Certificate>,
    pub(super) next_page_token: String,
}

/// A device to be registered.
#[derive(Debug, Serialize)]
pub struct DeviceDraft<'a> {
    pub name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<&'a str>,
    pub contract_id: &'a str,
    pub labels: BTreeMap<String, String>,
}

/// Devices by presence.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PresenceCounts {
    pub never: u32,
    pub online: u32,
    pub stale: u32,
    pub offline: u32,
}

/// One page of devices.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DevicePage {
    pub devices: Vec<Device>,
    pub next_page_token: String,
    pub total_size: u32,
    pub presence_counts: PresenceCounts,
}

/// What can be drawn of a contract.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Metric {
    pub key: String,
    #[serde(default)]
    pub label: String,
    #[serde(default)]
    pub unit: String,
}

/// A command that a contract accepts.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CommandKind {
    pub name: String,
    #[serde(default)]
    pub label: String,
    #[serde(default)]
    pub arguments_schema: Value,
}

/// A contract to be made; also the format of `yard contracts create --file`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContractDraft {
    pub name: String,
    pub version: i32,
    pub telemetry_schema: Value,
    #[serde(default)]
    pub metrics: Vec<Metric>,
    #[serde(default)]
    pub commands: Vec<CommandKind>,
}

/// A contract version.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Contract {
    pub contract_id: Uuid,
    pub name: String,
    #[serde(default)]
    pub version: i32,
    #[serde(default)]
    pub metrics: Vec<Metric>,
    #[serde(default)]
    pub commands: Vec<CommandKind>,
    #[serde(default)]
    pub created_at: Option<String>,
}

/// One page of contracts.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ContractPage {
    pub contracts: Vec<Contract>,
    pub next_page_token: String,
}

/// A one-time enrolment code.
#[derive(Debug, Serialize, Deserialize)]
pub struct ClaimCode {
    pub code: String,
    #[serde(default)]
    pub device_id: String,
    #[serde(default)]
    pub expires_at: Option<String>,
}

/// Answer of an enrolment.
#[derive(Debug, Deserialize)]
pub struct Enrolled {
    pub device_id: Uuid,
    pub certificate_pem: String,
    pub ca_pem: String,
    #[serde(default)]
    pub not_after: Option<String>,
    #[serde(default)]
    pub renew_after: Option<String>,
    pub mqtt_host: String,
    pub mqtt_port: u16,
}

/// Answer of a renewal.
#[derive(Debug, Deserialize)]
pub struct Renewed {
    pub certificate_pem: String,
    pub ca_pem: String,
    #[serde(default)]
    pub not_after: Option<String>,
    #[serde(default)]
    pub renew_after: Option<String>,
    #[serde(default)]
    pub quarantined: bool,
}

/// A device that renewed too late.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct QuarantinedDevice {
    pub device_id: Uuid,
    #[serde(default)]
    pub display_name: String,
    #[serde(default)]
    pub state: String,
    #[serde(default)]
    pub since: Option<String>,
}

/// A page of devices in quarantine.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct QuarantinedPage {
    pub(super) devices: Vec<QuarantinedDevice>,
    pub(super) next_page_token: String,
}

/// A command with its history.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Command {
    pub command_id: Uuid,
    pub device_id: Uuid,
    pub name: String,
    #[serde(default)]
    pub arguments: Map<String, Value>,
    #[serde(default)]
    pub state: String,
    #[serde(default)]
    pub deadline: Option<String>,
    #[serde(default)]
    pub created_at: Option<String>,
    #[serde(default)]
    pub updated_at: Option<String>,
    #[serde(default)]
    pub created_by: String,
    #[serde(default)]
    pub result: Option<Map<String, Value>>,
    #[serde(default)]
    pub events: Vec<CommandEvent>,
}

/// A step of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[derive(Default)]
pub struct CommandEvent {
    pub state: String,
    pub at: String,
    pub actor: String,
    pub evidence: String,
}

/// Missing sequences, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SequenceGap {
    pub first_missing: u64,
    pub last_missing: u64,
}

/// What is stored of one epoch of a device.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SequenceReport {
    pub stored: u64,
    pub distinct_sequences: u64,
    pub first_sequence: u64,
    pub last_sequence: u64,
    pub gaps: Vec<SequenceGap>,
    pub out_of_order: u64,
    pub stored_p50_ms: f64,
    pub stored_p99_ms: f64,
}

/// A stored reading.
#[derive(Debug, Clone, Deserialize)]
pub struct Reading {
    #[serde(default)]
    pub epoch: i64,
    #[serde(default)]
    pub sequence: u64,
}

/// One page of readings.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ReadingPage {
    pub readings: Vec<Reading>,
    pub next_page_token: String,
}

/// Somebody who is kept out.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Ban {
    pub ban_id: String,
    pub kind: String,
    pub subject: String,
    pub reason: String,
    pub created_by: String,
    pub created_at: String,
    pub expires_at: String,
    pub lifted_at: Option<String>,
    pub lifted_by: String,
    pub automatic: bool,
}

/// A page of bans.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct BanPage {
    pub bans: Vec<Ban>,
    pub next_page_token: String,
}

/// The switch for maintenance.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Maintenance {
    pub active: bool,
    pub reason: String,
    pub until: Option<String>,
    pub changed_at: Option<String>,
    pub changed_by: String,
}

/// Where a call seems to come from.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Origin {
    pub client: String,
    pub peer: String,
    pub peer_trusted: bool,
    pub header: String,
    pub forwarded: String,
    pub remarks: Vec<String>,
}
