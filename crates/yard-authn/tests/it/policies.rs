use time::OffsetDateTime;
use uuid::Uuid;
use yard_authn::{AUDIENCE, Caller, Claims, permissions_of};
use yard_contracts::access::v1::{Policy, Scope};
use yard_fault::Code;
use yard_ids::TenantId;

fn caller(sub: &str, tenant: Option<u128>, role: &str) -> Caller {
    Caller::verified(claims(sub, tenant, role))
}

fn claims(sub: &str, tenant: Option<u128>, role: &str) -> Claims {
    Claims {
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
        auth_time: None,
        amr: Vec::new(),
        ..Claims::default()
    }
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

#[test]
fn policy_with_an_age_admits_whom_it_has_seen_recently() {
    let fresh = Policy { max_auth_age_seconds: 600, ..policy(Scope::Self_, "", &[]) };
    let any_age = policy(Scope::Self_, "", &[]);
    let at = |seconds| OffsetDateTime::from_unix_timestamp(seconds).unwrap();
    let seen =
        |auth_time| Caller::verified(Claims { auth_time, ..claims("person:a", Some(1), "viewer") });
    for (auth_time, now, admitted) in [
        (Some(1_000), 1_000, true),
        (Some(1_000), 1_600, true),
        (Some(1_000), 1_601, false),
        // auth's clock may be a little ahead, and no more.
        (Some(1_000), 995, true),
        (Some(1_000), 994, false),
        (Some(i64::MIN), 1_000, false),
        (Some(i64::MAX), 1_000, false),
        (None, 1_000, false),
    ] {
        let caller = seen(auth_time);
        let outcome = caller.admit_age(&fresh, at(now));
        assert_eq!(outcome.is_ok(), admitted, "{auth_time:?} at {now}");
        if let Err(fault) = outcome {
            assert_eq!(fault.code(), Code::AuthStepUpRequired);
            assert_eq!(fault.max_auth_age(), Some(600));
        }
        assert!(caller.admit_age(&any_age, at(now)).is_ok());
    }
    assert!(Caller::anonymous().admit_age(&fresh, at(1_000)).is_err());
}

#[test]
fn session_of_a_provider_is_for_its_tenant_and_not_for_the_persons_own() {
    let by_provider = Claims {
        provider: Some(Uuid::from_u128(9)),
        auth_time: Some(1_000),
        ..claims("person:a", Some(1), "owner")
    };
    let caller = Caller::verified(by_provider);
    let own = policy(Scope::Self_, "", &[]);
    let tenant = policy(Scope::Tenant, "tenant.manage", &[]);
    let code = |policy: &Policy| caller.admit(policy).err().map(|fault| fault.code());
    assert_eq!(code(&own), Some(Code::AuthOwnSignInRequired));
    assert_eq!(code(&Policy { provider_sessions: true, ..own.clone() }), None);
    assert_eq!(code(&tenant), None);
    // However fresh it is: step-up of the account is not the provider's to give.
    let now = OffsetDateTime::from_unix_timestamp(1_001).unwrap();
    let age = |policy: &Policy| {
        let policy = Policy { max_auth_age_seconds: 600, ..policy.clone() };
        caller.admit_age(&policy, now).err().map(|fault| fault.code())
    };
    let open = Policy { provider_sessions: true, ..own };
    assert_eq!(age(&open), Some(Code::AuthOwnSignInRequired));
    assert_eq!(age(&tenant), None);
}

#[test]
fn what_a_tenants_provider_opens_of_the_persons_own_is_this_and_no_more() {
    let open = yard_contracts::policy::methods().values().filter(|m| m.policy.provider_sessions);
    let mut open: Vec<_> = open.filter_map(|m| m.path.rsplit('/').next()).collect();
    open.sort_unstable();
    let expected = [
        "CreateSocketTicket",
        "ExplainOwnDecision",
        "GetMe",
        "GetProfile",
        "GetRealtimeSettings",
        "ListLinkedIdentities",
        "Logout",
    ];
    assert_eq!(open, expected);
}
