//! Every scenario at a size that takes no time, against the floor in this process.

use clap::Parser;
use serde_json::Value;
use tokio::runtime::Runtime;

use super::target::Target;
use super::{floor, opening, spread, talk};

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    target: Target,
}

/// The floor, for as long as its executor lives.
fn floor_and_target() -> (Runtime, Target, tempfile::TempDir) {
    let executor = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let listener = executor.block_on(async { floor::listen(([127, 0, 0, 1], 0).into()) }).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let _serving = executor.spawn(floor::serve(listener));
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "a secret of the tests\n").unwrap();
    let pid = std::process::id().to_string();
    let cli = Cli::parse_from([
        "bench",
        "--address",
        &address,
        "--pid",
        &pid,
        "--secret-file",
        secret.to_str().unwrap(),
    ]);
    (executor, cli.target, folder)
}

fn number(figures: &Value, name: &str) -> f64 {
    figures.get(name).and_then(Value::as_f64).unwrap_or_else(|| panic!("{name} in {figures}"))
}

#[test]
fn events_reach_every_subscriber_once_and_in_order_at_full_speed_and_at_a_rate() {
    let (_executor, target, _folder) = floor_and_target();
    for rate in [None, Some(200.0)] {
        let args = spread::SpreadArgs {
            target: target.clone(),
            subscribers: 20,
            publishers: 2,
            bytes: 128,
            rate,
            window: 8,
            seconds: 0.2,
            warm_up: 0.05,
        };
        let figures = spread::run(&args).unwrap();
        assert!(number(&figures, "delivered_per_second") > 0.0);
        assert!(number(&figures, "lost") + number(&figures, "misplaced") == 0.0, "{figures}");
        assert!(number(&figures, "p99_ms") >= number(&figures, "p50_ms"));
    }
}

#[test]
fn clients_in_pairs_hear_each_other_only() {
    let (_executor, target, _folder) = floor_and_target();
    let args =
        talk::TalkArgs { target, pairs: 3, bytes: 64, window: 8, seconds: 0.2, warm_up: 0.05 };
    let figures = talk::run(&args).unwrap();
    assert!(number(&figures, "client_events_per_second") > 0.0);
    assert!(number(&figures, "lost") + number(&figures, "misplaced") == 0.0, "{figures}");
}

#[test]
fn sockets_open_stay_and_come_back() {
    let (_executor, target, _folder) = floor_and_target();
    let opens = opening::OpensArgs { target: target.clone(), sockets: 150, rounds: 1 };
    assert!(number(&opening::opens(&opens).unwrap(), "opens_per_second") > 0.0);
    let storm = opening::StormArgs { target: target.clone(), sockets: 40, channels: 4, rounds: 1 };
    assert!(number(&opening::storm(&storm).unwrap(), "storm_per_second") > 0.0);
    let idle = opening::IdleArgs { target, sockets: vec![10, 30] };
    let figures = opening::idle(&idle).unwrap();
    assert_eq!(figures.get("idle").and_then(Value::as_array).map(Vec::len), Some(2), "{figures}");
}
