//! Passkeys and the domain that they were made for, when the console moves to another one.

use auth::Config;
use yard_contracts::identity::v1 as wire;
use yard_contracts::identity::v1::FactorKind;
use yard_fault::Code;
use yard_testkit::{Authenticator, KeyKind, logs};

use crate::passkey_support::{DOMAIN, Holder, begin, begin_again, list, register, remove};
use crate::passkeys::{by_recovery, factors};
use crate::reauthenticate::{again, prove};
use crate::required_factor::{require, settled};
use crate::support::{Auth, PASSWORD, code, credentials};

const OWNER: &str = "owner@example.org";
const NEW: &str = "other.test";
const RECOVERY: [i32; 1] = [FactorKind::RecoveryCode as i32];
const INVALID: Option<Code> = Some(Code::AuthFactorInvalid);
const REQUIRED: Option<Code> = Some(Code::AuthSecondFactorRequired);

fn moved(config: &mut Config) {
    config.mail.console_url = format!("https://{NEW}");
}

fn nowhere(config: &mut Config) {
    "https://192.0.2.7".clone_into(&mut config.mail.console_url);
}

async fn restarted(auth: Auth, change: impl FnOnce(&mut Config)) -> Auth {
    auth.restart_told(async |_engines| {}, change).await.unwrap()
}

/// What is asked for after the owner's password; nothing where that is enough.
async fn asked(auth: &Auth) -> Option<wire::SignInChallenge> {
    let login = auth.sessions().login(credentials(OWNER, PASSWORD, "")).await;
    login.unwrap().into_inner().challenge
}

/// Signs the owner in by a recovery code, which is all that is asked for, and gives the access token.
async fn came_back(auth: &Auth, recovery_code: &str) -> String {
    let challenge = asked(auth).await.unwrap();
    assert_eq!((challenge.factors, challenge.passkey), (RECOVERY.to_vec(), None));
    auth.exchange(&by_recovery(auth, recovery_code).await).await.unwrap()
}

/// Passkeys that count, those of a former domain, and recovery codes.
async fn counted(auth: &Auth, token: &str) -> (i32, i32, i32) {
    let found = factors(auth, token).await;
    (found.passkeys, found.former_passkeys, found.recovery_codes_left)
}

/// Whether each was made for a former domain, and for which it was.
async fn domains(auth: &Auth, token: &str) -> Vec<(bool, String)> {
    let all = list(auth, token).await;
    all.into_iter().map(|one| (one.of_former_domain, one.rp_id)).collect()
}

fn of(former: bool, domain: &str) -> (bool, String) {
    (former, domain.to_owned())
}

