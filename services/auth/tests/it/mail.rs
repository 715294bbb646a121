//! Mail: sent once it can be, by the kind of connection that was asked for, and forgotten after.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use time::Duration as Span;
use tonic::Request;
use yard_contracts::identity::v1::RequestPasswordResetRequest;
use yard_contracts::identity::v1::recovery_service_client::RecoveryServiceClient;
use yard_fault::Code;
use yard_runtime::Secret;
use yard_testkit::{MailTls, TestFolder, TestMail, eventually, link_token, logs};

use crate::support::{Auth, code, plain_smtp};

const SOON: Duration = Duration::from_secs(30);

/// The shortest way to a mail: somebody has forgotten their password.
async fn ask(auth: &Auth, email: &str) {
    let request = RequestPasswordResetRequest { email: email.to_owned() };
    let mut client = RecoveryServiceClient::new(auth.channel());
    client.request_password_reset(Request::new(request)).await.unwrap();
}

async fn rename(auth: &Auth, from: &str, to: &str) {
    let sql = format!("update platform.people set email = '{to}' where email = '{from}'");
    auth.db.sql(&sql).await;
}

async fn outcomes(auth: &Auth) -> String {
    let query = "select outcome, sealed is null, attempts, problem from platform.mails";
    auth.db.sql(query).await.trim().to_owned()
}

async fn await_outcome(auth: &Auth, wanted: &str) {
    eventually(SOON, || async {
        let found = outcomes(auth).await;
        if found == wanted { Ok(()) } else { Err(found) }
    })
    .await;
}

#[tokio::test]
async fn mail_arrives_in_the_recipients_language_and_nothing_of_it_stays() {
    let _log = logs::capture();
    let (auth, mail) = Auth::start_with_mail().await;
    auth.db.sql("update platform.tenants set locale = 'de-CH'").await;
    ask(&auth, "viewer@example.org").await;
    let letter = mail.await_to("viewer@example.org", 1).await.remove(0);
    let token = link_token(&letter);
    assert_eq!(letter.header("From"), "Switchyard <no-reply@yard.test>");
    assert_eq!(letter.header("To"), "viewer@example.org");
    assert_eq!(letter.header("Auto-Submitted"), "auto-generated");
    assert!(letter.header("Message-ID").ends_with("@yard.test>"), "{}", letter.head);
    assert!(letter.text().contains("Der Link gilt 30 Minuten"), "{}", letter.text());
    await_outcome(&auth, "sent|t|1|").await;
    // The database holds the link's hash and nothing that opens anything.
    let stored = auth
        .db
        .sql("select to_jsonb(m)::text || to_jsonb(l)::text from platform.mails m, platform.person_links l")
        .await;
    assert!(!stored.contains(&token) && stored.contains("password-reset"), "{stored}");
    auth.finish().await;
}

#[tokio::test]
async fn mail_is_sealed_while_it_waits_and_goes_once_the_server_is_back() {
    let log = logs::capture();
    log.expect("a mail could not be sent yet");
    let mut mail = TestMail::start().await;
    mail.kill();
    let url = plain_smtp(&mail);
    let auth = Auth::start_with(|config| config.mail.smtp_url = url).await;
    ask(&auth, "viewer@example.org").await;
    await_outcome(&auth, "|f|1|not reachable").await;
    let sealed = auth.db.sql("select encode(sealed, 'escape') from platform.mails").await;
    assert!(!sealed.contains("viewer@") && !sealed.contains("yard.test"), "{sealed}");
    mail.start_again();
    let due = "select next_attempt_at - created_at = interval '1 minute' from platform.mails";
    assert_eq!(auth.db.sql(due).await.trim(), "t");
    auth.clock.advance(Span::minutes(1));
    let letters = mail.await_to("viewer@example.org", 1).await;
    assert!(!link_token(&letters[0]).is_empty());
    await_outcome(&auth, "sent|t|2|").await;
    auth.finish().await;
}

#[tokio::test]
async fn server_that_says_later_is_asked_again_and_one_that_refuses_is_not() {
    let log = logs::capture();
    log.expect("a mail could not be sent yet");
    let (auth, mail) = Auth::start_with_mail().await;
    rename(&auth, "viewer@example.org", "later@example.org").await;
    ask(&auth, "later@example.org").await;
    await_outcome(&auth, "|f|1|451").await;
    auth.clock.advance(Span::minutes(1));
    // Put off for two minutes after the second try.
    let due = "select next_attempt_at - created_at = interval '3 minutes' from platform.mails";
    eventually(SOON, || async { auth.db.sql(due).await.trim() == "t" }).await;
    assert_eq!(outcomes(&auth).await, "|f|2|451");
    auth.clock.advance(Span::minutes(2));
    mail.await_to("later@example.org", 1).await;
    await_outcome(&auth, "sent|t|3|").await;

    auth.db.sql("delete from platform.mails").await;
    rename(&auth, "operator@example.org", "refused@example.org").await;
    ask(&auth, "refused@example.org").await;
    await_outcome(&auth, "refused|t|1|550").await;
    auth.finish().await;
}

