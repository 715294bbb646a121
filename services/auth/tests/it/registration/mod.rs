//! Organizations that people ask for by themselves.

mod limits;

use std::time::Duration;

use time::Duration as Span;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};
use yard_contracts::audit::v1::SearchAuditEventsRequest;
use yard_contracts::tenancy::v1 as wire;
use yard_contracts::tenancy::v1::registration_service_client::RegistrationServiceClient;
use yard_contracts::tenancy::v1::{RegistrationState, RegistrationStepKind};
use yard_fault::{Code, Fault};
use yard_testkit::{TestMail, eventually, link_token, logs};

use crate::factor_support::Person;
use crate::support::{Auth, PASSWORD, bearer, code, credentials, plain_smtp};

const SOON: Duration = Duration::from_secs(30);
const NEW: &str = "new@example.org";
const VIEWER: &str = "viewer@example.org";
const NEW_PASSWORD: &str = "a better password";

/// Open to everybody, with a mail server.
async fn open() -> (Auth, TestMail) {
    open_with(|_rules| {}).await
}

async fn open_with(change: impl FnOnce(&mut auth::RegistrationConfig)) -> (Auth, TestMail) {
    let mail = TestMail::start().await;
    let url = plain_smtp(&mail);
    let auth = Auth::start_with(|config| {
        config.mail.smtp_url = url;
        config.registration.open = true;
        change(&mut config.registration);
    })
    .await;
    (auth, mail)
}

fn client(auth: &Auth) -> RegistrationServiceClient<Channel> {
    RegistrationServiceClient::new(auth.channel())
}

fn wish(email: &str, slug: &str) -> wire::RegisterRequest {
    wire::RegisterRequest {
        email: email.to_owned(),
        display_name: "Nia New".to_owned(),
        tenant_name: "New Water".to_owned(),
        tenant_slug: slug.to_owned(),
        locale: String::new(),
    }
}

async fn ask(
    auth: &Auth,
    email: &str,
    slug: &str,
) -> Result<Response<wire::RegisterResponse>, Status> {
    client(auth).register(Request::new(wish(email, slug))).await
}

/// The link of the newest of so many mails, of which none came before it was asked for.
async fn link(auth: &Auth, mail: &TestMail, email: &str, slug: &str, count: usize) -> String {
    ask(auth, email, slug).await.unwrap();
    link_token(mail.await_to(email, count).await.last().unwrap())
}

async fn show(auth: &Auth, token: &str) -> Result<Response<wire::Registration>, Status> {
    let request = wire::ShowRegistrationRequest { token: token.to_owned() };
    client(auth).show_registration(Request::new(request)).await
}

async fn confirm_as(
    auth: &Auth,
    token: &str,
    slug: &str,
) -> Result<Response<wire::Registration>, Status> {
    let request = wire::ConfirmRegistrationRequest {
        token: token.to_owned(),
        password: NEW_PASSWORD.to_owned(),
        tenant_slug: slug.to_owned(),
    };
    client(auth).confirm_registration(Request::new(request)).await
}

async fn confirm(auth: &Auth, token: &str) -> Result<Response<wire::Registration>, Status> {
    confirm_as(auth, token, "").await
}

async fn claim(
    auth: &Auth,
    access: &str,
    token: &str,
) -> Result<Response<wire::Registration>, Status> {
    let request =
        wire::ClaimRegistrationRequest { token: token.to_owned(), tenant_slug: String::new() };
    client(auth).claim_registration(bearer(request, access)).await
}

async fn until(auth: &Auth, token: &str, state: RegistrationState) -> wire::Registration {
    eventually(SOON, || async {
        let shown = show(auth, token).await.unwrap().into_inner();
        if shown.state() == state { Ok(shown) } else { Err(shown) }
    })
    .await
}

async fn count(auth: &Auth, what: &str) -> String {
    auth.db.sql(&format!("select count(*) from platform.{what}")).await.trim().to_owned()
}

/// Waits until everybody who asked was answered, by a mail or by none.
async fn answered(auth: &Auth) {
    let waiting = "registrations where mailed_at is null and dropped_at is null";
    eventually(SOON, || async { count(auth, waiting).await == "0" }).await;
}

