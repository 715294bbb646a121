use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use yard_contracts::access::v1::Rate;
use yard_fault::{Code, Fault};

/// How many calls of each rate class run at once in this process. Beyond that a caller is told to
/// come again, so that a burst of one class cannot take the memory of the others.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    read: Arc<Semaphore>,
    write: Arc<Semaphore>,
    login: Arc<Semaphore>,
    stream: Arc<Semaphore>,
}

impl Default for Limits {
    fn default() -> Self {
        let of = |most| Arc::new(Semaphore::new(most));
        // A login costs auth 19 MiB and tens of milliseconds; a stream is only a socket.
        Self { read: of(512), write: of(256), login: of(16), stream: of(2_048) }
    }
}

impl Limits {
    /// A place for one call, held until it is answered.
    pub(crate) fn enter(&self, rate: Rate) -> Result<OwnedSemaphorePermit, Fault> {
        let (class, places) = match rate {
            Rate::Read => ("read", &self.read),
            Rate::Write | Rate::Unspecified => ("write", &self.write),
            Rate::Login => ("login", &self.login),
            Rate::Stream => ("stream", &self.stream),
        };
        Arc::clone(places).try_acquire_owned().map_err(|_full| {
            metrics::counter!("yard_http_shed_total", "class" => class).increment(1);
            Fault::new(Code::RateLimited)
        })
    }
}
