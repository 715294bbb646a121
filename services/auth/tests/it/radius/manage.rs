//! NAS and subscribers as their tenant manages them.

use yard_contracts::aaa::v1 as wire;
use yard_contracts::tenancy::v1::ExportOrganizationRequest;
use yard_fault::Code;
use yard_testkit::logs;

use super::{Tenant, start};
use crate::support::{bearer, code};

fn refused<T>(answer: Result<T, tonic::Status>) -> Option<Code> {
    code(answer.map(tonic::Response::new))
}

#[tokio::test]
async fn req_wifi_34_each_tenant_has_its_own_nas_and_subscribers() {
    let _log = logs::capture();
    let (auth, _token) = start().await;
    let (acme, byte) = Tenant::both(&auth).await;
    let id = acme.person("same", "password-1").await;
    byte.person("same", "password-1").await;
    assert_eq!(acme.secret.len(), 32);
    assert_ne!(acme.secret, byte.secret);

    let doubled = refused(acme.create_nas("hotspot", "127.0.0.9").await);
    assert_eq!(doubled, Some(Code::ResourceExists), "a name is once in a tenant");
    let taken = refused(byte.create_nas("other", acme.address).await);
    assert_eq!(taken, Some(Code::ResourceExists), "an address is once on the platform");
    for wrong in ["127.0.0.0/8", "nas.example", ""] {
        assert_eq!(refused(acme.create_nas("x", wrong).await), Some(Code::RequestInvalid));
    }
    let again = wire::Subscriber { user_name: "same".to_owned(), ..Default::default() };
    assert_eq!(refused(acme.subscribe(again).await), Some(Code::ResourceExists));

    // Another tenant's are not there.
    let foreign =
        wire::Subscriber { subscriber_id: id.clone(), disabled: true, ..Default::default() };
    assert_eq!(refused(byte.change(foreign, &["disabled"]).await), Some(Code::ResourceNotFound));
    let request = wire::DeleteSubscriberRequest { subscriber_id: id };
    let gone = byte.subscribers().delete_subscriber(bearer(request, &byte.token)).await;
    assert_eq!(code(gone), Some(Code::ResourceNotFound));
    let foreign = wire::Nas { nas_id: acme.nas_id.clone(), disabled: true, ..Default::default() };
    assert_eq!(refused(byte.update_nas(foreign, "disabled").await), Some(Code::ResourceNotFound));
    let request = wire::RotateNasSecretRequest { nas_id: acme.nas_id.clone() };
    let rotated = byte.nas().rotate_nas_secret(bearer(request, &byte.token)).await;
    assert_eq!(code(rotated), Some(Code::ResourceNotFound));
    let request = wire::DeleteNasRequest { nas_id: acme.nas_id.clone() };
    let gone = byte.nas().delete_nas(bearer(request, &byte.token)).await;
    assert_eq!(code(gone), Some(Code::ResourceNotFound));

    // Rows in each tenant's own schema.
    for tenant in [&acme, &byte] {
        let schema = format!("ts_{}", tenant.id.uuid().as_simple());
        let count = format!(
            "select (select count(*) from {schema}.radius_nas) || ' ' || \
             (select count(*) from {schema}.radius_subscribers)"
        );
        assert_eq!(auth.db.sql(&count).await.trim(), "1 1");
    }
    auth.finish().await;
}

#[tokio::test]
async fn lists_come_in_pages_and_hold_no_secret() {
    let _log = logs::capture();
    let (auth, _token) = start().await;
    let (acme, _byte) = Tenant::both(&auth).await;
    for name in ["room-1", "room-2", "room-3", "voucher_1"] {
        acme.person(name, "password-1").await;
    }
    let list = async |prefix: &str, page_token: &str| {
        let (prefix, page_token) = (prefix.to_owned(), page_token.to_owned());
        let request = wire::ListSubscribersRequest { page_size: 2, page_token, prefix };
        let request = bearer(request, &acme.token);
        acme.subscribers().list_subscribers(request).await.unwrap().into_inner()
    };
    let names = |page: &wire::ListSubscribersResponse| -> Vec<String> {
        page.subscribers.iter().map(|one| one.user_name.clone()).collect()
    };
    let first = list("room-", "").await;
    assert_eq!(names(&first), ["room-1", "room-2"]);
    let second = list("room-", &first.next_page_token).await;
    assert_eq!((names(&second), second.next_page_token.as_str()), (vec!["room-3".to_owned()], ""));
    assert!(names(&list("room_", "").await).is_empty(), "a prefix is no pattern");
    assert!(first.subscribers.iter().all(|one| one.password.is_empty()));

    let request = bearer(wire::ListNasRequest::default(), &acme.token);
    let nas = acme.nas().list_nas(request).await.unwrap().into_inner().nas;
    assert_eq!((nas.len(), nas[0].address.as_str()), (1, "127.0.0.2"));
    assert!(!format!("{nas:?}").contains(&acme.secret));
    auth.finish().await;
}

