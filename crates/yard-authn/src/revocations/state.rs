use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;
use yard_contracts::streams;
use yard_ids::{PrincipalId, SessionId, TenantId};

use super::{Grant, Revocation, Standing};

/// As long as the bucket keeps an entry. Nothing that a token can say lives so long; a socket can,
/// but what would end it was heard before, or else [`State::doubt_before`] ends it.
pub(super) const KEPT: Duration = Duration::from_secs(streams::REVOCATIONS.max_age_seconds);
/// Entries go at most this often.
const SWEEP: Duration = Duration::from_secs(60);

/// Since when, by the feed's time, and when it was heard.
#[derive(Debug, Clone, Copy)]
struct Since {
    effective_ms: i64,
    heard: Instant,
}

/// Everything that the feed has said in the last hour.
#[derive(Debug, Default)]
pub(super) struct State {
    sessions: HashMap<SessionId, Since>,
    api_tokens: HashMap<Uuid, Since>,
    people: HashMap<(Option<TenantId>, PrincipalId), Since>,
    tenants: HashMap<TenantId, Since>,
    keys: HashMap<String, Since>,
    doubted_before: i64,
    swept: Option<Instant>,
}

impl State {
    /// Whether it was new, or newer than what was known.
    pub(super) fn apply(&mut self, what: Revocation, effective_ms: i64, heard: Instant) -> bool {
        let since = Since { effective_ms, heard };
        match what {
            Revocation::Session(id) => note(&mut self.sessions, id, since),
            Revocation::Person(tenant, id) => note(&mut self.people, (tenant, id), since),
            Revocation::Tenant(id) => note(&mut self.tenants, id, since),
            Revocation::ApiToken(id) => note(&mut self.api_tokens, id, since),
            Revocation::Key(kid) => note(&mut self.keys, kid, since),
        }
    }

    pub(super) fn standing(&self, grant: &Grant) -> Standing {
        // What was looked up after the change has seen it.
        let voided =
            |since: Option<&Since>| since.is_some_and(|s| grant.issued_ms <= s.effective_ms);
        let ended = grant.session.is_some_and(|id| self.sessions.contains_key(&id))
            || grant.api_token.is_some_and(|id| self.api_tokens.contains_key(&id))
            || self.keys.contains_key(&*grant.kid);
        let changed = grant.person.is_some_and(|person| {
            voided(self.people.get(&(None, person)))
                || grant.tenant.is_some() && voided(self.people.get(&(grant.tenant, person)))
        });
        let tenant = grant.tenant.is_some_and(|tenant| voided(self.tenants.get(&tenant)));
        let doubted = grant.person.is_some() && grant.issued_ms <= self.doubted_before;
        match (ended, changed || tenant || doubted) {
            (true, _) => Standing::Ended,
            (false, true) => Standing::Changed,
            (false, false) => Standing::Stands,
        }
    }

    /// Believes nothing that was issued before.
    pub(super) fn doubt_before(&mut self, ms: i64) {
        self.doubted_before = self.doubted_before.max(ms);
    }

    /// Lets go of what the bucket no longer keeps either.
    pub(super) fn sweep(&mut self, now: Instant) {
        if self.swept.is_some_and(|swept| now.duration_since(swept) < SWEEP) {
            return;
        }
        self.swept = Some(now);
        forget(&mut self.sessions, now);
        forget(&mut self.api_tokens, now);
        forget(&mut self.people, now);
        forget(&mut self.tenants, now);
        forget(&mut self.keys, now);
    }

    pub(super) fn len(&self) -> usize {
        let people = self.people.len() + self.tenants.len();
        self.sessions.len() + self.api_tokens.len() + people + self.keys.len()
    }
}

fn note<K: Hash + Eq>(known: &mut HashMap<K, Since>, key: K, since: Since) -> bool {
    match known.get_mut(&key) {
        Some(before) if before.effective_ms >= since.effective_ms => false,
        Some(before) => {
            *before = since;
            true
        }
        None => {
            known.insert(key, since);
            true
        }
    }
}

