//! What many requests and many who confirm at once come to, and when it is over.

use futures::future::join_all;
use time::Duration as Span;
use tonic::{Request, Response, Status};
use yard_authn::audit::CLIENT_ADDRESS;
use yard_contracts::tenancy::v1 as wire;
use yard_contracts::tenancy::v1::RegistrationState;
use yard_fault::{Code, Fault};
use yard_runtime::Secret;
use yard_testkit::{TestMail, eventually, logs};

use super::{
    NEW, SOON, VIEWER, answered, ask, claim, client, confirm, confirm_as, count, link, open,
    open_with, show, until, wish,
};
use crate::support::{Auth, code, plain_smtp};
use crate::throttle::unused_port;

async fn ask_from(
    auth: &Auth,
    address: &str,
    email: &str,
) -> Result<Response<wire::RegisterResponse>, Status> {
    let mut request = Request::new(wish(email, "acme"));
    request.metadata_mut().insert(CLIENT_ADDRESS, address.parse().unwrap());
    client(auth).register(request).await
}

#[tokio::test]
async fn link_takes_ten_tries_and_wrong_ones_cost_nothing() {
    let _log = logs::capture();
    let (auth, mail) = open().await;
    let token = link(&auth, &mail, NEW, "acme", 1).await;
    // What is refused for its form is no try.
    let short = wire::ConfirmRegistrationRequest {
        token: token.clone(),
        password: "too short".to_owned(),
        tenant_slug: String::new(),
    };
    let refused = client(&auth).confirm_registration(Request::new(short)).await;
    assert_eq!(code(refused), Some(Code::RequestInvalid));
    // Of many at once as many are looked at.
    let tries = join_all((0..12).map(|_turn| confirm_as(&auth, &token, "byte"))).await;
    let codes: Vec<_> = tries.into_iter().map(code).collect();
    let count = |wanted: Code| codes.iter().filter(|code| **code == Some(wanted)).count();
    assert_eq!((count(Code::ResourceExists), count(Code::AuthThrottled)), (10, 2), "{codes:?}");
    let refused = code(confirm_as(&auth, &token, "free-one").await);
    assert_eq!(refused, Some(Code::AuthThrottled));
    for odd in ["", "x", &"A".repeat(43)] {
        assert_eq!(code(confirm(&auth, odd).await), Some(Code::LinkInvalid), "{odd}");
        assert_eq!(code(show(&auth, odd).await), Some(Code::LinkInvalid), "{odd}");
    }
    auth.finish().await;
}

#[tokio::test]
async fn racing_confirmations_make_one_tenant() {
    let _log = logs::capture();
    let (auth, mail) = open().await;
    let tenants: u32 = count(&auth, "tenants").await.parse().unwrap();
    // One link, many times; each asks for a slug of its own.
    let token = link(&auth, &mail, NEW, "new-water", 1).await;
    let slugs: Vec<_> = (0..4).map(|turn| format!("new-water-{turn}")).collect();
    let tries = join_all(slugs.iter().map(|slug| confirm_as(&auth, &token, slug))).await;
    let codes: Vec<_> = tries.into_iter().map(code).collect();
    assert_eq!(codes.iter().filter(|code| code.is_none()).count(), 1, "{codes:?}");
    let late = [None, Some(Code::LinkInvalid), Some(Code::AuthRequired)];
    assert!(codes.iter().all(|code| late.contains(code)), "{codes:?}");
    assert_eq!(count(&auth, "tenants").await, (tenants + 1).to_string());
    assert_eq!(count(&auth, "memberships where role = 'owner'").await, "3");
    // Two links of two people, one slug.
    let one = link(&auth, &mail, "one@example.org", "same", 1).await;
    let two = link(&auth, &mail, "two@example.org", "same", 1).await;
    let (first, second) = tokio::join!(confirm(&auth, &one), confirm(&auth, &two));
    let codes = [code(first), code(second)];
    assert!(codes.contains(&None) && codes.contains(&Some(Code::ResourceExists)), "{codes:?}");
    auth.finish().await;
}

