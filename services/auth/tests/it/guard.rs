use futures::StreamExt as _;
use time::Duration;
use tonic::Request;
use yard_contracts::guard::v1::{
    Ban, BanKind, CreateBanRequest, GetGuardRequest, GetMaintenanceRequest, Guard, LiftBanRequest,
    ListBansRequest, ReportAbuseRequest, SetMaintenanceRequest,
};
use yard_contracts::subjects;
use yard_contracts::values::{moment, timestamp};
use yard_fault::Code;
use yard_ids::Clock as _;
use yard_testkit::logs;

use crate::support::{Auth, bearer, code};

fn ban(kind: BanKind, subject: &str) -> CreateBanRequest {
    CreateBanRequest {
        kind: kind.into(),
        subject: subject.to_owned(),
        reason: "scans us".to_owned(),
        duration_seconds: 3_600,
    }
}

async fn create(auth: &Auth, token: &str, request: CreateBanRequest) -> Result<Ban, Option<Code>> {
    let mut request = bearer(request, token);
    request.metadata_mut().insert("yard-client-ip", "203.0.113.9".parse().unwrap());
    let answer = auth.bans().create_ban(request).await;
    answer.map(tonic::Response::into_inner).map_err(|status| code::<()>(Err(status)))
}

async fn guard(auth: &Auth, known_revision: i64) -> Guard {
    let token = auth.service_token("api-gateway");
    let request = bearer(GetGuardRequest { known_revision }, &token);
    auth.guard().get_guard(request).await.unwrap().into_inner()
}

async fn report(auth: &Auth, address: &str) -> Ban {
    let token = auth.service_token("api-gateway");
    let request = bearer(ReportAbuseRequest { address: address.to_owned() }, &token);
    auth.guard().report_abuse(request).await.unwrap().into_inner()
}

fn seconds(ban: &Ban) -> i64 {
    let at = |at: &Option<_>| moment(at.as_ref().unwrap()).unwrap();
    (at(&ban.expires_at) - at(&ban.created_at)).whole_seconds()
}

#[tokio::test]
async fn ban_is_told_to_gateways_until_it_is_lifted_or_over() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let root = auth.access("root@example.org", "").await;
    let before = guard(&auth, 0).await;
    assert!(before.bans.is_empty() && !before.unchanged);
    assert!(guard(&auth, before.revision).await.unchanged);

    let network = create(&auth, &root, ban(BanKind::Address, "192.0.2.77/24")).await.unwrap();
    assert_eq!((network.subject.as_str(), seconds(&network)), ("192.0.2.0/24", 3_600));
    let person = "0190a6f2-7c2a-7b52-9c11-000000000001";
    create(&auth, &root, ban(BanKind::Person, person)).await.unwrap();
    let now = guard(&auth, before.revision).await;
    assert!(now.revision > before.revision);
    let subjects: Vec<_> = now.bans.iter().map(|ban| ban.subject.as_str()).collect();
    assert_eq!(subjects, [person, "192.0.2.0/24"]);

    let lift = LiftBanRequest { ban_id: network.ban_id.clone() };
    let lifted = auth.bans().lift_ban(bearer(lift.clone(), &root)).await.unwrap().into_inner();
    assert!(lifted.lifted_at.is_some() && lifted.lifted_by.starts_with("person:"));
    assert_eq!(guard(&auth, now.revision).await.bans.len(), 1);
    // Lifted again, it stays as it is and tells nobody anything.
    let revision = guard(&auth, 0).await.revision;
    let again = auth.bans().lift_ban(bearer(lift, &root)).await.unwrap().into_inner();
    assert_eq!(again.lifted_at, lifted.lifted_at);
    assert!(guard(&auth, revision).await.unchanged);

    auth.clock.advance(Duration::hours(1));
    assert!(guard(&auth, 0).await.bans.is_empty());
    auth.finish().await;
}

#[tokio::test]
async fn bans_of_wrong_forms_and_of_oneself_are_refused() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let root = auth.access("root@example.org", "").await;
    let claims = auth.claims(&root);
    let own = claims.sub.strip_prefix("person:").unwrap().to_owned();
    let session = claims.sid.unwrap().to_string();
    let with = |change: fn(&mut CreateBanRequest)| {
        let mut request = ban(BanKind::Address, "192.0.2.1");
        change(&mut request);
        request
    };
    let long = |text: &str, count| text.repeat(count);
    for (request, expected) in [
        (ban(BanKind::Address, "203.0.113.0/24"), Code::BanOwn),
        (ban(BanKind::Person, &own), Code::BanOwn),
        (ban(BanKind::Token, &session), Code::BanOwn),
        (ban(BanKind::Address, "0.0.0.0/0"), Code::RequestInvalid),
        (ban(BanKind::Address, "somewhere"), Code::RequestInvalid),
        (ban(BanKind::Unspecified, "192.0.2.1"), Code::RequestInvalid),
        (with(|r| r.reason = " ".to_owned()), Code::RequestInvalid),
        (with(|r| r.reason = "a\nb".to_owned()), Code::RequestInvalid),
        (with(|r| r.duration_seconds = 59), Code::RequestInvalid),
        (with(|r| r.duration_seconds = 31_536_001), Code::RequestInvalid),
        (CreateBanRequest { reason: long("ä", 501), ..with(|_| {}) }, Code::RequestInvalid),
    ] {
        let text = format!("{request:?}");
        assert_eq!(create(&auth, &root, request).await.unwrap_err(), Some(expected), "{text}");
    }
    for request in [
        with(|r| r.duration_seconds = 60),
        with(|r| r.duration_seconds = 31_536_000),
        CreateBanRequest { reason: long("ä", 500), ..with(|_| {}) },
    ] {
        create(&auth, &root, request).await.unwrap();
    }
    auth.finish().await;
}

