//! A forgotten password: the same answer for everybody, one use, and no way to harm the owner.

use std::time::Duration;

use time::Duration as Span;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};
use yard_authn::TokenError;
use yard_contracts::identity::v1 as wire;
use yard_contracts::identity::v1::profile_service_client::ProfileServiceClient;
use yard_contracts::identity::v1::recovery_service_client::RecoveryServiceClient;
use yard_fault::Code;
use yard_testkit::{TestMail, eventually, link_token, logs};

use crate::factor_support::{Person, complete};
use crate::support::{Auth, PASSWORD, bearer, code, credentials};

const SOON: Duration = Duration::from_secs(30);
const VIEWER: &str = "viewer@example.org";
const NEW_PASSWORD: &str = "a better password";

fn client(auth: &Auth) -> RecoveryServiceClient<Channel> {
    RecoveryServiceClient::new(auth.channel())
}

pub(crate) async fn ask(
    auth: &Auth,
    email: &str,
) -> Result<Response<wire::RequestPasswordResetResponse>, Status> {
    let request = wire::RequestPasswordResetRequest { email: email.to_owned() };
    client(auth).request_password_reset(Request::new(request)).await
}

pub(crate) async fn reset(
    auth: &Auth,
    token: &str,
    password: &str,
) -> Result<Response<wire::ResetPasswordResponse>, Status> {
    let (token, password) = (token.to_owned(), password.to_owned());
    let request = wire::ResetPasswordRequest { token, password };
    client(auth).reset_password(Request::new(request)).await
}

/// Waits until nobody's wish is left.
async fn settled(auth: &Auth) {
    eventually(SOON, || async {
        auth.db.sql("select count(*) from platform.reset_wishes").await.trim() == "0"
    })
    .await;
}

async fn tokens(mail: &TestMail, email: &str, count: usize) -> Vec<String> {
    mail.await_to(email, count).await.iter().map(link_token).collect()
}

/// The link of the nth mail for a new password, counted from 0.
pub(crate) async fn reset_link(mail: &TestMail, email: &str, nth: usize) -> String {
    eventually(SOON, || async {
        let mut letters = mail.to(email);
        letters.retain(|letter| letter.text().contains("/password-reset"));
        letters.sort_by_key(|letter| letter.header("Message-ID"));
        letters.get(nth).map(link_token)
    })
    .await
}

/// Sets a new password as somebody does who has forgotten theirs.
pub(crate) async fn forgotten(auth: &Auth, mail: &TestMail, email: &str) {
    ask(auth, email).await.unwrap();
    let token = tokens(mail, email, 1).await.remove(0);
    reset(auth, &token, NEW_PASSWORD).await.unwrap();
}

#[tokio::test]
async fn new_password_opens_the_account_and_ends_every_session_of_it() {
    let _log = logs::capture();
    let (auth, mail) = Auth::start_with_mail().await;
    let session = auth.session(VIEWER, "").await;
    let other = auth.session("owner@example.org", "").await;
    ask(&auth, " Viewer@Example.ORG ").await.unwrap();
    let token = tokens(&mail, VIEWER, 1).await.remove(0);
    assert_eq!(code(reset(&auth, &token, "too short").await), Some(Code::RequestInvalid));
    reset(&auth, &token, NEW_PASSWORD).await.unwrap();
    assert!(auth.exchange(&session).await.is_err());
    assert!(auth.exchange(&other).await.is_ok());
    let old = auth.sessions().login(credentials(VIEWER, PASSWORD, "")).await;
    assert_eq!(code(old), Some(Code::AuthInvalidCredentials));
    auth.sessions().login(credentials(VIEWER, NEW_PASSWORD, "")).await.unwrap();
    assert_eq!(code(reset(&auth, &token, PASSWORD).await), Some(Code::LinkInvalid));
    // The owner is told, by a mail without a link.
    let letters = mail.await_to(VIEWER, 2).await;
    assert!(letters[1].text().contains("was changed"), "{}", letters[1].text());
    assert!(!letters[1].text().contains('#') || !letters[1].text().contains("yard.test/"));
    auth.finish().await;
}

