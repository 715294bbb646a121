//! The access matrix as a test.

use yard_e2e::matrix;
use yard_e2e::platform::Platform;
use yard_e2e::world::World;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn access_matrix_every_rpc_and_caller_leaks_nothing() {
    let platform = Platform::start().await.expect("the platform starts");
    let world = World::build(&platform).await.expect("both tenants are filled");
    let report = matrix::run(&platform, &world).await.expect("every call is answered");
    platform.stop().await;
    assert!(report.is_clean(), "{report:#?}");
    assert!(report.cases > 250, "only {} cases", report.cases);
}
