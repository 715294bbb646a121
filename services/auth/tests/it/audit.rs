use std::time::Duration;

use prost::Message as _;
use uuid::Uuid;
use yard_contracts::audit::v1::{
    AuditEvent, AuditExportItem, AuditKind, AuditPhase, AuditRecord, AuditStatus,
    EraseSubjectRequest, ExportAuditEventsRequest, GetAuditStatusRequest, ListAuditRootsRequest,
    SearchAuditEventsRequest,
};
use yard_contracts::subjects;
use yard_contracts::values::timestamp;
use yard_fault::Code;
use yard_ids::{Clock as _, TenantId};
use yard_runtime::Secret;
use yard_testkit::{ChaosProxy, eventually, logs};

use crate::support::{Auth, PASSWORD, bearer, code, credentials};

const SOON: Duration = Duration::from_secs(20);

impl Auth {
    async fn events(&self, token: &str, filter: SearchAuditEventsRequest) -> Vec<AuditEvent> {
        let answer = self.audit().search_audit_events(bearer(filter, token)).await.unwrap();
        answer.into_inner().events
    }

    async fn all_events(&self, token: &str) -> Vec<AuditEvent> {
        self.events(token, SearchAuditEventsRequest { page_size: 200, ..Default::default() }).await
    }

    async fn status(&self, token: &str) -> AuditStatus {
        let request = bearer(GetAuditStatusRequest {}, token);
        self.audit().get_audit_status(request).await.unwrap().into_inner()
    }

    /// What another service tells by the stream.
    async fn tell(&self, record: &AuditRecord) {
        let tenant: Option<TenantId> = record.tenant_id.parse().ok();
        let client = self.nats.client().await;
        client.publish(subjects::audit(tenant), record.encode_to_vec().into()).await.unwrap();
        client.flush().await.unwrap();
    }

    fn record(&self, event: u128, tenant: TenantId, phase: AuditPhase) -> AuditRecord {
        AuditRecord {
            event_id: Uuid::from_u128(event).to_string(),
            phase: phase.into(),
            tenant_id: tenant.to_string(),
            kind: AuditKind::Call.into(),
            occurred_at: Some(timestamp(self.clock.now())),
            service: "device-ingest".to_owned(),
            actor: "person:x".to_owned(),
            action: "yard.device.v1.DeviceService/CreateDevice".to_owned(),
            outcome: if phase == AuditPhase::Ended { "ok".to_owned() } else { String::new() },
            repeats: 1,
            ..AuditRecord::default()
        }
    }
}

fn of_event(event: u128) -> impl Fn(&AuditEvent) -> bool {
    move |entry| entry.event_id == Uuid::from_u128(event).to_string()
}

#[tokio::test]
async fn sign_in_is_an_entry_of_the_tenant_with_the_person_and_their_data() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let mut login = tonic::Request::new(credentials("owner@example.org", PASSWORD, ""));
    let from = [("yard-client-ip", "203.0.113.77"), ("yard-user-agent", "curl/8")];
    for (name, value) in from {
        login.metadata_mut().insert(name, value.parse().unwrap());
    }
    let session = auth.sessions().login(login).await.unwrap().into_inner();
    let token = auth.exchange(&session.session_token).await.unwrap();
    let events = auth.all_events(&token).await;
    let [entry] = events.as_slice() else { panic!("{events:?}") };
    let me = session.me.unwrap();
    assert_eq!(entry.actor, format!("person:{}", me.principal_id));
    assert_eq!((entry.kind(), entry.outcome.as_str()), (AuditKind::SignIn, "ok"));
    assert_eq!(entry.action, "yard.identity.v1.SessionService/Login");
    assert_eq!((entry.acting_as.as_str(), entry.sequence), ("owner", 1));
    assert_eq!((&entry.object_type, &entry.object_id), (&"person".to_owned(), &me.principal_id));
    assert_eq!(entry.address_prefix, "203.0.113.0/24");
    let personal = entry.personal.clone().unwrap();
    assert_eq!(personal.email, "owner@example.org");
    assert_eq!(
        (personal.address.as_str(), personal.user_agent.as_str()),
        ("203.0.113.77", "curl/8")
    );
    let stored = auth.db.sql("select e::text from platform.audit_events e").await;
    for secret in ["owner@example.org", "203.0.113.77", "curl/8", PASSWORD] {
        assert!(!stored.contains(secret), "{secret} is readable in {stored}");
    }
    auth.finish().await;
}

