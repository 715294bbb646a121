//! When a key becomes what. Pure: rows and a time in, steps out.

use time::{Duration, OffsetDateTime};

/// Where a key is in its life; it only ever goes forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum State {
    Pending,
    Active,
    Retiring,
    Revoked,
}

/// As much of a key as its future depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) kid: String,
    pub(crate) state: State,
    pub(crate) created_at: OffsetDateTime,
    pub(crate) activated_at: Option<OffsetDateTime>,
    pub(crate) retired_at: Option<OffsetDateTime>,
}

/// How long each part of the life takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    /// From the activation of a key to that of the next.
    pub(crate) rotate_every: Duration,
    /// Published before it signs: until every verifier has it.
    pub(crate) publish_for: Duration,
    /// Published after it has signed: until its last token has expired.
    pub(crate) retire_for: Duration,
}

/// One change. They are applied in order, in one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Make a pending key.
    Create,
    /// This pending key signs from now on; the one that did retires.
    Promote(String),
    /// This retiring key has come to its end.
    Expire(String),
}

/// What is due at a time. After the steps a key is active and another one is pending.
pub(crate) fn due(keys: &[Key], now: OffsetDateTime, rules: &Rules) -> Vec<Step> {
    let mut steps = Vec::new();
    for key in keys.iter().filter(|key| key.state == State::Retiring) {
        if key.retired_at.is_none_or(|at| at + rules.retire_for <= now) {
            steps.push(Step::Expire(key.kid.clone()));
        }
    }
    let Some(pending) = of_state(keys, State::Pending) else {
        steps.push(Step::Create);
        return steps;
    };
    let overdue = of_state(keys, State::Active)
        .is_none_or(|active| rotates_at(active, rules).is_none_or(|at| at <= now));
    let lone = of_state(keys, State::Active).is_none();
    if lone || overdue && ready_at(pending, rules) <= now {
        steps.push(Step::Promote(pending.kid.clone()));
        steps.push(Step::Create);
    }
    steps
}

/// When a pending key may be used without anybody refusing its tokens.
pub(crate) fn ready_at(pending: &Key, rules: &Rules) -> OffsetDateTime {
    pending.created_at + rules.publish_for
}

/// When a key's state changes by itself; `None` for one that will not.
pub(crate) fn next_change(key: &Key, keys: &[Key], rules: &Rules) -> Option<OffsetDateTime> {
    match key.state {
        State::Pending => {
            let ready = ready_at(key, rules);
            let turn = of_state(keys, State::Active).and_then(|key| rotates_at(key, rules));
            Some(turn.map_or(ready, |turn| turn.max(ready)))
        }
        State::Active => rotates_at(key, rules),
        State::Retiring => key.retired_at.map(|at| at + rules.retire_for),
        State::Revoked => None,
    }
}

pub(crate) fn of_state(keys: &[Key], state: State) -> Option<&Key> {
    keys.iter().find(|key| key.state == state)
}

fn rotates_at(active: &Key, rules: &Rules) -> Option<OffsetDateTime> {
    active.activated_at.map(|at| at + rules.rotate_every)
}