#[tokio::test]
async fn answer_and_work_are_the_same_whether_or_not_there_is_an_account() {
    let _log = logs::capture();
    let (auth, mail) = Auth::start_with_mail().await;
    let disabled = "update platform.principals set disabled_at = now() where id in \
                    (select principal_id from platform.people where email = 'operator@example.org')";
    auth.db.sql(disabled).await;
    for email in [VIEWER, "nobody@example.org", "operator@example.org"] {
        let answer = ask(&auth, email).await.unwrap();
        assert_eq!(answer.into_inner(), wire::RequestPasswordResetResponse {}, "{email}");
    }
    settled(&auth).await;
    mail.await_to(VIEWER, 1).await;
    for nobody in ["nobody@example.org", "operator@example.org"] {
        assert!(mail.to(nobody).is_empty(), "{nobody}");
    }
    assert_eq!(auth.db.sql("select count(*) from platform.person_links").await.trim(), "1");
    // What was typed is nowhere to be read.
    let written =
        "select count(*) from platform.audit_events e where to_jsonb(e)::text like '%nobody@%'";
    assert_eq!(auth.db.sql(written).await.trim(), "0");
    for odd in ["", "nobody", "a@b\r\nBcc: c@d"] {
        assert_eq!(code(ask(&auth, odd).await), Some(Code::RequestInvalid), "{odd:?}");
    }
    auth.finish().await;
}

#[tokio::test]
async fn wish_is_sealed_while_it_waits() {
    let _log = logs::capture();
    let (auth, _mail) = Auth::start_with_mail().await;
    // Kept from being looked at: the table's rows are somebody else's for a while.
    let insert = "create table public.seen (wish text); \
                  create function public.see() returns trigger language plpgsql security definer as \
                  $$ begin insert into public.seen values (to_jsonb(new)::text); return new; end $$; \
                  create trigger see after insert on platform.reset_wishes \
                  for each row execute function public.see()";
    auth.db.sql(insert).await;
    ask(&auth, "someone@example.org").await.unwrap();
    let seen = auth.db.sql("select wish from public.seen").await;
    assert!(seen.contains("sealed_email") && !seen.contains("someone"), "{seen}");
    let hex: String = "someone".bytes().map(|byte| format!("{byte:02x}")).collect();
    assert!(!seen.contains(&hex), "{seen}");
    settled(&auth).await;
    auth.finish().await;
}

#[tokio::test]
async fn asking_again_and_again_neither_floods_the_owner_nor_keeps_them_out() {
    let _log = logs::capture();
    let (auth, mail) = Auth::start_with_mail().await;
    for _ in 0..20 {
        ask(&auth, VIEWER).await.unwrap();
    }
    settled(&auth).await;
    let first = tokens(&mail, VIEWER, 1).await.remove(0);
    auth.clock.advance(Span::minutes(2));
    for _ in 0..20 {
        ask(&auth, VIEWER).await.unwrap();
    }
    settled(&auth).await;
    mail.await_to(VIEWER, 2).await;
    // Two at once, and no third while both are good.
    auth.clock.advance(Span::minutes(10));
    for _ in 0..20 {
        ask(&auth, VIEWER).await.unwrap();
    }
    settled(&auth).await;
    let sent = "select count(*) from platform.mails where kind = 'password-reset'";
    assert_eq!(auth.db.sql(sent).await.trim(), "2");
    // What an attacker asked for is good for the owner.
    reset(&auth, &first, NEW_PASSWORD).await.unwrap();
    auth.sessions().login(credentials(VIEWER, NEW_PASSWORD, "")).await.unwrap();
    auth.finish().await;
}

#[tokio::test]
async fn link_is_void_after_half_an_hour_a_use_of_its_twin_and_a_changed_address() {
    let _log = logs::capture();
    let (auth, mail) = Auth::start_with_mail().await;
    ask(&auth, VIEWER).await.unwrap();
    let first = tokens(&mail, VIEWER, 1).await.remove(0);
    auth.clock.advance(Span::minutes(30) - Span::seconds(1));
    ask(&auth, VIEWER).await.unwrap();
    let both = tokens(&mail, VIEWER, 2).await;
    let second = both.into_iter().find(|token| *token != first).unwrap();
    auth.clock.advance(Span::seconds(1));
    assert_eq!(code(reset(&auth, &first, NEW_PASSWORD).await), Some(Code::LinkInvalid));
    auth.clock.advance(Span::minutes(2));
    ask(&auth, VIEWER).await.unwrap();
    let third = tokens(&mail, VIEWER, 3).await.pop().unwrap();
    let (one, two) = tokio::join!(
        reset(&auth, &second, NEW_PASSWORD),
        reset(&auth, &third, "yet another password"),
    );
    let mut codes = [code(one), code(two)];
    codes.sort_by_key(Option::is_some);
    assert_eq!(codes, [None, Some(Code::LinkInvalid)]);

    ask(&auth, "owner@example.org").await.unwrap();
    let token = tokens(&mail, "owner@example.org", 1).await.remove(0);
    let moved =
        "update platform.people set email = 'moved@example.org' where email = 'owner@example.org'";
    auth.db.sql(moved).await;
    assert_eq!(code(reset(&auth, &token, NEW_PASSWORD).await), Some(Code::LinkInvalid));
    for unknown in ["", "x", &"A".repeat(43)] {
        assert_eq!(code(reset(&auth, unknown, NEW_PASSWORD).await), Some(Code::LinkInvalid));
    }
    auth.finish().await;
}

