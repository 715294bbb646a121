use prost_reflect::MethodDescriptor;
use serde_json::Value;
use yard_authn::permissions_of;
use yard_contracts::access::v1::{Policy, Scope};
use yard_contracts::{descriptors, policy};

use super::cases::{arguments, by_credential};
use super::route::{Request, request};
use super::{channels, internal, subjects};
use crate::client::{Answer, Client};
use crate::platform::Platform;
use crate::world::{Tenant, World};

/// What the matrix found.
#[derive(Debug, Default)]
pub struct Report {
    /// Calls made and judged.
    pub cases: usize,
    /// Answers that hold a byte of another tenant, or let someone in who may not.
    pub leaks: Vec<String>,
    /// Callers with the right who were not served.
    pub refused_in_error: Vec<String>,
    /// Answers in which a tenant saw its own canary: proof that the search finds one.
    pub own_canaries: usize,
    /// Messages on the bus that were searched.
    pub messages: usize,
    /// Messages on the bus that named a device of their own tenant: proof that the search finds one.
    pub own_things_on_bus: usize,
    /// RPCs, forms of channels and families of subjects that nobody wrote a case for.
    pub methods_without_case: Vec<String>,
}

impl Report {
    /// Whether all is as it has to be.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.leaks.is_empty()
            && self.refused_in_error.is_empty()
            && self.methods_without_case.is_empty()
            && self.own_canaries >= 10
            && self.own_things_on_bus >= 10
    }
}

/// Who calls, and whether the policy should let them in.
pub(super) struct Caller<'w> {
    pub(super) name: &'static str,
    pub(super) client: &'w Client,
    pub(super) role: &'static str,
}

/// Tries every RPC as every caller.
///
/// # Errors
/// When the platform does not answer at all.
pub async fn run(platform: &Platform, world: &World) -> anyhow::Result<Report> {
    let mut report = Report::default();
    let bus = subjects::listen(platform).await?;
    let mut turn = 0;
    let mut methods: Vec<MethodDescriptor> =
        descriptors().services().flat_map(|s| s.methods().collect::<Vec<_>>()).collect();
    // Leaving a tenant and ending sessions come last: they end what the callers are.
    let last = |name: &str| {
        ["LeaveTenant", "RevokeOtherSessions", "Logout"].iter().position(|last| *last == name)
    };
    methods.sort_by_key(|m| (last(m.name()), m.full_name().to_owned()));
    channels::run(world, &mut report).await?;
    for method in &methods {
        let path = format!("{}/{}", method.parent_service().full_name(), method.name());
        let declared = &policy::methods()[&format!("/{path}")];
        if arguments(&path, &world.a, 0).is_none() {
            report.methods_without_case.push(path);
            continue;
        }
        if declared.policy.scope() == Scope::Internal {
            for code in internal::refusals(platform, method, declared).await? {
                report.cases += 1;
                if !matches!(code, tonic::Code::Unauthenticated | tonic::Code::PermissionDenied) {
                    report.leaks.push(format!("{path}: internal method answered {code:?}"));
                }
            }
            continue;
        }
        for (own, other) in [(&world.a, &world.b), (&world.b, &world.a)] {
            for caller in callers(world, own) {
                turn += 1;
                let target = if caller.name == "other tenant" { other } else { own };
                let call = request(method, arguments(&path, target, turn).unwrap_or(Value::Null))?;
                let answer = send(caller.client, &call).await?;
                let foreign = if caller.role == "none" { &[own, other][..] } else { &[other][..] };
                judge(&mut report, &path, &declared.policy, &caller, &answer);
                if !names_tenants(&declared.policy, &caller) {
                    search(&mut report, &path, &caller, &answer, foreign);
                }
                if own.canaries.iter().any(|canary| answer.bytes.contains(canary.as_str())) {
                    report.own_canaries += 1;
                }
            }
        }
    }
    bus.judge(world, &mut report).await;
    Ok(report)
}

pub(super) fn callers<'w>(world: &'w World, own: &'w Tenant) -> [Caller<'w>; 6] {
    [
        Caller { name: "own tenant", client: &own.owner, role: "owner" },
        Caller { name: "other tenant", client: &own.owner, role: "owner" },
        Caller { name: "too little right", client: &own.viewer, role: "viewer" },
        Caller { name: "nobody", client: &world.nobody, role: "none" },
        Caller {
            name: "system administrator without break-glass",
            client: &world.administrator,
            role: "system-administrator",
        },
        Caller {
            name: "system administrator with break-glass",
            client: &own.inside,
            role: "break-glass",
        },
    ]
}

/// Those who run the platform see the tenants' names, which are canaries for everybody else. What is
/// inside a tenant has no platform method to come out by.
fn names_tenants(policy: &Policy, caller: &Caller<'_>) -> bool {
    policy.permission.starts_with("tenants.") && caller.role == "system-administrator"
}

async fn send(client: &Client, call: &Request) -> anyhow::Result<Answer> {
    client.call(call.method, &call.path, call.body.as_ref()).await
}

pub(super) fn may(policy: &Policy, role: &str) -> bool {
    match policy.scope() {
        Scope::Public => true,
        Scope::Self_ => role != "none",
        Scope::Tenant => {
            // Who enters without naming permissions has a viewer's.
            let role = if role == "break-glass" { "viewer" } else { role };
            role != "system-administrator"
                && permissions_of(role).contains(&policy.permission.as_str())
        }
        Scope::Platform => {
            role == "system-administrator"
                && permissions_of(role).contains(&policy.permission.as_str())
        }
        Scope::Internal | Scope::Unspecified => false,
    }
}

fn judge(report: &mut Report, path: &str, policy: &Policy, caller: &Caller<'_>, answer: &Answer) {
    report.cases += 1;
    let line = || format!("{path} as {}: {} {}", caller.name, answer.status, answer.bytes);
    let let_in = !matches!(answer.status, 401 | 403);
    let allowed = may(policy, caller.role);
    // What is shown here is wrong, whoever shows it.
    let by_credential = by_credential(path);
    if let_in && !allowed {
        report.leaks.push(line());
    }
    if answer.status >= 500 {
        report.refused_in_error.push(line());
    }
    // Only who is inside a tenant by break-glass can leave it.
    let leaves = path.ends_with("/LeaveTenant");
    let served = if leaves { caller.role == "break-glass" } else { caller.name == "own tenant" };
    if served && allowed && answer.status >= 300 && !by_credential {
        report.refused_in_error.push(line());
    }
}

/// Looks for the canaries of tenants that the caller is not in.
fn search(
    report: &mut Report,
    path: &str,
    caller: &Caller<'_>,
    answer: &Answer,
    foreign: &[&Tenant],
) {
    // Whoever signs in with a tenant's password is of that tenant.
    if path.ends_with("/Login") {
        return;
    }
    for tenant in foreign {
        for canary in &tenant.canaries {
            if answer.bytes.contains(canary.as_str()) {
                report.leaks.push(format!("{path} as {} holds {canary}", caller.name));
            }
        }
    }
}