#[tokio::test]
async fn refused_sign_in_is_recorded_where_its_account_belongs() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    for (email, tenant) in
        [("viewer@example.org", ""), ("both@example.org", ""), ("nobody@example.org", "")]
    {
        let wrong = credentials(email, "wrong password", tenant);
        let refused = auth.sessions().login(wrong).await;
        assert_eq!(code(refused), Some(Code::AuthInvalidCredentials));
    }
    let owner = auth.access("owner@example.org", "").await;
    let refused = SearchAuditEventsRequest { outcome: "refused".to_owned(), ..Default::default() };
    let found = auth.events(&owner, refused.clone()).await;
    let [entry] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(entry.outcome, "auth.invalid_credentials");
    assert_eq!((entry.actor.as_str(), entry.object_type.as_str()), ("anonymous", "person"));
    assert_eq!(entry.personal.clone().unwrap().email, "viewer@example.org");
    // The others are of no one tenant, or of nobody; what was typed is kept nowhere.
    let root = auth.access("root@example.org", "").await;
    let platform = auth.audit().search_platform_audit_events(bearer(refused, &root)).await;
    let platform = platform.unwrap().into_inner().events;
    assert_eq!(platform.len(), 2);
    assert!(platform.iter().all(|entry| entry.tenant_id.is_empty()));
    assert!(!format!("{platform:?}").contains("nobody@"));
    auth.finish().await;
}

#[tokio::test]
async fn record_that_comes_again_is_stored_once_and_a_late_end_resolves_the_unknown() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let (acme, owner) = (auth.tenant("acme").await, auth.access("owner@example.org", "").await);
    let ended = auth.record(1, acme, AuditPhase::Ended);
    auth.tell(&auth.record(1, acme, AuditPhase::Begun)).await;
    for _ in 0..3 {
        auth.tell(&ended).await;
    }
    // A service that dies after its announcement.
    auth.tell(&auth.record(2, acme, AuditPhase::Begun)).await;
    eventually(SOON, || async {
        auth.db.sql("select count(*) from platform.audit_open").await.trim() == "1"
    })
    .await;
    auth.clock.advance(time::Duration::seconds(121));
    let entries = || async {
        let all = auth.all_events(&auth.access("owner@example.org", "").await).await;
        all.into_iter().filter(of_event(2)).collect::<Vec<_>>()
    };
    eventually(SOON, || async { entries().await.len() == 1 }).await;
    let unknown = entries().await.remove(0);
    assert_eq!(unknown.outcome, "unknown");
    // It was not dead after all.
    let late = auth.record(2, acme, AuditPhase::Ended);
    auth.tell(&late).await;
    auth.tell(&late).await;
    eventually(SOON, || async { entries().await.len() == 2 }).await;
    auth.tell(&auth.record(3, acme, AuditPhase::Ended)).await;
    let all = eventually(SOON, || async {
        let all = auth.all_events(&auth.access("owner@example.org", "").await).await;
        all.iter().any(of_event(3)).then_some(all)
    })
    .await;
    let late: Vec<_> = all.iter().filter(|e| of_event(2)(e)).collect();
    assert_eq!((late.len(), late[0].resolves), (2, unknown.sequence));
    assert_eq!(all.iter().filter(|e| of_event(1)(e)).count(), 1);
    drop(owner);
    auth.finish().await;
}

