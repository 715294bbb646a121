use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use yard_contracts::access::v1::{Policy, Rate, Scope};
use yard_fault::{Code, Fault};

use super::config::{CapsConfig, LimitsConfig, class_name};

/// How many calls run at once in this process, of each class and of all. Beyond that a caller is
/// told to come again, so that a burst of one class cannot take the memory of the others.
///
/// As all calls together come close to what the process carries, the least urgent are sent away
/// first: reads at 70 percent, writes at 85, sign-ins at 95; operators only when it is full.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    read: Arc<Semaphore>,
    write: Arc<Semaphore>,
    login: Arc<Semaphore>,
    stream: Arc<Semaphore>,
    all: Arc<AtomicUsize>,
    most: usize,
}

/// One call's place; given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    /// Kept by a stream after it has begun.
    class: Option<OwnedSemaphorePermit>,
    _call: Call,
}

#[derive(Debug)]
struct Call(Arc<AtomicUsize>);

impl Drop for Call {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Place {
    /// The class's place without that among all calls: what a stream holds once it has begun.
    pub(crate) fn into_class(self) -> Option<OwnedSemaphorePermit> {
        self.class
    }
}

impl Places {
    pub(crate) fn new(limits: &LimitsConfig, caps: &CapsConfig) -> Self {
        let of = |rate| Arc::new(Semaphore::new(limits.of(rate).places));
        Self {
            read: of(Rate::Read),
            write: of(Rate::Write),
            login: of(Rate::Login),
            stream: of(Rate::Stream),
            all: Arc::default(),
            most: caps.calls,
        }
    }

    /// A place for one call.
    ///
    /// # Errors
    /// `service.overloaded` when there is none.
    pub(crate) fn enter(&self, policy: &Policy) -> Result<Place, Fault> {
        let call = self.call(policy)?;
        // Operators have to get in to see what takes the places.
        if policy.scope() == Scope::Platform && policy.rate() != Rate::Stream {
            return Ok(Place { class: None, _call: call });
        }
        let places = match policy.rate() {
            Rate::Read => &self.read,
            Rate::Write | Rate::Unspecified => &self.write,
            Rate::Login => &self.login,
            Rate::Stream => &self.stream,
        };
        let class = Arc::clone(places).try_acquire_owned().map_err(|_full| shed(policy))?;
        Ok(Place { class: Some(class), _call: call })
    }

    fn call(&self, policy: &Policy) -> Result<Call, Fault> {
        let most = (self.most * share(policy)).div_ceil(100);
        let before = self.all.fetch_add(1, Ordering::AcqRel);
        let call = Call(Arc::clone(&self.all));
        if before < most { Ok(call) } else { Err(shed(policy)) }
    }
}

/// Percent of all places that calls of a policy may fill.
fn share(policy: &Policy) -> usize {
    match (policy.scope(), policy.rate()) {
        (Scope::Platform, _) => 100,
        (_, Rate::Login) => 95,
        (_, Rate::Write | Rate::Unspecified) => 85,
        (_, Rate::Read | Rate::Stream) => 70,
    }
}

fn shed(policy: &Policy) -> Fault {
    let class = class_name(policy.rate());
    metrics::counter!("yard_http_shed_total", "class" => class).increment(1);
    Code::ServiceOverloaded.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::defaults;

    fn policy(scope: Scope, rate: Rate) -> Policy {
        Policy { scope: scope.into(), rate: rate.into(), ..Policy::default() }
    }

    #[test]
    fn least_urgent_calls_are_sent_away_first() {
        let mut config = defaults();
        config.caps.calls = 20;
        let places = Places::new(&config.limits, &config.caps);
        let fill = |scope, rate| {
            let mut held = Vec::new();
            while let Ok(place) = places.enter(&policy(scope, rate)) {
                held.push(place);
            }
            held
        };
        let reads = fill(Scope::Tenant, Rate::Read);
        let writes = fill(Scope::Tenant, Rate::Write);
        let logins = fill(Scope::Public, Rate::Login);
        let operators = fill(Scope::Platform, Rate::Read);
        let counts = [reads.len(), writes.len(), logins.len(), operators.len()];
        assert_eq!(counts, [14, 3, 2, 1]);
        drop(reads);
        // Refused calls gave their places back: there is room for exactly as many again.
        assert_eq!(fill(Scope::Tenant, Rate::Read).len(), 8);
    }

    #[test]
    fn full_class_leaves_the_others_alone() {
        let mut config = defaults();
        config.limits.login.places = 2;
        let places = Places::new(&config.limits, &config.caps);
        let login = policy(Scope::Public, Rate::Login);
        let _held = [places.enter(&login).unwrap(), places.enter(&login).unwrap()];
        assert_eq!(places.enter(&login).unwrap_err().code(), Code::ServiceOverloaded);
        assert!(places.enter(&policy(Scope::Tenant, Rate::Write)).is_ok());
    }

    #[test]
    fn stream_that_has_begun_leaves_its_place_among_all_calls() {
        let mut config = defaults();
        config.caps.calls = 1;
        config.limits.stream.places = 2;
        let places = Places::new(&config.limits, &config.caps);
        let stream = policy(Scope::Tenant, Rate::Stream);
        let _first = places.enter(&stream).unwrap().into_class();
        let _second = places.enter(&stream).unwrap().into_class();
        assert!(places.enter(&stream).is_err());
    }
}
