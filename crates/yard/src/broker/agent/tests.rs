use std::cell::Cell;
use std::io::{BufRead as _, BufReader};
use std::sync::mpsc;
use std::time::Duration as StdDuration;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, IsCa, Issuer,
    KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber,
};
use time::{Duration, OffsetDateTime};
use yard_testkit::TestFolder;

use super::*;

struct Ca {
    params: CertificateParams,
    key: KeyPair,
}

impl Ca {
    fn new() -> Self {
        Self::named("device CA of a test")
    }

    fn named(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Self { params, key: KeyPair::generate().unwrap() }
    }

    fn authority(&self) -> Authority {
        let pem = self.params.self_signed(&self.key).unwrap().pem();
        Authority::from_pem(pem.as_bytes()).unwrap()
    }

    fn list(&self, number: u64, entries: u64, until: OffsetDateTime) -> String {
        let now = SystemClock.now();
        let entry = |serial| RevokedCertParams {
            serial_number: SerialNumber::from(serial),
            revocation_time: now,
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: until - Duration::days(2),
            next_update: until,
            crl_number: SerialNumber::from(number),
            issuing_distribution_point: None,
            revoked_certs: (1..=entries).map(entry).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&Issuer::from_params(&self.params, &self.key)).unwrap().pem().unwrap()
    }
}

fn tomorrow() -> OffsetDateTime {
    SystemClock.now() + Duration::days(1)
}

#[test]
fn only_lists_of_the_ca_that_are_in_force_are_taken() {
    let (ca, other) = (Ca::new(), Ca::new());
    let (authority, now) = (ca.authority(), SystemClock.now());
    let good = ca.list(7, 2, tomorrow());
    let checked = authority.check(good.as_bytes(), now).unwrap();
    assert_eq!((checked.number, checked.entries), (7, 2));
    // Text around the block is not passed on, the number is.
    let dressed = format!("-- anything --\n{good}");
    assert_eq!(authority.check(dressed.as_bytes(), now).unwrap(), checked);
    assert!(checked.file.starts_with(b"# switchyard revocation list 7\n-----BEGIN X509 CRL-----"));
    assert_eq!(authority.check(&checked.file, now).unwrap(), checked);

    let expired = ca.list(8, 0, now - Duration::seconds(1));
    let twice = format!("{good}{good}");
    let foreign = other.list(9, 0, tomorrow());
    let certificate = ca.params.self_signed(&ca.key).unwrap().pem();
    let mut changed = parsed(&good);
    // The last byte is of the signature.
    *changed.last_mut().unwrap() ^= 1;
    let changed = String::from_utf8(crate::broker::list::file_for_test(9, &changed)).unwrap();
    for (pem, error) in [
        (expired.as_str(), ListError::Expired),
        (&foreign, ListError::Signature),
        (&changed, ListError::Signature),
        (&twice, ListError::Unreadable),
        (&certificate, ListError::Unreadable),
        ("", ListError::Unreadable),
        ("junk", ListError::Unreadable),
    ] {
        assert_eq!(authority.check(pem.as_bytes(), now).unwrap_err(), error);
    }
    assert_eq!(Authority::from_pem(b"junk").unwrap_err(), ListError::NoAuthority);
}

#[test]
fn lists_of_two_authorities_are_taken_together_and_under_one_number() {
    let (old, new) = (Ca::named("old"), Ca::named("new"));
    let now = SystemClock.now();
    let pem = |ca: &Ca| ca.params.self_signed(&ca.key).unwrap().pem();
    let both = Authority::from_pem((pem(&old) + &pem(&new)).as_bytes()).unwrap();
    let [one, two] = [old.list(7, 2, tomorrow()), new.list(7, 3, tomorrow())];
    let lists = format!("{one}{two}");
    let taken = both.check(lists.as_bytes(), now).unwrap();
    assert_eq!((taken.number, taken.entries), (7, 5));
    assert_eq!(both.check(&taken.file, now).unwrap(), taken);
    // Who was told of one CA only passes the other's list over; the broker does not know it either.
    let first = old.authority().check(lists.as_bytes(), now).unwrap();
    assert_eq!((first.number, first.entries), (7, 2));
    assert_eq!(first.file, old.authority().check(one.as_bytes(), now).unwrap().file);

    let other_number = new.list(8, 3, tomorrow());
    let expired = new.list(7, 3, now - Duration::seconds(1));
    let forged = Ca::named("new").list(7, 0, tomorrow());
    for (second, error) in [
        (&other_number, ListError::Unreadable),
        (&one, ListError::Unreadable),
        (&expired, ListError::Expired),
        (&forged, ListError::Signature),
        (&pem(&new), ListError::Unreadable),
    ] {
        assert_eq!(both.check(format!("{one}{second}").as_bytes(), now), Err(error));
    }
}