#[tokio::test]
async fn whoever_registers_becomes_the_owner_of_a_tenant_that_is_ready() {
    let _log = logs::capture();
    let (auth, mail) = open().await;
    let terms = client(&auth).get_registration_terms(Request::new(Default::default())).await;
    assert!(terms.unwrap().into_inner().open);
    let request =
        wire::RegisterRequest { locale: "de".to_owned(), ..wish(" New@Example.ORG ", "new-water") };
    client(&auth).register(Request::new(request)).await.unwrap();
    let letter = mail.await_to(NEW, 1).await.remove(0);
    let text = letter.text();
    assert!(text.contains("new-water") && text.contains("/registration#"), "{text}");
    assert!(text.contains("Bestätigen"), "in the language that was asked for: {text}");
    // Nothing that could say what a stranger likes.
    assert!(!text.contains("Nia") && !text.contains("New Water"), "{text}");
    let token = link_token(&letter);
    let shown = show(&auth, &token).await.unwrap().into_inner();
    assert_eq!((shown.state(), shown.email.as_str()), (RegistrationState::Requested, NEW));
    assert!(!shown.account_exists);
    assert_eq!(count(&auth, "tenants where slug = 'new-water'").await, "0");

    let confirmed = confirm(&auth, &token).await.unwrap().into_inner();
    assert_ne!(confirmed.state(), RegistrationState::Requested);
    let ready = until(&auth, &token, RegistrationState::Ready).await;
    let kinds: Vec<_> = ready.steps.iter().map(wire::RegistrationStep::kind).collect();
    let all = [
        RegistrationStepKind::Requested,
        RegistrationStepKind::Verified,
        RegistrationStepKind::Provisioning,
        RegistrationStepKind::Ready,
    ];
    assert_eq!(kinds, all);
    assert!(ready.steps.iter().all(|step| step.done_at.is_some()), "{ready:?}");

    let answer = auth.sessions().login(credentials(NEW, NEW_PASSWORD, "")).await.unwrap();
    let me = answer.into_inner().me.unwrap();
    assert_eq!((me.role.as_str(), me.display_name.as_str()), ("owner", "Nia New"));
    assert_eq!((me.tenant_slug.as_str(), me.tenant_name.as_str()), ("new-water", "New Water"));
    assert!(me.permissions.iter().any(|held| held == "people.manage"), "{me:?}");
    let of = "select t.locale, t.plan, p.email_verified_at is not null, p.locale \
              from platform.tenants t, platform.people p \
              where t.slug = 'new-water' and p.email = 'new@example.org'";
    assert_eq!(auth.db.sql(of).await.trim(), "de|trial|t|de");
    // The schema is the same as every other's.
    let versions = "select count(distinct s.version) from platform.tenant_schemas s";
    assert_eq!(auth.db.sql(versions).await.trim(), "1");
    // The link opens nothing any more.
    assert_eq!(code(confirm(&auth, &token).await), Some(Code::LinkInvalid));
    auth.finish().await;
}

#[tokio::test]
async fn answer_is_the_same_whatever_there_is() {
    let _log = logs::capture();
    let (auth, mail) = open().await;
    for (email, slug) in [(VIEWER, "fresh"), ("nobody@example.org", "acme"), (NEW, "other")] {
        let answer = ask(&auth, email, slug).await.unwrap();
        assert_eq!(answer.into_inner(), wire::RegisterResponse {}, "{email} {slug}");
    }
    // And the same mail, whether there is an account or not.
    for email in [VIEWER, "nobody@example.org", NEW] {
        assert!(mail.await_to(email, 1).await[0].text().contains("/registration#"), "{email}");
    }
    // What was typed is not in the trail.
    let written = "audit_events e where to_jsonb(e)::text like '%nobody@%'";
    assert_eq!(count(&auth, written).await, "0");
    for (pointer, odd) in [
        ("/email", wish("nobody", "fresh")),
        ("/email", wish("a@b\r\nBcc: c@d", "fresh")),
        ("/tenant_slug", wish(NEW, "Fresh")),
        ("/tenant_slug", wish(NEW, "admin")),
        (
            "/display_name",
            wire::RegisterRequest { display_name: "é".repeat(121), ..wish(NEW, "fresh") },
        ),
        (
            "/tenant_name",
            wire::RegisterRequest { tenant_name: "a\nb".to_owned(), ..wish(NEW, "fresh") },
        ),
        ("/locale", wire::RegisterRequest { locale: "en_US".to_owned(), ..wish(NEW, "fresh") }),
    ] {
        let refused = client(&auth).register(Request::new(odd)).await.unwrap_err();
        let fault = Fault::from_status(&refused);
        assert_eq!((fault.code(), fault.pointer()), (Code::RequestInvalid, Some(pointer)));
    }
    auth.finish().await;
}

