//! One line for each RPC: what to call it with. A new RPC without a line fails the matrix.

use serde_json::{Value, json};

use crate::world::{TRIES, Tenant};

const NO_TENANT: &str = "0190a6f2-7c2a-7b52-9c11-0000000000ff";
/// Of the form of a link's token.
const NO_LINK: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// RPCs that a credential of their own opens, which the matrix has not: a claim code, a signature by
/// a device's key, a link of a mail, a proof of who somebody is, a factor to make recovery codes for;
/// and those for one's own sessions and passkeys by an id, which it names unknown ones.
const BY_CREDENTIAL: [&str; 26] = [
    "/EnrollDevice",
    "/RenewCertificate",
    "/CompleteLogin",
    "/ConfirmTotpEnrollment",
    "/RegenerateRecoveryCodes",
    "/CompleteFederatedSignIn",
    "/CompleteIdentityLink",
    "/AcceptInvitation",
    "/ShowInvitation",
    "/JoinTenant",
    "/VerifyEmail",
    "/ConfirmEmailChange",
    "/ResetPassword",
    "/ShowRegistration",
    "/ConfirmRegistration",
    "/ClaimRegistration",
    "/Reauthenticate",
    "/ChangePassword",
    "/RevokeSession",
    "/RevokeMemberSessions",
    // Of a tenant that nobody is in: the callers' own sessions must stay where they are.
    "/SwitchTenant",
    "/CompletePasskeyRegistration",
    "/RenamePasskey",
    "/RemovePasskey",
    "/CompletePasskeySignIn",
    "/BeginPasskeyReauthentication",
];

/// Whether an RPC refuses whoever brings the wrong credential of its own, whoever it is.
pub(super) fn by_credential(rpc: &str) -> bool {
    BY_CREDENTIAL.iter().any(|end| rpc.ends_with(end))
}

/// Arguments of an RPC that concern `tenant`'s things; `None` for an RPC without a case.
/// `turn` differs between calls, for names that have to be new.
#[must_use]
pub fn arguments(rpc: &str, tenant: &Tenant, turn: usize) -> Option<Value> {
    let service = rpc.rsplit_once('.').map_or(rpc, |(_, name)| name);
    identity(service, tenant, turn)
        .or_else(|| passkeys(service))
        .or_else(|| federation(service, tenant))
        .or_else(|| people(service, tenant, turn))
        .or_else(|| providers(service, tenant))
        .or_else(|| platform(service, tenant, turn))
        .or_else(|| rights(service, tenant, turn))
        .or_else(|| realtime(service, tenant))
        .or_else(|| radius(service, tenant, turn))
        .or_else(|| work(service, tenant, turn))
}