#[tokio::test]
async fn agent_that_is_told_of_another_authority_gives_the_broker_its_list_too() {
    let dir = TestFolder::new("two-authorities");
    let (old, new) = (Ca::named("old"), Ca::named("new"));
    let broker = Broker::start(&dir);
    let source = dir.join("source.pem");
    fs::write(&source, old.list(7, 2, tomorrow()) + &new.list(7, 3, tomorrow())).unwrap();
    let mut before = agent(&dir, &old);
    assert_eq!(before.step().await.unwrap(), Step::Placed { number: 7, entries: 2 });
    broker.await_signals(1);
    let mut after = agent(&dir, &old);
    let pem = |ca: &Ca| ca.params.self_signed(&ca.key).unwrap().pem();
    after.settings.authority = Authority::from_pem((pem(&old) + &pem(&new)).as_bytes()).unwrap();
    assert_eq!(after.step().await.unwrap(), Step::Placed { number: 7, entries: 5 });
    broker.await_signals(2);
}

fn parsed(pem: &str) -> Vec<u8> {
    x509_parser::pem::parse_x509_pem(pem.as_bytes()).unwrap().1.contents
}

/// How long the process may take to say something.
const PATIENCE: StdDuration = StdDuration::from_secs(10);

/// A process that says when it is hung up on, under the broker's name.
struct Broker {
    child: std::process::Child,
    says: mpsc::Receiver<String>,
    told: Cell<usize>,
}

