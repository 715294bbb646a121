//! One trace from the device to the row.

use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use yard_e2e::platform::Platform;
use yard_e2e::world::World;
use yard_testkit::eventually;

/// The trace that the device of the test world says its reading belongs to.
const TRACE: &str = yard_e2e::TRACE_OF_A_READING;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reading_keeps_its_trace_from_mqtt_through_nats_to_the_database() {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    let spans = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    let filter = tracing_subscriber::filter::LevelFilter::INFO;
    tracing_subscriber::registry().with(filter).with(spans).init();

    let platform = Platform::start().await.expect("the platform starts");
    let _world = World::build(&platform).await.expect("both tenants are filled");
    let of_trace = || {
        let finished = exporter.get_finished_spans().expect("the exporter keeps spans");
        let of_trace = finished
            .into_iter()
            .filter(|span| span.span_context.trace_id().to_string() == TRACE)
            .map(|span| span.name.into_owned());
        of_trace.collect::<Vec<_>>()
    };
    eventually(Duration::from_secs(10), || async {
        let names = of_trace();
        let both = names.iter().any(|name| name.contains("store telemetry"))
            && names.iter().any(|name| !name.contains("store telemetry"));
        both.then_some(()).ok_or(names)
    })
    .await;
    platform.stop().await;
}
