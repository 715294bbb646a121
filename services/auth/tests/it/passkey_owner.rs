//! Passkeys are their owner's: nothing that acts in their name changes one, and what changes is told.

use yard_contracts::identity::v1 as wire;
use yard_fault::Code;
use yard_testkit::{Authenticator, KeyKind, logs};

use crate::oauth::{ALL, Party};
use crate::passkey_support::{DOMAIN, Holder, begin, complete, create, register, remove, rename};
use crate::support::{Auth, bearer, code};

const INVALID: Option<Code> = Some(Code::AuthFactorInvalid);
const UNKNOWN: Option<Code> = Some(Code::ResourceNotFound);

#[tokio::test]
async fn programs_that_act_for_a_person_change_none_of_their_passkeys() {
    let _log = logs::capture();
    let mut party = Party::start().await;
    let mut holder = Holder::registered(&party.auth, "owner@example.org", "acme").await;
    party.person = party.auth.exchange(&holder.session).await.unwrap();
    let request = wire::CreateApiTokenRequest {
        name: "robot".to_owned(),
        abilities: vec!["devices.manage".to_owned()],
        expires_in_days: 1,
    };
    let made = party.auth.tokens().create_api_token(bearer(request, &party.person)).await;
    let secret = made.unwrap().into_inner().secret;
    let granted = party.grant(ALL).await["access_token"].as_str().unwrap().to_owned();
    for program in [secret, granted] {
        let token = party.auth.exchange(&program).await.unwrap();
        holder.refuses(&party.auth, &token, Code::AuthSessionRequired).await;
    }
    party.auth.finish().await;
}

#[tokio::test]
async fn owner_is_told_by_mail_that_a_passkey_came_or_went_and_only_then() {
    let _log = logs::capture();
    let (auth, mail) = Auth::start_with_mail().await;
    auth.db
        .sql("update platform.people set locale = 'de' where email = 'viewer@example.org'")
        .await;
    let kinds = async || {
        let query = "select string_agg(kind, ' ' order by id) from platform.mails";
        auth.db.sql(query).await.trim().to_owned()
    };
    for (email, turn, came, went) in [
        ("viewer@example.org", "", "hinzugefügt", "entfernt"),
        ("owner@example.org", "passkey-added passkey-removed ", "added to", "removed from"),
    ] {
        let session = auth.session(email, "").await;
        let token = auth.exchange(&session).await.unwrap();
        let mut own = Authenticator::new(KeyKind::EdDsa, DOMAIN);
        // What is begun, or refused, is no news.
        let begun = begin(&auth, &token).await.unwrap();
        let mut other_domain = Authenticator::new(KeyKind::EdDsa, "evil.test");
        "https://yard.test".clone_into(&mut other_domain.origin);
        let wrong = create(&mut other_domain, &begun);
        assert_eq!(code(complete(&auth, &token, &begun, &wrong).await), INVALID);
        assert_eq!(kinds().await, turn.trim());
        let added = register(&auth, &token, &mut own).await;
        assert_eq!(kinds().await, format!("{turn}passkey-added"));
        let passkey = added.passkey.unwrap().passkey_id;
        rename(&auth, &token, &passkey, "evil.example").await.unwrap();
        assert_eq!(code(remove(&auth, &token, "x").await), UNKNOWN);
        assert_eq!(kinds().await, format!("{turn}passkey-added"));
        remove(&auth, &token, &passkey).await.unwrap();
        assert_eq!(kinds().await, format!("{turn}passkey-added passkey-removed"));

        let letters = mail.await_to(email, 2).await;
        assert_eq!(letters.len(), 2);
        for (letter, word) in letters.iter().zip([came, went]) {
            let text = letter.text().replace("&#x2f;", "/");
            assert!(text.contains(word), "{text}");
            // Nothing in it lets anybody in, nor speaks for whoever named the passkey.
            let told = ["yard.test/", "evil.example", "phone", added.recovery_codes[0].as_str()];
            assert!(told.iter().all(|secret| !text.contains(secret)), "{text}");
        }
    }
    auth.finish().await;
}
