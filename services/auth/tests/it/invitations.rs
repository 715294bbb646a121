//! Invitations: one address, one link, one use.

use time::Duration as Span;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};
use yard_contracts::identity::v1 as wire;
use yard_contracts::identity::v1::InvitationState;
use yard_contracts::identity::v1::invitation_service_client::InvitationServiceClient;
use yard_fault::Code;
use yard_testkit::{TestMail, link_token, logs};

use crate::rights_support::Desk;
use crate::support::{Auth, PASSWORD, bearer, code, credentials};

const NEW: &str = "new@example.org";

fn client(auth: &Auth) -> InvitationServiceClient<Channel> {
    InvitationServiceClient::new(auth.channel())
}

async fn invite(
    auth: &Auth,
    token: &str,
    email: &str,
    role: &str,
) -> Result<Response<wire::Invitation>, Status> {
    let (email, role) = (email.to_owned(), role.to_owned());
    let request = wire::CreateInvitationRequest { email, role, locale: String::new() };
    client(auth).create_invitation(bearer(request, token)).await
}

async fn resend(auth: &Auth, token: &str, id: &str) -> Result<Response<wire::Invitation>, Status> {
    let request = wire::ResendInvitationRequest { invitation_id: id.to_owned() };
    client(auth).resend_invitation(bearer(request, token)).await
}

async fn withdraw(
    auth: &Auth,
    token: &str,
    id: &str,
) -> Result<Response<wire::Invitation>, Status> {
    let request = wire::WithdrawInvitationRequest { invitation_id: id.to_owned() };
    client(auth).withdraw_invitation(bearer(request, token)).await
}

async fn show(auth: &Auth, token: &str) -> Result<Response<wire::OpenInvitation>, Status> {
    let request = wire::ShowInvitationRequest { token: token.to_owned() };
    client(auth).show_invitation(Request::new(request)).await
}

async fn accept(
    auth: &Auth,
    token: &str,
) -> Result<Response<wire::AcceptInvitationResponse>, Status> {
    let request = wire::AcceptInvitationRequest {
        token: token.to_owned(),
        display_name: "Nia New".to_owned(),
        password: PASSWORD.to_owned(),
    };
    client(auth).accept_invitation(Request::new(request)).await
}

async fn join(
    auth: &Auth,
    access: &str,
    token: &str,
) -> Result<Response<wire::AcceptInvitationResponse>, Status> {
    let request = wire::JoinTenantRequest { token: token.to_owned() };
    client(auth).join_tenant(bearer(request, access)).await
}

/// The link of the newest of so many mails.
async fn newest(mail: &TestMail, email: &str, count: usize) -> String {
    link_token(mail.await_to(email, count).await.last().unwrap())
}

#[tokio::test]
async fn invited_person_makes_an_account_once_and_signs_in() {
    let _log = logs::capture();
    let (auth, mail) = Auth::start_with_mail().await;
    let owner = auth.access("owner@example.org", "").await;
    let made = invite(&auth, &owner, " New@Example.org ", "operator").await.unwrap().into_inner();
    assert_eq!((made.email.as_str(), made.state()), (NEW, InvitationState::Open));
    assert_eq!(made.invited_by, "owner");
    let letter = mail.await_to(NEW, 1).await.remove(0);
    assert!(letter.header("Subject").contains("owner invites you to ACME"), "{}", letter.head);
    let token = link_token(&letter);
    let shown = show(&auth, &token).await.unwrap().into_inner();
    assert_eq!((shown.tenant_name.as_str(), shown.role.as_str()), ("ACME", "operator"));
    assert!(!shown.account_exists);

    let done = accept(&auth, &token).await.unwrap().into_inner();
    assert_eq!((done.email.as_str(), done.tenant_slug.as_str()), (NEW, "acme"));
    assert_eq!(code(accept(&auth, &token).await), Some(Code::LinkInvalid));
    assert_eq!(code(show(&auth, &token).await), Some(Code::LinkInvalid));
    let answer = auth.sessions().login(credentials(NEW, PASSWORD, "")).await.unwrap();
    let me = answer.into_inner().me.unwrap();
    assert_eq!((me.role.as_str(), me.display_name.as_str()), ("operator", "Nia New"));
    let verified = "select email_verified_at is not null from platform.people where email = ";
    assert_eq!(auth.db.sql(&format!("{verified}'{NEW}'")).await.trim(), "t");
    // Accepted ones are listed no more, and cannot be taken back.
    assert!(list(&auth, &owner).await.is_empty());
    let late = withdraw(&auth, &owner, &made.invitation_id).await;
    assert_eq!(code(late), Some(Code::ResourceNotFound));
    auth.finish().await;
}

