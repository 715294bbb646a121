//! The same on a cluster: the keys of one caller share a slot, callers spread over the nodes.

use std::sync::Arc;
use std::time::Duration;

use yard_ids::SystemClock;
use yard_limits::{Limit, Limiter, Redis, RedisConfig, Rule};
use yard_runtime::Runtime;
use yard_testkit::{TestRedisCluster, logs};

#[tokio::test]
async fn limits_hold_on_every_node_of_a_cluster() {
    let _log = logs::capture();
    let cluster = TestRedisCluster::start().await;
    let runtime = Runtime::builder("limits", "test").build();
    let limiter = async || {
        let config = RedisConfig::for_test(&cluster.url());
        let redis = Redis::start(&config, Duration::from_secs(5), &runtime).await.unwrap();
        Limiter::new("yard:test", Arc::new(SystemClock), Some(redis))
    };
    let interval = Duration::from_secs(300);
    let rules = [
        Rule { name: "session", limit: Limit { burst: 2, interval } },
        Rule { name: "tenant", limit: Limit { burst: 10, interval } },
    ];
    let (one, other) = (limiter().await, limiter().await);
    // With 24 callers, a node that is not asked is as likely as three wins in a lottery.
    for caller in 0..24 {
        let caller = format!("caller {caller}");
        assert!(one.admit(&caller, &rules).await.wait.is_none(), "{caller}");
        assert!(other.admit(&caller, &rules).await.wait.is_none(), "{caller}");
        assert!(one.admit(&caller, &rules).await.wait.is_some(), "{caller}");
        let refused = other.admit(&caller, &rules).await;
        assert_eq!(refused.standings[1].remaining, 8, "{caller}");
    }
}