#[tokio::test]
async fn who_may_what_goes_by_role() {
    let _log = logs::capture();
    let (auth, _token) = start().await;
    let (mut acme, _byte) = Tenant::both(&auth).await;
    acme.token = auth.access("operator@example.org", "acme").await;
    assert_eq!(refused(acme.create_nas("x", "127.0.0.9").await), Some(Code::AuthForbidden));
    let id = acme.person("by-an-operator", "password-1").await;
    acme.token = auth.access("viewer@example.org", "acme").await;
    let wish = wire::Subscriber { user_name: "x".to_owned(), ..Default::default() };
    assert_eq!(refused(acme.subscribe(wish).await), Some(Code::AuthForbidden));
    let change = wire::Subscriber { subscriber_id: id, ..Default::default() };
    assert_eq!(refused(acme.change(change, &["disabled"]).await), Some(Code::AuthForbidden));
    let request = bearer(wire::ListSubscribersRequest::default(), &acme.token);
    let listed = acme.subscribers().list_subscribers(request).await;
    assert_eq!(code(listed), Some(Code::AuthForbidden));
    auth.finish().await;
}

#[tokio::test]
async fn passwords_are_made_shown_once_and_changed_together_with_how_they_are_kept() {
    let _log = logs::capture();
    let (auth, _token) = start().await;
    let (acme, _byte) = Tenant::both(&auth).await;
    let wish = wire::Subscriber { user_name: "voucher".to_owned(), ..Default::default() };
    let made = acme.subscribe(wish).await.unwrap();
    assert_eq!(made.password.len(), 12);
    let subscriber = made.subscriber.unwrap();
    assert!(subscriber.password.is_empty() && !subscriber.pap_only);

    let id = subscriber.subscriber_id;
    let change = |password: &str, pap_only: bool| wire::Subscriber {
        subscriber_id: id.clone(),
        password: password.to_owned(),
        pap_only,
        ..Default::default()
    };
    let alone = acme.change(change("", true), &["pap_only"]).await;
    assert_eq!(refused(alone), Some(Code::RequestInvalid));
    let short = acme.change(change("1234567", false), &["password"]).await;
    assert_eq!(refused(short), Some(Code::RequestInvalid));
    let unknown = acme.change(change("", false), &["user_name"]).await;
    assert_eq!(refused(unknown), Some(Code::RequestInvalid));
    let kept = acme.change(change("a-new-password", true), &["password", "pap_only"]).await;
    assert!(kept.unwrap().pap_only);

    let schema = format!("ts_{}", acme.id.uuid().as_simple());
    let all = format!(
        "select row_to_json(s)::text from {schema}.radius_subscribers s union all \
         select row_to_json(n)::text from {schema}.radius_nas n"
    );
    let rows = auth.db.sql(&all).await;
    let hex = |text: &str| text.bytes().map(|b| format!("{b:02x}")).collect::<String>();
    for secret in [&acme.secret, "a-new-password", &made.password] {
        assert!(!rows.contains(secret) && !rows.contains(&hex(secret)), "readable in the database");
    }
    assert!(rows.contains("\"password_sealed\":null"), "{rows}");
    auth.finish().await;
}

#[tokio::test]
async fn export_has_nas_and_subscribers_without_what_opens_anything() {
    let _log = logs::capture();
    let (auth, _token) = start().await;
    let (acme, _byte) = Tenant::both(&auth).await;
    acme.person("amina", "password-1").await;
    let mut client = auth.organization();
    let request = bearer(ExportOrganizationRequest {}, &acme.token);
    let mut chunks = client.export_organization(request).await.unwrap().into_inner();
    let mut lines = Vec::new();
    while let Some(chunk) = chunks.message().await.unwrap() {
        lines.extend(chunk.lines);
    }
    let text = lines.join("\n");
    for there in ["tenant.radius_subscribers", "tenant.radius_nas", "amina", "127.0.0.2"] {
        assert!(text.contains(there), "no {there}");
    }
    for hidden in ["password_verifier", "password_sealed", "secret_sealed"] {
        assert!(!text.contains(hidden), "{hidden} is in the export");
    }
    auth.finish().await;
}
