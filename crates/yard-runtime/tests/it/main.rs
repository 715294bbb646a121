//! A service's life: ready, draining, gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use yard_runtime::{Runtime, TaskKind};

fn runtime() -> Runtime {
    Runtime::builder("sample", "0").build()
}

#[tokio::test]
async fn soft_stop_lets_work_in_hand_finish() {
    let runtime = runtime();
    let finished = Arc::new(AtomicBool::new(false));
    let (soft, done) = (runtime.shutdown().soft().clone(), Arc::clone(&finished));
    runtime.tasks().spawn(TaskKind::Critical, "worker", async move {
        soft.cancelled().await;
        tokio::task::yield_now().await;
        done.store(true, Ordering::SeqCst);
        Ok(())
    });
    assert!(runtime.stop(Duration::ZERO, Duration::from_secs(5)).await);
    assert!(finished.load(Ordering::SeqCst));
}

#[tokio::test(start_paused = true)]
async fn task_that_never_ends_is_abandoned_at_the_deadline() {
    let runtime = runtime();
    runtime.tasks().spawn(TaskKind::Background, "stuck", std::future::pending());
    assert!(!runtime.stop(Duration::ZERO, Duration::from_secs(5)).await);
    assert!(runtime.shutdown().hard().is_cancelled());
}

#[tokio::test]
async fn failed_or_panicked_critical_task_makes_the_stop_unclean() {
    for panics in [false, true] {
        let runtime = runtime();
        runtime.tasks().spawn(TaskKind::Critical, "broken", async move {
            assert!(!panics, "as asked");
            anyhow::bail!("as asked")
        });
        assert!(!runtime.stop(Duration::ZERO, Duration::from_secs(5)).await, "panics: {panics}");
    }
}

#[tokio::test]
async fn failed_background_task_does_not_stop_the_service() {
    let runtime = runtime();
    runtime.tasks().spawn(TaskKind::Background, "broken", async { anyhow::bail!("as asked") });
    assert!(runtime.stop(Duration::ZERO, Duration::from_secs(5)).await);
}

#[tokio::test]
async fn bound_listener_can_be_found_by_name() {
    let runtime = runtime();
    let listener = runtime.bind("grpc", "127.0.0.1:0".parse().unwrap()).await.unwrap();
    assert_eq!(runtime.address("grpc"), listener.local_addr().ok());
    assert_eq!(runtime.address("http"), None);
    let taken = runtime.bind("other", listener.local_addr().unwrap()).await.unwrap_err();
    assert!(format!("{taken:#}").contains("bind other listener"));
}
