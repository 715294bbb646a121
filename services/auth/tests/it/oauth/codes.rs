use reqwest::redirect::Policy;
use serde_json::json;
use time::Duration;
use yard_contracts::federation::v1::oauth_client_service_client::OauthClientServiceClient;
use yard_contracts::federation::v1::{
    CreateOauthClientRequest, DecideAuthorizationRequest, DescribeAuthorizationRequest,
    ListOauthClientsRequest,
};
use yard_contracts::identity::v1::{CreateApiTokenRequest, GetMeRequest};
use yard_fault::{Code, Fault};
use yard_testkit::logs;

use super::{ALL, BACK, Party, VERIFIER, parameter, post, query, register, said, token};
use crate::recovery::forgotten;
use crate::support::{Auth, ISSUER, bearer, code};

#[tokio::test]
async fn code_becomes_tokens_that_say_who_and_allow_what_was_granted() {
    let _log = logs::capture();
    let party = Party::start().await;
    let back = party.approve(&party.query(ALL)).await;
    assert!(back.as_str().starts_with("https://app.example/cb?code=yac_"), "{back}");
    assert_eq!(parameter(&back, "iss").as_deref(), Some(ISSUER));
    assert_eq!(parameter(&back, "state").as_deref(), Some("s t"));
    let answer = party.redeem(&parameter(&back, "code").unwrap()).await;
    let tokens = &answer.json;
    assert_eq!(answer.status, 200, "{tokens}");
    assert_eq!((&tokens["token_type"], &tokens["expires_in"]), (&json!("Bearer"), &json!(300)));
    assert!(tokens["refresh_token"].as_str().unwrap().starts_with("rt_"));

    let access = tokens["access_token"].as_str().unwrap();
    let claims = party.auth.claims(&party.auth.exchange(access).await.unwrap());
    assert_eq!(claims.permissions, ["devices.manage", "devices.read"]);
    assert_eq!(claims.client.unwrap().to_string(), party.client.client_id);
    assert_eq!(claims.tenant, Some(party.auth.tenant("acme").await));
    assert_eq!(claims.exp - claims.iat, 60);

    let id = said(tokens["id_token"].as_str().unwrap());
    assert_eq!((&id["iss"], &id["aud"]), (&json!(ISSUER), &json!(party.client.client_id)));
    assert_eq!((&id["nonce"], &id["email"]), (&json!("n-0S6"), &json!("owner@example.org")));
    assert_eq!(format!("person:{}", id["sub"].as_str().unwrap()), claims.sub);
    assert_eq!(id["auth_time"].as_i64(), claims.auth_time);

    let stored = "select f::text || c::text from platform.oauth_families f, platform.oauth_codes c";
    let stored = party.auth.db.sql(stored).await;
    let refresh = tokens["refresh_token"].as_str().unwrap();
    for secret in [refresh, refresh.split('_').nth(2).unwrap(), "yac_"] {
        assert!(!stored.contains(secret), "{stored}");
    }
    party.auth.finish().await;
}

#[tokio::test]
async fn user_info_says_what_the_scopes_allow() {
    let party = Party::start().await;
    let http =
        reqwest::Client::builder().timeout(std::time::Duration::from_secs(15)).build().unwrap();
    let url = party.auth.http("/oauth2/userinfo");
    let ask = |token: String| http.get(&url).bearer_auth(token).send();
    let access = |tokens: serde_json::Value| tokens["access_token"].as_str().unwrap().to_owned();
    let all = access(party.grant("openid profile email").await);
    let told: serde_json::Value = ask(all.clone()).await.unwrap().json().await.unwrap();
    assert_eq!((&told["name"], &told["email"]), (&json!("owner"), &json!("owner@example.org")));
    let bare = access(party.grant("openid").await);
    let told: serde_json::Value = ask(bare).await.unwrap().json().await.unwrap();
    assert_eq!(told.as_object().unwrap().len(), 1, "{told}");
    let nothing = access(party.grant("devices.read").await);
    for token in [nothing, "x".to_owned(), format!("{all}x"), party.person.clone()] {
        let refused = ask(token).await.unwrap();
        assert_eq!(refused.status(), 401);
        let challenge = refused.headers()["www-authenticate"].to_str().unwrap().to_owned();
        assert!(challenge.contains("invalid_token"), "{challenge}");
    }
    assert_eq!(http.get(&url).send().await.unwrap().status(), 401);
    party.auth.clock.advance(Duration::minutes(5));
    assert_eq!(ask(all).await.unwrap().status(), 401);
    party.auth.finish().await;
}

