//! The plan, alone: real keys and a real database are in `tests/it/keys.rs`.

use proptest::prelude::*;
use time::Duration;
use time::OffsetDateTime;
use time::macros::datetime;

use super::plan::{self, Key, Rules, State, Step};

const START: OffsetDateTime = datetime!(2026-03-01 12:00 UTC);
const RULES: Rules = Rules {
    rotate_every: Duration::days(30),
    publish_for: Duration::minutes(20),
    retire_for: Duration::minutes(15),
};
/// Longest life of a token, and the longest that a verifier goes on with an old key set.
const TOKEN: Duration = Duration::minutes(5);
const STALE: Duration = Duration::minutes(10);

/// auth and its keys on a clock; verifiers know what was published some time ago.
struct World {
    now: OffsetDateTime,
    keys: Vec<Key>,
    made: usize,
    /// What was published from when on.
    published: Vec<(OffsetDateTime, Vec<String>)>,
    /// Key and end of each token.
    tokens: Vec<(String, OffsetDateTime)>,
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            now: START,
            keys: Vec::new(),
            made: 0,
            published: Vec::new(),
            tokens: Vec::new(),
        };
        world.tick();
        world
    }

    fn tick(&mut self) {
        loop {
            let steps = plan::due(&self.keys, self.now, &RULES);
            if steps.is_empty() {
                break;
            }
            steps.iter().for_each(|step| self.take(step));
        }
        let living = self.keys.iter().filter(|key| key.state != State::Revoked);
        self.published.push((self.now, living.map(|key| key.kid.clone()).collect()));
    }

    fn take(&mut self, step: &Step) {
        let now = self.now;
        match step {
            Step::Create => {
                self.made += 1;
                self.keys.push(Key {
                    kid: format!("k{}", self.made),
                    state: State::Pending,
                    created_at: now,
                    activated_at: None,
                    retired_at: None,
                });
            }
            Step::Promote(kid) => {
                for key in &mut self.keys {
                    if key.state == State::Active {
                        (key.state, key.retired_at) = (State::Retiring, Some(now));
                    } else if key.kid == *kid {
                        assert_eq!(key.state, State::Pending);
                        (key.state, key.activated_at) = (State::Active, Some(now));
                    }
                }
            }
            Step::Expire(kid) => {
                let key = self.keys.iter_mut().find(|key| key.kid == *kid).unwrap();
                assert_eq!(key.state, State::Retiring);
                key.state = State::Revoked;
            }
        }
    }

    fn rotate_by_hand(&mut self) {
        let pending = plan::of_state(&self.keys, State::Pending).unwrap();
        if plan::ready_at(pending, &RULES) <= self.now {
            let step = Step::Promote(pending.kid.clone());
            self.take(&step);
        }
        self.tick();
    }

    fn sign(&mut self) {
        let active = plan::of_state(&self.keys, State::Active).unwrap().kid.clone();
        self.tokens.push((active, self.now + TOKEN));
    }

    /// Whether every token that lives verifies at a verifier that last looked so long ago.
    fn all_verify(&self, lag: Duration) -> Result<(), TestCaseError> {
        let looked = (self.now - lag).max(START);
        let known = self.published.iter().rev().find(|(since, _)| *since <= looked);
        let (_, known) = known.unwrap();
        for (kid, end) in self.tokens.iter().filter(|(_, end)| *end > self.now) {
            prop_assert!(known.contains(kid), "{kid} until {end} at {}, {lag} behind", self.now);
        }
        Ok(())
    }
}

#[derive(Debug, Clone)]
enum Move {
    Wait(i64),
    Tick,
    Rotate,
    Sign,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let seconds = prop_oneof![0..400_i64, 0..2_000_i64, 0..3_000_000_i64];
    let one = prop_oneof![
        4 => seconds.prop_map(Move::Wait),
        3 => Just(Move::Tick),
        2 => Just(Move::Rotate),
        4 => Just(Move::Sign),
    ];
    prop::collection::vec(one, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn every_living_token_verifies_at_every_verifier_at_every_instant(moves in moves()) {
        let mut world = World::new();
        for step in moves {
            match step {
                // auth may be away for long; verifiers then see what it last published.
                Move::Wait(seconds) => world.now += Duration::seconds(seconds),
                Move::Tick => world.tick(),
                Move::Rotate => world.rotate_by_hand(),
                Move::Sign => world.sign(),
            }
            for lag in [Duration::ZERO, Duration::minutes(5), STALE] {
                world.all_verify(lag)?;
            }
            let count = |state| world.keys.iter().filter(|key| key.state == state).count();
            prop_assert_eq!(count(State::Active), 1);
            prop_assert_eq!(count(State::Pending), 1);
        }
    }
}

#[test]
fn key_lives_through_its_states_at_the_agreed_times() {
    let mut world = World::new();
    let states = |world: &World| world.keys.iter().map(|key| key.state).collect::<Vec<_>>();
    assert_eq!(states(&world), [State::Active, State::Pending]);
    world.now = START + RULES.rotate_every - Duration::seconds(1);
    world.tick();
    assert_eq!(states(&world), [State::Active, State::Pending]);
    world.now += Duration::seconds(1);
    world.tick();
    assert_eq!(states(&world), [State::Retiring, State::Active, State::Pending]);
    let retired = &world.keys[0];
    assert_eq!(plan::next_change(retired, &world.keys, &RULES), Some(world.now + RULES.retire_for));
    world.now += RULES.retire_for - Duration::seconds(1);
    world.tick();
    assert_eq!(states(&world), [State::Retiring, State::Active, State::Pending]);
    world.now += Duration::seconds(1);
    world.tick();
    assert_eq!(states(&world), [State::Revoked, State::Active, State::Pending]);
    assert_eq!(plan::next_change(&world.keys[0], &world.keys, &RULES), None);
}

#[test]
fn pending_key_waits_until_it_was_published_for_long_enough() {
    let mut world = World::new();
    world.now += Duration::minutes(20);
    world.rotate_by_hand();
    // The next one was made just now; its time has not come.
    let pending = plan::of_state(&world.keys, State::Pending).unwrap().kid.clone();
    world.now += RULES.publish_for - Duration::seconds(1);
    world.rotate_by_hand();
    assert_eq!(plan::of_state(&world.keys, State::Pending).unwrap().kid, pending);
    world.now += Duration::seconds(1);
    world.rotate_by_hand();
    assert_eq!(plan::of_state(&world.keys, State::Active).unwrap().kid, pending);
}
