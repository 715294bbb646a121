//! Waiting for a state, not for a moment.

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

const POLL: Duration = Duration::from_millis(20);

/// What a probe answers: whether the state is there, and what it found.
pub trait Settled {
    /// What waiting gives back.
    type Found;

    /// `Err` says why it is not there yet.
    fn settled(self) -> Result<Self::Found, String>;
}

impl Settled for bool {
    type Found = ();

    fn settled(self) -> Result<(), String> {
        if self { Ok(()) } else { Err("the condition is false".to_owned()) }
    }
}

impl<T> Settled for Option<T> {
    type Found = T;

    fn settled(self) -> Result<T, String> {
        self.ok_or_else(|| "nothing was found".to_owned())
    }
}

impl<T, E: std::fmt::Debug> Settled for Result<T, E> {
    type Found = T;

    fn settled(self) -> Result<T, String> {
        self.map_err(|error| format!("{error:?}"))
    }
}

/// Asks `probe` every 20 ms until it says yes: a `bool`, an `Option` or a `Result`.
///
/// # Panics
/// When `within` is over, with the probe's last answer.
#[expect(clippy::panic, reason = "a state that never comes fails the test")]
pub async fn eventually<S, F, P>(within: Duration, mut probe: P) -> S::Found
where
    S: Settled,
    F: Future<Output = S>,
    P: FnMut() -> F,
{
    let deadline = Instant::now() + within;
    loop {
        match probe().await.settled() {
            Ok(found) => return found,
            Err(why) if Instant::now() >= deadline => panic!("not within {within:?}: {why}"),
            Err(_) => tokio::time::sleep(POLL).await,
        }
    }
}
