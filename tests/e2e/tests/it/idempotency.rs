//! What an idempotency key promises, for every RPC that promises it.

use yard_e2e::matrix::idempotency;
use yard_e2e::platform::Platform;
use yard_e2e::world::World;

/// Behind a pooler, so that this also shows all services at work there: what the world is built by
/// (tenants, people, devices, readings, commands) and then every call twice. Two connections for a
/// role, which has ten and more of its own: each serves whoever comes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idempotent_rpcs_answer_a_key_once_and_refuse_it_for_another_request() {
    let platform = Platform::start_behind_pooler(2).await.expect("the platform starts");
    let world = World::build(&platform).await.expect("both tenants are filled");
    let report = idempotency::run(&platform, &world).await.expect("every call is answered");
    platform.stop().await;
    assert!(report.broken.is_empty(), "{report:#?}");
    assert!(report.methods >= 3, "only {} methods", report.methods);
}
