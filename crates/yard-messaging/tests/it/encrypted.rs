//! A NATS that is reached by TLS.

use std::path::Path;
use std::time::Duration;

use yard_messaging::{Nats, NatsConfig};
use yard_runtime::Runtime;
use yard_testkit::{TestNats, TestPapers};

#[tokio::test]
async fn req_wifi_40_nats_is_spoken_to_by_tls_and_only_if_its_authority_is_ours() {
    let (papers, strangers) = (TestPapers::new(), TestPapers::new());
    let server = TestNats::start_encrypted(&papers).await;
    let runtime = Runtime::builder("sample", "0").build();
    let config = |url: &str, ca_file: &Path| NatsConfig {
        ca_file: ca_file.to_owned(),
        ..NatsConfig::for_test(url)
    };
    let trusted = config(&server.url(), papers.ca_file());
    assert!(Nats::connect(&trusted, &runtime).await.unwrap().is_connected());
    let refused = config(&server.url(), strangers.ca_file());
    assert!(Nats::connect(&refused, &runtime).await.is_err(), "an authority that is not its own");

    // A server that offers no TLS is not told the password.
    let plain = TestNats::start().await;
    let asked = config(&plain.url(), papers.ca_file());
    assert!(Nats::connect(&asked, &runtime).await.is_err(), "a server without TLS");
    assert!(runtime.stop(Duration::ZERO, Duration::from_secs(5)).await);
}
