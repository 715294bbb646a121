//! What comes back from a provider by way of the browser.

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;

use super::*;

#[tokio::test]
async fn every_wrong_answer_is_refused_and_has_no_second_try() {
    let party = Party::start().await;
    let other = create(&party.auth, &party.owner, party.provider.clone()).await.unwrap();
    type Change = fn(&mut CallbackAnswer, &str);
    let changes: [(&str, Change); 8] = [
        ("state", |a, _| a.state.push('x')),
        ("no state", |a, _| a.state.clear()),
        ("binding", |a, _| a.binding.push('x')),
        ("provider", |a, other| a.provider_id = other.to_owned()),
        ("no provider", |a, _| a.provider_id.clear()),
        ("iss", |a, _| a.iss = "https://evil.example".to_owned()),
        ("error", |a, _| a.error = "access_denied".to_owned()),
        ("code", |a, _| a.code.clear()),
    ];
    for (what, change) in changes {
        let good = party.begin().await;
        let mut bad = good.clone();
        change(&mut bad, &other.provider_id);
        assert_eq!(party.complete(bad.clone()).await, Err(Code::FederationRefused), "{what}");
        let again = party.complete(good.clone()).await;
        let untouched = bad.state != good.state || what == "no provider";
        assert_eq!(again.is_ok(), untouched, "{what}");
        if untouched {
            assert_eq!(party.complete(good).await, Err(Code::FederationRefused), "{what} replayed");
        }
    }
    let late = party.begin().await;
    party.auth.clock.advance(Duration::minutes(10));
    assert_eq!(party.complete(late).await, Err(Code::FederationRefused));
    party.say(|script| script.refuses = true);
    assert_eq!(party.sign_in().await, Err(Code::FederationRefused));
    party.auth.finish().await;
}

#[tokio::test]
async fn issuer_that_promises_its_name_has_to_say_it() {
    let party = Party::start().await;
    let promise = json!({"authorization_response_iss_parameter_supported": true});
    party.say(|script| script.document = promise);
    assert_eq!(party.sign_in().await, Err(Code::FederationRefused));
    let named = CallbackAnswer { iss: party.provider.issuer.clone(), ..party.begin().await };
    assert!(party.complete(named).await.is_ok());
    party.auth.finish().await;
}

#[tokio::test]
async fn provider_that_does_not_do_its_part_is_told_of() {
    let party = Party::start().await;
    party.log.expect("begin a sign-in");
    for document in [
        json!({"issuer": "https://evil.example"}),
        json!({"token_endpoint": "http://10.0.0.1/token"}),
        json!({"jwks_uri": "http://169.254.169.254/latest"}),
        json!({"authorization_endpoint": "javascript:alert(1)"}),
        json!({"token_endpoint": null}),
        json!({"padding": "x".repeat(300_000)}),
    ] {
        party.say(|script| script.document = document.clone());
        assert_eq!(party.try_begin().await, Some(Code::FederationProviderFailed), "{document}");
        // What failed is let alone for five seconds, and then asked again.
        party.say(|script| script.document = json!({}));
        party.auth.clock.advance(Duration::milliseconds(4_999));
        assert_eq!(party.try_begin().await, Some(Code::FederationProviderFailed));
        party.auth.clock.advance(Duration::milliseconds(1));
        assert_eq!(party.try_begin().await, None);
        party.auth.clock.advance(Duration::minutes(10));
    }
    party.auth.finish().await;
}

#[tokio::test]
async fn redirect_of_a_provider_is_not_followed() {
    let party = Party::start().await;
    party.log.expect("complete a sign-in");
    let moved = format!("{}/moved", party.provider.issuer);
    party.say(|script| script.document = json!({"jwks_uri": moved}));
    assert_eq!(party.sign_in().await, Err(Code::FederationProviderFailed));
    assert_eq!(party.script.lock().unwrap().key_reads, 0);
    party.auth.finish().await;
}

#[tokio::test]
async fn answer_is_worth_nothing_in_another_browser() {
    let party = Party::start().await;
    // Somebody else's answer, sent to a victim who has begun a sign-in of their own.
    let (own, theirs) = (party.begin().await, party.begin().await);
    let forced = CallbackAnswer { binding: own.binding.clone(), ..theirs.clone() };
    assert_eq!(party.complete(forced).await, Err(Code::FederationRefused));
    assert_eq!(party.complete(theirs).await, Err(Code::FederationRefused), "used up");
    let none = CallbackAnswer { binding: String::new(), ..own.clone() };
    assert_eq!(party.complete(none).await, Err(Code::FederationRefused));
    party.auth.finish().await;
}

#[tokio::test]
async fn answer_that_races_with_itself_signs_in_once() {
    let party = Party::start().await;
    let answer = party.begin().await;
    let four = (0..4).map(|_| party.complete(answer.clone()));
    let done = futures::future::join_all(four).await;
    assert_eq!(done.iter().filter(|one| one.is_ok()).count(), 1, "{done:?}");
    party.auth.finish().await;
}

#[tokio::test]
async fn slow_provider_keeps_five_waiting_and_no_more() {
    let party = Party::start().await;
    party.log.expect("complete a sign-in");
    let gate = Arc::new(Semaphore::new(0));
    party.say(|script| script.gate = Some(Arc::clone(&gate)));
    let mut answers = Vec::new();
    for code in ["a", "b", "c", "d", "e", "f"] {
        answers.push(party.begin_with(code).await);
    }
    let all = answers.into_iter().map(|answer| party.complete(answer));
    let mut all: FuturesUnordered<_> = all.collect();
    assert_eq!(all.next().await, Some(Err(Code::FederationProviderFailed)));
    gate.add_permits(1);
    let rest: Vec<_> = all.collect().await;
    assert!(rest.len() == 5 && rest.iter().all(Result::is_ok), "{rest:?}");
    party.auth.finish().await;
}