async fn list(auth: &Auth, token: &str) -> Vec<wire::Invitation> {
    let request = wire::ListInvitationsRequest { page_size: 2, page_token: String::new() };
    let mut all = Vec::new();
    let mut request = request;
    loop {
        let page = client(auth).list_invitations(bearer(request.clone(), token)).await;
        let page = page.unwrap().into_inner();
        all.extend(page.invitations);
        if page.next_page_token.is_empty() {
            return all;
        }
        request.page_token = page.next_page_token;
    }
}

/// As if everything had been written so much earlier; days by the clock would void all tokens.
async fn age(auth: &Auth, interval: &str) {
    let sql = format!(
        "update platform.invitations set created_at = created_at - interval '{interval}', \
         mailed_at = mailed_at - interval '{interval}', \
         expires_at = expires_at - interval '{interval}'"
    );
    auth.db.sql(&sql).await;
}

#[tokio::test]
async fn link_that_many_follow_at_once_lets_one_in() {
    let _log = logs::capture();
    let (auth, mail) = Auth::start_with_mail().await;
    let owner = auth.access("owner@example.org", "").await;
    invite(&auth, &owner, NEW, "viewer").await.unwrap();
    let token = newest(&mail, NEW, 1).await;
    let tries = futures::future::join_all((0..6).map(|_| accept(&auth, &token))).await;
    let mut codes: Vec<_> = tries.into_iter().map(code).collect();
    codes.sort_by_key(Option::is_some);
    assert_eq!(codes[0], None, "{codes:?}");
    let expected = [Some(Code::LinkInvalid), Some(Code::AuthRequired)];
    assert!(codes[1..].iter().all(|code| expected.contains(code)), "{codes:?}");
    let people = format!("select count(*) from platform.people where email = '{NEW}'");
    assert_eq!(auth.db.sql(&people).await.trim(), "1");
    let orphans = "select count(*) from platform.principals pr where kind = 'person' and not exists \
                   (select from platform.people p where p.principal_id = pr.id)";
    assert_eq!(auth.db.sql(orphans).await.trim(), "0");
    auth.finish().await;
}

#[tokio::test]
async fn existing_account_joins_by_its_own_session_and_no_other_does() {
    let _log = logs::capture();
    let (auth, mail) = Auth::start_with_mail().await;
    let owner = auth.access("owner@example.org", "").await;
    invite(&auth, &owner, "bob@example.org", "viewer").await.unwrap();
    let token = newest(&mail, "bob@example.org", 1).await;
    assert!(show(&auth, &token).await.unwrap().into_inner().account_exists);
    // The link alone gives nobody a password for an account that is in use.
    assert_eq!(code(accept(&auth, &token).await), Some(Code::AuthRequired));
    let stranger = auth.access("viewer@example.org", "").await;
    assert_eq!(code(join(&auth, &stranger, &token).await), Some(Code::AuthForbidden));
    let bob = auth.access("bob@example.org", "").await;
    let (one, two) = tokio::join!(join(&auth, &bob, &token), join(&auth, &bob, &token));
    let mut codes = [code(one), code(two)];
    codes.sort_by_key(Option::is_some);
    assert_eq!(codes, [None, Some(Code::LinkInvalid)]);
    let claims = auth.claims(&auth.access("bob@example.org", "acme").await);
    assert_eq!(claims.role, "viewer");
    auth.finish().await;
}

