//! Token verifications, as every service does one for each call.

use std::sync::Arc;
use std::time::{Duration, Instant};

use yard_authn::Verifier;
use yard_ids::SystemClock;

use crate::platform::Platform;

const LONG: Duration = Duration::from_secs(2);

/// Verifications per second on one core: signature, claims, times and the revocation map.
///
/// # Errors
/// When a token that should verify does not.
pub fn verifications(platform: &Platform) -> anyhow::Result<u64> {
    let token = platform.person_token()?;
    let verifier = Verifier::from_file(&platform.pki("trust.json"), Arc::new(SystemClock))?;
    let (since, mut count) = (Instant::now(), 0_u64);
    while since.elapsed() < LONG {
        for _ in 0..100 {
            verifier.verify(&token)?;
        }
        count += 100;
    }
    Ok(count * 1_000 / u64::try_from(since.elapsed().as_millis())?)
}