#[tokio::test]
async fn installation_that_is_closed_registers_nobody_and_finishes_what_was_confirmed() {
    let _log = logs::capture();
    let (auth, mail) = open().await;
    let token = link(&auth, &mail, NEW, "new-water", 1).await;
    let url = plain_smtp(&mail);
    let shut = |config: &mut auth::Config| {
        config.mail.smtp_url = url;
        // Nobody gets it.
        config.registration.plan = "gone".to_owned();
    };
    let auth = auth.restart_told(async |_engines| {}, shut).await.unwrap();
    let terms = client(&auth).get_registration_terms(Request::new(Default::default())).await;
    assert!(!terms.unwrap().into_inner().open);
    let closed = Some(Code::RegistrationClosed);
    assert_eq!(code(ask(&auth, VIEWER, "fresh").await), closed);
    // Also with what is no request at all.
    assert_eq!(code(ask(&auth, "", "").await), closed);
    assert_eq!(code(confirm(&auth, &token).await), closed);
    let viewer = auth.access(VIEWER, "").await;
    assert_eq!(code(claim(&auth, &viewer, &token).await), closed);
    assert_eq!(
        show(&auth, &token).await.unwrap().into_inner().state(),
        RegistrationState::Requested
    );
    let engines = auth.stop().await;
    let without_mail = engines.refusal(|config| config.registration.open = true).await;
    assert!(without_mail.contains("registration.open"), "{without_mail}");
    let url = plain_smtp(&mail);
    let without_plan = engines
        .refusal(|config| {
            config.mail.smtp_url = url;
            config.registration.open = true;
            config.registration.plan = "gone".to_owned();
        })
        .await;
    assert!(
        without_plan.contains("registration.plan: there is no plan \"gone\""),
        "{without_plan}"
    );
}

#[tokio::test]
async fn slug_that_is_taken_is_refused_and_another_is_taken_by_the_same_link() {
    let _log = logs::capture();
    let (auth, mail) = open().await;
    let token = link(&auth, &mail, NEW, "acme", 1).await;
    let refused = confirm(&auth, &token).await.unwrap_err();
    let fault = Fault::from_status(&refused);
    assert_eq!((fault.code(), fault.pointer()), (Code::ResourceExists, Some("/tenant_slug")));
    // Nothing is left of it: no account, no tenant, and the link is good.
    assert_eq!(count(&auth, "people where email = 'new@example.org'").await, "0");
    assert_eq!(
        show(&auth, &token).await.unwrap().into_inner().state(),
        RegistrationState::Requested
    );
    for odd in ["Acme", "ab", "www"] {
        assert_eq!(code(confirm_as(&auth, &token, odd).await), Some(Code::RequestInvalid), "{odd}");
    }
    let done = confirm_as(&auth, &token, "acme-two").await.unwrap().into_inner();
    assert_eq!(done.tenant_slug, "acme-two");
    until(&auth, &token, RegistrationState::Ready).await;
    auth.finish().await;
}

#[tokio::test]
async fn account_that_is_in_use_is_claimed_by_its_owner_and_otherwise_untouched() {
    let _log = logs::capture();
    let (auth, mail) = open().await;
    let before = "select password_hash, (select display_name from platform.principals \
                  where id = principal_id) from platform.people where email = 'viewer@example.org'";
    let untouched = auth.db.sql(before).await;
    let token = link(&auth, &mail, VIEWER, "viewers-own", 1).await;
    assert!(show(&auth, &token).await.unwrap().into_inner().account_exists);
    // The mailbox alone opens nothing.
    assert_eq!(code(confirm(&auth, &token).await), Some(Code::AuthRequired));
    let other = auth.access("owner@example.org", "").await;
    assert_eq!(code(claim(&auth, &other, &token).await), Some(Code::AuthForbidden));
    let session = auth.session(VIEWER, "").await;
    auth.clock.advance(Span::seconds(601));
    let late = auth.exchange(&session).await.unwrap();
    assert_eq!(code(claim(&auth, &late, &token).await), Some(Code::AuthStepUpRequired));
    let access = auth.access(VIEWER, "").await;
    let claimed = claim(&auth, &access, &token).await.unwrap().into_inner();
    assert!(!claimed.account_exists);
    until(&auth, &token, RegistrationState::Ready).await;
    assert_eq!(auth.db.sql(before).await, untouched);
    // Owner there, viewer here as before.
    let roles = "select string_agg(t.slug || ' ' || m.role, ', ' order by t.slug) \
                 from platform.memberships m join platform.tenants t on t.id = m.tenant_id \
                 join platform.people p on p.principal_id = m.principal_id \
                 where p.email = 'viewer@example.org'";
    assert_eq!(auth.db.sql(roles).await.trim(), "acme viewer, viewers-own owner");
    let answer = auth.sessions().login(credentials(VIEWER, PASSWORD, "viewers-own")).await;
    assert_eq!(answer.unwrap().into_inner().me.unwrap().role, "owner");
    auth.finish().await;
}

