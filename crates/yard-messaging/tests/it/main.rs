//! JetStream with its bad days.

mod encrypted;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use uuid::Uuid;
use yard_contracts::streams;
use yard_fault::{Code, Fault};
use yard_messaging::{
    BatchHandler, ConsumerSpec, Delivery, Nats, NatsConfig, Outcome, Outgoing, consume,
};
use yard_runtime::{Runtime, TaskKind};
use yard_testkit::{TestNats, eventually};

const PATIENCE: Duration = Duration::from_secs(20);

struct Setup {
    server: TestNats,
    runtime: Runtime,
    nats: Nats,
}

async fn setup() -> Setup {
    let server = TestNats::start().await;
    let runtime = Runtime::builder("sample", "0").build();
    let config = NatsConfig::for_test(&server.url());
    let nats = Nats::connect(&config, &runtime).await.expect("the server was just started");
    Setup { server, runtime, nats }
}

fn message(n: u128) -> Outgoing {
    Outgoing {
        subject: format!("job.v1.default.{n}"),
        id: Uuid::from_u128(n),
        payload: n.to_string().into(),
        traceparent: None,
    }
}

fn spec() -> ConsumerSpec {
    ConsumerSpec {
        stream: streams::JOBS.name,
        name: "test",
        filter: "job.v1.default.>".to_owned(),
        ack_wait: Duration::from_secs(2),
        max_ack_pending: 1_000,
        max_batch: 100,
    }
}

/// Notes what it is given and answers by `rule`.
struct Recorder<F> {
    seen: Arc<Mutex<Vec<(String, i64)>>>,
    rule: F,
}

impl<F: FnMut(&Delivery) -> Outcome + Send + 'static> BatchHandler for Recorder<F> {
    async fn handle(&mut self, batch: &[Delivery]) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        for delivery in batch {
            let text = String::from_utf8_lossy(&delivery.payload).into_owned();
            let entry = (text, delivery.attempt);
            self.seen.lock().expect("no test panics while it holds this").push(entry);
            outcomes.push((self.rule)(delivery));
        }
        outcomes
    }
}

impl Setup {
    fn consume<F>(&self, rule: F) -> Arc<Mutex<Vec<(String, i64)>>>
    where
        F: FnMut(&Delivery) -> Outcome + Send + 'static,
    {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let handler = Recorder { seen: Arc::clone(&seen), rule };
        let stop = self.runtime.shutdown().soft().clone();
        let work = consume(self.nats.clone(), spec(), handler, stop);
        self.runtime.tasks().spawn(TaskKind::Critical, "consumer", work);
        seen
    }

    async fn publish(&self, n: u128) {
        let stop = self.runtime.shutdown().soft();
        self.nats.publish_until_confirmed(&message(n), stop).await.expect("not stopped");
    }

    async fn stop(self) {
        assert!(self.runtime.stop(Duration::ZERO, PATIENCE).await);
    }
}

