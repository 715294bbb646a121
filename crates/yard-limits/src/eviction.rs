//! Whether a server throws keys away when its memory is short.
//!
//! Nothing of ours in Redis is a cache: a key that went would be a limit, a ticket or somebody's
//! presence. `INFO` is asked, not `CONFIG`, which managed servers forbid.

use fred::interfaces::ClientLike as _;
use fred::types::InfoKind;
use yard_runtime::ConfigError;

use crate::Redis;

/// The policy under which a full server refuses writes and keeps what it has.
const KEEPS: &str = "noeviction";
const OPTION: &str = "redis.url";

impl Redis {
    /// Refuses a server that evicts where people use the service (`live`); elsewhere it is said in the
    /// log. Of a server that is away, or does not tell, nothing is known: that is no failure. On a
    /// cluster one node speaks for all.
    ///
    /// # Errors
    /// When `live` and the server's `maxmemory-policy` is another than `noeviction`.
    pub async fn refuse_eviction(&self, live: bool) -> Result<(), ConfigError> {
        let Some(client) = self.connected() else {
            return Ok(());
        };
        let told = match client.info::<String>(Some(InfoKind::Memory)).await {
            Ok(told) => told,
            Err(error) => {
                tracing::info!(%error, "redis does not tell whether it evicts");
                return Ok(());
            }
        };
        match policy(&told) {
            None | Some(KEEPS) => Ok(()),
            Some(policy) if live => {
                let rule =
                    format!("is a server whose maxmemory-policy is {policy}; it has to be {KEEPS}");
                Err(ConfigError::new(OPTION, rule))
            }
            Some(policy) => {
                tracing::warn!(policy, "redis evicts keys when its memory is short");
                Ok(())
            }
        }
    }
}

/// `maxmemory_policy` of what `INFO memory` tells.
fn policy(told: &str) -> Option<&str> {
    told.lines().find_map(|line| line.strip_prefix("maxmemory_policy:")).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policy_is_read_among_the_rest_and_none_where_it_is_not_told() {
        let told = "# Memory\r\nmaxmemory:0\r\nmaxmemory_policy:allkeys-lru\r\nx:1\r\n";
        assert_eq!(policy(told), Some("allkeys-lru"));
        assert_eq!(policy("# Memory\r\nmaxmemory:0\r\n"), None);
    }
}