#[tokio::test]
async fn bans_are_listed_newest_first_in_pages_and_only_to_operators() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let root = auth.access("root@example.org", "").await;
    for n in 1..=5 {
        create(&auth, &root, ban(BanKind::Address, &format!("192.0.2.{n}"))).await.unwrap();
        auth.clock.advance(Duration::seconds(1));
    }
    let (mut seen, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListBansRequest { page_size: 2, page_token, include_ended: false };
        let page = auth.bans().list_bans(bearer(request, &root)).await.unwrap().into_inner();
        seen.extend(page.bans.into_iter().map(|ban| ban.subject));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, ["192.0.2.5", "192.0.2.4", "192.0.2.3", "192.0.2.2", "192.0.2.1"]);
    let owner = auth.access("owner@example.org", "").await;
    let refused = auth.bans().list_bans(bearer(ListBansRequest::default(), &owner)).await;
    assert_eq!(code(refused), Some(Code::AuthForbidden));
    let internal = auth.guard().get_guard(bearer(GetGuardRequest::default(), &root)).await;
    assert_eq!(code(internal), Some(Code::AuthForbidden));
    auth.finish().await;
}

#[tokio::test]
async fn automatic_bans_grow_to_a_quarter_of_an_hour_and_never_beyond() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let mut lasted = Vec::new();
    for _ in 0..7 {
        let ban = report(&auth, "2001:db8:1:2::9").await;
        assert!(ban.automatic && ban.subject == "2001:db8:1:2::/64");
        lasted.push(seconds(&ban));
        auth.clock.advance(Duration::seconds(seconds(&ban)));
    }
    assert_eq!(lasted, [60, 120, 240, 480, 900, 900, 900]);
    // After a quiet day it is as if nothing had been.
    auth.clock.advance(Duration::days(1));
    assert_eq!(seconds(&report(&auth, "2001:db8:1:2::9").await), 60);
    auth.finish().await;
}

#[tokio::test]
async fn gateways_that_report_an_address_at_once_make_one_ban() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let bans = futures::future::join_all((0..8).map(|_| report(&auth, "192.0.2.7"))).await;
    assert!(bans.iter().all(|ban| ban.ban_id == bans[0].ban_id));
    assert_eq!(guard(&auth, 0).await.bans.len(), 1);
    auth.finish().await;
}

#[tokio::test]
async fn switch_is_told_to_gateways_and_sockets_and_checked_at_its_edges() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let root = auth.access("root@example.org", "").await;
    let client = auth.nats.client().await;
    let mut heard = client.subscribe(subjects::MAINTENANCE).await.unwrap();
    client.flush().await.unwrap();
    let now = auth.clock.now();
    let set = async |active: bool, reason: &str, until: Option<Duration>| {
        let until = until.map(|left| timestamp(now + left));
        let request = SetMaintenanceRequest { active, reason: reason.to_owned(), until };
        let answer = auth.maintenance().set_maintenance(bearer(request, &root)).await;
        answer.map(tonic::Response::into_inner).map_err(|status| code::<()>(Err(status)))
    };
    for (reason, until) in [
        ("", None),
        ("x", Some(Duration::ZERO)),
        ("x", Some(Duration::days(7) + Duration::seconds(1))),
    ] {
        assert_eq!(set(true, reason, until).await.unwrap_err(), Some(Code::RequestInvalid));
    }
    let known = guard(&auth, 0).await.revision;
    let on = set(true, " A new disk. ", Some(Duration::days(7))).await.unwrap();
    assert!(on.active && on.reason == "A new disk." && on.changed_by.starts_with("person:"));
    let told = guard(&auth, known).await;
    assert_eq!(told.maintenance, Some(on.clone()));
    let notice = heard.next().await.unwrap();
    let notice: serde_json::Value = serde_json::from_slice(&notice.payload).unwrap();
    assert_eq!(
        (notice["active"].as_bool(), notice["reason"].as_str()),
        (Some(true), Some("A new disk."))
    );
    let read = auth.maintenance().get_maintenance(bearer(GetMaintenanceRequest {}, &root)).await;
    assert_eq!(read.unwrap().into_inner(), on);
    assert!(!set(false, "", None).await.unwrap().active);
    assert!(!guard(&auth, told.revision).await.maintenance.unwrap().active);
    let nobody = auth.maintenance().get_maintenance(Request::new(GetMaintenanceRequest {})).await;
    assert_eq!(code(nobody), Some(Code::AuthRequired));
    auth.finish().await;
}