#[tokio::test]
async fn chains_written_from_both_sides_at_once_have_no_gap_and_are_signed() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let (acme, byte) = (auth.tenant("acme").await, auth.tenant("byte").await);
    let token = auth.access("owner@example.org", "").await;
    let told = async {
        for n in 100..300_u128 {
            let tenant = if n % 2 == 0 { acme } else { byte };
            auth.tell(&auth.record(n, tenant, AuditPhase::Ended)).await;
        }
    };
    let calls = async {
        for _ in 0..60 {
            let request = bearer(ExportAuditEventsRequest {}, &token);
            drop(auth.audit().export_audit_events(request).await.unwrap());
        }
    };
    tokio::join!(told, calls);
    let status = eventually(SOON, || async {
        let status = auth.status(&token).await;
        // One sign-in, a hundred records, sixty exports.
        (status.head_sequence == 161 && status.anchored_sequence == 161).then_some(status)
    })
    .await;
    assert_eq!((status.verified_sequence, status.problem.as_str()), (161, ""));
    let gaps = "select count(*) from platform.audit_events e where not exists (select from \
        platform.audit_events p where p.tenant_id = e.tenant_id and p.sequence = e.sequence - 1 \
        and p.hash = e.previous_hash) and e.sequence > 1";
    assert_eq!(auth.db.sql(gaps).await.trim(), "0");
    let roots = auth.audit().list_audit_roots(ListAuditRootsRequest::default()).await.unwrap();
    let roots = roots.into_inner().roots;
    let newest = status.last_root.unwrap();
    assert!(roots.iter().any(|root| root.number == newest.number && root.signature.len() == 128));
    auth.finish().await;
}

#[tokio::test]
async fn entries_can_be_neither_changed_nor_removed_and_damage_is_noticed() {
    let log = logs::capture();
    log.expect("audit chain is not whole");
    let auth = Auth::start().await;
    let token = auth.access("owner@example.org", "").await;
    let pg = auth.db.pg("yard_auth");
    for statement in [
        "update platform.audit_events set actor = 'person:y'",
        "delete from platform.audit_events",
        "truncate platform.audit_events",
        "update platform.audit_roots set number = 9",
        "delete from platform.audit_anchors",
    ] {
        let actor = yard_pg::Actor::service("test");
        let mut tx = yard_pg::PlatformTx::begin(&pg, &actor).await.unwrap();
        assert!(sqlx::query(statement).execute(&mut *tx).await.is_err(), "{statement}");
    }
    // Not even the owner of the tables, short of taking the trigger away.
    let owner = std::panic::AssertUnwindSafe(
        auth.db
            .sql("set role yard_owner; set app.platform = 'on'; delete from platform.audit_events"),
    );
    assert!(futures::FutureExt::catch_unwind(owner).await.is_err());
    eventually(SOON, || async { auth.status(&token).await.verified_sequence >= 1 }).await;
    auth.db
        .sql(
            "alter table platform.audit_events disable trigger audit_events_stay; \
             update platform.audit_events set outcome = 'auth.forbidden' where sequence = 1",
        )
        .await;
    let problem = eventually(SOON, || async {
        let status = auth.status(&token).await;
        (!status.problem.is_empty()).then_some(status.problem)
    })
    .await;
    assert!(problem.contains("entry 1"), "{problem}");
    auth.finish().await;
}

#[tokio::test]
async fn erased_person_cannot_be_read_any_more_and_the_chain_still_verifies() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    auth.session("viewer@example.org", "").await;
    let owner = auth.access("owner@example.org", "").await;
    let viewers = || async {
        let all = auth.all_events(&owner).await;
        let of = |e: &AuditEvent| e.action.ends_with("/Login") && e.acting_as == "viewer";
        all.into_iter().filter(of).collect::<Vec<_>>()
    };
    let before = viewers().await.remove(0);
    let subject = before.personal.clone().unwrap();
    assert_eq!(subject.email, "viewer@example.org");
    let erase = |token: String, subject_id: String| {
        let request = bearer(EraseSubjectRequest { subject_id }, &token);
        let mut audit = auth.audit();
        async move { audit.erase_subject(request).await }
    };
    let viewer = auth.access("viewer@example.org", "").await;
    let refused = erase(viewer, subject.subject_id.clone()).await;
    assert_eq!(code(refused), Some(Code::AuthForbidden));
    let bob = auth.access("bob@example.org", "").await;
    let foreign = erase(bob, subject.subject_id.clone()).await;
    assert_eq!(code(foreign), Some(Code::ResourceNotFound));
    let done = erase(owner.clone(), subject.subject_id.clone()).await.unwrap().into_inner();
    assert!(done.entries >= 2, "{}", done.entries);
    let after = viewers().await;
    let same = after.iter().find(|e| e.sequence == before.sequence).unwrap();
    assert_eq!(same.hash, before.hash);
    let personal = same.personal.clone().unwrap();
    assert!(personal.erased && personal.email.is_empty() && personal.salt.is_empty());
    // Nothing new is kept of them either.
    auth.session("viewer@example.org", "").await;
    let newest = viewers().await.remove(0);
    assert!(newest.sequence > before.sequence && newest.personal.unwrap().erased);
    assert!(newest.personal_commitment.is_empty());
    let status = eventually(SOON, || async {
        let status = auth.status(&owner).await;
        (status.verified_sequence == status.head_sequence).then_some(status)
    })
    .await;
    assert_eq!(status.problem, "");
    auth.finish().await;
}

