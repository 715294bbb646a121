//! One line for each RPC: what to call it with. A new RPC without a line fails the matrix.

use serde_json::{Value, json};

use crate::world::{TRIES, Tenant};

const NO_TENANT: &str = "0190a6f2-7c2a-7b52-9c11-0000000000ff";

/// Arguments of an RPC that concern `tenant`'s things; `None` for an RPC without a case.
/// `turn` differs between calls, for names that have to be new.
#[must_use]
pub fn arguments(rpc: &str, tenant: &Tenant, turn: usize) -> Option<Value> {
    let service = rpc.rsplit_once('.').map_or(rpc, |(_, name)| name);
    identity(service, tenant, turn)
        .or_else(|| platform(service, tenant, turn))
        .or_else(|| work(service, tenant, turn))
}

/// Who somebody is, and what is known of it.
fn identity(service: &str, tenant: &Tenant, turn: usize) -> Option<Value> {
    let device = &tenant.device_id;
    Some(match service {
        "SessionService/Login" => json!({
            "email": tenant.viewer_email, "password": tenant.password,
            "delivery": "SESSION_DELIVERY_TOKEN",
        }),
        "AuditService/SearchAuditEvents" => json!({"page_size": 200}),
        "AuditService/SearchPlatformAuditEvents"
        | "AuditService/GetAuditStatus"
        | "AuditService/GetPlatformAuditStatus"
        | "AuditService/ExportAuditEvents"
        | "AuditService/ExportPlatformAuditEvents"
        | "AuditService/ListAuditRoots" => json!({}),
        "AuditService/EraseSubject" => json!({"subject_id": tenant.viewer_id}),
        "SessionService/Logout" | "SessionService/GetMe" => json!({}),
        "SessionService/ExchangeSession" => json!({"session_token": "yst_unknown"}),
        "PeopleService/ListPeople" => json!({"page_size": 50}),
        "KeyService/GetKeySet" | "KeyService/ListSigningKeys" => json!({}),
        "KeyService/RotateSigningKeys" => json!({"emergency": true}),
        "KeyService/RevokeSigningKey" => json!({"kid": "issuer:unknown", "reason": "matrix"}),
        "EnrollmentService/CreateClaimCode" => {
            json!({"device_id": device, "valid_for_seconds": 600})
        }
        "EnrollmentService/EnrollDevice" => {
            json!({"claim_code": "AAAAA-AAAAA-AAAAA-AAAAA", "csr_pem": tenant.csr_pem})
        }
        "EnrollmentService/ListDeviceCertificates" => json!({"device_id": device}),
        "EnrollmentService/RevokeCertificate" => {
            json!({"serial": tenant.serials.get(turn % tenant.serials.len().max(1))})
        }
        "EnrollmentService/RegisterDevice" => {
            json!({"tenant_id": tenant.tenant_id, "device_id": device, "display_name": "x"})
        }
        // Nobody has the key that would have signed this.
        "DeviceTrustService/RenewCertificate" => json!({
            "serial": tenant.serials.get(turn % tenant.serials.len().max(1)),
            "csr_pem": tenant.csr_pem, "signature": "MAYCAQECAQE=",
        }),
        "DeviceTrustService/ListDeviceAuthorities" => json!({}),
        "DeviceTrustService/ListQuarantinedDevices" => json!({"page_size": 50}),
        "DeviceTrustService/ApproveDevice" => {
            json!({"device_id": tenant.late_devices.get(turn % TRIES)})
        }
        "DeviceTrustService/RefuseDevice" => {
            json!({"device_id": tenant.late_devices.get(TRIES + turn % TRIES)})
        }
        "DeviceTrustService/RegisterFactoryAuthority" => json!({
            "name": "matrix", "certificate_pem": tenant.factory.certificate_pem,
            "proof_pem": tenant.factory.proof_pem,
        }),
        "DeviceTrustService/ListFactoryAuthorities" => json!({}),
        "DeviceTrustService/WithdrawFactoryAuthority" => {
            json!({"authority_id": tenant.factory.authority_id})
        }
        "EnrollmentService/RegisterDevices" => json!({
            "tenant_id": tenant.tenant_id, "devices": [{"device_id": device}],
        }),
        "ApiTokenService/CreateApiToken" => {
            json!({"name": format!("matrix {turn}"), "abilities": ["devices.read"]})
        }
        "ApiTokenService/ListApiTokens" => json!({}),
        "ApiTokenService/RevokeApiToken" => {
            json!({"token_id": tenant.api_token_id})
        }
        _ => return None,
    })
}

