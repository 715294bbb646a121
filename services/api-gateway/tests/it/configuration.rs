//! A wrong option stops the gateway at start and is named.

use api_gateway::{Config, DEFAULT_CONFIG};
use yard_runtime::config;

/// The defaults with the one option that has none.
fn complete() -> String {
    DEFAULT_CONFIG.replacen("\nurl = \"\"", "\nurl = \"nats://127.0.0.1:1\"", 1)
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
        ("trusted_proxies = []", "trusted_proxies = [\"0.0.0.0/0\"]", "http.trusted_proxies"),
        ("header = \"x-forwarded-for\"", "header = \"x-real-ip\"", "http.forwarded_header"),
        (
            "burst = 1200, interval = \"5ms\"",
            "burst = 0, interval = \"5ms\"",
            "limits.read.address",
        ),
        ("burst = 600, interval = \"20ms\"", "burst = 600", "limits.read.session"),
        ("interval = \"250ms\"", "interval = \"1h\"", "limits.login.address.interval"),
        ("body_kib = 1024", "body_kib = 5000", "limits.read.body_kib"),
        ("deadline = \"10s\"", "deadline = \"11s\"", "limits.read.deadline"),
        ("url_bytes = 8192", "url_bytes = 0", "caps.url_bytes"),
        ("body_time = \"20s\"", "body_time = \"0s\"", "caps.body_time"),
        ("refusals = 100", "refusals = 0", "bans.refusals"),
        ("\"::1\"]", "\"here\"]", "bans.exempt"),
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

/// Where people use it, cookies and pages travel by HTTPS, and other sites' pages are named by it.
#[test]
fn req_hot_18_environment_that_people_use_starts_with_https_only() {
    let with = |environment: &str, https: &str| {
        let named = format!("environment = \"{environment}\"");
        complete().replacen("environment = \"development\"", &named, 1).replacen(
            "public_https = false",
            https,
            1,
        )
    };
    let load = |text: &str| config::load::<Config>("api-gateway", text, None);
    for live in ["staging", "production"] {
        let plain = load(&with(live, "public_https = false")).unwrap_err().to_string();
        assert!(plain.contains("http.public_https"), "{live}: {plain}");
        let secure = with(live, "public_https = true");
        load(&secure).unwrap();
        let foreign = "allowed_origins = [\"http://shop.example\"]";
        let foreign = secure.replacen("allowed_origins = []", foreign, 1);
        let foreign = load(&foreign).unwrap_err().to_string();
        assert!(foreign.contains("http.allowed_origins"), "{live}: {foreign}");
    }
    for quiet in ["development", "test"] {
        load(&with(quiet, "public_https = false")).unwrap();
    }
}
