//! Measures sign-in, tokens and revocation on a platform of its own, and prints the figures as one
//! JSON object. `cargo xtask bench auth` runs it.

use std::io::Write as _;

use serde_json::json;
use yard_e2e::bench;
use yard_e2e::platform::Platform;

/// Tries of each revocation, as the issue asks.
const TRIES: usize = 50;

fn main() -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(run())
}

async fn run() -> anyhow::Result<()> {
    let platform = Platform::start_for_benchmark().await?;
    let verifications = bench::tokens::verifications(&platform)?;
    let logins = bench::logins::measure(&platform).await?;
    let revocation = bench::revocation::measure(&platform, TRIES).await?;
    platform.stop().await;
    let figures = json!({
        "token_verifications_per_second": verifications,
        "logins": logins,
        "revocation": revocation,
    });
    writeln!(std::io::stdout(), "{figures}")?;
    Ok(())
}