/// Tenants, and what is kept away from the platform.
fn platform(service: &str, tenant: &Tenant, turn: usize) -> Option<Value> {
    let device = &tenant.device_id;
    Some(match service {
        "TenantService/CreateTenant" => json!({"slug": format!("matrix-{turn}"), "name": "Matrix"}),
        "TenantService/ListTenants" => json!({"page_size": 50}),
        "TenantService/GetTenant"
        | "TenantService/ResumeTenant"
        | "TenantService/GetTenantClosure" => {
            json!({"tenant_id": tenant.tenant_id})
        }
        "TenantService/UpdateTenant" => json!({
            "tenant": {"tenant_id": tenant.tenant_id, "plan": "standard"}, "update_mask": "plan",
        }),
        // Of no tenant: the test's own must stay open.
        "TenantService/SuspendTenant" => json!({"tenant_id": NO_TENANT, "reason": "matrix"}),
        "TenantService/CloseTenant" => {
            json!({"tenant_id": NO_TENANT, "slug": "none", "reason": "matrix"})
        }
        "OrganizationService/GetOrganization" => json!({}),
        "OrganizationService/UpdateOrganization" => json!({
            "organization": {"locale": "en"}, "update_mask": "locale",
        }),
        "BanService/CreateBan" => json!({
            "kind": "BAN_KIND_ADDRESS", "subject": format!("2001:db8:{turn:x}::/64"),
            "reason": "matrix", "duration_seconds": 60,
        }),
        "BanService/LiftBan" => json!({"ban_id": device}),
        "BanService/ListBans"
        | "MaintenanceService/GetMaintenance"
        | "OriginService/GetOrigin"
        | "GuardService/GetGuard" => json!({}),
        "MaintenanceService/SetMaintenance" => json!({"active": false, "reason": "matrix"}),
        "GuardService/ReportAbuse" => json!({"address": "2001:db8::1"}),
        _ => return None,
    })
}

/// Devices, readings, live channels, jobs.
fn work(service: &str, tenant: &Tenant, turn: usize) -> Option<Value> {
    let device = &tenant.device_id;
    Some(match service {
        "DeviceService/ImportDevices" => json!({
            "contract_id": tenant.contract_id, "dry_run": true,
            "devices": [{"name": format!("import {turn}"), "external_id": format!("SN-{turn}")}],
        }),
        "DeviceService/CreateDevice" => json!({
            "name": format!("matrix {turn}"), "contract_id": tenant.contract_id,
        }),
        "DeviceService/GetDevice" => json!({"device_id": device}),
        "DeviceService/ListDevices" => json!({"page_size": 100}),
        "DeviceService/UpdateDevice" => json!({
            "device": {"device_id": device, "labels": {"turn": turn.to_string()}},
            "update_mask": "labels",
        }),
        "DeviceService/ListQuarantine" => json!({"device_id": device}),
        "ContractService/CreateContract" => json!({
            "name": format!("matrix {turn}"), "version": 1,
            "telemetry_schema": {"type": "object"}, "metrics": [], "commands": [],
        }),
        "ContractService/GetContract" => json!({"contract_id": tenant.contract_id}),
        "ContractService/ListContracts" => json!({}),
        "CommandService/SendCommand" => json!({
            "device_id": device, "name": "set_valve", "arguments": {"position": 5},
            "deadline_seconds": 600,
        }),
        "CommandService/GetCommand" => json!({"command_id": tenant.command_id}),
        "CommandService/ListCommands" => json!({"device_id": device}),
        "CommandService/CancelCommand" => {
            json!({"command_id": tenant.cancellable.get(turn % tenant.cancellable.len().max(1))})
        }
        "TelemetryService/ListReadings" | "TelemetryService/GetLatestReading" => {
            json!({"device_id": device})
        }
        "TelemetryService/GetSeries" => json!({"device_id": device, "metric": "flow_lps"}),
        "TelemetryService/GetSequenceReport" => json!({"device_id": device, "epoch": 1}),
        "RealtimeService/GetRealtimeSettings" | "RealtimeService/CreateSocketTicket" => json!({}),
        "RealtimeService/AuthorizeChannel" => json!({
            "socket_id": "1234.5678", "channel_name": tenant.channel,
        }),
        "RealtimeService/TailChannel" => json!({"channel": tenant.channel}),
        "ScheduleService/ListSchedules"
        | "ScheduleService/GetLeadership"
        | "JobService/ListJobs"
        | "JobService/ListQueues" => json!({}),
        "ScheduleService/ListFires" | "ScheduleService/RunSchedule" => {
            json!({"schedule": "partition-maintenance"})
        }
        _ => return None,
    })
}
