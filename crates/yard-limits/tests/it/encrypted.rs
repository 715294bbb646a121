//! A Redis that is reached by TLS.

use std::path::Path;
use std::time::Duration;

use yard_limits::{Redis, RedisConfig};
use yard_runtime::{Runtime, Secret};
use yard_testkit::{TestPapers, TestRedis};

const PATIENCE: Duration = Duration::from_secs(5);

#[tokio::test]
async fn req_wifi_40_redis_is_asked_by_tls_and_only_if_its_authority_is_ours() {
    let (papers, strangers) = (TestPapers::new(), TestPapers::new());
    let server = TestRedis::start_encrypted(&papers).await;
    let runtime = Runtime::builder("limits", "test").build();
    let config = |ca_file: &Path| RedisConfig {
        ca_file: ca_file.to_owned(),
        ..RedisConfig::for_test(server.url())
    };
    let start = async |config: RedisConfig| Redis::start(&config, PATIENCE, &runtime).await;
    let trusted = start(config(papers.ca_file())).await.unwrap();
    assert!(trusted.connected().is_some());
    let refused = start(config(strangers.ca_file())).await.unwrap();
    assert!(refused.connected().is_none(), "an authority that is not its own");

    let plain = server.url().replacen("rediss://", "redis://", 1);
    let plain = RedisConfig { url: Secret::new(plain), ..config(papers.ca_file()) };
    let named = start(plain).await.err().expect("without TLS nobody is trusted").to_string();
    assert!(named.contains("redis.ca_file"), "{named}");
    let missing = start(config(Path::new("/no/such/file"))).await.err().unwrap().to_string();
    assert!(missing.contains("redis.ca_file"), "{missing}");
    assert!(runtime.stop(Duration::ZERO, PATIENCE).await);
}