#[tokio::test]
async fn account_with_a_second_factor_is_claimed_with_it_only() {
    let _log = logs::capture();
    let (auth, mail) = open().await;
    let viewer = Person::enrolled(&auth, VIEWER, "").await;
    auth.db.sql("update platform.tenants set second_factor_required = true").await;
    auth.db.sql("update platform.sessions set amr = '{pwd}'").await;
    auth.told().await;
    let token = link(&auth, &mail, VIEWER, "viewers-own", 1).await;
    let weak = auth.exchange(&viewer.session).await.unwrap();
    assert_eq!(code(claim(&auth, &weak, &token).await), Some(Code::AuthSecondFactorRequired));
    let session = viewer.sign_in(&auth, "").await;
    let access = auth.exchange(&session).await.unwrap();
    assert_eq!(code(claim(&auth, &access, &token).await), None);
    until(&auth, &token, RegistrationState::Ready).await;
    auth.finish().await;
}

#[tokio::test]
async fn account_in_no_tenant_is_taken_up_and_a_disabled_one_is_not() {
    let _log = logs::capture();
    let (auth, mail) = open().await;
    auth.db
        .sql(
            "delete from platform.memberships m using platform.people p \
             where p.principal_id = m.principal_id \
               and p.email in ('viewer@example.org', 'operator@example.org'); \
             update platform.principals set disabled_at = now() where id in \
               (select principal_id from platform.people where email = 'operator@example.org')",
        )
        .await;
    auth.told().await;
    let people = count(&auth, "people").await;
    let token = link(&auth, &mail, VIEWER, "viewers-own", 1).await;
    assert!(!show(&auth, &token).await.unwrap().into_inner().account_exists);
    confirm(&auth, &token).await.unwrap();
    until(&auth, &token, RegistrationState::Ready).await;
    assert_eq!(count(&auth, "people").await, people, "no second account");
    auth.sessions().login(credentials(VIEWER, NEW_PASSWORD, "")).await.unwrap();
    let token = link(&auth, &mail, "operator@example.org", "operators-own", 1).await;
    assert_eq!(code(confirm(&auth, &token).await), Some(Code::AuthForbidden));
    auth.finish().await;
}

#[tokio::test]
async fn tenant_that_cannot_be_made_yet_shows_it_and_is_made_after_a_restart() {
    let log = logs::capture();
    log.expect("a tenant's step failed");
    let (auth, mail) = open().await;
    auth.db
        .sql("insert into platform.tenant_migrations values (9000, 'broken', 'select 1 / 0', '')")
        .await;
    let token = link(&auth, &mail, NEW, "new-water", 1).await;
    confirm(&auth, &token).await.unwrap();
    let failed = until(&auth, &token, RegistrationState::Failed).await;
    let done = failed.steps.iter().filter(|step| step.done_at.is_some()).count();
    assert_eq!(done, 3, "{failed:?}");
    // Nobody signs in to a tenant without a schema.
    let early = auth.sessions().login(credentials(NEW, NEW_PASSWORD, "")).await;
    assert_eq!(code(early), Some(Code::AuthInvalidCredentials));
    let url = plain_smtp(&mail);
    let auth = auth
        .restart_told(
            async |engines| {
                let mend = "delete from platform.tenant_migrations where version = 9000";
                engines.db.sql(mend).await;
            },
            |config| config.mail.smtp_url = url,
        )
        .await
        .unwrap();
    until(&auth, &token, RegistrationState::Ready).await;
    auth.sessions().login(credentials(NEW, NEW_PASSWORD, "")).await.unwrap();
    auth.finish().await;
}

#[tokio::test]
async fn new_tenant_has_its_making_in_its_own_trail() {
    let _log = logs::capture();
    let (auth, mail) = open().await;
    let token = link(&auth, &mail, NEW, "new-water", 1).await;
    confirm(&auth, &token).await.unwrap();
    until(&auth, &token, RegistrationState::Ready).await;
    let answer = auth.sessions().login(credentials(NEW, NEW_PASSWORD, "")).await.unwrap();
    auth.told().await;
    let answer = answer.into_inner();
    let access = auth.exchange(&answer.session_token).await.unwrap();
    let me = answer.me.unwrap();
    let found = eventually(SOON, || async {
        let all = SearchAuditEventsRequest { page_size: 200, ..Default::default() };
        let events = auth.audit().search_audit_events(bearer(all, &access)).await.unwrap();
        let mut events = events.into_inner().events.into_iter();
        events.find(|event| event.action.ends_with("/ConfirmRegistration"))
    })
    .await;
    assert_eq!((found.outcome.as_str(), found.acting_as.as_str()), ("ok", "owner"));
    assert_eq!(found.actor, format!("person:{}", me.principal_id));
    assert_eq!(found.object_type, "registration");
    auth.finish().await;
}
