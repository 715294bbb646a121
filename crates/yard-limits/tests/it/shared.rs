//! Two processes, one Redis.

use std::sync::Arc;
use std::time::Duration;

use yard_ids::SystemClock;
use yard_limits::{Limit, Limiter, Redis, RedisConfig, Rule};
use yard_runtime::Runtime;
use yard_testkit::{ChaosProxy, TestRedis, logs};

const PATIENCE: Duration = Duration::from_millis(500);

async fn limiter(url: &str, runtime: &Runtime) -> Limiter {
    let redis = Redis::start(&RedisConfig::for_test(url), PATIENCE, runtime).await.unwrap();
    Limiter::new("yard:test", Arc::new(SystemClock), Some(redis))
}

fn runtime() -> Runtime {
    Runtime::builder("limits", "test").build()
}

const fn rule(burst: u32) -> Rule {
    Rule { name: "read", limit: Limit { burst, interval: Duration::from_secs(300) } }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn processes_that_race_grant_exactly_the_burst_together() {
    let (redis, runtime) = (TestRedis::create().await, runtime());
    let one = Arc::new(limiter(redis.url(), &runtime).await);
    let other = Arc::new(limiter(redis.url(), &runtime).await);
    let tries = (0..200).map(|n| {
        let limiter = Arc::clone(if n % 2 == 0 { &one } else { &other });
        tokio::task::spawn_blocking(move || {
            tokio::runtime::Handle::current()
                .block_on(async move { limiter.admit("192.0.2.7", &[rule(50)]).await })
        })
    });
    let verdicts = futures::future::join_all(tries).await;
    let granted = verdicts.iter().filter(|v| v.as_ref().unwrap().wait.is_none()).count();
    assert_eq!(granted, 50);
    // What one process has used up, the other knows; another caller is not touched.
    let refused = other.admit("192.0.2.7", &[rule(50)]).await;
    assert!(refused.wait.is_some_and(|wait| wait <= Duration::from_secs(300)));
    assert_eq!(refused.standings[0].remaining, 0);
    assert!(other.admit("192.0.2.8", &[rule(50)]).await.wait.is_none());
}

#[tokio::test]
async fn refusal_by_one_of_two_limits_is_counted_in_neither() {
    let (redis, runtime) = (TestRedis::create().await, runtime());
    let limiter = limiter(redis.url(), &runtime).await;
    let wide = Rule { name: "wide", ..rule(2) };
    assert!(limiter.admit("t", &[rule(1), wide]).await.wait.is_none());
    assert!(limiter.admit("t", &[rule(1), wide]).await.wait.is_some());
    let fresh = Limiter::new(
        "yard:test",
        Arc::new(SystemClock),
        Some(Redis::start(&RedisConfig::for_test(redis.url()), PATIENCE, &runtime).await.unwrap()),
    );
    let rest = fresh.admit("t", &[wide]).await;
    assert_eq!((rest.wait, rest.standings[0].remaining), (None, 0));
}

#[tokio::test]
async fn process_limits_for_itself_while_redis_is_away() {
    let log = logs::capture();
    log.expect("each process limits for itself");
    drop(yard_runtime::metrics_text());
    let (redis, runtime) = (TestRedis::create().await, runtime());
    let real = redis.url().rsplit_once('@').unwrap().1.split('/').next().unwrap().to_owned();
    let proxy = ChaosProxy::start(real.parse().unwrap()).unwrap();
    let url = redis.url().replace(&real, &proxy.addr().to_string());
    let limiter = limiter(&url, &runtime).await;
    assert!(limiter.admit("a", &[rule(3)]).await.wait.is_none());
    proxy.cut();
    let mut granted = 0;
    for _ in 0..10 {
        granted += u32::from(limiter.admit("a", &[rule(3)]).await.wait.is_none());
    }
    assert_eq!(granted, 2);
    let text = yard_runtime::metrics_text();
    assert!(text.contains("yard_limits_unavailable_total"));
}
