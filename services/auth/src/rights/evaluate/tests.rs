//! Against an oracle that knows nothing of masks and paths: it walks through every single thing that
//! a question could mean, and asks of each in turn.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::subsequence;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use yard_authn::TENANT_PERMISSIONS;

use super::*;

/// Departments of an organisation, and what is said about one person in it.
#[derive(Debug, Clone)]
struct Organisation {
    /// Parent of each; the first is at the top.
    parents: Vec<Option<usize>>,
    said: Vec<Said>,
}

#[derive(Debug, Clone)]
struct Said {
    force: Force,
    scope: Scope,
    department: usize,
    permissions: Vec<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Scope {
    Own,
    Department,
    Subtree,
    Tenant,
}

/// A thing there may be: of a department or of none, the person's own or not.
type Thing = (Option<usize>, bool);

fn uuid(department: usize) -> Uuid {
    Uuid::from_u128(department as u128 + 1)
}

impl Organisation {
    fn rules(&self) -> Vec<Rule> {
        let rule = |said: &Said| Rule {
            force: said.force,
            permissions: PermissionSet::of(&said.permissions),
            reach: match said.scope {
                Scope::Own => Reach::Own,
                Scope::Department => Reach::Department(uuid(said.department)),
                Scope::Subtree => Reach::Subtree(uuid(said.department)),
                Scope::Tenant => Reach::Tenant,
            },
        };
        self.said.iter().map(rule).collect()
    }

    fn path(&self, department: Option<usize>) -> Vec<Uuid> {
        let mut path = Vec::new();
        let mut at = department;
        while let Some(here) = at {
            path.push(uuid(here));
            at = self.parents[here];
        }
        path
    }

    /// Everything below, by asking each department for its children again and again.
    fn below(&self, top: usize) -> Vec<usize> {
        let mut found = vec![top];
        for (child, parent) in self.parents.iter().enumerate() {
            if *parent == Some(top) {
                found.extend(self.below(child));
            }
        }
        found
    }

    fn is_about(&self, said: &Said, (department, own): Thing) -> bool {
        match said.scope {
            Scope::Tenant => true,
            Scope::Own => own,
            Scope::Department => department == Some(said.department),
            Scope::Subtree => department.is_some_and(|d| self.below(said.department).contains(&d)),
        }
    }

    fn may_with(&self, permission: &str, thing: Thing) -> bool {
        let said = |force: Force| {
            self.said.iter().any(|said| {
                said.force == force
                    && said.permissions.contains(&permission)
                    && self.is_about(said, thing)
            })
        };
        if said(Force::Deny) {
            return false;
        }
        if said(Force::Allow) {
            return true;
        }
        said(Force::Role)
    }

    /// Whether it may be done to every thing that the question could mean.
    fn may(&self, permission: &str, department: Option<usize>, own: bool) -> bool {
        let mut departments: Vec<Option<usize>> = vec![department];
        if department.is_none() {
            departments.extend((0..self.parents.len()).map(Some));
        }
        // Not restricted to one's own and to no department: anything at all.
        let owns: &[bool] = if own || department.is_some() { &[own] } else { &[false, true] };
        departments.iter().all(|d| owns.iter().all(|own| self.may_with(permission, (*d, *own))))
    }
}

fn organisations() -> impl Strategy<Value = Organisation> {
    let tree = prop::collection::vec(any::<prop::sample::Index>(), 0..7);
    let said = (
        prop_oneof![Just(Force::Deny), Just(Force::Allow), Just(Force::Role), Just(Force::Role)],
        prop_oneof![
            Just(Scope::Own),
            Just(Scope::Department),
            Just(Scope::Subtree),
            Just(Scope::Tenant)
        ],
        any::<prop::sample::Index>(),
        subsequence(TENANT_PERMISSIONS.to_vec(), 0..4),
    );
    (tree, prop::collection::vec(said, 0..9)).prop_map(|(tree, said)| {
        let mut parents = vec![None];
        for (place, index) in tree.into_iter().enumerate() {
            // The top, or one that is there already.
            let parent = index.index(place + 2);
            parents.push(parent.checked_sub(1));
        }
        let departments = parents.len();
        let said = said.into_iter().map(|(force, scope, department, permissions)| Said {
            force,
            scope,
            department: department.index(departments),
            permissions,
        });
        Organisation { parents, said: said.collect() }
    })
}

/// The same organisations in every run.
fn for_organisations(cases: u32, check: impl Fn(Organisation) -> Result<(), TestCaseError>) {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, rng).run(&organisations(), check).unwrap();
}

fn questions(organisation: &Organisation) -> Vec<(Option<usize>, Target)> {
    let places = std::iter::once(None).chain((0..organisation.parents.len()).map(Some));
    let questions = places.flat_map(|department| [(department, false), (department, true)]);
    let target =
        |(department, own)| (department, Target { path: organisation.path(department), own });
    questions.map(target).collect()
}

#[test]
fn evaluator_equals_the_oracle_on_random_organisations() {
    let seen = std::cell::RefCell::new(BTreeMap::new());
    for_organisations(4_000, |organisation| {
        let rules = organisation.rules();
        for (department, target) in questions(&organisation) {
            let set = held(&rules, &target);
            for permission in TENANT_PERMISSIONS {
                let one = PermissionSet::one(permission);
                let oracle = organisation.may(permission, department, target.own);
                prop_assert_eq!(set.holds(one), oracle, "{} {:?}", permission, target);
                let decides = deciding(&rules, one, &target).map(|place| rules[place].force);
                prop_assert_eq!(matches!(decides, Some(Force::Allow | Force::Role)), oracle);
                *seen.borrow_mut().entry((decides, target.own)).or_insert(0_u32) += 1;
            }
        }
        Ok(())
    });
    // Every way to decide was met often: the organisations are no trivial ones.
    let seen = seen.into_inner();
    assert!(seen.len() == 8 && seen.values().all(|times| *times > 1_000), "{seen:?}");
}

#[test]
fn adding_a_deny_never_enlarges_the_set_and_adding_an_allow_never_makes_it_smaller() {
    for_organisations(4_000, |organisation| {
        let rules = organisation.rules();
        let Some((last, rest)) = rules.split_last() else { return Ok(()) };
        for (_, target) in questions(&organisation) {
            let (with, without) = (held(&rules, &target), held(rest, &target));
            let (larger, smaller) =
                if last.force == Force::Deny { (without, with) } else { (with, without) };
            prop_assert!(larger.holds(smaller), "{:?} {:?}", last, target);
        }
        Ok(())
    });
}

#[test]
fn what_holds_in_the_whole_tenant_holds_in_every_department_and_for_ones_own() {
    for_organisations(4_000, |organisation| {
        let rules = organisation.rules();
        let everywhere = held(&rules, &Target::default());
        for (_, target) in questions(&organisation) {
            prop_assert!(held(&rules, &target).holds(everywhere), "{:?}", target);
        }
        Ok(())
    });
}
