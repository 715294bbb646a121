//! EST with the programs that devices use: curl and openssl.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use time::Duration;
use tokio::process::Command;
use x509_parser::pem::{Pem, parse_x509_pem};
use yard_testkit::logs;

use crate::devices::register;
use crate::enrolment::claim;
use crate::renewals::{Papers, answer_standings, csr_of, new_key, serial_of};
use crate::support::Auth;

/// A folder of a device, and what it runs there.
pub(crate) struct Bench {
    dir: PathBuf,
    ca: PathBuf,
}

/// What curl was answered with.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: String,
    pub(crate) body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}

async fn run(program: &str, args: &[&str], dir: &Path) -> Output {
    Command::new(program).args(args).current_dir(dir).output().await.unwrap()
}

impl Bench {
    pub(crate) fn new(auth: &Auth, name: &str) -> Self {
        let dir = auth.folder.join(name);
        std::fs::create_dir_all(&dir).unwrap();
        Self { dir, ca: auth.folder.join("device-ca.pem") }
    }

    pub(crate) fn write(&self, name: &str, content: &str) {
        std::fs::write(self.dir.join(name), content).unwrap();
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.dir.join(name)).unwrap()
    }

    pub(crate) async fn openssl(&self, args: &[&str]) -> Output {
        let done = run("openssl", args, &self.dir).await;
        assert!(done.status.success(), "openssl {args:?}: {}", text(&done.stderr));
        done
    }

    async fn curl(&self, url: &str, args: &[&str]) -> Answer {
        let answer = self.try_curl(url, args).await;
        assert!(answer.is_ok(), "curl {args:?}: {answer:?}");
        answer.unwrap()
    }

    async fn try_curl(&self, url: &str, args: &[&str]) -> Result<Answer, String> {
        let ca = self.ca.to_str().unwrap();
        let usual = ["--silent", "--show-error", "--cacert", ca, "-D", "head", "-o", "body", url];
        for name in ["head", "body"] {
            self.write(name, "");
        }
        let done = run("curl", &[&usual[..], args].concat(), &self.dir).await;
        if !done.status.success() {
            return Err(text(&done.stderr));
        }
        let headers = self.read("head");
        // An answer 100 comes before the one that counts.
        let status = headers.lines().rfind(|line| line.starts_with("HTTP/")).unwrap();
        let status = status.split(' ').nth(1).unwrap().parse().unwrap();
        Ok(Answer { status, headers, body: self.read("body") })
    }

    /// A request as the guide says to make it: base64 in lines, without PEM's first and last.
    pub(crate) async fn request(&self, key: &str) {
        self.openssl(&["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key]).await;
        let req = ["req", "-new", "-key", key, "-subj", "/CN=device", "-outform", "DER"];
        self.openssl(&[&req[..], &["-out", "csr.der"]].concat()).await;
        self.openssl(&["base64", "-in", "csr.der", "-out", "csr.b64"]).await;
    }

    pub(crate) async fn post(&self, url: &str, args: &[&str]) -> Answer {
        let kind = "Content-Type: application/pkcs10";
        self.curl(url, &[&["--data-binary", "@csr.b64", "-H", kind], args].concat()).await
    }

    /// `None` when no answer came.
    pub(crate) async fn try_post(&self, url: &str, args: &[&str]) -> Option<Answer> {
        let kind = "Content-Type: application/pkcs10";
        let args = [&["--data-binary", "@csr.b64", "-H", kind], args].concat();
        self.try_curl(url, &args).await.ok()
    }

    /// The certificates of an answer, as openssl reads them.
    pub(crate) async fn certificates(&self, answer: &Answer) -> Vec<String> {
        assert_eq!(answer.header("content-transfer-encoding"), Some("base64"));
        self.write("answer.b64", &answer.body);
        self.openssl(&["base64", "-d", "-in", "answer.b64", "-out", "answer.p7"]).await;
        let read =
            ["pkcs7", "-inform", "DER", "-in", "answer.p7", "-print_certs", "-out", "out.pem"];
        self.openssl(&read).await;
        let all = self.read("out.pem");
        let pem = |block: Pem| {
            let body = STANDARD.encode(block.contents);
            format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
        };
        Pem::iter_from_buffer(all.as_bytes()).map(|block| pem(block.unwrap())).collect()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn der(pem: &str) -> Vec<u8> {
    parse_x509_pem(pem.as_bytes()).unwrap().1.contents
}

async fn code_for(auth: &Auth, device: &str) -> String {
    claim(auth, "operator@example.org", device, 0).await.unwrap().into_inner().code
}

#[tokio::test]
async fn cacerts_and_csrattrs_are_what_openssl_reads() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let bench = Bench::new(&auth, "bench");
    let answer = bench.curl(&auth.est("cacerts"), &[]).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/pkcs7-mime"));
    assert!(answer.body.lines().all(|line| line.len() <= 64), "base64 comes in lines");
    let certificates = bench.certificates(&answer).await;
    let ca = std::fs::read_to_string(auth.folder.join("device-ca.pem")).unwrap();
    assert_eq!(certificates.iter().map(|pem| der(pem)).collect::<Vec<_>>(), [der(&ca)]);

    let answer = bench.curl(&auth.est("csrattrs"), &[]).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/csrattrs")));
    bench.write("attrs.b64", &answer.body);
    bench.openssl(&["base64", "-d", "-in", "attrs.b64", "-out", "attrs.der"]).await;
    let read = bench.openssl(&["asn1parse", "-in", "attrs.der", "-inform", "DER"]).await;
    let read = text(&read.stdout);
    for word in ["id-ecPublicKey", "prime256v1", "ecdsa-with-SHA256"] {
        assert!(read.contains(word), "{read}");
    }
    auth.finish().await;
}

#[tokio::test]
async fn req_icas_22_device_enrolls_and_renews_with_curl_and_openssl_alone() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let device = register(&auth, "acme").await;
    let bench = Bench::new(&auth, "bench");
    bench.request("first.key").await;
    let user = format!("device:{}", code_for(&auth, &device).await);
    let answer = bench.post(&auth.est("simpleenroll"), &["--user", &user]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let kind = answer.header("content-type");
    assert_eq!(kind, Some("application/pkcs7-mime; smime-type=certs-only"));
    let certificates = bench.certificates(&answer).await;
    assert_eq!(certificates.len(), 1, "the issued certificate and no other");
    bench.write("first.pem", &certificates[0]);
    let ca = bench.ca.to_str().unwrap();
    // The test's clock stands in March.
    let at = crate::support::START.unix_timestamp().to_string();
    let verified = bench.openssl(&["verify", "-attime", &at, "-CAfile", ca, "first.pem"]).await;
    assert!(text(&verified.stdout).contains("OK"));

    bench.request("second.key").await;
    let papers = ["--cert", "first.pem", "--key", "first.key"];
    let answer = bench.post(&auth.est("simplereenroll"), &papers).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let second = bench.certificates(&answer).await.remove(0);
    assert_ne!(serial_of(&second), serial_of(&certificates[0]));
    let owner = "select count(distinct device_id) from platform.device_certificates";
    assert_eq!(auth.db.sql(owner).await.trim(), "1");
    let superseded =
        "select serial from platform.device_certificates where superseded_at is not null";
    assert_eq!(auth.db.sql(superseded).await.trim(), serial_of(&certificates[0]));

    // Both are in the tenant's trail, as the RPCs that do the same.
    let tenant = auth.tenant("acme").await;
    let acts = format!(
        "select string_agg(action || ' ' || object_id, ',' order by sequence) \
         from platform.audit_events where tenant_id = '{tenant}' and object_id = '{device}'"
    );
    let acts = auth.db.sql(&acts).await;
    let both = format!(
        "yard.identity.v1.EnrollmentService/EnrollDevice {device},\
         yard.identity.v1.DeviceTrustService/RenewCertificate {device}"
    );
    assert!(acts.trim().ends_with(&both), "{acts}");
    auth.finish().await;
}

#[tokio::test]
async fn refusals_have_the_statuses_of_the_standard() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let device = register(&auth, "acme").await;
    let bench = Bench::new(&auth, "bench");
    bench.request("key").await;
    let enroll = auth.est("simpleenroll");
    let nobody = bench.post(&enroll, &[]).await;
    assert_eq!(nobody.status, 401);
    assert!(nobody.header("www-authenticate").unwrap().starts_with("Basic"));
    let wrong = bench.post(&enroll, &["--user", "x:AAAAA-AAAAA-AAAAA-AAAAA"]).await;
    assert_eq!(wrong.status, 401);
    assert!(wrong.body.starts_with("enrollment.code_invalid"), "{}", wrong.body);
    let bearer = bench.post(&enroll, &["-H", "Authorization: Bearer x"]).await;
    assert_eq!(bearer.status, 401);

    let user = format!("x:{}", code_for(&auth, &device).await);
    let with_code = ["--user", user.as_str()];
    let kind = "Content-Type: application/json";
    let other = bench.curl(&enroll, &["--user", &user, "-d", "@csr.b64", "-H", kind]).await;
    assert_eq!(other.status, 415);
    let good = bench.read("csr.b64");
    for bad in ["", "!!!!", "AAAA", "MIIBIjANBgkqhkiG9w0BAQ=="] {
        bench.write("csr.b64", bad);
        assert_eq!(bench.post(&enroll, &with_code).await.status, 400, "{bad}");
    }
    bench.write("csr.b64", &"A".repeat(12 * 1024 + 1));
    assert_eq!(bench.post(&enroll, &with_code).await.status, 413);
    assert_eq!(bench.curl(&enroll, &[]).await.status, 405);
    assert_eq!(bench.curl(&auth.est("serverkeygen"), &[]).await.status, 404);
    // None of it has cost the code.
    bench.write("csr.b64", &good);
    assert_eq!(bench.post(&enroll, &with_code).await.status, 200);
    auth.finish().await;
}

#[tokio::test]
async fn only_a_stored_certificate_of_a_device_renews() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let device = register(&auth, "acme").await;
    let bench = Bench::new(&auth, "bench");
    let old = Papers::of(&auth, "operator@example.org", &device).await;
    bench.write("old.pem", &old.pem);
    bench.write("old.key", &old.key.serialize_pem());
    bench.request("next.key").await;
    let renew = auth.est("simplereenroll");
    let bare = bench.post(&renew, &[]).await;
    assert_eq!(bare.status, 401);
    // The same names and serial, signed by another CA: what is stored decides, not what is written.
    let subject = format!("/CN={device}");
    let serial = format!("0x{}", old.serial);
    let req = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
    let names = ["-nodes", "-subj", &subject, "-set_serial", &serial];
    let files = ["-keyout", "forged.key", "-out", "forged.pem", "-days", "30"];
    bench.openssl(&[&req[..], &names, &files].concat()).await;
    let forged = bench.post(&renew, &["--cert", "forged.pem", "--key", "forged.key"]).await;
    assert_eq!(forged.status, 401, "{forged:?}");
    assert!(forged.body.starts_with("enrollment.renewal_refused"));
    // A certificate opens simpleenroll no door.
    let papers = ["--cert", "old.pem", "--key", "old.key"];
    assert_eq!(bench.post(&auth.est("simpleenroll"), &papers).await.status, 401);
    assert_eq!(bench.post(&renew, &papers).await.status, 200);
    auth.db.sql("update platform.device_certificates set revoked_at = now()").await;
    bench.request("another.key").await;
    assert_eq!(bench.post(&renew, &papers).await.status, 401);
    auth.finish().await;
}

