//! Runs the access matrix and prints its figures as one JSON object.

use std::io::Write as _;

use serde_json::json;
use yard_e2e::matrix;
use yard_e2e::platform::Platform;
use yard_e2e::world::World;

fn main() -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(run())
}

async fn run() -> anyhow::Result<()> {
    let platform = Platform::start().await?;
    let world = World::build(&platform).await?;
    let report = matrix::run(&platform, &world).await?;
    platform.stop().await;
    for line in report.leaks.iter().chain(&report.refused_in_error) {
        writeln!(std::io::stderr(), "{line}")?;
    }
    for method in &report.methods_without_case {
        writeln!(std::io::stderr(), "no case for {method}")?;
    }
    let figures = json!({
        "cases": report.cases,
        "messages": report.messages,
        "leaks": report.leaks.len(),
        "refused_in_error": report.refused_in_error.len(),
        "methods_without_case": report.methods_without_case.len(),
    });
    writeln!(std::io::stdout(), "{figures}")?;
    anyhow::ensure!(report.is_clean(), "the access matrix is not clean");
    Ok(())
}
