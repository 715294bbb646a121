//! Whom to ask about an event, and in which order: the least senior first, then up the tree, at last
//! the owners.

use std::collections::HashSet;

use uuid::Uuid;

use super::store::{DutyRow, Someone};

/// People told in one step.
pub(super) const MOST_PEOPLE: usize = 100;

/// Those to be asked together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    /// Department, position, title and rank; `None` for the owners.
    pub(super) position: Option<Place>,
    pub(super) people: Vec<Someone>,
}

/// A position as a step names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) department: Uuid,
    pub(super) position: Uuid,
    pub(super) title: String,
    pub(super) rank: i16,
}

/// Orders who is on duty. `path` is the department with those above it. Whoever was asked already is
/// not asked again further up; the owners always come last, as nobody else may be there.
pub(super) fn steps(path: &[Uuid], on_duty: &[DutyRow], owners: Vec<Someone>) -> Vec<Step> {
    let (mut steps, mut asked, mut walked) = (Vec::new(), HashSet::new(), HashSet::new());
    for department in path.iter().filter(|department| walked.insert(**department)) {
        let mut here: Vec<&DutyRow> =
            on_duty.iter().filter(|row| row.department_id == *department).collect();
        here.sort_by_key(|row| (row.rank, row.position_id, row.principal_id));
        for group in here.chunk_by(|a, b| a.position_id == b.position_id) {
            let new = group.iter().filter(|row| asked.insert(row.principal_id));
            let people: Vec<Someone> = new.take(MOST_PEOPLE).map(|row| row.someone()).collect();
            let Some(first) = group.first().filter(|_| !people.is_empty()) else { continue };
            let place = Place {
                department: first.department_id,
                position: first.position_id,
                title: first.title.clone(),
                rank: first.rank,
            };
            steps.push(Step { position: Some(place), people });
        }
    }
    steps.push(Step { position: None, people: owners });
    steps
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn someone(n: u128) -> Someone {
        Someone { principal_id: Uuid::from_u128(n), display_name: n.to_string() }
    }

    fn duty(department: u128, position: u128, rank: i16, person: u128) -> DutyRow {
        DutyRow {
            department_id: Uuid::from_u128(department),
            position_id: Uuid::from_u128(position),
            title: position.to_string(),
            rank,
            principal_id: Uuid::from_u128(person),
            display_name: person.to_string(),
        }
    }

    fn order(steps: &[Step]) -> Vec<Vec<u128>> {
        let ids = |step: &Step| step.people.iter().map(|p| p.principal_id.as_u128()).collect();
        steps.iter().map(ids).collect()
    }

    #[test]
    fn event_climbs_by_rank_then_up_the_tree_and_ends_with_the_owners() {
        let path = [1, 2].map(Uuid::from_u128);
        let on_duty = [
            duty(2, 22, 1, 5),
            duty(1, 12, 50, 3),
            duty(1, 11, 10, 2),
            duty(1, 11, 10, 1),
            // Of another department, and one who was asked below already.
            duty(9, 91, 1, 8),
            duty(2, 23, 2, 1),
        ];
        let found = steps(&path, &on_duty, vec![someone(7)]);
        assert_eq!(order(&found), [vec![1, 2], vec![3], vec![5], vec![7]]);
        assert!(found.last().unwrap().position.is_none());
    }

    #[test]
    fn nobody_on_duty_means_the_owners() {
        assert_eq!(order(&steps(&[], &[], vec![someone(7)])), [vec![7]]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        /// Also for a path that repeats itself, which a tree of ours cannot have.
        #[test]
        fn route_ends_with_the_owners_and_asks_nobody_twice(
            path in prop::collection::vec(0_u128..6, 0..12),
            on_duty in prop::collection::vec((0_u128..8, 0_u128..5, 0_i16..4, 0_u128..9), 0..40),
        ) {
            let path: Vec<Uuid> = path.into_iter().map(Uuid::from_u128).collect();
            // A position is in one department and has one rank.
            let on_duty: Vec<DutyRow> = on_duty
                .into_iter()
                .map(|(department, position, rank, person)| {
                    let place = department * 100 + position * 10 + u128::from(rank.unsigned_abs());
                    duty(department, place, rank, person)
                })
                .collect();
            let found = steps(&path, &on_duty, vec![someone(999)]);
            prop_assert!(found.len() <= on_duty.len() + 1);
            let asked = order(&found);
            prop_assert_eq!(asked.last(), Some(&vec![999]));
            let people: Vec<Uuid> =
                found.iter().flat_map(|step| step.people.iter().map(|p| p.principal_id)).collect();
            let distinct: HashSet<&Uuid> = people.iter().collect();
            prop_assert_eq!(distinct.len(), people.len());
            // Everybody on duty on the path is asked somewhere.
            for row in on_duty.iter().filter(|row| path.contains(&row.department_id)) {
                prop_assert!(people.contains(&row.principal_id));
            }
            // Never down again, and within a department never to a lower rank.
            let heights: Vec<_> = found
                .iter()
                .filter_map(|step| step.position.as_ref())
                .map(|place| (path.iter().position(|d| *d == place.department), place.rank))
                .collect();
            prop_assert!(heights.is_sorted());
        }
    }
}