impl Broker {
    fn start(dir: &TestFolder) -> Self {
        // `comm` is the name of the program's file, so a shell under that name passes for one.
        let program = dir.join("mosquitto");
        fs::copy("/bin/sh", &program).unwrap();
        let script = "trap 'echo told' HUP; echo ready; while :; do sleep 0.05; done";
        let mut child = std::process::Command::new(&program)
            .args(["-c", script])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let (say, says) = mpsc::channel();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| say.send(line)));
        assert_eq!(says.recv_timeout(PATIENCE).as_deref(), Ok("ready"));
        fs::write(dir.join("pid"), child.id().to_string()).unwrap();
        Self { child, says, told: Cell::new(0) }
    }

    fn signals(&self) -> usize {
        self.told.set(self.told.get() + self.says.try_iter().count());
        self.told.get()
    }

    fn await_signals(&self, count: usize) {
        while self.signals() < count {
            assert!(self.says.recv_timeout(PATIENCE).is_ok(), "{} signals", self.told.get());
            self.told.set(self.told.get() + 1);
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn agent(dir: &TestFolder, ca: &Ca) -> Agent {
    Agent::new(Settings {
        source: Source::File(dir.join("source.pem")),
        authority: ca.authority(),
        list_file: dir.join("list.pem"),
        broker: BrokerProcess::PidFile(dir.join("pid")),
    })
    .unwrap()
}

#[tokio::test]
async fn new_lists_reach_the_broker_and_bursts_make_one_signal() {
    let (dir, ca) = (TestFolder::new("agent"), Ca::new());
    let broker = Broker::start(&dir);
    let source = |text: &str| fs::write(dir.join("source.pem"), text).unwrap();
    let mut agent = agent(&dir, &ca);
    assert!(agent.step().await.is_err(), "no source yet");
    source(&ca.list(3, 1, tomorrow()));
    assert_eq!(agent.step().await.unwrap(), Step::Placed { number: 3, entries: 1 });
    broker.await_signals(1);
    // A burst: all within two seconds of the signal.
    for number in 4..8 {
        source(&ca.list(number, number, tomorrow()));
        assert_eq!(agent.step().await.unwrap(), Step::TooSoon);
    }
    agent.signalled = None;
    assert_eq!(agent.step().await.unwrap(), Step::Placed { number: 7, entries: 7 });
    broker.await_signals(2);
    agent.signalled = None;
    assert_eq!(agent.step().await.unwrap(), Step::Unchanged);
    let file = fs::read(dir.join("list.pem")).unwrap();
    assert!(file.starts_with(b"# switchyard revocation list 7\n"));
    assert_eq!(broker.signals(), 2);
}

#[tokio::test]
async fn broker_keeps_its_list_when_a_worse_one_is_offered() {
    let (dir, ca, other) = (TestFolder::new("agent"), Ca::new(), Ca::new());
    let broker = Broker::start(&dir);
    let mut first = agent(&dir, &ca);
    fs::write(dir.join("source.pem"), ca.list(5, 1, tomorrow())).unwrap();
    first.step().await.unwrap();
    broker.await_signals(1);
    let good = fs::read(dir.join("list.pem")).unwrap();
    // A fresh agent as well knows what the broker has.
    let mut second = agent(&dir, &ca);
    for bad in [
        ca.list(4, 9, tomorrow()),
        other.list(6, 0, tomorrow()),
        ca.list(6, 0, SystemClock.now() - Duration::hours(1)),
        "junk".to_owned(),
    ] {
        fs::write(dir.join("source.pem"), bad).unwrap();
        first.signalled = None;
        assert!(first.step().await.is_err());
        assert!(second.step().await.is_err());
    }
    assert_eq!(fs::read(dir.join("list.pem")).unwrap(), good);
    assert_eq!(broker.signals(), 1);
}

#[tokio::test]
async fn broker_that_is_away_is_told_when_it_is_back_and_no_other_process_is() {
    let (dir, ca) = (TestFolder::new("agent"), Ca::new());
    fs::write(dir.join("source.pem"), ca.list(2, 0, tomorrow())).unwrap();
    // The pid of somebody else.
    fs::write(dir.join("pid"), std::process::id().to_string()).unwrap();
    let mut agent = agent(&dir, &ca);
    for _ in 0..2 {
        assert!(agent.step().await.unwrap_err().to_string().contains("no broker runs"));
    }
    let broker = Broker::start(&dir);
    assert_eq!(agent.step().await.unwrap(), Step::Placed { number: 2, entries: 0 });
    broker.await_signals(1);
}

#[test]
fn damaged_lists_are_refused_and_a_taken_one_is_what_the_ca_signed() {
    let (ca, other, now) = (Ca::new(), Ca::new(), SystemClock.now());
    let authority = ca.authority();
    let good = [ca.list(1, 0, tomorrow()), ca.list(2, 40, tomorrow())];
    let files: Vec<_> = good.iter().map(|list| authority.check(list.as_bytes(), now)).collect();
    let files: Vec<_> = files.into_iter().map(|list| list.unwrap().file).collect();
    let mut inputs: Vec<Vec<u8>> = good.into_iter().map(String::into_bytes).collect();
    inputs.push(files[1].clone());
    inputs.push(other.list(3, 5, tomorrow()).into_bytes());
    let mut taken = 0;
    yard_testkit::hammer(&inputs, 6_000, |input| {
        if let Ok(list) = authority.check(input, now) {
            taken += 1;
            assert!(files.contains(&list.file), "list {}", list.number);
        }
        // And with the damage below the text form.
        if let Ok(der) = std::str::from_utf8(input).map(str::as_bytes) {
            drop(authority.check(&crate::broker::list::file_for_test(9, der), now));
        }
    });
    assert!(taken >= 3, "the good ones are good");
    let ders: Vec<Vec<u8>> =
        files.iter().map(|file| parsed(std::str::from_utf8(file).unwrap())).collect();
    yard_testkit::hammer(&ders, 6_000, |input| {
        let file = crate::broker::list::file_for_test(9, input);
        if let Ok(list) = authority.check(&file, now) {
            assert!(files.contains(&list.file), "list {}", list.number);
        }
    });
}