#[tokio::test]
async fn expired_certificate_renews_by_est_when_ingest_knows_and_is_asked_to_come_again_before() {
    let log = logs::capture();
    log.expect("could not answer an EST request");
    let auth = Auth::start().await;
    let device = register(&auth, "acme").await;
    let bench = Bench::new(&auth, "bench");
    let old = Papers::of(&auth, "operator@example.org", &device).await;
    bench.write("old.pem", &old.pem);
    bench.write("old.key", &old.key.serialize_pem());
    bench.request("next.key").await;
    auth.clock.advance(Duration::days(91));
    let papers = ["--cert", "old.pem", "--key", "old.key"];
    let early = bench.post(&auth.est("simplereenroll"), &papers).await;
    assert_eq!(early.status, 503);
    assert!(early.header("retry-after").unwrap().parse::<u32>().unwrap() > 0);
    let _asked = answer_standings(&auth, &Arc::new(AtomicBool::new(false))).await;
    assert_eq!(bench.post(&auth.est("simplereenroll"), &papers).await.status, 200);
    let waiting = "select count(*) from platform.device_standing where state = 'waiting'";
    assert_eq!(auth.db.sql(waiting).await.trim(), "1");
    auth.finish().await;
}

#[tokio::test]
async fn one_address_is_slowed_down_and_told_when_to_come_again() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let bench = Bench::new(&auth, "bench");
    bench.write("csr.b64", &STANDARD.encode(der(&csr_of(&new_key()))));
    let url = auth.est("simpleenroll");
    // One connection: curl asks the same again for each URL. The clock stands still.
    let more: Vec<&str> =
        std::iter::repeat_n(["-o", "body", url.as_str()], 119).flatten().collect();
    bench.post(&url, &more).await;
    let over = bench.post(&url, &[]).await;
    assert_eq!(over.status, 429);
    assert!(over.header("retry-after").unwrap().parse::<u32>().unwrap() > 0);
    // What signs nothing is not counted.
    assert_eq!(bench.curl(&auth.est("cacerts"), &[]).await.status, 200);
    auth.finish().await;
}
