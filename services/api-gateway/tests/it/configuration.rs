//! A wrong option stops the gateway at start and is named.

use api_gateway::{Config, DEFAULT_CONFIG};
use yard_runtime::config;

/// The defaults with the one option that has none.
fn complete() -> String {
    DEFAULT_CONFIG.replace("\nurl = \"\"", "\nurl = \"nats://127.0.0.1:1\"")
}

fn refused(from: &str, to: &str) -> String {
    let defaults = complete();
    assert!(defaults.contains(from), "{from}");
    let text = defaults.replacen(from, to, 1);
    config::load::<Config>("api-gateway", &text, None).unwrap_err().to_string()
}

#[test]
fn defaults_load_and_wrong_options_are_named() {
    config::load::<Config>("api-gateway", &complete(), None).unwrap();
    for (from, to, named) in [
        ("allowed_origins = []", "allowed_origins = [\"*\"]", "http.allowed_origins"),
        ("trusted_proxies = []", "trusted_proxies = [\"x\"]", "http.trusted_proxies"),
        ("http://127.0.0.1:7201", "127.0.0.1", "upstreams.device_ingest"),
        ("127.0.0.1:6071", "localhost", "upstreams.socket"),
        ("public_https = false", "public_https = 1", "http.public_https"),
        ("nats://127.0.0.1:1", "", "nats.url"),
        ("[console]", "[consoles]", "console"),
        ("dir = \"\"", "", "dir"),
    ] {
        let line = refused(from, to);
        assert!(line.contains(named) && line.lines().count() == 1, "{named}: {line}");
    }
}
