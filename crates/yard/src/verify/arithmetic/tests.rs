use uuid::Uuid;

use super::super::stored::by_report;
use super::*;
use crate::api::{SequenceGap, SequenceReport};

fn run(device: u128, acked: &[(u64, u64)]) -> DeviceRun {
    let acked = acked.to_vec().into();
    DeviceRun { device_id: Uuid::from_u128(device), acked, ..DeviceRun::default() }
}

fn report(first: u64, last: u64, gaps: &[(u64, u64)], stored: u64) -> SequenceReport {
    let missing: u64 = gaps.iter().map(|(first, last)| last - first + 1).sum();
    let gaps = gaps
        .iter()
        .map(|&(first_missing, last_missing)| SequenceGap { first_missing, last_missing });
    SequenceReport {
        stored,
        distinct_sequences: last + 1 - first - missing,
        first_sequence: first,
        last_sequence: last,
        gaps: gaps.collect(),
        ..SequenceReport::default()
    }
}

fn settle(run: DeviceRun, report: SequenceReport) -> Account {
    let sequences = by_report(&report).unwrap();
    Account::settle(run, &Stored { sequences, report }, &Quarantined::default())
}

#[test]
fn everything_acknowledged_and_stored_once_is_sound() {
    let account = settle(run(1, &[(1, 10)]), report(1, 10, &[], 10));
    let found = Verification::of(&[account]);
    assert!(found.is_sound() && found.failing.is_empty());
    assert_eq!((found.devices, found.acked, found.stored), (1, 10, 10));
}

#[test]
fn stored_without_an_acknowledgement_is_no_loss() {
    // The acknowledgement was lost on the way; the reading was not.
    assert!(Verification::of(&[settle(run(1, &[(1, 4)]), report(1, 10, &[], 10))]).is_sound());
    assert!(Verification::of(&[settle(run(1, &[]), report(3, 3, &[], 1))]).is_sound());
}

#[test]
fn gap_end_and_whole_run_missing_are_lost() {
    let gap = settle(run(1, &[(1, 10)]), report(1, 9, &[(4, 5)], 7));
    assert_eq!(gap.lost.ranges(), [(4, 5), (10, 10)]);
    let nothing = settle(run(2, &[(1, 3)]), SequenceReport::default());
    let found = Verification::of(&[gap, nothing]);
    assert_eq!((found.lost, found.failing.len()), (6, 2));
    assert!(!found.is_sound());
}

#[test]
fn gap_that_was_never_acknowledged_is_no_loss() {
    let account = settle(run(1, &[(1, 3), (6, 10)]), report(1, 10, &[(4, 5)], 8));
    assert!(Verification::of(&[account]).is_sound());
}

#[test]
fn reading_in_quarantine_is_not_lost_but_counted() {
    let report = report(1, 9, &[(4, 4)], 8);
    let stored = Stored { sequences: by_report(&report).unwrap(), report };
    let quarantined = Quarantined { messages: 3, sequences: vec![(4, 4)].into() };
    let found = Verification::of(&[Account::settle(run(1, &[(1, 9)]), &stored, &quarantined)]);
    assert_eq!((found.lost, found.quarantined), (0, 3));
}

#[test]
fn stored_twice_is_a_duplicate_even_when_nothing_is_lost() {
    let found = Verification::of(&[settle(run(1, &[(1, 10)]), report(1, 10, &[], 12))]);
    assert_eq!((found.lost, found.duplicates), (0, 2));
    assert!(!found.is_sound());
    assert_eq!(found.failing[0].duplicates, 2);
}

#[test]
fn receipt_without_a_stored_reading_is_the_platforms_broken_word() {
    let run = DeviceRun { receipts: vec![(1, 4)].into(), ..run(1, &[]) };
    let found = Verification::of(&[settle(run, report(1, 3, &[], 3))]);
    assert_eq!((found.lost, found.receipts_lost), (0, 1));
    assert!(!found.is_sound());
}

#[test]
fn report_that_does_not_tell_all_is_not_trusted() {
    let cut_off: Vec<_> = (0..100).map(|n| (2 * n + 2, 2 * n + 2)).collect();
    assert!(by_report(&report(1, 500, &cut_off, 400)).is_none());
    let mut wrong = report(1, 10, &[(4, 4)], 9);
    wrong.distinct_sequences = 8;
    assert!(by_report(&wrong).is_none());
    assert!(by_report(&report(1, 10, &[(4, 4)], 9)).is_some());
}

#[test]
fn quantiles_are_weighted_by_what_each_device_stored() {
    let timed = |device, stored: u64, p50, p99| {
        let report = SequenceReport {
            stored_p50_ms: p50,
            stored_p99_ms: p99,
            ..report(1, stored, &[], stored)
        };
        settle(run(device, &[]), report)
    };
    let found = Verification::of(&[
        timed(1, 10, 90.0, 400.0),
        timed(2, 1_000, 5.0, 20.0),
        timed(3, 1_000, 7.0, 30.0),
    ]);
    assert_eq!((found.stored_p50_ms, found.stored_p99_ms), (7.0, 400.0));
    assert_eq!(Verification::of(&[]).stored_p50_ms, 0.0);
}
