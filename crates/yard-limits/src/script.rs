use std::sync::OnceLock;

use aws_lc_rs::digest;
use fred::clients::Client;
use fred::interfaces::LuaInterface as _;

use crate::gcra::{Limit, Verdict};

const SCRIPT: &str = include_str!("gcra.lua");

/// Counts one in every limit, or in none. All keys have to be in one hash slot of a cluster: give
/// them one `{tag}`.
///
/// # Errors
/// When Redis does not answer.
pub async fn admit(
    redis: &Client,
    limits: &[(String, Limit)],
) -> Result<Verdict, fred::error::Error> {
    let keys: Vec<&str> = limits.iter().map(|(key, _)| key.as_str()).collect();
    let arguments: Vec<i64> = limits
        .iter()
        .flat_map(|(_, limit)| [limit.interval_us(), i64::from(limit.burst)])
        .collect();
    let known = redis.evalsha::<Vec<i64>, _, _, _>(hash(), keys.clone(), arguments.clone()).await;
    let numbers = match known {
        // A node that was restarted, or one of a cluster that has not seen it yet.
        Err(error) if error.details().starts_with("NOSCRIPT") => {
            redis.eval::<Vec<i64>, _, _, _>(SCRIPT, keys, arguments).await?
        }
        answered => answered?,
    };
    Ok(Verdict::of_numbers(&numbers))
}

/// The name under which a server remembers the script; SHA-1 is Redis' choice.
fn hash() -> &'static str {
    static HASH: OnceLock<String> = OnceLock::new();
    HASH.get_or_init(|| {
        let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, SCRIPT.as_bytes());
        hex(hash.as_ref())
    })
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |n: u8| char::from_digit(u32::from(n), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
