use time::Duration;
use tonic::Request;
use yard_authn::permissions_of;
use yard_contracts::identity::v1::{
    ExchangeSessionRequest, GetMeRequest, LoginRequest, LogoutRequest, SessionDelivery,
};
use yard_fault::{Code, Fault};
use yard_testkit::logs;

use crate::support::{Auth, PASSWORD, bearer, code, credentials};

#[tokio::test]
async fn login_by_token_gives_a_session_that_is_exchanged_for_the_roles_permissions() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let request = credentials("Operator@Example.org", PASSWORD, "");
    let answer = auth.sessions().login(request).await.unwrap();
    assert!(answer.metadata().get("yard-set-session").is_none());
    let answer = answer.into_inner();
    let me = answer.me.unwrap();
    assert_eq!((me.email.as_str(), me.role.as_str()), ("operator@example.org", "operator"));
    assert_eq!((me.tenant_slug.as_str(), me.tenant_name.as_str()), ("acme", "ACME"));

    let token = auth.exchange(&answer.session_token).await.unwrap();
    let claims = auth.claims(&token);
    assert_eq!(claims.sub, format!("person:{}", me.principal_id));
    assert_eq!(claims.tenant, Some(auth.tenant("acme").await));
    assert_eq!(claims.permissions, permissions_of("operator"));
    assert_eq!(claims.exp - claims.iat, 60);
    let again = auth.sessions().get_me(bearer(GetMeRequest {}, &token)).await.unwrap();
    assert_eq!(again.into_inner(), me);

    // Only hashes are stored.
    let stored = auth.db.sql("select encode(token_hash, 'escape') from platform.sessions").await;
    assert!(!stored.contains("yst_"));
    auth.finish().await;
}

#[tokio::test]
async fn login_by_cookie_puts_the_session_into_metadata_and_not_into_the_body() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    for delivery in [SessionDelivery::Unspecified, SessionDelivery::Cookie] {
        let request = LoginRequest {
            delivery: delivery.into(),
            ..credentials("viewer@example.org", PASSWORD, "acme")
        };
        let answer = auth.sessions().login(request).await.unwrap();
        let cookie = answer.metadata().get("yard-set-session").unwrap().to_str().unwrap();
        let (token, age) = cookie.split_once(';').unwrap();
        assert_eq!(age, "3600");
        auth.exchange(token).await.unwrap();
        assert_eq!(answer.get_ref().session_token, "");
    }
    let odd = LoginRequest { delivery: 7, ..credentials("viewer@example.org", PASSWORD, "") };
    assert_eq!(code(auth.sessions().login(odd).await), Some(Code::RequestInvalid));
    auth.finish().await;
}

#[tokio::test]
async fn login_that_must_not_succeed_tells_the_same_whatever_was_wrong() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    auth.db
        .sql(
            "update platform.principals set disabled_at = now() where id = \
             (select principal_id from platform.people where email = 'viewer@example.org')",
        )
        .await;
    let mut answers = Vec::new();
    for (email, password, tenant) in [
        ("owner@example.org", "wrong horse battery", "acme"),
        ("nobody@example.org", PASSWORD, "acme"),
        ("owner@example.org", PASSWORD, "byte"),
        ("owner@example.org", PASSWORD, "no-such-tenant"),
        ("viewer@example.org", PASSWORD, "acme"),
        ("root@example.org", PASSWORD, "acme"),
        ("' or 1=1 --@x", PASSWORD, ""),
    ] {
        let request = credentials(email, password, tenant);
        let status = auth.sessions().login(request).await.err();
        answers.push(status.map(|s| (Fault::from_status(&s).code(), s.message().to_owned())));
    }
    let sql = answers.pop().flatten().unwrap();
    assert_eq!(sql.0, Code::RequestInvalid);
    let first = answers[0].clone().unwrap();
    assert_eq!(first.0, Code::AuthInvalidCredentials);
    assert!(answers.iter().all(|answer| answer.as_ref() == Some(&first)), "{answers:?}");
    assert_eq!(auth.db.sql("select count(*) from platform.sessions").await.trim(), "0");
    auth.finish().await;
}

