//! Sign-ins through the gateway, many at once: how many a second, and what memory that takes.

use std::time::{Duration, Instant};

use futures::future::join_all;
use serde_json::{Value, json};

use crate::client::Client;
use crate::platform::{PASSWORD, Platform};

const LONG: Duration = Duration::from_secs(6);
/// More than auth hashes at once, so that its queue is in use.
const AT_ONCE: usize = 16;

/// Signs in over and over.
///
/// # Errors
/// When a sign-in is refused.
pub async fn measure(platform: &Platform) -> anyhow::Result<Value> {
    let base = platform.base_url();
    // Each caller once, so that its buffers are there before memory is measured.
    let first = join_all((0..AT_ONCE).map(|_| Client::sign_in(&base, "owner@a.test", PASSWORD)));
    first.await.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    let (before, since) = (resident_kib()?, Instant::now());
    let callers = (0..AT_ONCE).map(|_| async {
        let mut done = 0_u64;
        while since.elapsed() < LONG {
            Client::sign_in(&base, "owner@a.test", PASSWORD).await?;
            done += 1;
        }
        anyhow::Ok(done)
    });
    let watch = async {
        let mut most = before;
        while since.elapsed() < LONG {
            most = most.max(resident_kib()?);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        anyhow::Ok(most)
    };
    let (done, most) = tokio::join!(join_all(callers), watch);
    let done: u64 = done.into_iter().sum::<anyhow::Result<u64>>()?;
    let millis = u64::try_from(since.elapsed().as_millis())?;
    Ok(json!({
        "per_second": done * 10_000 / millis / 10,
        "at_once": AT_ONCE,
        "argon2id": "m=19456 KiB, t=2, p=1",
        "memory_grown_mib": (most?.saturating_sub(before)) / 1_024,
    }))
}

/// Memory of this process that is no file's, KiB.
fn resident_kib() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap_or_default();
    Ok(line.trim().trim_end_matches(" kB").trim().parse()?)
}