#[tokio::test]
async fn account_that_is_in_no_tenant_is_taken_up_again_by_the_link() {
    let _log = logs::capture();
    let (auth, mail) = Auth::start_with_mail().await;
    let owner = auth.access("owner@example.org", "").await;
    let before = auth
        .db
        .sql(
            "delete from platform.memberships where role = 'viewer' and principal_id in \
              (select principal_id from platform.people where email = 'viewer@example.org') \
              returning principal_id",
        )
        .await;
    // What whoever had it before could come in by.
    auth.db
        .sql(
            "with who as (select principal_id as id from platform.people \
               where email = 'viewer@example.org'), \
             passkey as (insert into platform.passkeys select gen_random_uuid(), id, \
               decode(repeat('ab', 16), 'hex'), decode(repeat('cd', 77), 'hex'), 0, '{}', false, \
               false, 'Old', now() from who) \
             insert into platform.recovery_codes (principal_id, code_hash, created_at) \
             select id, decode(repeat('ef', 32), 'hex'), now() from who",
        )
        .await;
    invite(&auth, &owner, "viewer@example.org", "viewer").await.unwrap();
    let token = newest(&mail, "viewer@example.org", 1).await;
    assert!(!show(&auth, &token).await.unwrap().into_inner().account_exists);
    let request = wire::AcceptInvitationRequest {
        token,
        display_name: "Back".to_owned(),
        password: "another password".to_owned(),
    };
    let done = client(&auth).accept_invitation(Request::new(request)).await.unwrap().into_inner();
    assert!(before.contains(&done.principal_id), "{before}");
    let signed = credentials("viewer@example.org", "another password", "");
    assert_eq!(
        auth.sessions().login(signed).await.unwrap().into_inner().me.unwrap().display_name,
        "Back"
    );
    let left = "select (select count(*) from platform.passkeys) \
        + (select count(*) from platform.recovery_codes)";
    assert_eq!(auth.db.sql(left).await, "0");
    // One that runs the platform is nobody's to take up.
    auth.clock.advance(Span::minutes(3));
    let owner = auth.access("owner@example.org", "").await;
    invite(&auth, &owner, "root@example.org", "viewer").await.unwrap();
    let token = newest(&mail, "root@example.org", 1).await;
    assert_eq!(code(accept(&auth, &token).await), Some(Code::AuthRequired));
    auth.finish().await;
}

#[tokio::test]
async fn link_is_void_after_seven_days_a_newer_mail_and_a_withdrawal() {
    let _log = logs::capture();
    let (auth, mail) = Auth::start_with_mail().await;
    let owner = auth.access("owner@example.org", "").await;
    let made = invite(&auth, &owner, NEW, "viewer").await.unwrap().into_inner();
    let id = made.invitation_id;
    let first = newest(&mail, NEW, 1).await;
    assert_eq!(code(resend(&auth, &owner, &id).await), Some(Code::AuthThrottled));
    auth.clock.advance(Span::minutes(2));
    let owner = auth.access("owner@example.org", "").await;
    resend(&auth, &owner, &id).await.unwrap();
    let letters = mail.await_to(NEW, 2).await;
    let second = letters.iter().map(link_token).find(|token| *token != first).unwrap();
    assert_eq!(code(show(&auth, &first).await), Some(Code::LinkInvalid));
    assert!(show(&auth, &second).await.is_ok());

    age(&auth, "6 days 23:59:59").await;
    assert!(show(&auth, &second).await.is_ok());
    age(&auth, "1 second").await;
    assert_eq!(code(accept(&auth, &second).await), Some(Code::LinkInvalid));
    assert_eq!(list(&auth, &owner).await[0].state(), InvitationState::Expired);
    // Inviting the address anew takes its place.
    let again = invite(&auth, &owner, NEW, "viewer").await.unwrap().into_inner();
    let third = newest(&mail, NEW, 3).await;
    for _twice in 0..2 {
        let gone = withdraw(&auth, &owner, &again.invitation_id).await.unwrap().into_inner();
        assert_eq!(gone.state(), InvitationState::Withdrawn);
    }
    assert_eq!(code(accept(&auth, &third).await), Some(Code::LinkInvalid));
    assert_eq!(
        code(resend(&auth, &owner, &again.invitation_id).await),
        Some(Code::ResourceNotFound)
    );
    auth.finish().await;
}

#[tokio::test]
async fn who_may_not_invite_any_more_leaves_no_link_to_come_back_by() {
    let _log = logs::capture();
    let (auth, mail) = Auth::start_with_mail().await;
    let owner = auth.access("owner@example.org", "").await;
    let promote = "update platform.memberships set role = 'owner' where principal_id in \
                   (select principal_id from platform.people where email = 'operator@example.org') \
                   returning principal_id";
    let rogue = auth.db.sql(promote).await.lines().next().unwrap().trim().to_owned();
    auth.told().await;
    let access = auth.access("operator@example.org", "").await;
    invite(&auth, &access, "back-door@example.org", "owner").await.unwrap();
    let token = newest(&mail, "back-door@example.org", 1).await;
    let request = wire::RemovePersonRequest { principal_id: rogue };
    auth.people().remove_person(bearer(request, &owner)).await.unwrap();
    assert_eq!(code(accept(&auth, &token).await), Some(Code::LinkInvalid));
    auth.finish().await;
}

