//! Passkeys: registered, used in each of their ways, and taken away.

use time::Duration;
use yard_contracts::identity::v1 as wire;
use yard_contracts::identity::v1::FactorKind;
use yard_fault::Code;
use yard_ids::Clock as _;
use yard_testkit::{Authenticator, KeyKind, flags, logs};

use crate::factor_support::{self, enrol};
use crate::own_sessions::state;
use crate::passkey_support::{
    DOMAIN, Holder, assertion, begin, begin_again, begin_sign_in, list, reauthenticate, register,
    remove, rename, sign_in,
};
use crate::required_factor::{require, settled};
use crate::support::{Auth, PASSWORD, bearer, code, credentials};

const REQUIRED: Option<Code> = Some(Code::AuthSecondFactorRequired);
const UNKNOWN: Option<Code> = Some(Code::ResourceNotFound);
const INVALID: Option<Code> = Some(Code::AuthFactorInvalid);

pub(crate) async fn factors(auth: &Auth, token: &str) -> wire::Factors {
    let request = bearer(wire::GetFactorsRequest {}, token);
    auth.factors().get_factors(request).await.unwrap().into_inner()
}

/// Signs the owner in by password and a recovery code.
pub(crate) async fn by_recovery(auth: &Auth, recovery_code: &str) -> String {
    let login = auth.sessions().login(credentials("owner@example.org", PASSWORD, "")).await;
    let challenge = login.unwrap().into_inner().challenge.unwrap();
    let done = factor_support::complete(auth, &challenge, "", recovery_code).await;
    done.unwrap().into_inner().session_token
}

#[tokio::test]
async fn passkey_of_each_kind_is_registered_and_signs_in_by_itself() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let session = auth.session("owner@example.org", "").await;
    for (kind, before) in [(KeyKind::Es256, 0), (KeyKind::EdDsa, 1), (KeyKind::Rs256, 2)] {
        let token = auth.exchange(&session).await.unwrap();
        let begun = begin(&auth, &token).await.unwrap();
        let options = begun.options.unwrap();
        assert_eq!((options.rp_id.as_str(), options.rp_name.as_str()), (DOMAIN, "Test"));
        assert_eq!(
            (options.user_name.as_str(), options.user_display_name.as_str()),
            ("owner@example.org", "owner")
        );
        assert_eq!(options.algorithms, [-7, -8, -257]);
        assert_eq!(options.exclude_credentials.len(), before);
        assert_eq!(
            (options.attestation.as_str(), options.resident_key.as_str()),
            ("none", "required")
        );
        assert_eq!(options.user_verification, "required");
        let left = begun.expires_at.unwrap().seconds - auth.clock.now().unix_timestamp();
        assert_eq!(left, 300);

        let mut own = Authenticator::new(kind, DOMAIN);
        own.flags |= flags::BACKUP_ELIGIBLE;
        let added = register(&auth, &token, &mut own).await;
        assert_eq!(added.factors.unwrap().passkeys, i32::try_from(before).unwrap() + 1);
        let passkey = added.passkey.unwrap();
        assert_eq!((passkey.name.as_str(), passkey.last_used_at), ("phone", None));
        assert_eq!((passkey.backup_eligible, passkey.backed_up), (true, false));
        assert_eq!(passkey.transports, ["internal", "hybrid"]);

        own.flags |= flags::BACKED_UP;
        auth.clock.advance(Duration::seconds(5));
        let challenge = begin_sign_in(&auth).await;
        let asked = challenge.options.as_ref().unwrap();
        assert!(asked.allow_credentials.is_empty() && asked.user_verification == "required");
        let answered = assertion(&own.get(&asked.challenge));
        let answer = sign_in(&auth, &challenge, answered, "").await.unwrap().into_inner();
        let me = answer.me.unwrap();
        assert_eq!((me.email.as_str(), me.tenant_slug.as_str()), ("owner@example.org", "acme"));
        let token = auth.exchange(&answer.session_token).await.unwrap();
        let claims = auth.claims(&token);
        assert_eq!(
            (claims.amr, claims.lacks_factor),
            (vec!["pop".to_owned(), "mfa".to_owned()], false)
        );
        assert_eq!(claims.auth_time, Some(auth.clock.now().unix_timestamp()));
        let used = list(&auth, &token).await.pop().unwrap();
        let now = auth.clock.now().unix_timestamp();
        assert_eq!((used.backed_up, used.last_used_at.unwrap().seconds), (true, now));
    }
    // Nothing that could be shown again is stored.
    begin_sign_in(&auth).await;
    let stored = auth.db.sql("select row_to_json(c) from platform.challenges c").await;
    assert!(!stored.contains("ych_") && stored.contains("passkey-sign-in"), "{stored}");
    auth.finish().await;
}

