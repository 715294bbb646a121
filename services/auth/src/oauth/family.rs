//! What a refresh token is worth.

use aws_lc_rs::constant_time;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::store::Family;

/// A grant that is not used for so long has ended.
pub(super) const IDLE: Duration = Duration::days(14);
/// No grant lives longer.
pub(super) const ABSOLUTE: Duration = Duration::days(60);
/// Within it, who shows the token before is one who did not get the answer.
const GRACE: Duration = Duration::seconds(10);
/// How far the clocks of two instances may be apart.
const CLOCKS_APART: Duration = Duration::seconds(5);

/// What follows from a refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// It is the one in force: a new one takes its place.
    Rotate,
    /// It is the one before: the one in force is told again.
    Repeat,
    /// Somebody has what they should not: the grant ends.
    Reuse,
}

/// Nobody names a family who has not had a token of it, so whatever is neither of the two is reuse.
pub(super) fn step(family: &Family, shown: &[u8; 32], client: Uuid, now: OffsetDateTime) -> Step {
    let is = |known: Option<&Vec<u8>>| {
        known.is_some_and(|known| constant_time::verify_slices_are_equal(known, shown).is_ok())
    };
    let (leaf, previous) = (is(family.leaf_hash.as_ref()), is(family.previous_hash.as_ref()));
    let fresh = family.rotated_at.is_some_and(|at| (-CLOCKS_APART..=GRACE).contains(&(now - at)));
    match (family.client_id == client, leaf, previous && fresh) {
        (true, true, _) => Step::Rotate,
        (true, false, true) => Step::Repeat,
        _ => Step::Reuse,
    }
}

/// When a grant that is used now ends without another use.
pub(super) fn end_after_use(family: &Family, now: OffsetDateTime) -> OffsetDateTime {
    family.ends_at.min(now + IDLE)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-03-01 12:00 UTC);
    const CLIENT: Uuid = Uuid::from_u128(1);

    fn family() -> Family {
        Family {
            session_id: Uuid::nil(),
            client_id: CLIENT,
            leaf_hash: Some(vec![2; 32]),
            previous_hash: Some(vec![1; 32]),
            successor_sealed: Some(Vec::new()),
            rotated_at: Some(NOW),
            ends_at: NOW + ABSOLUTE,
        }
    }

    #[test]
    fn leaf_rotates_at_any_time_and_its_predecessor_repeats_for_ten_seconds() {
        let after = |seconds, shown| {
            step(&family(), &[shown; 32], CLIENT, NOW + Duration::seconds(seconds))
        };
        assert_eq!((after(0, 2), after(86_400, 2)), (Step::Rotate, Step::Rotate));
        assert_eq!((after(0, 1), after(10, 1)), (Step::Repeat, Step::Repeat));
        assert_eq!((after(11, 1), after(-6, 1)), (Step::Reuse, Step::Reuse));
        assert_eq!(after(-5, 1), Step::Repeat);
        assert_eq!((after(0, 0), after(0, 3)), (Step::Reuse, Step::Reuse));
    }

    #[test]
    fn token_is_worth_nothing_to_another_client() {
        for shown in [1, 2, 3] {
            assert_eq!(step(&family(), &[shown; 32], Uuid::nil(), NOW), Step::Reuse);
        }
    }

    #[test]
    fn grant_without_refresh_has_no_leaf() {
        let family = Family { leaf_hash: None, previous_hash: None, rotated_at: None, ..family() };
        assert_eq!(step(&family, &[0; 32], CLIENT, NOW), Step::Reuse);
    }

    #[test]
    fn use_moves_the_end_but_not_beyond_the_last_day() {
        assert_eq!(end_after_use(&family(), NOW), NOW + IDLE);
        let late = NOW + Duration::days(50);
        assert_eq!(end_after_use(&family(), late), NOW + ABSOLUTE);
    }
}
