//! The unmodified oidc-provider of npm as a tenant's identity provider, through the public door.

use serde_json::{Value, json};
use yard_e2e::client::{Answer, Client};
use yard_e2e::platform::{PASSWORD, Platform};

use crate::openid::{Script, installed};

const BEGIN: &str = "/api/v1/sign-in/federated";
const COMPLETE: &str = "/api/v1/sign-in/federated/completion";
const PROVIDERS: &str = "/api/v1/identity-providers";

/// A provider, and tenant a that trusts it.
struct Party {
    script: Script,
    provider_id: String,
}

impl Party {
    async fn start((algorithm, role): (&str, &str), owner: &Client) -> Self {
        let mut script = Script::start("provider.mjs", &[algorithm]);
        let issuer = script.says("issuer").await["issuer"].clone();
        let wish = json!({
            "name": algorithm, "issuer": issuer, "client_id": "switch:yard",
            "client_secret": "a secret with / : + and %",
            "scopes": ["email", "profile", "groups"],
            "groups_claim": "groups",
            "role_rules": [{"group": "bosses", "role": "owner"}, {"group": "crew", "role": role}],
            "email_domains": ["idp.test"], "create_people": true,
        });
        let made = owner.expect("POST", PROVIDERS, Some(&wish)).await.unwrap();
        assert!(!made.to_string().contains("a secret"), "{made}");
        script.tell(made["redirect_uri"].as_str().unwrap()).await;
        script.says("ready").await;
        Self { script, provider_id: made["provider_id"].as_str().unwrap().to_owned() }
    }

    async fn answer(&mut self, nobody: &Client) -> Value {
        self.answer_to(nobody, false).await
    }

    /// What the page sends at the end, after the provider sent the browser back.
    async fn answer_to(&mut self, nobody: &Client, anew: bool) -> Value {
        let wish = json!({"provider_id": self.provider_id, "anew": anew});
        let begun = nobody.expect("POST", BEGIN, Some(&wish)).await.unwrap();
        self.script.tell(begun["authorization_url"].as_str().unwrap()).await;
        let back = self.script.says("sent back").await;
        let back: reqwest::Url = back["url"].as_str().unwrap().parse().expect("an address");
        assert!(back.path().ends_with(&format!("/sign-in/callback/{}", self.provider_id)));
        let mut answer = json!({"provider_id": self.provider_id, "binding": begun["binding"]});
        for (name, value) in back.query_pairs() {
            answer[name.as_ref()] = json!(value);
        }
        json!({"answer": answer, "delivery": "SESSION_DELIVERY_TOKEN"})
    }
}

/// The code of a refusal, or the empty text.
async fn refusal(nobody: &Client, wish: &Value) -> String {
    let answer = nobody.call("POST", COMPLETE, Some(wish)).await.unwrap();
    if answer.status < 300 {
        return String::new();
    }
    code_of(&answer)
}

fn code_of(answer: &Answer) -> String {
    answer.json["code"].as_str().unwrap_or_default().to_owned()
}

fn with(answer: &Value, field: &str, value: &Value) -> Value {
    let mut changed = answer.clone();
    changed["answer"][field] = value.clone();
    changed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn oidc_provider_signs_people_in_and_no_attack_by_the_browser_does() {
    if !installed("oidc-provider") {
        return;
    }
    let platform = Platform::start().await.expect("the platform starts");
    let base = platform.base_url();
    let owner = Client::sign_in(&base, "owner@a.test", PASSWORD).await.unwrap();
    let nobody = Client::anonymous(&base).unwrap();
    let mut parties = Vec::new();
    for kind in [("RS256", "operator"), ("PS256", "operator"), ("ES256", "owner")] {
        let mut party = Party::start(kind, &owner).await;
        let answer = party.answer(&nobody).await;
        let opened = nobody.expect("POST", COMPLETE, Some(&answer)).await.unwrap();
        let again = party.answer(&nobody).await;
        let again = nobody.expect("POST", COMPLETE, Some(&again)).await.unwrap();
        assert_eq!(
            (&opened["tenant_slug"], &again["principal_id"]),
            (&json!("a"), &opened["principal_id"])
        );
        assert_eq!(refusal(&nobody, &answer).await, "federation.refused", "replayed");
        parties.push(party);
    }
    let people = owner.expect("GET", "/api/v1/people", None).await.unwrap().to_string();
    assert!(people.contains("ann.rs256@idp.test") && people.contains("Ann of the provider"));

    let [rsa, _, other] = &mut parties[..] else { panic!("three providers") };
    // Roles come by the groups in the token, and something sensitive by a proof that the provider dates.
    for (anew, expected) in [(false, "auth.step_up_required"), (true, "request.invalid")] {
        let answer = other.answer_to(&nobody, anew).await;
        let opened = nobody.expect("POST", COMPLETE, Some(&answer)).await.unwrap();
        let session = nobody.with_session(opened["session_token"].as_str().unwrap());
        let me = session.expect("GET", "/api/v1/me", None).await.unwrap();
        assert_eq!(me["role"], "owner");
        assert_eq!(me["identity_provider_id"], json!(other.provider_id));
        let answer = session.call("POST", PROVIDERS, Some(&json!({}))).await.unwrap();
        assert_eq!(code_of(&answer), expected, "anew: {anew}");
        let own = session.call("POST", "/api/v1/me/api-tokens", Some(&json!({}))).await.unwrap();
        assert_eq!(code_of(&own), "auth.own_sign_in_required");
    }
    // The answer of one browser in another.
    let (own, theirs) = (rsa.answer(&nobody).await, rsa.answer(&nobody).await);
    let forced = with(&theirs, "binding", &own["answer"]["binding"]);
    assert_eq!(refusal(&nobody, &forced).await, "federation.refused");
    // A code that was given to another sign-in: its verifier is not this one's.
    let swapped = with(&own, "code", &theirs["answer"]["code"]);
    assert_eq!(refusal(&nobody, &swapped).await, "federation.refused");
    // A code that was used.
    let used = rsa.answer(&nobody).await;
    assert_eq!(refusal(&nobody, &used).await, "");
    let anew = rsa.answer(&nobody).await;
    let anew = with(&anew, "code", &used["answer"]["code"]);
    assert_eq!(refusal(&nobody, &anew).await, "federation.refused");
    // An answer of another issuer, or one that is not named though the provider names itself.
    let foreign = other.answer(&nobody).await;
    let mixed = rsa.answer(&nobody).await;
    let mixed = with(&mixed, "iss", &foreign["answer"]["iss"]);
    assert_eq!(refusal(&nobody, &mixed).await, "federation.refused");
    let unnamed = rsa.answer(&nobody).await;
    assert_eq!(refusal(&nobody, &with(&unnamed, "iss", &json!(""))).await, "federation.refused");
    let crossed = with(&foreign, "provider_id", &json!(rsa.provider_id));
    assert_eq!(refusal(&nobody, &crossed).await, "federation.refused");
    platform.stop().await;
}