#[tokio::test]
async fn confirmations_that_nobody_looks_at_yet_hold_no_message_up() {
    let setup = setup().await;
    let mut unread = Vec::new();
    // More than a broker of devices is let send ahead.
    for n in 1..=3_000 {
        let next = message(n);
        let sending = tokio::time::timeout(PATIENCE, setup.nats.publish(&next));
        unread.push(sending.await.expect("nothing is waited for").expect("it is sent"));
    }
    let stop = setup.runtime.shutdown().hard().clone();
    let again = message(1);
    let sent = setup.nats.publish_until_confirmed(&again, &stop);
    let sequence = tokio::time::timeout(PATIENCE, sent).await.expect("it is not held up");
    assert_eq!(sequence, Some(1), "the first one, published again");
    assert_eq!(unread.len(), 3_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn services_that_start_together_all_find_their_streams() {
    let server = TestNats::start().await;
    let mut starting = tokio::task::JoinSet::new();
    for _ in 0..12 {
        let config = NatsConfig::for_test(&server.url());
        let runtime = Runtime::builder("sample", "0").build();
        starting.spawn(async move { Nats::connect(&config, &runtime).await.map(drop) });
    }
    while let Some(started) = starting.join_next().await {
        started.expect("no start panics").expect("the server has room for the streams once");
    }
}

#[tokio::test]
async fn message_is_handled_once_and_leaves_the_stream() {
    let setup = setup().await;
    let seen = setup.consume(|_| Outcome::Done);
    for n in 1..=50 {
        setup.publish(n).await;
    }
    eventually(PATIENCE, || async { seen.lock().unwrap().len() == 50 }).await;
    let stream = setup.nats.jetstream().clone();
    eventually(PATIENCE, || async {
        let mut jobs = stream.get_stream(streams::JOBS.name).await.unwrap();
        jobs.info().await.unwrap().state.messages == 0
    })
    .await;
    assert!(seen.lock().unwrap().iter().all(|(_, attempt)| *attempt == 1));
    setup.stop().await;
}

#[tokio::test]
async fn message_published_again_with_its_id_is_stored_once() {
    let setup = setup().await;
    setup.publish(7).await;
    setup.publish(7).await;
    let mut jobs = setup.nats.jetstream().get_stream(streams::JOBS.name).await.unwrap();
    assert_eq!(jobs.info().await.unwrap().state.messages, 1);
    setup.stop().await;
}

#[tokio::test]
async fn later_comes_again_and_is_not_given_up_in_an_outage() {
    let setup = setup().await;
    let seen = setup.consume(|delivery| match delivery.attempt {
        1..=30 => Outcome::Later(Duration::from_millis(5)),
        _ => Outcome::Done,
    });
    setup.publish(1).await;
    eventually(PATIENCE, || async { seen.lock().unwrap().len() == 31 }).await;
    setup.stop().await;
}

#[tokio::test]
async fn message_that_panics_its_handler_does_not_take_its_batch_along() {
    let setup = setup().await;
    for n in 10..=20 {
        setup.publish(n).await;
    }
    let seen = setup.consume(|delivery| {
        assert_ne!(delivery.payload.as_ref(), b"13", "as asked");
        Outcome::Done
    });
    let done = |n: u32| seen.lock().unwrap().iter().any(|(seen, _)| *seen == n.to_string());
    eventually(PATIENCE, || async { (10..=20).all(done) }).await;
    let stream = setup.nats.jetstream().clone();
    eventually(PATIENCE, || async {
        let mut jobs = stream.get_stream(streams::JOBS.name).await.unwrap();
        jobs.info().await.unwrap().state.messages == 1
    })
    .await;
    setup.stop().await;
}

#[tokio::test]
async fn req_hot_40_message_that_can_never_work_goes_to_the_dead_letters_alone() {
    let setup = setup().await;
    let seen = setup.consume(|delivery| match delivery.payload.as_ref() {
        b"13" => Outcome::Failed(Fault::new(Code::RequestInvalid).with_detail("unlucky\nnumber")),
        _ => Outcome::Done,
    });
    for n in 10..=20 {
        setup.publish(n).await;
    }
    eventually(PATIENCE, || async { seen.lock().unwrap().len() == 11 }).await;
    let stream = setup.nats.jetstream().clone();
    eventually(PATIENCE, || async {
        let mut letters = stream.get_stream(streams::DLQ.name).await.unwrap();
        letters.info().await.unwrap().state.messages == 1
    })
    .await;
    let letters = stream.get_stream(streams::DLQ.name).await.unwrap();
    let letter = letters.get_raw_message(1).await.unwrap();
    let header = |name: &str| letter.headers.get(name).map(|v| v.as_str().to_owned());
    assert_eq!(letter.payload.as_ref(), b"13");
    assert_eq!(header("Yard-Reason-Code").as_deref(), Some("request.invalid"));
    assert_eq!(header("Yard-Reason").as_deref(), Some("unlucky number"));
    assert_eq!(header("Yard-Origin-Subject").as_deref(), Some("job.v1.default.13"));
    setup.stop().await;
}

#[tokio::test]
async fn consumer_and_publisher_go_on_after_the_server_was_killed() {
    let mut setup = setup().await;
    let seen = setup.consume(|_| Outcome::Done);
    setup.publish(1).await;
    eventually(PATIENCE, || async { seen.lock().unwrap().len() == 1 }).await;
    setup.server.kill();
    let nats = setup.nats.clone();
    let stop = setup.runtime.shutdown().soft().clone();
    let publishing = async move { nats.publish_until_confirmed(&message(2), &stop).await };
    let restarting = async { setup.server.start_again() };
    let (confirmed, ()) = tokio::join!(publishing, restarting);
    assert!(confirmed.is_some());
    eventually(PATIENCE, || async { seen.lock().unwrap().iter().any(|(n, _)| n == "2") }).await;
    setup.stop().await;
}
