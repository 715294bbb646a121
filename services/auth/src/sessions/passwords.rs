use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use yard_authn::password::{self, PasswordError};
use yard_fault::{Code, Fault};

use crate::config::SessionsConfig;
use crate::{secrets, telemetry};

/// Checks passwords off the executor, a few at a time: memory and processors are bounded however
/// many people sign in at once.
#[derive(Clone)]
pub(crate) struct Passwords {
    running: Arc<Semaphore>,
    admitted: Arc<Semaphore>,
    /// Hash of a password nobody has, for accounts nobody has: the same work for both.
    decoy: Arc<str>,
}

impl Passwords {
    /// Makes the decoy, which takes as long as one check.
    pub(crate) async fn start(config: &SessionsConfig) -> Result<Self, Fault> {
        let nobody = secrets::hex(&secrets::random::<32>()?);
        let decoy = tokio::task::spawn_blocking(move || password::hash(&nobody)).await;
        let decoy = decoy
            .map_err(|e| Fault::internal("password thread").with_source(e))?
            .map_err(|e| Fault::internal("make a decoy hash").with_source(e))?;
        let running = config.hashing_threads;
        Ok(Self {
            running: Arc::new(Semaphore::new(running)),
            admitted: Arc::new(Semaphore::new(running + config.hashing_queue)),
            decoy: decoy.into(),
        })
    }

    /// A hash for an account whose owner never chose a password: nobody has the one it is of.
    pub(crate) fn nobodys(&self) -> Arc<str> {
        Arc::clone(&self.decoy)
    }

    /// Whether the password is the account's; always `false`, after the same work, without one.
    ///
    /// # Errors
    /// `service.unavailable` when too many wait already.
    pub(crate) async fn verify(
        &self,
        password: String,
        hash: Option<String>,
    ) -> Result<bool, Fault> {
        let places = self.place().await?;
        let decoy = Arc::clone(&self.decoy);
        let check = tokio::task::spawn_blocking(move || {
            let right = password::verify(&password, hash.as_deref().unwrap_or(&decoy));
            // Held by the work itself: a caller that gives up does not free its place early.
            drop(places);
            right && hash.is_some()
        });
        check.await.map_err(|e| Fault::internal("password thread").with_source(e))
    }

    /// Hashes a new password, in the same places as the checks.
    ///
    /// # Errors
    /// `service.unavailable` when too many wait already, `request.invalid` at `/password`.
    pub(crate) async fn hash(&self, password: String) -> Result<String, Fault> {
        let places = self.place().await?;
        let work = tokio::task::spawn_blocking(move || {
            let hash = password::hash(&password);
            drop(places);
            hash
        });
        let hash = work.await.map_err(|e| Fault::internal("password thread").with_source(e))?;
        hash.map_err(|error| match error {
            PasswordError::Hashing => Fault::internal("hash a password").with_source(error),
            refused => Fault::invalid(refused.to_string()).with_pointer("/password"),
        })
    }

    /// A place to work in, once one is free.
    async fn place(&self) -> Result<[OwnedSemaphorePermit; 2], Fault> {
        let admitted = Arc::clone(&self.admitted)
            .try_acquire_owned()
            .map_err(|e| Fault::new(Code::ServiceUnavailable).with_source(e))?;
        let asked = Instant::now();
        let running = Arc::clone(&self.running)
            .acquire_owned()
            .await
            .map_err(|e| Fault::internal("password permits").with_source(e))?;
        telemetry::hashing_wait(asked.elapsed().as_secs_f64());
        Ok([running, admitted])
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    async fn passwords(hashing_threads: usize, hashing_queue: usize) -> Passwords {
        let lifetime = Duration::from_secs(60);
        let config = SessionsConfig { lifetime, idle: lifetime, hashing_threads, hashing_queue };
        Passwords::start(&config).await.unwrap()
    }

    #[tokio::test]
    async fn password_is_right_only_with_its_own_hash() {
        let passwords = passwords(1, 4).await;
        let hash = password::hash("correct horse").unwrap();
        let check = |text: &str, hash: Option<String>| passwords.verify(text.to_owned(), hash);
        assert!(check("correct horse", Some(hash.clone())).await.unwrap());
        assert!(!check("wrong horse!", Some(hash)).await.unwrap());
        assert!(!check("correct horse", None).await.unwrap());
    }

    #[tokio::test]
    async fn check_beyond_the_queue_is_answered_unavailable() {
        let passwords = passwords(1, 0).await;
        let busy = Arc::clone(&passwords.admitted).try_acquire_owned().unwrap();
        let refused = passwords.verify("x".to_owned(), None).await.unwrap_err();
        assert_eq!(refused.code(), Code::ServiceUnavailable);
        drop(busy);
        assert!(!passwords.verify("x".to_owned(), None).await.unwrap());
    }
}