#[tokio::test]
async fn code_is_good_for_one_try_of_its_client() {
    let party = Party::start().await;
    let other = register(&party.auth, &party.person, &[]).await.client_id;
    for (field, value) in [
        ("client_id", other.as_str()),
        ("code_verifier", "wrong-wrong-wrong-wrong-wrong-wrong-wrong-wrong"),
        ("code_verifier", super::CHALLENGE),
        ("code_verifier", "short"),
        ("redirect_uri", "https://app.example/cb/"),
        ("redirect_uri", "http://127.0.0.1/cb"),
    ] {
        let code = party.code("openid").await;
        let mut form = party.redemption(&code);
        let place = form.iter_mut().find(|(name, _)| *name == field).unwrap();
        place.1 = value;
        let refused = token(&party.auth, &form).await;
        assert_eq!((refused.status, refused.error()), (400, "invalid_grant"), "{field}={value}");
        assert_eq!(party.redeem(&code).await.error(), "invalid_grant", "burnt by {field}={value}");
    }
    let late = party.code("openid").await;
    party.auth.clock.advance(Duration::seconds(59));
    let last = party.code("openid").await;
    party.auth.clock.advance(Duration::seconds(1));
    assert_eq!(party.redeem(&late).await.error(), "invalid_grant");
    assert_eq!(party.redeem(&last).await.status, 200);
    assert_eq!(party.redeem("yac_unknown").await.error(), "invalid_grant");
    party.auth.finish().await;
}

#[tokio::test]
async fn code_that_is_replayed_ends_what_came_of_it() {
    let party = Party::start().await;
    let code = party.code(ALL).await;
    let tokens = party.redeem(&code).await;
    let access = tokens.json["access_token"].as_str().unwrap().to_owned();
    assert!(party.auth.exchange(&access).await.is_ok());
    assert_eq!(party.redeem(&code).await.error(), "invalid_grant");
    assert_eq!(refusal(&party.auth, &access).await, Some(Code::AuthSessionExpired));
    assert_eq!(party.refresh(&tokens.refresh()).await.error(), "invalid_grant");
    party.auth.finish().await;
}

#[tokio::test]
async fn code_dies_with_the_browsers_session() {
    let party = Party::start().await;
    let code = party.code("openid").await;
    party.auth.db.sql("update platform.sessions set revoked_at = now()").await;
    assert_eq!(party.redeem(&code).await.error(), "invalid_grant");
    party.auth.finish().await;
}

#[tokio::test]
async fn grants_and_codes_end_with_a_new_password() {
    let _log = logs::capture();
    let (auth, mail) = Auth::start_with_mail().await;
    let party = Party::over(auth).await;
    let tokens = party.grant(ALL).await;
    let access = tokens["access_token"].as_str().unwrap();
    let code = party.code(ALL).await;
    forgotten(&party.auth, &mail, "owner@example.org").await;
    assert_eq!(refusal(&party.auth, access).await, Some(Code::AuthSessionExpired));
    let refresh = tokens["refresh_token"].as_str().unwrap();
    assert_eq!(party.refresh(refresh).await.error(), "invalid_grant");
    assert_eq!(party.redeem(&code).await.error(), "invalid_grant");
    party.auth.finish().await;
}

#[tokio::test]
async fn token_endpoint_tells_clients_what_is_wrong() {
    let party = Party::start().await;
    let client = party.client.client_id.as_str();
    let named = ("client_id", client);
    let code = [named, ("grant_type", "authorization_code"), ("code", "yac_x")];
    for (form, status, error) in [
        (vec![], 400, "invalid_request"),
        (vec![named], 400, "invalid_request"),
        (vec![named, ("grant_type", "password")], 400, "unsupported_grant_type"),
        (vec![named, ("grant_type", "client_credentials")], 400, "unsupported_grant_type"),
        (vec![("client_id", "x"), ("grant_type", "refresh_token")], 401, "invalid_client"),
        (vec![named, ("client_secret", "s")], 401, "invalid_client"),
        (vec![named, named], 400, "invalid_request"),
        (code.to_vec(), 400, "invalid_request"),
        (vec![named, ("grant_type", "refresh_token")], 400, "invalid_request"),
        (
            vec![named, ("grant_type", "refresh_token"), ("refresh_token", "rt_x")],
            400,
            "invalid_grant",
        ),
    ] {
        let refused = token(&party.auth, &form).await;
        assert_eq!((refused.status, refused.error()), (status, error), "{form:?}");
    }
    let http =
        reqwest::Client::builder().timeout(std::time::Duration::from_secs(15)).build().unwrap();
    let url = party.auth.http("/oauth2/token");
    let basic = http.post(&url).basic_auth(client, Some("s")).form(&code).send().await.unwrap();
    assert_eq!(basic.status(), 401);
    assert!(basic.headers()["www-authenticate"].to_str().unwrap().starts_with("Basic"));
    let json = http.post(&url).json(&json!({"client_id": client})).send().await.unwrap();
    assert_eq!(
        (json.status().as_u16(), &json.headers()["cache-control"]),
        (400, &"no-store".parse().unwrap())
    );
    let long = http.post(&url).form(&[("code", "x".repeat(20_000))]).send().await.unwrap();
    assert_eq!(long.status(), 413);
    assert_eq!(http.get(&url).send().await.unwrap().status(), 405);
    party.auth.finish().await;
}

