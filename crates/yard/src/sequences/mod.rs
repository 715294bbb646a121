//! A set of sequence numbers, kept as ranges: a device that loses nothing has one.

use serde::{Deserialize, Serialize};

/// Sorted, disjoint, never touching ranges with both ends included; `[[1,100],[103,103]]` in JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<(u64, u64)>", into = "Vec<(u64, u64)>")]
pub struct Sequences(Vec<(u64, u64)>);

impl From<Vec<(u64, u64)>> for Sequences {
    fn from(ranges: Vec<(u64, u64)>) -> Self {
        let mut set = Self::default();
        for (first, last) in ranges {
            set.insert_range(first, last);
        }
        set
    }
}

impl From<Sequences> for Vec<(u64, u64)> {
    fn from(set: Sequences) -> Self {
        set.0
    }
}

impl Sequences {
    /// Adds one number.
    pub fn insert(&mut self, number: u64) {
        self.insert_range(number, number);
    }

    /// Adds `first..=last`; nothing when they are the wrong way round.
    pub fn insert_range(&mut self, first: u64, last: u64) {
        if first > last {
            return;
        }
        // Ranges before `from` end too early to touch, ranges from `to` on begin too late.
        let from = self.0.partition_point(|range| range.1.saturating_add(1) < first);
        let to = self.0.partition_point(|range| range.0 <= last.saturating_add(1));
        let merged = self
            .0
            .get(from..to)
            .unwrap_or_default()
            .iter()
            .fold((first, last), |(low, high), range| (low.min(range.0), high.max(range.1)));
        self.0.splice(from..to.max(from), [merged]);
    }

    /// How many numbers are in it.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.0.iter().map(|(first, last)| last - first + 1).sum()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `number` is in it.
    #[must_use]
    pub fn contains(&self, number: u64) -> bool {
        let index = self.0.partition_point(|range| range.1 < number);
        self.0.get(index).is_some_and(|range| range.0 <= number)
    }

    /// The ranges, ascending.
    #[must_use]
    pub fn ranges(&self) -> &[(u64, u64)] {
        &self.0
    }

    /// What is in here and not in `other`.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        let mut left = Vec::new();
        let mut holes = other.0.iter().copied().peekable();
        for &(first, last) in &self.0 {
            let mut next = first;
            while holes.next_if(|hole| hole.1 < next).is_some() {}
            let mut open = true;
            while let Some(&(hole_first, hole_last)) = holes.peek() {
                if hole_first > last {
                    break;
                }
                if hole_first > next {
                    left.push((next, hole_first - 1));
                }
                if hole_last >= last {
                    open = false;
                    break;
                }
                next = hole_last + 1;
                holes.next();
            }
            if open {
                left.push((next, last));
            }
        }
        Self(left)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn numbers(set: &Sequences) -> BTreeSet<u64> {
        set.ranges().iter().flat_map(|(first, last)| *first..=*last).collect()
    }

    fn well_formed(set: &Sequences) -> bool {
        let ordered = set.ranges().iter().all(|(first, last)| first <= last);
        ordered && set.ranges().windows(2).all(|pair| pair[0].1 + 1 < pair[1].0)
    }

    proptest! {
        #[test]
        fn sequences_agree_with_a_plain_set(
            inserted in prop::collection::vec((0_u64..80, 0_u64..6), 0..60),
            removed in prop::collection::vec((0_u64..80, 0_u64..9), 0..20),
        ) {
            let (mut set, mut plain) = (Sequences::default(), BTreeSet::new());
            for (first, more) in inserted {
                set.insert_range(first, first + more);
                plain.extend(first..=first + more);
                prop_assert!(well_formed(&set), "{set:?}");
            }
            prop_assert_eq!(numbers(&set), plain.clone());
            prop_assert_eq!(set.len(), plain.len() as u64);
            for number in 0..90 {
                prop_assert_eq!(set.contains(number), plain.contains(&number));
            }
            let other: Sequences =
                removed.iter().map(|(first, more)| (*first, first + more)).collect::<Vec<_>>().into();
            let rest = set.without(&other);
            prop_assert!(well_formed(&rest), "{rest:?}");
            let expected: BTreeSet<_> = plain.difference(&numbers(&other)).copied().collect();
            prop_assert_eq!(numbers(&rest), expected);
        }
    }

    #[test]
    fn sequences_survive_json_and_the_largest_number() {
        let mut set = Sequences::default();
        set.insert(u64::MAX);
        set.insert_range(1, 3);
        set.insert_range(3, 1);
        let json = serde_json::to_string(&set).unwrap();
        assert_eq!(json, "[[1,3],[18446744073709551615,18446744073709551615]]");
        assert_eq!(serde_json::from_str::<Sequences>(&json).unwrap(), set);
    }
}
