use proptest::prelude::*;
use time::macros::datetime;
use time::{Duration, OffsetDateTime};
use yard_audit::export::{
    AnchorLine, Checker, Disclosure, EndLine, EventLine, FORMAT, HeaderLine, Line, PersonalLine,
    RootLine, Seal, Verified,
};
use yard_audit::merkle::{self, Tree};
use yard_audit::{Entry, Hash, Personal, PublicKeys, Root, SigningKey};

const CHAIN: &str = "0190a6f2-7c2a-7b52-9c11-000000000001";
const START: OffsetDateTime = datetime!(2026-03-01 12:00:00.000_250 UTC);

/// Ed25519 keys of tests, PKCS#8; 32 equal bytes are the seed.
pub(crate) fn key(seed: u8) -> SigningKey {
    use base64::Engine as _;
    let mut der = vec![0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    der.extend([seed; 32]);
    let body = base64::engine::general_purpose::STANDARD.encode(der);
    SigningKey::from_pem(&format!(
        "-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n"
    ))
    .unwrap()
}

fn text(at: OffsetDateTime) -> String {
    at.format(&time::format_description::well_known::Rfc3339).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

pub(crate) fn entry(sequence: i64) -> (Entry, Option<Personal>) {
    let personal = (sequence % 3 != 0).then(|| Personal {
        salt: [u8::try_from(sequence).unwrap(); 32],
        subject_id: "0190a6f2-7c2a-7b52-9c11-00000000000a".to_owned(),
        email: "ann@example.org".to_owned(),
        display_name: "Änn \"the first\"\u{1f}".to_owned(),
        address: "203.0.113.7".to_owned(),
        user_agent: "curl/8".to_owned(),
    });
    let entry = Entry {
        chain: CHAIN.to_owned(),
        sequence,
        event_id: format!("0190a6f2-7c2a-7b52-9c11-{sequence:012}"),
        kind: "call".to_owned(),
        occurred_at: START + Duration::seconds(sequence),
        recorded_at: START + Duration::milliseconds(sequence * 1_000 + 3),
        service: "device-ingest".to_owned(),
        actor: "person:0190a6f2-7c2a-7b52-9c11-00000000000a".to_owned(),
        acting_as: "owner".to_owned(),
        session_id: String::new(),
        action: "yard.device.v1.DeviceService/UpdateDevice".to_owned(),
        object_type: "device".to_owned(),
        object_id: "0190a6f2-7c2a-7b52-9c11-0000000000d1".to_owned(),
        outcome: "ok".to_owned(),
        incident: "i".to_owned(),
        trace_id: String::new(),
        address_prefix: "203.0.113.0/24".to_owned(),
        changed_fields: vec!["labels".to_owned(), "name".to_owned()],
        repeats: 1,
        resolves: 0,
        subject_id: personal.as_ref().map(|p| p.subject_id.clone()).unwrap_or_default(),
        personal_commitment: personal.as_ref().map(Personal::commitment),
    };
    (entry, personal)
}

fn event_line(
    entry: &Entry,
    personal: Option<&Personal>,
    previous: Hash,
    erased: bool,
) -> EventLine {
    let shown = |text: &str| if erased { String::new() } else { text.to_owned() };
    EventLine {
        acting_as: entry.acting_as.clone(),
        action: entry.action.clone(),
        actor: entry.actor.clone(),
        address_prefix: entry.address_prefix.clone(),
        changed_fields: entry.changed_fields.clone(),
        event_id: entry.event_id.clone(),
        hash: entry.hash(&previous),
        incident: entry.incident.clone(),
        kind: "AUDIT_KIND_CALL".to_owned(),
        object_id: entry.object_id.clone(),
        object_type: entry.object_type.clone(),
        occurred_at: text(entry.occurred_at),
        outcome: entry.outcome.clone(),
        personal: personal.map(|p| PersonalLine {
            address: shown(&p.address),
            display_name: shown(&p.display_name),
            email: shown(&p.email),
            erased,
            salt: shown(&hex(&p.salt)),
            subject_id: p.subject_id.clone(),
            user_agent: shown(&p.user_agent),
        }),
        personal_commitment: entry.personal_commitment.map(|h| h.to_string()).unwrap_or_default(),
        previous_hash: previous,
        recorded_at: text(entry.recorded_at),
        repeats: entry.repeats,
        resolves: entry.resolves,
        sequence: entry.sequence,
        service: entry.service.clone(),
        session_id: entry.session_id.clone(),
        tenant_id: entry.chain.clone(),
        trace_id: entry.trace_id.clone(),
    }
}

/// An export of `count` entries from `first` on; every second is anchored, every fourth erased.
fn export(first: i64, count: i64) -> Vec<String> {
    let key = key(7);
    let mut previous = if first == 1 { Hash::ZERO } else { Hash::from([9; 32]) };
    let mut seal = Seal::begin(CHAIN, first, &previous);
    let header = HeaderLine {
        chain: CHAIN.to_owned(),
        first_previous_hash: previous,
        first_sequence: first,
        format: FORMAT.to_owned(),
    };
    let mut lines = vec![Line::Header(header)];
    let mut root_digest = Hash::ZERO;
    for sequence in first..first + count {
        let (entry, personal) = entry(sequence);
        let erased = sequence % 4 == 0 && personal.is_some();
        let line = event_line(&entry, personal.as_ref(), previous, erased);
        previous = line.hash;
        let shown = match (&personal, erased) {
            (None, _) => Disclosure::None,
            (Some(_), true) => Disclosure::Erased,
            (Some(_), false) => Disclosure::Open,
        };
        seal.event(&line.hash, shown);
        lines.push(Line::Event(Box::new(line)));
        if sequence % 2 == 0 {
            let other = merkle::leaf("another chain", sequence, &Hash::ZERO);
            let tree = Tree::over(vec![other, merkle::leaf(CHAIN, sequence, &previous)]).unwrap();
            let (number, at) = (sequence / 2, START + Duration::minutes(sequence));
            let root = Root::sign(&key, number, at, tree.root(), root_digest);
            root_digest = root.digest();
            seal.anchor(&root, sequence, &tree.path(1));
            lines.push(Line::Anchor(AnchorLine {
                path: tree.path(1),
                root: RootLine {
                    key_id: root.key_id.clone(),
                    made_at: text(root.made_at),
                    merkle_root: root.merkle_root,
                    number: root.number,
                    previous_digest: root.previous_digest,
                    signature: hex(&root.signature),
                },
                sequence,
            }));
        }
    }
    let (last_sequence, at) = (first + count - 1, START + Duration::hours(1));
    lines.push(Line::End(EndLine {
        digest: seal.digest(),
        exported_at: text(at),
        key_id: key.id().to_owned(),
        last_hash: previous,
        last_sequence,
        signature: hex(&seal.sign(&key, last_sequence, &previous, at)),
    }));
    lines.iter().map(Line::write).collect()
}

fn check<T: AsRef<str>>(lines: &[T]) -> Result<Verified, String> {
    let mut checker = Checker::new(PublicKeys::of(&key(7)));
    for line in lines {
        checker.line(line.as_ref()).map_err(|e| e.to_string())?;
    }
    checker.finish().map_err(|e| e.to_string())
}

fn check_bytes(bytes: &[u8]) -> Result<Verified, String> {
    let text = std::str::from_utf8(bytes).map_err(|e| e.to_string())?;
    check(&text.split('\n').collect::<Vec<_>>())
}

#[test]
fn whole_export_verifies_and_says_what_it_covers() {
    let found = check(&export(1, 13)).unwrap();
    assert_eq!((found.entries, found.first_sequence, found.last_sequence), (13, 1, 13));
    assert_eq!((found.roots, found.anchored_sequence, found.erased), (6, 12, 2));
    let later = check(&export(5, 4)).unwrap();
    assert_eq!((later.first_sequence, later.last_sequence), (5, 8));
    assert_eq!(check(&export(1, 0)).unwrap().entries, 0);
}

#[test]
fn every_single_bit_of_an_export_counts() {
    let whole = export(1, 4).join("\n").into_bytes();
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut changed = whole.clone();
            changed[at] ^= 1 << bit;
            let outcome = check_bytes(&changed);
            assert!(outcome.is_err(), "bit {bit} of byte {at}: {}", changed[at] as char);
        }
    }
}