#[tokio::test]
async fn passkey_outlives_neither_its_domain_nor_locks_its_owner_out_with_it() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let mut holder = Holder::registered(&auth, OWNER, "").await;
    let token = auth.exchange(&holder.session).await.unwrap();
    assert_eq!(domains(&auth, &token).await, [of(false, DOMAIN)]);

    let auth = restarted(auth, nowhere).await;
    let token = came_back(&auth, &holder.recovery_codes[0]).await;
    assert_eq!(counted(&auth, &token).await, (0, 1, 9));
    assert_eq!(domains(&auth, &token).await, [of(true, DOMAIN)]);

    let auth = restarted(auth, moved).await;
    let token = came_back(&auth, &holder.recovery_codes[1]).await;
    assert_eq!(counted(&auth, &token).await, (0, 1, 8));
    let refused = holder.sign_in(&auth, "").await.unwrap_err();
    assert_eq!(code::<()>(Err(refused)), INVALID);
    // Nor one that would sign for any domain, with the same key.
    NEW.clone_into(&mut holder.authenticator.rp_id);
    holder.authenticator.origin = format!("https://{NEW}");
    let refused = holder.sign_in(&auth, "").await.unwrap_err();
    assert_eq!(code::<()>(Err(refused)), INVALID);
    // Within a session as at its beginning: the password alone proves nothing, a recovery code does.
    let none = begin_again(&auth, &token).await.unwrap_err();
    assert_eq!(code::<()>(Err(none)), Some(Code::RequestInvalid));
    assert_eq!(code(prove(&auth, &token, again(PASSWORD, "", "")).await), REQUIRED);
    let proof = again("", "", &holder.recovery_codes[2]);
    let session = prove(&auth, &token, proof).await.unwrap().into_inner().session_token;

    // The first under the new domain is a first factor.
    let token = auth.exchange(&session).await.unwrap();
    let options = begin(&auth, &token).await.unwrap().options.unwrap();
    assert!(options.exclude_credentials.is_empty() && options.rp_id == NEW, "{options:?}");
    let mut own = Authenticator::new(KeyKind::EdDsa, NEW);
    assert_eq!(register(&auth, &token, &mut own).await.recovery_codes.len(), 10);
    assert_eq!(counted(&auth, &token).await, (1, 1, 10));
    assert_eq!(domains(&auth, &token).await, [of(true, DOMAIN), of(false, NEW)]);
    let challenge = asked(&auth).await.unwrap();
    assert_eq!(challenge.factors, [FactorKind::Passkey as i32, FactorKind::RecoveryCode as i32]);
    assert_eq!(challenge.passkey.unwrap().allow_credentials.len(), 1);

    // It moves back: the old one counts again, and the newer one does not.
    let auth = restarted(auth, |_config| {}).await;
    DOMAIN.clone_into(&mut holder.authenticator.rp_id);
    holder.authenticator.origin = format!("https://{DOMAIN}");
    let token = auth.exchange(&holder.sign_in(&auth, "").await.unwrap()).await.unwrap();
    assert_eq!(counted(&auth, &token).await, (1, 1, 10));
    assert_eq!(domains(&auth, &token).await, [of(false, DOMAIN), of(true, NEW)]);
    auth.finish().await;
}

#[tokio::test]
async fn recovery_codes_stand_in_until_the_last_passkey_or_the_last_code_is_gone() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let holder = Holder::registered(&auth, OWNER, "").await;
    let token = auth.exchange(&holder.session).await.unwrap();
    let second = register(&auth, &token, &mut Authenticator::new(KeyKind::EdDsa, DOMAIN)).await;
    let auth = restarted(auth, moved).await;
    let token = came_back(&auth, &holder.recovery_codes[0]).await;
    let second = second.passkey.unwrap().passkey_id;
    let left = remove(&auth, &token, &second).await.unwrap().into_inner();
    assert_eq!((left.passkeys, left.former_passkeys, left.recovery_codes_left), (0, 1, 9));
    let used = "update platform.recovery_codes set used_at = now() where used_at is null";
    auth.db.sql(used).await;
    assert_eq!(asked(&auth).await, None, "nobody is locked out");
    auth.db.sql("update platform.recovery_codes set used_at = null").await;
    let token = came_back(&auth, &holder.recovery_codes[3]).await;
    let left = remove(&auth, &token, &holder.passkey.passkey_id).await.unwrap().into_inner();
    assert_eq!((left.passkeys, left.former_passkeys, left.recovery_codes_left), (0, 0, 0));
    assert_eq!(asked(&auth).await, None);
    auth.finish().await;
}