fn forget<K: Hash + Eq>(known: &mut HashMap<K, Since>, now: Instant) {
    known.retain(|_, since| now.duration_since(since.heard) < KEPT);
    known.shrink_to(known.len() * 2);
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUED: i64 = 1_000;

    fn id<T>(wrap: impl Fn(Uuid) -> T, n: u128) -> T {
        wrap(Uuid::from_u128(n))
    }

    fn grant() -> Grant {
        Grant {
            person: Some(id(PrincipalId::from_uuid, 1)),
            tenant: Some(id(TenantId::from_uuid, 2)),
            session: Some(id(SessionId::from_uuid, 3)),
            api_token: Some(Uuid::from_u128(4)),
            kid: "issuer:a".into(),
            issued_ms: ISSUED,
            ends: None,
        }
    }

    fn refuses(state: &State, grant: &Grant) -> bool {
        state.standing(grant) != Standing::Stands
    }

    fn refused_after(what: Revocation, effective_ms: i64) -> bool {
        let mut state = State::default();
        assert!(state.apply(what, effective_ms, Instant::now()));
        refuses(&state, &grant())
    }

    #[tokio::test]
    async fn what_names_the_grant_refuses_it_and_nothing_else_does() {
        let person = |n| id(PrincipalId::from_uuid, n);
        let tenant = |n| id(TenantId::from_uuid, n);
        for (what, expected) in [
            (Revocation::Session(id(SessionId::from_uuid, 3)), true),
            (Revocation::Session(id(SessionId::from_uuid, 9)), false),
            (Revocation::ApiToken(Uuid::from_u128(4)), true),
            (Revocation::ApiToken(Uuid::from_u128(9)), false),
            (Revocation::Person(None, person(1)), true),
            (Revocation::Person(Some(tenant(2)), person(1)), true),
            (Revocation::Person(Some(tenant(9)), person(1)), false),
            (Revocation::Person(None, person(9)), false),
            (Revocation::Tenant(tenant(2)), true),
            (Revocation::Tenant(tenant(9)), false),
            (Revocation::Key("issuer:a".to_owned()), true),
            (Revocation::Key("issuer:b".to_owned()), false),
        ] {
            assert_eq!(refused_after(what.clone(), ISSUED), expected, "{what:?}");
        }
    }

    #[tokio::test]
    async fn changes_void_what_was_issued_before_and_endings_void_all() {
        let person = Revocation::Person(None, id(PrincipalId::from_uuid, 1));
        assert!(refused_after(person.clone(), ISSUED));
        assert!(!refused_after(person, ISSUED - 1));
        assert!(!refused_after(Revocation::Tenant(id(TenantId::from_uuid, 2)), ISSUED - 1));
        assert!(refused_after(Revocation::Session(id(SessionId::from_uuid, 3)), 0));
        assert!(refused_after(Revocation::Key("issuer:a".to_owned()), 0));
    }

    #[tokio::test]
    async fn services_are_not_doubted_after_a_long_silence_but_people_are() {
        let mut state = State::default();
        state.doubt_before(ISSUED);
        state.doubt_before(0);
        assert_eq!(state.standing(&grant()), Standing::Changed);
        assert!(!refuses(&state, &Grant { issued_ms: ISSUED + 1, ..grant() }));
        assert!(!refuses(&state, &Grant { person: None, ..grant() }));
    }

    #[tokio::test(start_paused = true)]
    async fn entries_go_when_the_bucket_lets_them_go() {
        let mut state = State::default();
        let session = Revocation::Session(id(SessionId::from_uuid, 3));
        assert!(state.apply(session.clone(), 5, Instant::now()));
        assert!(!state.apply(session.clone(), 5, Instant::now()), "known");
        tokio::time::advance(KEPT - Duration::from_secs(1)).await;
        state.sweep(Instant::now());
        assert_eq!(state.len(), 1);
        tokio::time::advance(SWEEP).await;
        state.sweep(Instant::now());
        assert_eq!(state.len(), 0);
        assert!(!refuses(&state, &grant()));
    }
}
