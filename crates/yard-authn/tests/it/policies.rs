use uuid::Uuid;
use yard_authn::{AUDIENCE, Caller, Claims, permissions_of};
use yard_contracts::access::v1::{Policy, Scope};
use yard_fault::Code;
use yard_ids::TenantId;

fn caller(sub: &str, tenant: Option<u128>, role: &str) -> Caller {
    Caller::verified(Claims {
        iss: "auth".to_owned(),
        sub: sub.to_owned(),
        aud: AUDIENCE.to_owned(),
        iat: 0,
        exp: 60,
        jti: Uuid::from_u128(1),
        tenant: tenant.map(|id| TenantId::from_uuid(Uuid::from_u128(id))),
        role: role.to_owned(),
        permissions: permissions_of(role).iter().map(|&p| p.to_owned()).collect(),
        sid: None,
    })
}

fn policy(scope: Scope, permission: &str, callers: &[&str]) -> Policy {
    Policy {
        scope: scope.into(),
        permission: permission.to_owned(),
        callers: callers.iter().map(|&c| c.to_owned()).collect(),
        ..Policy::default()
    }
}

#[test]
fn policy_admits_exactly_whom_it_names() {
    let nobody = Caller::anonymous();
    let viewer = caller("person:a", Some(1), "viewer");
    let owner = caller("person:b", Some(1), "owner");
    let administrator = caller("person:c", None, "system-administrator");
    let gateway = caller("service:api-gateway", None, "");
    let ingest = caller("service:device-ingest", None, "");
    let all = [&nobody, &viewer, &owner, &administrator, &gateway, &ingest];

    let table = [
        (policy(Scope::Public, "", &[]), [true; 6]),
        (policy(Scope::Self_, "", &[]), [false, true, true, true, false, false]),
        (policy(Scope::Tenant, "devices.read", &[]), [false, true, true, false, false, false]),
        (policy(Scope::Tenant, "devices.manage", &[]), [false, false, true, false, false, false]),
        (policy(Scope::Tenant, "", &[]), [false; 6]),
        (policy(Scope::Platform, "ops.read", &[]), [false, false, false, true, false, false]),
        (policy(Scope::Internal, "", &["api-gateway"]), [false, false, false, false, true, false]),
        (policy(Scope::Internal, "", &[]), [false; 6]),
        (policy(Scope::Unspecified, "", &[]), [false; 6]),
    ];
    for (policy, admitted) in table {
        for (caller, expected) in all.into_iter().zip(admitted) {
            let outcome = caller.admit(&policy);
            assert_eq!(outcome.is_ok(), expected, "{} under {policy:?}", caller.subject());
        }
    }
}

#[test]
fn refusal_says_whether_to_sign_in_or_to_ask_for_more() {
    let read = policy(Scope::Tenant, "devices.read", &[]);
    let manage = policy(Scope::Tenant, "devices.manage", &[]);
    let code = |caller: &Caller, policy| caller.admit(policy).unwrap_err().code();
    assert_eq!(code(&Caller::anonymous(), &read), Code::AuthRequired);
    assert_eq!(code(&caller("person:a", Some(1), "viewer"), &manage), Code::AuthForbidden);
    let administrator = caller("person:c", None, "system-administrator");
    assert_eq!(code(&administrator, &read), Code::AuthTenantRequired);
}