#[tokio::test]
async fn resets_that_succeed_and_that_fail_are_in_the_trail_with_the_person_and_no_link() {
    let _log = logs::capture();
    let (auth, mail) = Auth::start_with_mail().await;
    ask(&auth, VIEWER).await.unwrap();
    let token = tokens(&mail, VIEWER, 1).await.remove(0);
    reset(&auth, &token, NEW_PASSWORD).await.unwrap();
    assert_eq!(code(reset(&auth, &token, NEW_PASSWORD).await), Some(Code::LinkInvalid));
    let query = "select e.outcome from platform.audit_events e, platform.people p \
                 where e.action like '%ResetPassword' and e.subject_id = p.principal_id::text \
                 and p.email = 'viewer@example.org' order by e.sequence";
    eventually(SOON, || async {
        let found = auth.db.sql(query).await;
        let found: Vec<_> = found.split_whitespace().map(str::to_owned).collect();
        if found == ["ok", "link.invalid"] { Ok(()) } else { Err(found) }
    })
    .await;
    let leaks = format!(
        "select count(*) from platform.audit_events e where to_jsonb(e)::text like '%{token}%'"
    );
    assert_eq!(auth.db.sql(&leaks).await.trim(), "0");
    auth.finish().await;
}

#[tokio::test]
async fn new_password_ends_what_was_begun_with_the_old_one_and_leaves_second_factors() {
    let _log = logs::capture();
    let (auth, mail) = Auth::start_with_mail().await;
    let viewer = Person::enrolled(&auth, VIEWER, "").await;
    let follower = auth.follower().await;
    let access = auth.exchange(&viewer.session).await.unwrap();
    assert!(follower.verify(&access).is_ok());
    let waiting = viewer.challenge(&auth, "").await;
    forgotten(&auth, &mail, VIEWER).await;
    assert!(auth.exchange(&viewer.session).await.is_err());
    eventually(SOON, || async { matches!(follower.verify(&access), Err(TokenError::Revoked)) })
        .await;
    let late = complete(&auth, &waiting, &viewer.code(&auth), "").await;
    assert_eq!(code(late), Some(Code::AuthChallengeExpired));
    // Whoever reads the mail has still no second factor.
    let answer = auth.sessions().login(credentials(VIEWER, NEW_PASSWORD, "")).await.unwrap();
    let challenge = answer.into_inner().challenge.unwrap();
    complete(&auth, &challenge, &viewer.code(&auth), "").await.unwrap();
    auth.finish().await;
}

#[tokio::test]
async fn new_password_voids_a_change_of_address_that_is_under_way() {
    let _log = logs::capture();
    let (auth, mail) = Auth::start_with_mail().await;
    let thief = auth.access(VIEWER, "").await;
    let request = wire::RequestEmailChangeRequest { email: "thief@example.net".to_owned() };
    let mut profiles = ProfileServiceClient::new(auth.channel());
    profiles.request_email_change(bearer(request, &thief)).await.unwrap();
    let link = tokens(&mail, "thief@example.net", 1).await.remove(0);
    ask(&auth, VIEWER).await.unwrap();
    // The first mail tells of the change.
    let letters = mail.await_to(VIEWER, 2).await;
    let resets = letters.iter().filter(|letter| letter.text().contains("/password-reset"));
    let token = resets.map(link_token).next().unwrap();
    reset(&auth, &token, NEW_PASSWORD).await.unwrap();
    let confirm = wire::ConfirmEmailChangeRequest { token: link };
    let refused = client(&auth).confirm_email_change(Request::new(confirm)).await;
    assert_eq!(code(refused), Some(Code::LinkInvalid));
    auth.finish().await;
}