/// Passkeys of the caller; the matrix has no authenticator.
fn passkeys(service: &str) -> Option<Value> {
    let challenge = format!("ych_{}", "A".repeat(43));
    Some(match service {
        "PasskeyService/BeginPasskeyRegistration"
        | "PasskeyService/ListPasskeys"
        | "PasskeyService/BeginPasskeySignIn"
        | "PasskeyService/BeginPasskeyReauthentication" => json!({}),
        "PasskeyService/CompletePasskeyRegistration" => json!({
            "challenge_token": challenge, "name": "matrix", "attestation": {},
        }),
        "PasskeyService/RenamePasskey" => json!({"passkey_id": NO_TENANT, "name": "matrix"}),
        "PasskeyService/RemovePasskey" => json!({"passkey_id": NO_TENANT}),
        "PasskeyService/CompletePasskeySignIn" => json!({
            "challenge_token": challenge, "assertion": {},
            "delivery": "SESSION_DELIVERY_TOKEN",
        }),
        _ => return None,
    })
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
        "SessionService/CompleteLogin" => json!({
            "challenge_token": format!("ych_{}", "A".repeat(43)), "totp_code": "000000",
            "delivery": "SESSION_DELIVERY_TOKEN",
        }),
        "SessionService/Logout"
        | "SessionService/GetMe"
        | "SessionService/ListSessions"
        | "SessionService/RevokeOtherSessions" => json!({}),
        "SessionService/RevokeSession" => json!({"session_id": NO_TENANT}),
        "SessionService/RevokeMemberSessions" => json!({"principal_id": NO_TENANT}),
        "SessionService/Reauthenticate" => {
            json!({"password": "not the password", "delivery": "SESSION_DELIVERY_TOKEN"})
        }
        "SessionService/ChangePassword" => {
            json!({
                "current_password": "not the password", "new_password": "another password",
                "delivery": "SESSION_DELIVERY_TOKEN",
            })
        }
        "FactorService/GetFactors"
        | "FactorService/BeginTotpEnrollment"
        | "FactorService/RemoveTotp"
        | "FactorService/RegenerateRecoveryCodes" => json!({}),
        "FactorService/ConfirmTotpEnrollment" => json!({"code": "no code"}),
        "SessionService/ExchangeSession" => json!({"session_token": "yst_unknown"}),
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

/// What people may do, and why.
fn rights(service: &str, tenant: &Tenant, turn: usize) -> Option<Value> {
    let things = &tenant.rights;
    let named = |name: &str| format!("{name} {turn}");
    Some(match service {
        "RoleService/ListPermissions"
        | "RoleService/ListRoles"
        | "DepartmentService/ListDepartments"
        | "OverrideService/ListOverrides"
        | "BreakGlassService/ListBreakGlass"
        | "BreakGlassService/ListTenantBreakGlass"
        | "BreakGlassService/LeaveTenant" => json!({}),
        "RoleService/GetRole" => json!({"role": things.role}),
        "RoleService/CreateRole" => json!({
            "role": format!("matrix-{turn}"), "name": "Matrix", "permissions": ["devices.read"],
        }),
        "RoleService/UpdateRole" => json!({
            "role": {"role": things.role, "name": named("Night")}, "update_mask": "name",
        }),
        "RoleService/DeleteRole" => json!({"role": things.spare_role}),
        "DepartmentService/GetDepartment" | "DecisionService/ResolveRoute" => {
            json!({"department_id": things.department_id})
        }
        "DepartmentService/CreateDepartment" => {
            json!({"name": named("Matrix"), "parent_id": things.department_id})
        }
        "DepartmentService/UpdateDepartment" => json!({
            "department": {"department_id": things.department_id, "parent_id": ""},
            "update_mask": "parent_id",
        }),
        "DepartmentService/DeleteDepartment" => {
            json!({"department_id": things.spare_department_id})
        }
        "PositionService/ListPositions" => json!({"department_id": things.department_id}),
        "PositionService/GetPosition" => json!({"position_id": things.position_id}),
        "PositionService/CreatePosition" => {
            json!({"department_id": things.department_id, "title": named("Guard")})
        }
        "PositionService/UpdatePosition" => json!({
            "position": {"position_id": things.position_id, "rank": 7}, "update_mask": "rank",
        }),
        "PositionService/DeletePosition" => json!({"position_id": things.spare_position_id}),
        "PositionService/GrantPositionRole" => json!({
            "position_id": things.position_id, "role": things.role,
            "scope": "GRANT_SCOPE_SUBTREE",
        }),
        "PositionService/RevokePositionRole" => {
            json!({"position_id": things.position_id, "role": things.role})
        }
        "PositionService/AssignPosition" => {
            json!({"position_id": things.spare_position_id, "principal_id": tenant.viewer_id})
        }
        "PositionService/ListAssignments" => json!({"position_id": things.position_id}),
        "PositionService/EndAssignment" => json!({"assignment_id": things.assignment_id}),
        "OverrideService/RequestOverride" => json!({
            "principal_id": tenant.viewer_id, "permission": "devices.control",
            "effect": "OVERRIDE_EFFECT_DENY", "scope": "GRANT_SCOPE_OWN", "reason": "matrix",
            "expires_at": things.tomorrow,
        }),
        "OverrideService/GetOverride" => json!({"override_id": things.overrides.first()}),
        "OverrideService/ApproveOverride" => json!({"override_id": things.overrides.first()}),
        "OverrideService/RefuseOverride" => {
            json!({"override_id": things.overrides.get(1), "reason": "matrix"})
        }
        "OverrideService/EndOverride" => json!({"override_id": things.overrides.get(2)}),
        "DecisionService/ExplainDecision" => json!({
            "principal_id": tenant.viewer_id, "permission": "devices.read",
            "department_id": things.department_id,
        }),
        "DecisionService/ExplainOwnDecision" => json!({"permission": "devices.read"}),
        // Of no tenant: the callers' own sessions must stay where they are.
        "BreakGlassService/EnterTenant" => json!({"tenant_id": NO_TENANT, "reason": "matrix"}),
        "BreakGlassService/EndBreakGlass" => json!({"break_glass_id": things.break_glass_id}),
        _ => return None,
    })
}

/// Who else speaks for people.
fn federation(service: &str, tenant: &Tenant) -> Option<Value> {
    Some(match service {
        "OauthClientService/CreateOauthClient" => json!({
            "name": "matrix", "redirect_uris": ["https://app.example/cb"],
        }),
        "OauthClientService/ListOauthClients" => json!({"page_size": 50}),
        "OauthClientService/DeleteOauthClient" => json!({"client_id": tenant.oauth_client_id}),
        "AuthorizationService/DescribeAuthorization" => {
            json!({"query": tenant.authorization_query})
        }
        "AuthorizationService/DecideAuthorization" => {
            json!({"query": tenant.authorization_query, "approve": true})
        }
        _ => return None,
    })
}

/// Members, how they come in, and what they know of themselves. Links are unknown here: what good
/// ones do is tested at auth.
fn people(service: &str, tenant: &Tenant, turn: usize) -> Option<Value> {
    Some(match service {
        "PeopleService/ListPeople" => json!({"page_size": 50}),
        "PeopleService/ChangeRole" => {
            json!({"principal_id": tenant.viewer_id, "role": "viewer"})
        }
        "PeopleService/RemovePerson" => json!({"principal_id": tenant.dispensable_id}),
        "MembershipService/ListMemberships" => json!({"page_size": 50}),
        "MembershipService/SwitchTenant" => json!({"tenant": "nobody-is-there"}),
        "InvitationService/CreateInvitation" => {
            json!({"email": format!("matrix-{turn}@example.org"), "role": "viewer"})
        }
        "InvitationService/ListInvitations" => json!({"page_size": 200}),
        "InvitationService/ResendInvitation" | "InvitationService/WithdrawInvitation" => {
            json!({"invitation_id": tenant.invitation_id})
        }
        "InvitationService/AcceptInvitation" => {
            json!({"token": NO_LINK, "display_name": "x", "password": tenant.password})
        }
        "InvitationService/ShowInvitation"
        | "InvitationService/JoinTenant"
        | "RecoveryService/VerifyEmail"
        | "RecoveryService/ConfirmEmailChange" => json!({"token": NO_LINK}),
        "RecoveryService/RequestPasswordReset" => json!({"email": tenant.viewer_email}),
        "RecoveryService/ResetPassword" => {
            json!({"token": NO_LINK, "password": tenant.password})
        }
        "RegistrationService/GetRegistrationTerms" => json!({}),
        "RegistrationService/Register" => json!({
            "email": tenant.viewer_email, "display_name": "x", "tenant_name": "Matrix",
            "tenant_slug": format!("matrix-asks-{turn}"),
        }),
        "RegistrationService/ShowRegistration" | "RegistrationService/ClaimRegistration" => {
            json!({"token": NO_LINK})
        }
        "RegistrationService/ConfirmRegistration" => {
            json!({"token": NO_LINK, "password": tenant.password})
        }
        "ProfileService/GetProfile"
        | "ProfileService/RequestEmailVerification"
        | "ProfileService/CancelEmailChange" => json!({}),
        "ProfileService/UpdateProfile" => {
            json!({"profile": {"locale": "en"}, "update_mask": "locale"})
        }
        "ProfileService/RequestEmailChange" => {
            json!({"email": format!("matrix-{turn}@example.net")})
        }
        _ => return None,
    })
}

/// Identity providers of tenants.
fn providers(service: &str, tenant: &Tenant) -> Option<Value> {
    let provider = &tenant.identity_provider_id;
    // Nobody has the answer that this would be.
    let answer = json!({
        "provider_id": provider, "state": "A", "code": "A", "binding": "A",
    });
    Some(match service {
        "IdentityProviderService/CreateIdentityProvider" => json!({"identity_provider": {
            "name": "matrix", "issuer": "https://idp.example", "client_id": "x",
            "default_role": "viewer",
        }}),
        "IdentityProviderService/ListIdentityProviders"
        | "FederatedSignInService/ListLinkedIdentities" => json!({}),
        "IdentityProviderService/UpdateIdentityProvider" => json!({
            "identity_provider": {"provider_id": provider, "name": "Of the world"},
            "update_mask": "name",
        }),
        "IdentityProviderService/DeleteIdentityProvider" => {
            json!({"provider_id": tenant.spare_provider_id})
        }
        "FederatedSignInService/ListSignInProviders" => json!({"tenant": tenant.slug}),
        "FederatedSignInService/BeginFederatedSignIn"
        | "FederatedSignInService/BeginIdentityLink"
        | "FederatedSignInService/DeleteLinkedIdentity" => json!({"provider_id": provider}),
        "FederatedSignInService/CompleteFederatedSignIn" => {
            json!({"answer": answer, "delivery": "SESSION_DELIVERY_TOKEN"})
        }
        "FederatedSignInService/CompleteIdentityLink" => json!({"answer": answer}),
        _ => return None,
    })
}

/// Realtime apps, each for what can be done with it once.
fn realtime(service: &str, tenant: &Tenant) -> Option<Value> {
    let apps = &tenant.realtime;
    Some(match service {
        "RealtimeAppService/CreateRealtimeApp" => json!({"realtime_app": {"name": "matrix"}}),
        "RealtimeAppService/ListRealtimeApps" => json!({}),
        "RealtimeAppService/GetRealtimeApp" | "RealtimeAppService/AddRealtimeAppSecret" => {
            json!({"app_id": apps.app_id})
        }
        "RealtimeMessageService/ListRealtimeMessages" => json!({"app_id": apps.app_id}),
        "RealtimeMessageService/GetRealtimeMessage" => {
            json!({"app_id": apps.app_id, "message_id": apps.message_id})
        }
        "RealtimeAppService/UpdateRealtimeApp" => json!({
            "realtime_app": {"app_id": apps.app_id, "client_events": true},
            "update_mask": "client_events",
        }),
        "RealtimeAppService/EndRealtimeAppSecret" => {
            json!({"app_id": apps.rotating_id, "secret_id": apps.secret_id})
        }
        "RealtimeAppService/DeleteRealtimeApp" => json!({"app_id": apps.spare_id}),
        "RealtimeInspectionService/GetRealtimeAppActivity"
        | "RealtimeInspectionService/ListRealtimeChannels"
        | "RealtimeInspectionService/ListRealtimeRefusals"
        | "RealtimeInspectionService/TraceRealtimeApp" => json!({"app_id": apps.app_id}),
        "RealtimeInspectionService/GetRealtimeChannel" => {
            json!({"app_id": apps.app_id, "channel": "presence-matrix"})
        }
        "RealtimeInspectionService/PublishRealtimeTestEvent" => {
            json!({"app_id": apps.app_id, "channel": "matrix", "event": "matrix", "data": "{}"})
        }
        _ => return None,
    })
}

/// NAS and subscribers, each for what can be done with it once. An address is a NAS's alone.
fn radius(service: &str, tenant: &Tenant, turn: usize) -> Option<Value> {
    let own = &tenant.radius;
    let address = format!("10.47.{}.{}", turn / 250, turn % 250);
    Some(match service {
        "NasService/CreateNas" => {
            json!({"nas": {"name": format!("matrix {turn}"), "address": address}})
        }
        "NasService/ListNas" | "SubscriberService/ListSubscribers" => json!({}),
        "NasService/UpdateNas" => json!({
            "nas": {"nas_id": own.nas_id, "address": address}, "update_mask": "address",
        }),
        "NasService/RotateNasSecret" => json!({"nas_id": own.nas_id}),
        "NasService/DeleteNas" => json!({"nas_id": own.spare_nas_id}),
        "SubscriberService/CreateSubscriber" => {
            json!({"subscriber": {"user_name": format!("matrix {turn}")}})
        }
        "SubscriberService/UpdateSubscriber" => json!({
            "subscriber": {"subscriber_id": own.subscriber_id, "upload_kbps": 64},
            "update_mask": "upload_kbps",
        }),
        "SubscriberService/DeleteSubscriber" => json!({"subscriber_id": own.spare_subscriber_id}),
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
        | "TenantService/GetTenantLimits"
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
        "TenantService/PutPlan" => json!({"plan": {"name": "matrix", "limits": {"devices": "5"}}}),
        "OrganizationService/GetOrganization"
        | "OrganizationService/GetLimits"
        | "OrganizationService/ExportOrganization"
        | "TenantService/ListPlans" => json!({}),
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