#[test]
fn export_of_another_key_or_cut_off_is_refused() {
    let lines = export(1, 5);
    let mut stranger = Checker::new(PublicKeys::of(&key(8)));
    let refused = lines.iter().try_for_each(|line| stranger.line(line)).unwrap_err();
    assert!(refused.problem.contains("not among"), "{refused}");
    for kept in 0..lines.len() {
        assert!(check(lines.get(..kept).unwrap()).is_err(), "{kept} lines");
    }
}

#[test]
fn export_over_other_roots_than_those_kept_elsewhere_is_refused() {
    let lines = export(1, 4);
    let Ok(Line::Anchor(anchor)) = Line::read(&lines[3]) else { panic!("an anchor") };
    let kept = anchor.root.root().unwrap();
    let run = |kept: Root| {
        let mut checker = Checker::new(PublicKeys::of(&key(7))).against([kept]);
        lines.iter().try_for_each(|line| checker.line(line)).map_err(|e| e.to_string())
    };
    assert_eq!(run(kept.clone()), Ok(()));
    // Signed by the same key, over another history.
    let other = Root::sign(&key(7), kept.number, kept.made_at, Hash::ZERO, kept.previous_digest);
    assert!(run(other).unwrap_err().contains("that was kept"));
}

#[test]
fn personal_data_can_be_neither_changed_nor_taken_out() {
    let lines = export(1, 2);
    let changed: Vec<_> = lines.iter().map(|l| l.replace("ann@example", "bob@example")).collect();
    assert!(check(&changed).unwrap_err().contains("not what was recorded"));
    let Ok(Line::Event(mut event)) = Line::read(&lines[1]) else { panic!("an event") };
    event.personal = None;
    let mut without = lines;
    without[1] = Line::Event(event).write();
    // The subject is hashed as well, so the entry itself no longer fits.
    assert!(check(&without).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_flip_deletion_swap_or_insertion_is_found(
        count in 1..12_i64, kind in 0..5_u8, a in any::<prop::sample::Index>(),
        b in any::<prop::sample::Index>(), bit in 0..8_u32,
    ) {
        let lines = export(1, count);
        prop_assert!(check(&lines).is_ok());
        let (i, j) = (a.index(lines.len()), b.index(lines.len()));
        let mut changed = lines.clone();
        match kind {
            0 => { changed.remove(i); }
            1 => { changed.swap(i, j); prop_assume!(changed != lines); }
            2 => { let line = changed[i].clone(); changed.insert(j, line); }
            3 => { changed.insert(j, export(1, count + 3)[i].clone()); }
            _ => {
                let mut bytes = lines.join("\n").into_bytes();
                let at = a.index(bytes.len());
                bytes[at] ^= 1 << bit;
                prop_assert!(check_bytes(&bytes).is_err());
                return Ok(());
            }
        }
        prop_assert!(check(&changed).is_err(), "kind {kind}, {i}, {j}");
    }
}