#[tokio::test]
async fn authorization_goes_to_the_page_to_the_client_or_nowhere() {
    let party = Party::start().await;
    let http = reqwest::Client::builder().redirect(Policy::none()).build().unwrap();
    let client = party.client.client_id.as_str();
    let go = async |query: &str| {
        let url = party.auth.http(&format!("/oauth2/authorize?{query}"));
        let answer = http.get(url).send().await.unwrap();
        let to = answer.headers().get("location").map(|to| to.to_str().unwrap().parse().unwrap());
        (answer.status().as_u16(), to)
    };
    let asked = party.query(ALL);
    let (status, to): (_, Option<reqwest::Url>) = go(&asked).await;
    let to = to.unwrap();
    assert!(status == 303 && to.as_str().starts_with("https://yard.example/authorize?"), "{to}");
    assert_eq!(parameter(&to, "tenant").as_deref(), Some("acme"));
    assert_eq!(parameter(&to, "request"), Some(asked));
    let loopback = query(client, &[("redirect_uri", "http://127.0.0.1:51004/cb")]);
    assert_eq!(go(&loopback).await.0, 303);

    let (_, to) = go(&query(client, &[("scope", "tenant.manage")])).await;
    let to = to.unwrap();
    assert!(to.as_str().starts_with(BACK), "{to}");
    for (name, value) in [("error", "invalid_scope"), ("iss", ISSUER), ("state", "s t")] {
        assert_eq!(parameter(&to, name).as_deref(), Some(value));
    }
    let (_, to) = go(&query(client, &[("prompt", "none")])).await;
    assert_eq!(parameter(&to.unwrap(), "error").as_deref(), Some("interaction_required"));

    for query in [
        String::new(),
        query("x", &[]),
        query("0190a6f2-7c2a-7b52-9c11-0000000000ff", &[]),
        query(client, &[("redirect_uri", "https://evil.example/cb")]),
        query(client, &[("redirect_uri", "http://127.0.0.1:51004/other")]),
        format!("{}&client_id={client}", query(client, &[])),
    ] {
        let (status, to) = go(&query).await;
        assert_eq!((status, to), (400, None), "{query}");
    }
    party.auth.finish().await;
}

#[tokio::test]
async fn person_sees_and_grants_only_what_they_hold_and_may_refuse() {
    let party = Party::start().await;
    let viewer = party.auth.access("viewer@example.org", "acme").await;
    let ask = |query: String, who: &str| bearer(DescribeAuthorizationRequest { query }, who);
    let mut pages = party.authorizations();
    let described = pages.describe_authorization(ask(party.query(ALL), &viewer)).await;
    let described = described.unwrap().into_inner();
    assert_eq!(described.abilities, ["devices.read"]);
    assert!(described.consent_required && described.offline && described.profile);
    assert_eq!(described.client_name, "App");

    let refuse = DecideAuthorizationRequest { query: party.query(ALL), approve: false };
    let back = party.authorizations().decide_authorization(bearer(refuse, &viewer)).await.unwrap();
    let back: reqwest::Url = back.into_inner().redirect_to.parse().unwrap();
    assert_eq!(parameter(&back, "error").as_deref(), Some("access_denied"));
    assert_eq!(parameter(&back, "code"), None);

    let bob = party.auth.access("bob@example.org", "byte").await;
    let described = pages.describe_authorization(ask(party.query(ALL), &bob)).await;
    assert_eq!(code(described), Some(Code::ResourceNotFound));
    let grant = |who: &str| {
        bearer(DecideAuthorizationRequest { query: party.query(ALL), approve: true }, who)
    };
    let decided = party.authorizations().decide_authorization(grant(&bob)).await;
    assert_eq!(code(decided), Some(Code::ResourceNotFound));
    // Neither an API token nor a client may let a client in.
    let wish = CreateApiTokenRequest {
        name: "x".to_owned(),
        abilities: vec!["devices.read".to_owned()],
        expires_in_days: 1,
    };
    let made = party.auth.tokens().create_api_token(bearer(wish.clone(), &party.person)).await;
    let api_token = party.auth.exchange(&made.unwrap().into_inner().secret).await.unwrap();
    let access = party.grant(ALL).await["access_token"].as_str().unwrap().to_owned();
    let client = party.auth.exchange(&access).await.unwrap();
    for program in [&api_token, &client] {
        let decided = party.authorizations().decide_authorization(grant(program)).await;
        assert_eq!(code(decided), Some(Code::AuthSessionRequired));
        let made = party.auth.tokens().create_api_token(bearer(wish.clone(), program)).await;
        assert_eq!(code(made), Some(Code::AuthSessionRequired));
        assert!(party.auth.sessions().get_me(bearer(GetMeRequest {}, program)).await.is_ok());
    }
    party.auth.finish().await;
}