#[tokio::test]
async fn address_gets_two_links_a_day_two_minutes_apart_and_both_are_good() {
    let _log = logs::capture();
    let (auth, mail) = open().await;
    let first = link(&auth, &mail, NEW, "first", 1).await;
    auth.clock.advance(Span::seconds(119));
    ask(&auth, NEW, "too-soon").await.unwrap();
    answered(&auth).await;
    assert_eq!(mail.to(NEW).len(), 1);
    auth.clock.advance(Span::seconds(1));
    let second = link(&auth, &mail, NEW, "second", 2).await;
    auth.clock.advance(Span::minutes(10));
    ask(&auth, NEW, "third").await.unwrap();
    // Somebody else is answered, so that one was looked at.
    link(&auth, &mail, "else@example.org", "else", 1).await;
    answered(&auth).await;
    assert_eq!(mail.to(NEW).len(), 2);
    for token in [&first, &second] {
        show(&auth, token).await.unwrap();
    }
    // A day after the first there is room for one more.
    auth.clock.advance(Span::days(1) - Span::minutes(12) - Span::seconds(1));
    ask(&auth, NEW, "third").await.unwrap();
    answered(&auth).await;
    assert_eq!(mail.to(NEW).len(), 2);
    auth.clock.advance(Span::seconds(1));
    link(&auth, &mail, NEW, "third", 3).await;
    assert_eq!(code(show(&auth, &first).await), Some(Code::LinkInvalid), "its day is over");
    assert_eq!(code(confirm(&auth, &first).await), Some(Code::LinkInvalid));
    show(&auth, &second).await.unwrap();
    auth.finish().await;
}

#[tokio::test]
async fn installation_is_held_to_its_requests_and_its_tenants_a_day() {
    let _log = logs::capture();
    let (auth, mail) = open_with(|rules| {
        rules.asked_per_day = 3;
        rules.made_per_day = 2;
    })
    .await;
    let mut tokens = Vec::new();
    for turn in 0..3 {
        let email = format!("person-{turn}@example.org");
        tokens.push(link(&auth, &mail, &email, &format!("tenant-{turn}"), 1).await);
    }
    assert_eq!(code(ask(&auth, NEW, "one-more").await), Some(Code::RateLimited));
    // Of three at once two are made, and the third's link stays good.
    let codes: Vec<_> = join_all(tokens.iter().map(|token| confirm(&auth, token)))
        .await
        .into_iter()
        .map(code)
        .collect();
    assert_eq!(codes.iter().filter(|code| code.is_none()).count(), 2, "{codes:?}");
    let refused = codes.iter().position(|code| *code == Some(Code::RateLimited)).unwrap();
    let shown = show(&auth, &tokens[refused]).await.unwrap().into_inner();
    assert_eq!(shown.state(), RegistrationState::Requested);
    auth.clock.advance(Span::days(1));
    link(&auth, &mail, NEW, "one-more", 1).await;
    auth.finish().await;
}

#[tokio::test]
async fn waiting_for_a_day_with_room_costs_a_link_no_try() {
    let _log = logs::capture();
    let (auth, mail) = open_with(|rules| rules.made_per_day = 1).await;
    let first = link(&auth, &mail, "first@example.org", "first", 1).await;
    confirm(&auth, &first).await.unwrap();
    auth.clock.advance(Span::hours(12));
    let token = link(&auth, &mail, NEW, "new-water", 1).await;
    for turn in 0..11 {
        assert_eq!(code(confirm(&auth, &token).await), Some(Code::RateLimited), "{turn}");
    }
    let viewers = link(&auth, &mail, VIEWER, "viewers-own", 1).await;
    let viewer = auth.access(VIEWER, "").await;
    for turn in 0..11 {
        let refused = code(claim(&auth, &viewer, &viewers).await);
        assert_eq!(refused, Some(Code::RateLimited), "{turn}");
    }
    let tried = count(&auth, "registrations where tries > 0").await;
    assert_eq!(tried, "0");
    auth.clock.advance(Span::hours(12));
    confirm(&auth, &token).await.unwrap();
    auth.finish().await;
}

