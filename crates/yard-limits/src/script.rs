use std::sync::OnceLock;

use aws_lc_rs::digest;
use fred::clients::Client;
use fred::error::Error;
use fred::interfaces::LuaInterface as _;
use fred::types::{FromValue, Value};

use crate::gcra::{Limit, Verdict};

static GCRA: Script = Script::new(include_str!("gcra.lua"));

/// A Lua script, run by the name under which servers remember it.
#[derive(Debug)]
pub struct Script {
    text: &'static str,
    hash: OnceLock<String>,
}

impl Script {
    /// The script of that text.
    #[must_use]
    pub const fn new(text: &'static str) -> Self {
        Self { text, hash: OnceLock::new() }
    }

    /// Runs it. All keys have to be in one hash slot of a cluster: give them one `{tag}`.
    ///
    /// # Errors
    /// When Redis does not answer, or something else than `R`.
    pub async fn run<R: FromValue>(
        &self,
        redis: &Client,
        keys: Vec<&str>,
        arguments: Vec<Value>,
    ) -> Result<R, Error> {
        let known = redis.evalsha(self.hash(), keys.clone(), arguments.clone()).await;
        match known {
            // A node that was restarted, or one of a cluster that has not seen it yet.
            Err(error) if error.details().starts_with("NOSCRIPT") => {
                redis.eval(self.text, keys, arguments).await
            }
            answered => answered,
        }
    }

    /// SHA-1 is Redis' choice.
    fn hash(&self) -> &str {
        self.hash.get_or_init(|| {
            let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, self.text.as_bytes());
            hex(hash.as_ref())
        })
    }
}

/// Counts one in every limit, or in none. All keys have to be in one hash slot of a cluster: give
/// them one `{tag}`.
///
/// # Errors
/// When Redis does not answer.
pub async fn admit(redis: &Client, limits: &[(String, Limit)]) -> Result<Verdict, Error> {
    let keys: Vec<&str> = limits.iter().map(|(key, _)| key.as_str()).collect();
    let arguments: Vec<Value> = limits
        .iter()
        .flat_map(|(_, limit)| [limit.interval_us().into(), i64::from(limit.burst).into()])
        .collect();
    let numbers: Vec<i64> = GCRA.run(redis, keys, arguments).await?;
    Ok(Verdict::of_numbers(&numbers))
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |n: u8| char::from_digit(u32::from(n), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