#[tokio::test]
async fn search_narrows_pages_and_stays_in_its_chain() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let acme = auth.tenant("acme").await;
    for n in 1..=25_u128 {
        let mut record = auth.record(n, acme, AuditPhase::Ended);
        record.object_type = "device".to_owned();
        record.object_id = format!("d-{}", n % 5);
        record.incident = format!("i-{n}");
        auth.tell(&record).await;
    }
    let owner = auth.access("owner@example.org", "").await;
    eventually(SOON, || async { auth.all_events(&owner).await.len() == 26 }).await;
    let mut filter = SearchAuditEventsRequest { page_size: 7, ..Default::default() };
    let (mut seen, mut pages) = (Vec::new(), 0);
    loop {
        let answer = auth.audit().search_audit_events(bearer(filter.clone(), &owner)).await;
        let answer = answer.unwrap().into_inner();
        seen.extend(answer.events.into_iter().map(|event| event.sequence));
        pages += 1;
        filter.page_token = answer.next_page_token;
        if filter.page_token.is_empty() {
            break;
        }
    }
    assert_eq!((seen, pages), ((1..=26).rev().collect::<Vec<_>>(), 4));
    let by = |change: fn(&mut SearchAuditEventsRequest)| {
        let mut filter = SearchAuditEventsRequest { page_size: 200, ..Default::default() };
        change(&mut filter);
        let (auth, owner) = (&auth, &owner);
        async move { auth.events(owner, filter).await.len() }
    };
    assert_eq!(by(|f| f.object_id = "d-3".to_owned()).await, 5);
    assert_eq!(by(|f| f.incident = "i-9".to_owned()).await, 1);
    assert_eq!(by(|f| f.action = "yard.device.v1.".to_owned()).await, 25);
    assert_eq!(by(|f| f.kind = AuditKind::SignIn.into()).await, 1);
    assert_eq!(by(|f| f.actor = "person:x".to_owned()).await, 25);
    assert_eq!(by(|f| f.outcome = "refused".to_owned()).await, 0);
    assert_eq!(by(|f| f.to = Some(prost_types::Timestamp::default())).await, 0);
    let bob = auth.access("bob@example.org", "").await;
    assert_eq!(auth.all_events(&bob).await.len(), 1);
    let wrong = SearchAuditEventsRequest { actor: "x".repeat(129), ..Default::default() };
    let refused = auth.audit().search_audit_events(bearer(wrong, &owner)).await;
    assert_eq!(code(refused), Some(Code::RequestInvalid));
    auth.finish().await;
}

#[tokio::test]
async fn export_begins_with_its_header_ends_with_its_signature_and_holds_every_entry() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let acme = auth.tenant("acme").await;
    for n in 1..=1_200_u128 {
        auth.tell(&auth.record(n, acme, AuditPhase::Ended)).await;
    }
    let owner = auth.access("owner@example.org", "").await;
    eventually(SOON, || async { auth.status(&owner).await.anchored_sequence == 1_201 }).await;
    let request = bearer(ExportAuditEventsRequest {}, &owner);
    let mut items = auth.audit().export_audit_events(request).await.unwrap().into_inner();
    let mut all: Vec<AuditExportItem> = Vec::new();
    while let Some(item) = items.message().await.unwrap() {
        all.push(item);
    }
    assert!(all.first().unwrap().header.is_some());
    // The export itself began after the 1,201 and before the last page.
    let sequences: Vec<i64> =
        all.iter().filter_map(|item| Some(item.event.as_ref()?.sequence)).collect();
    assert_eq!(sequences, (1..=sequences.len().try_into().unwrap()).collect::<Vec<i64>>());
    assert!(sequences.len() >= 1_201);
    assert!(all.iter().any(|item| item.anchor.is_some()));
    let end = all.last().unwrap().end.clone().unwrap();
    assert_eq!(Some(end.last_sequence), sequences.last().copied());
    auth.finish().await;
}