#[tokio::test]
async fn invitations_of_another_tenant_are_not_there_and_a_closed_door_stays_closed() {
    let _log = logs::capture();
    let (auth, mail) = Auth::start_with_mail().await;
    let owner = auth.access("owner@example.org", "").await;
    let id = invite(&auth, &owner, NEW, "viewer").await.unwrap().into_inner().invitation_id;
    let bob = auth.access("bob@example.org", "").await;
    assert!(list(&auth, &bob).await.is_empty());
    for refused in [resend(&auth, &bob, &id).await, withdraw(&auth, &bob, &id).await] {
        assert_eq!(code(refused), Some(Code::ResourceNotFound));
    }
    let token = newest(&mail, NEW, 1).await;
    auth.db.sql("update platform.tenants set state = 'suspended' where slug = 'acme'").await;
    assert_eq!(code(show(&auth, &token).await), Some(Code::LinkInvalid));
    assert_eq!(code(accept(&auth, &token).await), Some(Code::LinkInvalid));
    auth.finish().await;
}

#[tokio::test]
async fn wishes_that_make_no_sense_are_refused_before_a_mail_is_written() {
    let _log = logs::capture();
    let (auth, mail) = Auth::start_with_mail().await;
    let owner = auth.access("owner@example.org", "").await;
    for (email, role, expected) in [
        ("new@example.org\r\nBcc: all@example.org", "viewer", Code::RequestInvalid),
        ("new", "viewer", Code::RequestInvalid),
        (NEW, "root", Code::RequestInvalid),
        (NEW, "", Code::RequestInvalid),
        ("viewer@example.org", "viewer", Code::ResourceExists),
    ] {
        assert_eq!(code(invite(&auth, &owner, email, role).await), Some(expected), "{email:?}");
    }
    for (email, expected) in [
        ("viewer@example.org", Code::AuthForbidden),
        ("operator@example.org", Code::AuthForbidden),
        ("root@example.org", Code::AuthTenantRequired),
    ] {
        let token = auth.access(email, "").await;
        assert_eq!(code(invite(&auth, &token, NEW, "viewer").await), Some(expected), "{email}");
    }
    invite(&auth, &owner, "ann@bücher.example", "viewer").await.unwrap();
    mail.await_to("ann@xn--bcher-kva.example", 1).await;
    let same = invite(&auth, &owner, "ANN@xn--bcher-kva.example", "viewer").await;
    assert_eq!(code(same), Some(Code::AuthThrottled));
    auth.clock.advance(Span::minutes(2));
    let owner = auth.access("owner@example.org", "").await;
    let open = invite(&auth, &owner, "ann@bücher.example", "viewer").await;
    assert_eq!(code(open), Some(Code::ResourceExists));
    auth.finish().await;
}

#[tokio::test]
async fn tenant_has_a_hundred_open_invitations_at_most_and_no_mail_flood() {
    let _log = logs::capture();
    let (auth, _mail) = Auth::start_with_mail().await;
    let owner = auth.access("owner@example.org", "").await;
    let fill = |count: usize| {
        format!(
            "insert into platform.invitations (id, tenant_id, email, role, token_hash, invited_by, \
             created_at, mailed_at, expires_at) select gen_random_uuid(), t.id, n || '@fill.test', \
             'viewer', sha256(n::text::bytea), p.principal_id, '2026-03-01', '2026-03-01', \
             '2026-03-08 00:00Z' from platform.tenants t, platform.people p, \
             generate_series(1, {count}) n where t.slug = 'acme' and p.email = 'owner@example.org'"
        )
    };
    auth.db.sql(&fill(99)).await;
    invite(&auth, &owner, "hundredth@example.org", "viewer").await.unwrap();
    let refused = invite(&auth, &owner, "one-more@example.org", "viewer").await;
    assert_eq!(code(refused), Some(Code::RateLimited));
    auth.db.sql("delete from platform.invitations").await;
    let mails = "insert into platform.mails (id, tenant_id, kind, created_at, expires_at, \
                 next_attempt_at, ended_at, outcome) select gen_random_uuid(), t.id, 'invitation', \
                 '2026-03-01 00:00Z', '2026-03-02', '2026-03-01', '2026-03-01', 'sent' \
                 from platform.tenants t, generate_series(1, 298) where t.slug = 'acme'";
    auth.db.sql(mails).await;
    // With the hundredth before it makes 300.
    invite(&auth, &owner, "last@example.org", "viewer").await.unwrap();
    let refused = invite(&auth, &owner, "too-many@example.org", "viewer").await;
    assert_eq!(code(refused), Some(Code::RateLimited));
    auth.finish().await;
}

