//! Prints the OpenAPI document: `cargo run -p api-gateway --bin gateway-openapi`.

use std::io::Write as _;

fn main() -> anyhow::Result<()> {
    let pool = yard_contracts::descriptors();
    let routes = api_gateway::transcode::Routes::compile(pool)?;
    let text = api_gateway::openapi::pretty(&routes)?;
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}
