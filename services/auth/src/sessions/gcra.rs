use std::time::Duration;

use fred::clients::Client;
use fred::interfaces::LuaInterface as _;

const SCRIPT: &str = include_str!("gcra.lua");

/// So many at once, then one per interval.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit {
    pub(super) burst: u32,
    pub(super) interval: Duration,
}

/// Counts one attempt in every limit, or in none: then it says how long to wait.
pub(super) async fn admit(
    redis: &Client,
    limits: &[(String, Limit)],
) -> Result<Option<Duration>, fred::error::Error> {
    let keys: Vec<String> = limits.iter().map(|(key, _)| key.clone()).collect();
    let arguments: Vec<String> = limits
        .iter()
        .flat_map(|(_, limit)| [limit.interval.as_millis().to_string(), limit.burst.to_string()])
        .collect();
    let wait: u64 = redis.eval(SCRIPT, keys, arguments).await?;
    Ok((wait > 0).then(|| Duration::from_millis(wait)))
}