#[tokio::test]
async fn first_passkey_brings_recovery_codes_and_ends_the_other_sessions() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let other = auth.session("owner@example.org", "").await;
    let holder = Holder::registered(&auth, "owner@example.org", "").await;
    assert_eq!(holder.recovery_codes.len(), 10);
    assert_eq!(state(&auth, &other).await, Some(Code::AuthSessionExpired));
    let token = auth.exchange(&holder.session).await.unwrap();
    assert_eq!(auth.claims(&token).amr, ["mfa", "pop", "pwd"]);
    // A second one is only one more.
    let second = by_recovery(&auth, &holder.recovery_codes[0]).await;
    let added = register(&auth, &token, &mut Authenticator::new(KeyKind::EdDsa, DOMAIN)).await;
    assert!(added.recovery_codes.is_empty());
    let left = added.factors.unwrap();
    assert_eq!((left.passkeys, left.recovery_codes_left, left.totp), (2, 9, false));
    assert_eq!(state(&auth, &second).await, None);
    let (_app, change) = enrol(&auth, &token).await;
    assert!(change.recovery_codes.is_empty());
    auth.finish().await;
}

#[tokio::test]
async fn passkey_is_a_second_factor_after_a_password() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let mut holder = Holder::registered(&auth, "owner@example.org", "").await;
    let mut stranger = Holder::registered(&auth, "viewer@example.org", "").await;
    let login = auth.sessions().login(credentials("owner@example.org", PASSWORD, "acme")).await;
    let challenge = login.unwrap().into_inner().challenge.unwrap();
    assert_eq!(challenge.factors, [FactorKind::Passkey as i32, FactorKind::RecoveryCode as i32]);
    let asked = challenge.passkey.unwrap();
    let [allowed] = &asked.allow_credentials[..] else { panic!("{asked:?}") };
    let own = assertion(&holder.authenticator.get(&asked.challenge));
    assert_eq!((&allowed.id, allowed.transports.len()), (&own.credential_id, 2));
    let complete = async |passkey, totp_code: &str| {
        let request = wire::CompleteLoginRequest {
            challenge_token: challenge.challenge_token.clone(),
            passkey: Some(passkey),
            totp_code: totp_code.to_owned(),
            delivery: wire::SessionDelivery::Token.into(),
            ..wire::CompleteLoginRequest::default()
        };
        auth.sessions().complete_login(request).await
    };
    // Somebody else's is good for nothing, nor is the own one in somebody else's name.
    let foreign = assertion(&stranger.authenticator.get(&asked.challenge));
    assert_eq!(code(complete(foreign.clone(), "").await), INVALID);
    let renamed = wire::PasskeyAssertion { user_handle: foreign.user_handle, ..own.clone() };
    assert_eq!(code(complete(renamed, "").await), INVALID);
    assert_eq!(code(complete(own.clone(), "000000").await), Some(Code::RequestInvalid));
    // Who is known already need not be named by the authenticator.
    let nameless = wire::PasskeyAssertion { user_handle: String::new(), ..own };
    let done = complete(nameless.clone(), "").await.unwrap().into_inner();
    let token = auth.exchange(&done.session_token).await.unwrap();
    assert_eq!(auth.claims(&token).amr, ["pwd", "pop", "mfa"]);
    assert_eq!(code(complete(nameless, "").await), Some(Code::AuthChallengeExpired));
    auth.finish().await;
}