#[tokio::test]
async fn req_lmu_56_nth_member_comes_in_and_the_next_only_once_there_is_room() {
    let _log = logs::capture();
    let (auth, mail) = Auth::start_with_mail().await;
    let owner = auth.access("owner@example.org", "").await;
    // Four are there, so one may come.
    auth.db.sql("update platform.tenants set limits = '{\"people\": 5}' where slug = 'acme'").await;
    let (mut links, others) = (Vec::new(), ["a@example.net", "b@example.net", "c@example.net"]);
    for email in others {
        invite(&auth, &owner, email, "viewer").await.unwrap();
        links.push(newest(&mail, email, 1).await);
    }
    invite(&auth, &owner, "bob@example.org", "viewer").await.unwrap();
    let bobs = newest(&mail, "bob@example.org", 1).await;
    let tries = futures::future::join_all(links.iter().map(|link| accept(&auth, link))).await;
    let codes: Vec<_> = tries.into_iter().map(code).collect();
    let refused = Some(Code::LimitReached);
    assert_eq!(codes.iter().filter(|code| **code == refused).count(), 2, "{codes:?}");
    assert_eq!(codes.iter().filter(|code| code.is_none()).count(), 1, "{codes:?}");
    let bob = auth.access("bob@example.org", "").await;
    assert_eq!(code(join(&auth, &bob, &bobs).await), refused);
    // Who was refused has no account yet, and a link that is good once somebody has left.
    let made = "select count(*) from platform.people where email like '%@example.net'";
    assert_eq!(auth.db.sql(made).await.trim(), "1");
    let gone = "delete from platform.memberships m using platform.people p \
                where p.principal_id = m.principal_id and p.email = 'viewer@example.org'";
    auth.db.sql(gone).await;
    assert_eq!(code(join(&auth, &bob, &bobs).await), None);
    auth.finish().await;
}

#[tokio::test]
async fn own_role_is_offered_by_those_who_hold_it_and_void_once_it_is_deleted() {
    let _log = logs::capture();
    let (auth, mail) = Auth::start_with_mail().await;
    let desk = Desk::of(&auth, "owner@example.org", "").await;
    desk.make_role("clerk", &["people.read", "people.manage"]).await.unwrap();
    desk.make_role("night", &["devices.read"]).await.unwrap();
    let promote = "update platform.memberships m set role = 'clerk' from platform.people p \
                   where p.principal_id = m.principal_id and p.email = 'operator@example.org'";
    auth.db.sql(promote).await;
    auth.told().await;
    let clerk = auth.access("operator@example.org", "").await;
    for beyond in ["owner", "viewer", "night"] {
        let refused = invite(&auth, &clerk, NEW, beyond).await;
        assert_eq!(code(refused), Some(Code::RightsBeyondOwn), "{beyond}");
    }
    for none in ["dawn", "Night", "night\0", "system-administrator"] {
        let refused = invite(&auth, &clerk, NEW, none).await;
        assert_eq!(code(refused), Some(Code::RequestInvalid), "{none:?}");
    }
    invite(&auth, &clerk, "other@example.org", "clerk").await.unwrap();
    for email in [NEW, "late@example.org"] {
        invite(&auth, &desk.token, email, "night").await.unwrap();
    }
    // Sending it again is offering it again.
    let open = list(&auth, &desk.token).await;
    let nights = open.iter().find(|invitation| invitation.email == NEW).unwrap();
    auth.clock.advance(Span::minutes(2));
    let clerk = auth.access("operator@example.org", "").await;
    let refused = resend(&auth, &clerk, &nights.invitation_id).await;
    assert_eq!(code(refused), Some(Code::RightsBeyondOwn));
    accept(&auth, &newest(&mail, NEW, 1).await).await.unwrap();
    let claims = auth.claims(&auth.access(NEW, "").await);
    assert_eq!(
        (claims.role.as_str(), claims.permissions),
        ("night", vec!["devices.read".to_owned()])
    );

    let late = newest(&mail, "late@example.org", 1).await;
    assert!(show(&auth, &late).await.is_ok());
    let move_on = "update platform.memberships set role = 'viewer' where role = 'night'";
    auth.db.sql(move_on).await;
    Desk::of(&auth, "owner@example.org", "").await.drop_role("night").await.unwrap();
    assert_eq!(code(show(&auth, &late).await), Some(Code::LinkInvalid));
    assert_eq!(code(accept(&auth, &late).await), Some(Code::LinkInvalid));
    auth.finish().await;
}