#[tokio::test]
async fn mail_waits_while_the_server_does_not_take_our_own_sign_in() {
    let log = logs::capture();
    log.expect("a mail could not be sent yet");
    let (auth, mail) = Auth::start_with_mail().await;
    rename(&auth, "viewer@example.org", "locked@example.org").await;
    ask(&auth, "locked@example.org").await;
    await_outcome(&auth, "|f|1|535").await;
    auth.clock.advance(Span::minutes(1));
    mail.await_to("locked@example.org", 1).await;
    await_outcome(&auth, "sent|t|2|").await;
    auth.finish().await;
}

#[tokio::test]
async fn mail_that_could_not_be_sent_in_time_is_given_up() {
    let log = logs::capture();
    log.expect("a mail could not be sent yet");
    log.expect("are given up");
    let mut mail = TestMail::start().await;
    mail.kill();
    let url = plain_smtp(&mail);
    let auth = Auth::start_with(|config| config.mail.smtp_url = url).await;
    ask(&auth, "viewer@example.org").await;
    await_outcome(&auth, "|f|1|not reachable").await;
    mail.start_again();
    auth.clock.advance(Span::minutes(30));
    await_outcome(&auth, "expired|t|1|not reachable").await;
    assert!(mail.to("viewer@example.org").is_empty());
    auth.finish().await;
}

#[tokio::test]
async fn mail_goes_by_starttls_and_by_tls_to_a_server_whose_authority_is_known() {
    let _log = logs::capture();
    let folder = TestFolder::new("mail");
    let (certificate, key) = certify(&folder, "127.0.0.1");
    for (scheme, tls) in [
        ("smtp", MailTls::StartTls(certificate.clone(), key.clone())),
        ("smtps", MailTls::Whole(certificate.clone(), key)),
    ] {
        let mail = TestMail::start_with(tls).await;
        let auth = Auth::start_with(|config| {
            let url = format!("{scheme}://127.0.0.1:{}", mail.port());
            config.mail.smtp_url = Secret::new(url);
            config.mail.ca_file.clone_from(&certificate);
        })
        .await;
        ask(&auth, "viewer@example.org").await;
        mail.await_to("viewer@example.org", 1).await;
        auth.finish().await;
    }
}

#[tokio::test]
async fn nothing_is_said_to_a_server_that_cannot_prove_itself_or_offers_no_tls() {
    let log = logs::capture();
    log.expect("a mail could not be sent yet");
    let folder = TestFolder::new("mail");
    let (certificate, key) = certify(&folder, "127.0.0.1");
    let stranger = folder.join("other");
    std::fs::create_dir_all(&stranger).unwrap();
    let (other, _) = certify(&stranger, "127.0.0.1");
    for (scheme, tls) in [
        ("smtps", MailTls::Whole(certificate.clone(), key.clone())),
        ("smtp", MailTls::StartTls(certificate, key)),
        ("smtp", MailTls::Off),
    ] {
        let mail = TestMail::start_with(tls).await;
        let auth = Auth::start_with(|config| {
            let url = format!("{scheme}://user:pass@127.0.0.1:{}", mail.port());
            config.mail.smtp_url = Secret::new(url);
            config.mail.ca_file.clone_from(&other);
        })
        .await;
        ask(&auth, "viewer@example.org").await;
        eventually(SOON, || async { outcomes(&auth).await.starts_with("|f|1|") }).await;
        assert!(mail.to("viewer@example.org").is_empty());
        auth.finish().await;
    }
}

#[tokio::test]
async fn without_a_mail_server_what_needs_one_is_refused_and_says_why() {
    let log = logs::capture();
    log.expect("could not take a wish for a reset");
    let auth = Auth::start().await;
    let request = RequestPasswordResetRequest { email: "viewer@example.org".to_owned() };
    let mut client = RecoveryServiceClient::new(auth.channel());
    let refused = client.request_password_reset(Request::new(request)).await;
    assert!(refused.as_ref().unwrap_err().message().contains("mail.smtp_url"), "{refused:?}");
    assert_eq!(code(refused), Some(Code::ServiceUnavailable));
    assert_eq!(auth.db.sql("select count(*) from platform.reset_wishes").await.trim(), "0");
    auth.finish().await;
}

/// A certificate that is its own authority, and its key.
fn certify(folder: &Path, name: &str) -> (PathBuf, PathBuf) {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let (certificate, key_file) = (folder.join("mail.pem"), folder.join("mail.key"));
    std::fs::write(&certificate, params.self_signed(&key).unwrap().pem()).unwrap();
    std::fs::write(&key_file, key.serialize_pem()).unwrap();
    (certificate, key_file)
}