#[tokio::test]
async fn client_may_want_a_new_proof_of_who_it_is() {
    let party = Party::start().await;
    party.auth.clock.advance(Duration::seconds(30));
    let decide = async |given: (&str, &str)| {
        let query = query(&party.client.client_id, &[given]);
        let request = bearer(DecideAuthorizationRequest { query, approve: true }, &party.person);
        party.authorizations().decide_authorization(request).await
    };
    assert!(decide(("max_age", "30")).await.is_ok());
    assert!(decide(("prompt", "login")).await.is_ok());
    let refused = decide(("max_age", "29")).await.unwrap_err();
    let fault = Fault::from_status(&refused);
    assert_eq!((fault.code(), fault.max_auth_age()), (Code::AuthStepUpRequired, Some(29)));
    party.auth.finish().await;
}

#[tokio::test]
async fn tokens_of_one_kind_are_not_taken_for_another() {
    let party = Party::start().await;
    let follower = party.auth.follower().await;
    let tokens = party.grant(ALL).await;
    let (access, id) = (&tokens["access_token"], tokens["id_token"].as_str().unwrap());
    let access = access.as_str().unwrap();
    for outside in [access, id] {
        assert!(follower.verify(outside).is_err(), "a service takes {outside}");
    }
    for inside in [id, party.person.as_str(), &format!("{access}x"), "eyJ", "eyJ.eyJ.x"] {
        assert_eq!(refusal(&party.auth, inside).await, Some(Code::AuthTokenInvalid), "{inside}");
    }
    party.auth.finish().await;
}

#[tokio::test]
async fn clients_are_registered_within_bounds_and_seen_by_their_tenant() {
    let party = Party::start().await;
    let mut clients = OauthClientServiceClient::new(party.auth.channel());
    let good = CreateOauthClientRequest {
        name: "x".repeat(100),
        redirect_uris: vec![BACK.to_owned(); 16],
        abilities: Vec::new(),
        first_party: true,
    };
    let bad = |change: fn(&mut CreateOauthClientRequest)| {
        let mut request = good.clone();
        change(&mut request);
        request
    };
    for (request, pointer) in [
        (bad(|r| r.name.clear()), "/name"),
        (bad(|r| r.name.push('x')), "/name"),
        (bad(|r| r.redirect_uris.clear()), "/redirect_uris"),
        (bad(|r| r.redirect_uris.push(BACK.to_owned())), "/redirect_uris"),
        (bad(|r| r.redirect_uris.push("http://localhost/cb".to_owned())), "/redirect_uris"),
        (bad(|r| r.abilities.push("keys.manage".to_owned())), "/abilities"),
        (bad(|r| r.abilities.push("openid".to_owned())), "/abilities"),
    ] {
        let refused = clients.create_oauth_client(bearer(request, &party.person)).await;
        assert_eq!(Fault::from_status(&refused.unwrap_err()).pointer(), Some(pointer));
    }
    assert!(clients.create_oauth_client(bearer(good, &party.person)).await.is_ok());
    let bob = party.auth.access("bob@example.org", "byte").await;
    let mut list = async |who: &str| {
        let request = bearer(ListOauthClientsRequest::default(), who);
        clients.list_oauth_clients(request).await.unwrap().into_inner().clients.len()
    };
    assert_eq!((list(&party.person).await, list(&bob).await), (2, 0));
    party.auth.finish().await;
}

#[tokio::test]
async fn without_an_address_there_is_no_issuer() {
    let auth = Auth::start_with(|config| config.issuer.public_url = String::new()).await;
    for path in ["/.well-known/openid-configuration", "/oauth2/authorize?client_id=x"] {
        assert_eq!(reqwest::get(auth.http(path)).await.unwrap().status(), 404, "{path}");
    }
    for path in ["/oauth2/token", "/oauth2/revoke"] {
        let form = [("client_id", VERIFIER)];
        assert_eq!(post(&auth, path, &form).await.status, 404, "{path}");
    }
    auth.finish().await;
}

async fn refusal(auth: &Auth, token: &str) -> Option<Code> {
    auth.exchange(token).await.err().map(|status| Fault::from_status(&status).code())
}