#[tokio::test]
async fn retention_takes_out_what_is_signed_and_leaves_a_chain_that_verifies() {
    let log = logs::capture();
    // Until auth has stated its keys for the new day.
    log.expect("the issuer's key set was refused");
    let month = Duration::from_secs(30 * 86_400);
    let auth = Auth::start_with(|config| {
        config.audit.retention = month;
    })
    .await;
    let acme = auth.tenant("acme").await;
    for n in 1..=20_u128 {
        auth.tell(&auth.record(n, acme, AuditPhase::Ended)).await;
    }
    let owner = auth.access("owner@example.org", "").await;
    let before = eventually(SOON, || async {
        let status = auth.status(&owner).await;
        (status.anchored_sequence == 21).then_some(status)
    })
    .await;
    auth.clock.advance(time::Duration::days(31));
    let session = auth.session("owner@example.org", "").await;
    // After such a jump auth changes its signing key first.
    let (owner, after) = eventually(Duration::from_secs(30), || async {
        let owner = auth.exchange(&session).await?;
        let request = bearer(GetAuditStatusRequest {}, &owner);
        let status = auth.audit().get_audit_status(request).await?.into_inner();
        if status.first_sequence > 1 && status.anchored_sequence == status.head_sequence {
            return Ok((owner, status));
        }
        Err(tonic::Status::not_found(format!("{status:?}")))
    })
    .await;
    assert_eq!((after.first_sequence, after.problem.as_str()), (22, ""));
    let left = auth.all_events(&owner).await;
    assert_eq!(i64::try_from(left.len()).unwrap(), after.head_sequence - 21);
    assert_eq!(left.last().unwrap().previous_hash, before.head_hash);
    let request = bearer(ExportAuditEventsRequest {}, &owner);
    let mut items = auth.audit().export_audit_events(request).await.unwrap().into_inner();
    let header = items.message().await.unwrap().unwrap().header.unwrap();
    assert_eq!((header.first_sequence, &header.first_previous_hash), (22, &before.head_hash));
    auth.finish().await;
}

#[tokio::test]
async fn records_told_while_the_database_is_away_become_entries_once_it_is_back() {
    let log = logs::capture();
    // Everything that asks the database says that it is away.
    log.expect("");
    let mut line = None;
    let auth = Auth::start_with(|config| {
        let url = config.postgres.url.expose().to_owned();
        let (user, rest) = url.rsplit_once('@').unwrap();
        let (host, path) = rest.split_once('/').unwrap();
        let host = host.replace("localhost", "127.0.0.1").parse().unwrap();
        let proxy = line.insert(ChaosProxy::start(host).unwrap());
        config.postgres.url = Secret::new(format!("{user}@{}/{path}", proxy.addr()));
        config.postgres.acquire_timeout = Duration::from_secs(1);
    })
    .await;
    let line = line.unwrap();
    let acme = auth.tenant("acme").await;
    let owner = auth.access("owner@example.org", "").await;
    line.cut();
    for n in 1..=20_u128 {
        auth.tell(&auth.record(n, acme, AuditPhase::Ended)).await;
    }
    eventually(SOON, || async { log.contains("could not append to the audit trail") }).await;
    // What auth itself is asked cannot be announced, so it is not done.
    let request = bearer(ExportAuditEventsRequest {}, &owner);
    let refused = auth.audit().export_audit_events(request).await;
    assert_eq!(code(refused), Some(Code::AuditUnavailable));
    line.restore();
    let events = eventually(SOON, || async {
        let request = SearchAuditEventsRequest { page_size: 200, ..Default::default() };
        let answer = auth.audit().search_audit_events(bearer(request, &owner)).await.ok()?;
        let told = answer.into_inner().events;
        (told.iter().filter(|event| event.actor == "person:x").count() == 20).then_some(told)
    })
    .await;
    let sequences: Vec<i64> = events.iter().rev().map(|event| event.sequence).collect();
    let upto = i64::try_from(sequences.len()).unwrap();
    assert_eq!(sequences, (1..=upto).collect::<Vec<_>>());
    auth.finish().await;
}