#[tokio::test]
async fn passkey_proves_its_owner_within_a_session() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let mut holder = Holder::registered(&auth, "owner@example.org", "").await;
    auth.clock.advance(Duration::seconds(601));
    let token = auth.exchange(&holder.session).await.unwrap();
    assert_eq!(
        begin(&auth, &token).await.map_err(|status| code::<()>(Err(status))),
        Err(Some(Code::AuthStepUpRequired))
    );
    let challenge = begin_again(&auth, &token).await.unwrap();
    let asked = challenge.options.clone().unwrap();
    assert_eq!(asked.allow_credentials.len(), 1);
    let answer = holder.answer(&challenge);
    let done = reauthenticate(&auth, &token, &challenge, answer.clone()).await.unwrap();
    assert_eq!(done.metadata().get("yard-session-changed").unwrap(), "1");
    let renewed = done.into_inner().session_token;
    assert_ne!(renewed, holder.session);
    let token = auth.exchange(&renewed).await.unwrap();
    assert_eq!(auth.claims(&token).auth_time, Some(auth.clock.now().unix_timestamp()));
    assert!(begin(&auth, &token).await.is_ok());
    let again = reauthenticate(&auth, &token, &challenge, answer).await;
    assert_eq!(code(again), Some(Code::AuthChallengeExpired));
    // A sign-in's challenge is none for this, nor is another person's.
    let challenge = begin_sign_in(&auth).await;
    let answer = holder.answer(&challenge);
    let done = reauthenticate(&auth, &token, &challenge, answer).await;
    assert_eq!(code(done), Some(Code::AuthChallengeExpired));
    let mut viewer = Holder::registered(&auth, "viewer@example.org", "").await;
    let theirs = auth.exchange(&viewer.session).await.unwrap();
    let challenge = begin_again(&auth, &theirs).await.unwrap();
    let answer = viewer.answer(&challenge);
    let done = reauthenticate(&auth, &token, &challenge, answer).await;
    assert_eq!(code(done), Some(Code::AuthChallengeExpired));
    // Whoever has none is told so.
    let bare = auth.access("operator@example.org", "").await;
    let refused = begin_again(&auth, &bare).await.unwrap_err();
    assert_eq!(code::<()>(Err(refused)), Some(Code::RequestInvalid));
    auth.finish().await;
}

#[tokio::test]
async fn passkeys_are_listed_renamed_and_removed_by_their_owner_alone() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let mut holder = Holder::registered(&auth, "owner@example.org", "").await;
    let viewer = auth.access("viewer@example.org", "").await;
    let token = auth.exchange(&holder.session).await.unwrap();
    let id = holder.passkey.passkey_id.clone();
    let renamed = rename(&auth, &token, &id, " key ring ").await.unwrap().into_inner();
    assert_eq!(renamed, wire::Passkey { name: "key ring".to_owned(), ..holder.passkey.clone() });
    assert_eq!(list(&auth, &token).await, [renamed]);
    assert_eq!(code(rename(&auth, &token, &id, "").await), Some(Code::RequestInvalid));
    assert!(list(&auth, &viewer).await.is_empty());
    for unknown in [id.as_str(), "0190a6f2-7c2a-7b52-9c11-0000000000ff", "x", ""] {
        assert_eq!(code(rename(&auth, &viewer, unknown, "mine").await), UNKNOWN, "{unknown}");
        assert_eq!(code(remove(&auth, &viewer, unknown).await), UNKNOWN, "{unknown}");
    }
    // With the last factor the recovery codes go.
    let left = remove(&auth, &token, &id).await.unwrap().into_inner();
    assert_eq!((left.passkeys, left.recovery_codes_left), (0, 0));
    assert_eq!(code(remove(&auth, &token, &id).await), UNKNOWN);
    let refused = holder.sign_in(&auth, "").await.unwrap_err();
    assert_eq!(code::<()>(Err(refused)), INVALID);
    auth.session("owner@example.org", "").await;
    auth.finish().await;
}