#[tokio::test]
async fn passkey_of_a_former_domain_is_not_the_factor_that_a_tenant_requires() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let holder = Holder::registered(&auth, OWNER, "").await;
    let viewer = Holder::registered(&auth, "viewer@example.org", "").await;
    let token = auth.exchange(&holder.session).await.unwrap();
    assert_eq!(require(&auth, &token, true).await, None);
    auth.told().await;
    let auth = restarted(auth, moved).await;
    let session = by_recovery(&auth, &holder.recovery_codes[0]).await;
    let (token, me) = settled(&auth, &session).await;
    assert!(!me.second_factor_missing);
    let old = holder.passkey.passkey_id.as_str();
    assert_eq!(code(remove(&auth, &token, old).await), REQUIRED, "another one has to be there");
    let added = register(&auth, &token, &mut Authenticator::new(KeyKind::EdDsa, NEW)).await;
    let new = added.passkey.unwrap().passkey_id;
    let removed = remove(&auth, &token, &new).await;
    assert_eq!(code(removed), REQUIRED, "the old one does not stand for it");
    assert_eq!(code(remove(&auth, &token, old).await), None);
    // Whoever has no code left comes in by the password, to enrol a factor and for nothing else.
    auth.db.sql("update platform.recovery_codes set used_at = now()").await;
    let session = auth.session("viewer@example.org", "").await;
    let (token, me) = settled(&auth, &session).await;
    assert!(me.second_factor_missing);
    let old = viewer.passkey.passkey_id.as_str();
    assert_eq!(code(remove(&auth, &token, old).await), REQUIRED);
    register(&auth, &token, &mut Authenticator::new(KeyKind::EdDsa, NEW)).await;
    let (token, me) = settled(&auth, &session).await;
    assert!(!me.second_factor_missing);
    assert_eq!(code(remove(&auth, &token, old).await), None);
    auth.finish().await;
}

#[tokio::test]
async fn passkeys_of_a_former_domain_take_none_of_the_twenty_places() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let holder = Holder::registered(&auth, OWNER, "").await;
    let more = "insert into platform.passkeys (id, principal_id, credential_id, public_key, \
          sign_count, transports, backup_eligible, backed_up, name, created_at, rp_id) \
        select gen_random_uuid(), principal_id, credential_id || decode(lpad(n::text, 2, '0'), 'hex'), \
          public_key, sign_count, transports, backup_eligible, backed_up, name, created_at, rp_id \
        from platform.passkeys, generate_series(1, 19) n";
    auth.db.sql(more).await;
    let token = auth.exchange(&holder.session).await.unwrap();
    let full = begin(&auth, &token).await.unwrap_err();
    assert_eq!(code::<()>(Err(full)), Some(Code::RequestInvalid));
    let auth = restarted(auth, moved).await;
    let token = auth.exchange(&holder.session).await.unwrap();
    register(&auth, &token, &mut Authenticator::new(KeyKind::EdDsa, NEW)).await;
    assert_eq!(counted(&auth, &token).await, (1, 20, 10));
    auth.finish().await;
}

#[tokio::test]
async fn passkey_of_an_earlier_release_is_of_the_domain_that_was_configured_then() {
    let _log = logs::capture();
    let noted = "select string_agg(coalesce(rp_id, '-'), ' ') from platform.passkeys";
    let forget = "update platform.passkeys set rp_id = null";
    let auth = Auth::start().await;
    let mut holder = Holder::registered(&auth, OWNER, "").await;
    // As if a replica of that release had registered it a moment ago.
    auth.db.sql(forget).await;
    let token = auth.exchange(&holder.session).await.unwrap();
    assert_eq!(counted(&auth, &token).await, (1, 0, 10));
    assert_eq!(domains(&auth, &token).await, [of(false, DOMAIN)]);
    assert_eq!(auth.db.sql(noted).await.trim(), "-");
    holder.sign_in(&auth, "").await.unwrap();
    assert_eq!(auth.db.sql(noted).await.trim(), DOMAIN, "its first use says it");
    // Where there are no passkeys nothing is known of it, and it does not count.
    auth.db.sql(forget).await;
    let auth = restarted(auth, nowhere).await;
    let token = came_back(&auth, &holder.recovery_codes[0]).await;
    assert_eq!(counted(&auth, &token).await, (0, 1, 9));
    assert_eq!(domains(&auth, &token).await, [of(true, "")]);
    assert_eq!(auth.db.sql(noted).await.trim(), "-");
    let auth = restarted(auth, |_config| {}).await;
    assert_eq!(auth.db.sql(noted).await.trim(), DOMAIN, "and else the next start");
    holder.sign_in(&auth, "").await.unwrap();
    let auth = restarted(auth, moved).await;
    assert_eq!(auth.db.sql(noted).await.trim(), DOMAIN, "once");
    let token = came_back(&auth, &holder.recovery_codes[1]).await;
    assert_eq!(domains(&auth, &token).await, [of(true, DOMAIN)]);
    auth.finish().await;
}