#[tokio::test]
async fn login_chooses_the_tenant_by_slug_or_single_membership() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let both = |tenant| credentials("both@example.org", PASSWORD, tenant);
    let status = auth.sessions().login(both("")).await.unwrap_err();
    assert_eq!(Fault::from_status(&status).pointer(), Some("/tenant"));
    let token = auth.access("both@example.org", "byte").await;
    let claims = auth.claims(&token);
    assert_eq!((claims.role.as_str(), claims.tenant), ("viewer", Some(auth.tenant("byte").await)));

    let root = auth.claims(&auth.access("root@example.org", "").await);
    assert_eq!((root.tenant, root.role.as_str()), (None, "system-administrator"));
    assert_eq!(root.permissions, permissions_of("system-administrator"));

    auth.db.sql("update platform.tenants set state = 'suspended' where slug = 'byte'").await;
    assert_eq!(code(auth.sessions().login(both("byte")).await), Some(Code::TenantSuspended));
    auth.finish().await;
}

#[tokio::test]
async fn session_ends_by_sign_out_expiry_and_whatever_takes_the_person_out() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let refused = async |session: &str| {
        let status = auth.exchange(session).await.unwrap_err();
        Fault::from_status(&status).code()
    };
    let (left, kept) =
        (auth.session("owner@example.org", "").await, auth.session("owner@example.org", "").await);
    let token = auth.exchange(&left).await.unwrap();
    let answer = auth.sessions().logout(bearer(LogoutRequest {}, &token)).await.unwrap();
    assert_eq!(answer.metadata().get("yard-set-session").unwrap(), ";0");
    assert_eq!(refused(&left).await, Code::AuthSessionExpired);
    assert_eq!(refused("yst_no-such-session").await, Code::AuthSessionExpired);

    // Seven seconds before its end a session still opens, for seven seconds.
    auth.clock.advance(Duration::seconds(3_593));
    let claims = auth.claims(&auth.exchange(&kept).await.unwrap());
    assert_eq!(claims.exp - claims.iat, 7);
    auth.clock.advance(Duration::seconds(7));
    assert_eq!(refused(&kept).await, Code::AuthSessionExpired);

    let viewer = auth.session("viewer@example.org", "").await;
    auth.db.sql("update platform.tenants set state = 'suspended' where slug = 'acme'").await;
    assert_eq!(refused(&viewer).await, Code::TenantSuspended);
    auth.db.sql("update platform.tenants set state = 'ready'").await;
    auth.exchange(&viewer).await.unwrap();
    auth.db.sql("delete from platform.memberships where role = 'viewer'").await;
    assert_eq!(refused(&viewer).await, Code::AuthSessionExpired);

    let operator = auth.session("operator@example.org", "").await;
    auth.db.sql("update platform.principals set disabled_at = now()").await;
    assert_eq!(refused(&operator).await, Code::AuthSessionExpired);
    auth.finish().await;
}

#[tokio::test]
async fn exchange_is_for_the_gateway_alone_and_self_calls_need_a_person() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let session_token = auth.session("owner@example.org", "").await;
    let person = auth.exchange(&session_token).await.unwrap();
    let ask = |token: &str| {
        bearer(ExchangeSessionRequest { session_token: session_token.clone() }, token)
    };
    for token in [person, auth.service_token("device-ingest")] {
        let answer = auth.sessions().exchange_session(ask(&token)).await;
        assert_eq!(code(answer), Some(Code::AuthForbidden));
    }
    let answer = auth.sessions().exchange_session(ask("not.a.token")).await;
    assert_eq!(code(answer), Some(Code::AuthTokenInvalid));
    let answer = auth.sessions().get_me(Request::new(GetMeRequest {})).await;
    assert_eq!(code(answer), Some(Code::AuthRequired));
    let service = bearer(LogoutRequest {}, &auth.service_token("api-gateway"));
    assert_eq!(code(auth.sessions().logout(service).await), Some(Code::AuthForbidden));
    auth.finish().await;
}