#[tokio::test]
async fn last_factor_stays_where_a_tenant_requires_one_whichever_it_is() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let mut holder = Holder::registered(&auth, "owner@example.org", "").await;
    let viewer = auth.session("viewer@example.org", "").await;
    let token = auth.exchange(&holder.session).await.unwrap();
    assert_eq!(require(&auth, &token, true).await, None);
    let (token, _me) = settled(&auth, &holder.session).await;
    let id = holder.passkey.passkey_id.clone();
    assert_eq!(code(remove(&auth, &token, &id).await), REQUIRED);
    let (_app, _change) = enrol(&auth, &token).await;
    let left = remove(&auth, &token, &id).await.unwrap().into_inner();
    assert_eq!((left.passkeys, left.totp, left.recovery_codes_left), (0, true, 10));
    let removed = auth.factors().remove_totp(bearer(wire::RemoveTotpRequest {}, &token)).await;
    assert_eq!(code(removed), REQUIRED);
    register(&auth, &token, &mut holder.authenticator).await;
    let removed = auth.factors().remove_totp(bearer(wire::RemoveTotpRequest {}, &token)).await;
    assert_eq!(removed.unwrap().into_inner().passkeys, 1);
    // A member without one may register it, and nothing else, and is then whole.
    let (token, me) = settled(&auth, &viewer).await;
    assert!(me.second_factor_missing && factors(&auth, &token).await.required);
    assert!(list(&auth, &token).await.is_empty());
    assert_eq!(code(remove(&auth, &token, &id).await), REQUIRED);
    register(&auth, &token, &mut Authenticator::new(KeyKind::EdDsa, DOMAIN)).await;
    assert!(!settled(&auth, &viewer).await.1.second_factor_missing);
    auth.finish().await;
}

#[tokio::test]
async fn person_in_several_tenants_names_one_with_the_same_answer() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let mut holder = Holder::registered(&auth, "both@example.org", "acme").await;
    let challenge = begin_sign_in(&auth).await;
    let answer = holder.answer(&challenge);
    let ask = async |tenant: &str| sign_in(&auth, &challenge, answer.clone(), tenant).await;
    let refused = ask("").await.unwrap_err();
    assert_eq!(yard_fault::Fault::from_status(&refused).pointer(), Some("/tenant"));
    assert_eq!(code(ask("nowhere").await), Some(Code::AuthInvalidCredentials));
    assert_eq!(code(ask("No slug").await), Some(Code::RequestInvalid));
    let me = ask("byte").await.unwrap().into_inner().me.unwrap();
    assert_eq!((me.tenant_slug.as_str(), me.role.as_str()), ("byte", "viewer"));
    assert_eq!(code(ask("acme").await), Some(Code::AuthChallengeExpired));
    auth.finish().await;
}

#[tokio::test]
async fn passkey_signs_an_administrator_in_and_nobody_who_is_disabled() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let mut root = Holder::registered(&auth, "root@example.org", "").await;
    let session = root.sign_in(&auth, "").await.unwrap();
    let claims = auth.claims(&auth.exchange(&session).await.unwrap());
    assert_eq!((claims.tenant, claims.role.as_str()), (None, "system-administrator"));
    let mut viewer = Holder::registered(&auth, "viewer@example.org", "").await;
    auth.db
        .sql("update platform.principals set disabled_at = now() where display_name = 'viewer'")
        .await;
    let refused = viewer.sign_in(&auth, "").await.unwrap_err();
    assert_eq!(code::<()>(Err(refused)), INVALID);
    // With the person their passkeys go.
    let rule = "select confdeltype from pg_constraint \
                where conrelid = 'platform.passkeys'::regclass and contype = 'f'";
    assert_eq!(auth.db.sql(rule).await.trim(), "c");
    auth.finish().await;
}

#[tokio::test]
async fn console_without_a_domain_has_no_passkeys_and_everything_else() {
    let _log = logs::capture();
    let auth =
        Auth::start_with(|config| config.mail.console_url = "https://192.0.2.7".to_owned()).await;
    let refused = |status: tonic::Status| code::<()>(Err(status));
    let begun = auth.passkeys().begin_passkey_sign_in(wire::BeginPasskeySignInRequest {}).await;
    assert_eq!(code(begun), Some(Code::RequestInvalid));
    let token = auth.access("owner@example.org", "").await;
    let registration = begin(&auth, &token).await.map_err(refused);
    assert_eq!(registration, Err(Some(Code::RequestInvalid)));
    assert!(list(&auth, &token).await.is_empty());
    auth.finish().await;
}