#[tokio::test]
async fn network_is_held_to_its_requests_and_no_other_with_it() {
    let _log = logs::capture();
    let (auth, _mail) = open().await;
    // Whatever it asks for: who has an account and what is taken make no difference.
    for (turn, email) in [NEW, VIEWER, "nobody@example.org"].into_iter().enumerate() {
        let address = format!("2001:db8::{turn}");
        assert_eq!(code(ask_from(&auth, &address, email).await), None, "{email}");
    }
    for email in [NEW, VIEWER, "more@example.org"] {
        let refused = ask_from(&auth, "2001:db8::ffff", email).await.unwrap_err();
        let fault = Fault::from_status(&refused);
        assert_eq!(fault.code(), Code::RateLimited, "{email}");
        // A third of a day, less what the test took.
        let wait = fault.retry_after().unwrap();
        assert!((28_000..=28_801).contains(&wait), "{wait}");
    }
    // What is refused for its form is not counted, and neither is another's network.
    for _turn in 0..4 {
        let odd = ask_from(&auth, "2001:db8:0:1::1", "nobody").await;
        assert_eq!(code(odd), Some(Code::RequestInvalid));
    }
    assert_eq!(code(ask_from(&auth, "2001:db8:0:1::1", NEW).await), None);
    assert_eq!(code(ask_from(&auth, "192.0.2.1", NEW).await), None);
    auth.finish().await;
}

#[tokio::test]
async fn network_has_its_requests_back_one_by_one_also_without_redis() {
    let log = logs::capture();
    log.expect("login limits are not available");
    let nowhere = unused_port();
    let mail = TestMail::start().await;
    let url = plain_smtp(&mail);
    let auth = Auth::start_with(|config| {
        config.redis.url = Secret::new(format!("redis://127.0.0.1:{nowhere}/0"));
        config.mail.smtp_url = url;
        config.registration.open = true;
    })
    .await;
    let ask = async || code(ask_from(&auth, "192.0.2.1", NEW).await);
    for _turn in 0..3 {
        assert_eq!(ask().await, None);
    }
    auth.clock.advance(Span::hours(8) - Span::microseconds(1));
    assert_eq!(ask().await, Some(Code::RateLimited));
    auth.clock.advance(Span::microseconds(1));
    assert_eq!(ask().await, None);
    assert_eq!(ask().await, Some(Code::RateLimited));
    auth.finish().await;
}

#[tokio::test]
async fn request_is_forgotten_when_its_link_ends_and_a_tenant_is_shown_for_a_day() {
    let log = logs::capture();
    // The clock is set ahead of what the feed last signed.
    log.expect("key set was refused");
    let (auth, mail) = open().await;
    let made = link(&auth, &mail, NEW, "new-water", 1).await;
    confirm(&auth, &made).await.unwrap();
    until(&auth, &made, RegistrationState::Ready).await;
    let asked = link(&auth, &mail, "idle@example.org", "idle", 1).await;
    auth.clock.advance(Span::days(1) - Span::seconds(1));
    for token in [&made, &asked] {
        show(&auth, token).await.unwrap();
    }
    let url = plain_smtp(&mail);
    auth.clock.advance(Span::seconds(1));
    let auth = auth.restart_told(async |_| {}, |config| config.mail.smtp_url = url).await.unwrap();
    for token in [&made, &asked] {
        assert_eq!(code(show(&auth, token).await), Some(Code::LinkInvalid));
    }
    eventually(SOON, || async { count(&auth, "registrations").await == "0" }).await;
    assert_eq!(count(&auth, "tenants where slug = 'new-water' and state = 'ready'").await, "1");
    auth.finish().await;
}
