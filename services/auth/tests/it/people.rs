use tonic::Request;
use yard_contracts::identity::v1::ListPeopleRequest;
use yard_fault::Code;
use yard_testkit::logs;

use crate::support::{Auth, bearer, code};

fn page(size: i32, token: &str) -> ListPeopleRequest {
    ListPeopleRequest { page_size: size, page_token: token.to_owned() }
}

#[tokio::test]
async fn people_are_listed_by_email_in_pages_and_only_the_callers_tenants() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let token = auth.access("viewer@example.org", "").await;
    let (mut seen, mut next) = (Vec::new(), String::new());
    loop {
        let request = bearer(page(3, &next), &token);
        let answer = auth.people().list_people(request).await.unwrap().into_inner();
        seen.extend(answer.people.into_iter().map(|p| format!("{} {}", p.email, p.role)));
        next = answer.next_page_token;
        if next.is_empty() {
            break;
        }
    }
    assert_eq!(
        seen,
        [
            "both@example.org operator",
            "operator@example.org operator",
            "owner@example.org owner",
            "viewer@example.org viewer",
        ]
    );
    auth.finish().await;
}

#[tokio::test]
async fn people_of_nobodys_and_of_wrong_pages_are_refused() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let anonymous = auth.people().list_people(Request::new(page(0, ""))).await;
    assert_eq!(code(anonymous), Some(Code::AuthRequired));
    let root = auth.access("root@example.org", "").await;
    let platform = auth.people().list_people(bearer(page(0, ""), &root)).await;
    assert_eq!(code(platform), Some(Code::AuthTenantRequired));
    let token = auth.access("viewer@example.org", "").await;
    for (size, page_token, expected) in [
        (201, "", Code::RequestInvalid),
        (-1, "", Code::RequestInvalid),
        (0, "zz", Code::PageTokenInvalid),
        (0, "00", Code::PageTokenInvalid),
    ] {
        let answer = auth.people().list_people(bearer(page(size, page_token), &token)).await;
        assert_eq!(code(answer), Some(expected), "{size} {page_token}");
    }
    auth.finish().await;
}
