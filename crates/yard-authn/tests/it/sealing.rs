use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use yard_authn::seal::{Sealer, kid_of};
use yard_ids::{IdSource as _, RandomIds};

/// A key file that goes with the test.
struct KeyFile(PathBuf);

impl KeyFile {
    fn new(text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("yard-seal-{}", RandomIds.uuid7()));
        std::fs::write(&path, text).unwrap();
        Self(path)
    }

    fn write(&self, text: &str) {
        std::fs::write(&self.0, text).unwrap();
    }

    fn load(&self) -> Sealer {
        Sealer::load(&self.0).unwrap()
    }
}

impl Drop for KeyFile {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}

fn line(kid: &str, byte: u8) -> String {
    format!("{kid}:{}\n", STANDARD.encode([byte; 32]))
}

#[test]
fn sealed_text_opens_for_its_own_purpose_and_owner_only() {
    let sealer = KeyFile::new(&line("k1", 1)).load();
    let sealed = sealer.seal("totp", b"ann", b"secret").unwrap();
    assert_eq!(sealer.open("totp", b"ann", &sealed).unwrap(), b"secret");
    assert!(!sealed.windows(6).any(|part| part == b"secret"));
    assert_ne!(sealed, sealer.seal("totp", b"ann", b"secret").unwrap(), "nonces differ");
    for (purpose, owner) in [("totp", "bob"), ("key", "ann"), ("totpa", "nn"), ("tot", "pann")] {
        assert!(sealer.open(purpose, owner.as_bytes(), &sealed).is_err(), "{purpose} {owner}");
    }
}

#[test]
fn any_changed_or_missing_byte_is_noticed() {
    let sealer = KeyFile::new(&line("k1", 1)).load();
    let sealed = sealer.seal("totp", b"ann", b"secret").unwrap();
    for at in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        assert!(sealer.open("totp", b"ann", &changed).is_err(), "byte {at}");
        assert!(sealer.open("totp", b"ann", &sealed[..at]).is_err(), "{at} bytes");
    }
    let empty = sealer.seal("totp", b"", b"").unwrap();
    assert_eq!(sealer.open("totp", b"", &empty).unwrap(), b"");
}

#[test]
fn second_key_opens_what_it_sealed_until_it_is_sealed_anew() {
    let file = KeyFile::new(&line("old", 1));
    let sealer = file.load();
    let sealed = sealer.seal("totp", b"ann", b"secret").unwrap();
    file.write(&(line("new", 2) + &line("old", 1)));
    sealer.reload().unwrap();
    assert_eq!(sealer.active(), "new");
    assert_eq!(sealer.open("totp", b"ann", &sealed).unwrap(), b"secret");
    let moved = sealer.reseal("totp", b"ann", &sealed).unwrap().unwrap();
    assert_eq!(kid_of(&moved), Some("new"));
    assert!(sealer.reseal("totp", b"ann", &moved).unwrap().is_none());
    file.write(&line("new", 2));
    sealer.reload().unwrap();
    assert_eq!(sealer.open("totp", b"ann", &moved).unwrap(), b"secret");
    assert!(sealer.open("totp", b"ann", &sealed).is_err());
}

#[test]
fn missing_key_that_data_needs_is_named() {
    let sealer = KeyFile::new(&line("new", 2)).load();
    assert!(sealer.require(["new", "new"]).is_ok());
    let problem = sealer.require(["new", "old"]).unwrap_err().to_string();
    assert!(problem.contains("sealing.key_file") && problem.contains("old"), "{problem}");
}

#[test]
fn key_file_of_another_shape_is_refused_without_showing_a_key() {
    let short = STANDARD.encode([7; 31]);
    let five: String = (0..5).map(|n| line(&format!("k{n}"), n)).collect();
    for text in [
        "\n",
        "# nothing\n",
        "k1\n",
        &format!("k1:{short}\n"),
        &format!(":{}\n", STANDARD.encode([7; 32])),
        &format!("a b:{}\n", STANDARD.encode([7; 32])),
        &format!("{}:{}\n", "k".repeat(33), STANDARD.encode([7; 32])),
        &(line("k1", 7) + &line("k1", 7)),
        &five,
    ] {
        let problem = Sealer::load(&KeyFile::new(text).0).unwrap_err().to_string();
        assert!(problem.contains("sealing.key_file"), "{problem}");
        assert!(!problem.contains(&short) && !problem.contains("BwcH"), "{problem}");
    }
    assert!(Sealer::load(&KeyFile::new(&("# used\n\n".to_owned() + &line("k", 1))).0).is_ok());
}

#[test]
fn key_file_that_broke_keeps_the_keys_of_before() {
    let file = KeyFile::new(&line("k1", 1));
    let sealer = file.load();
    let sealed = sealer.seal("totp", b"ann", b"secret").unwrap();
    file.write("nonsense");
    assert!(sealer.reload().is_err());
    assert_eq!(sealer.open("totp", b"ann", &sealed).unwrap(), b"secret");
}
