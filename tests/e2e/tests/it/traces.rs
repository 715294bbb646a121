//! One trace: from the device to the row, and from the gateway to the row and the broker.

use std::time::Duration;

use opentelemetry::trace::{SpanId, TracerProvider as _};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use serde_json::json;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use yard_e2e::platform::Platform;
use yard_e2e::world::World;
use yard_testkit::eventually;

/// The trace that the device of the test world says its reading belongs to.
const OF_A_READING: &str = yard_e2e::TRACE_OF_A_READING;
/// The trace and span that a caller of the gateway says it is in.
const OF_A_COMMAND: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLERS_SPAN: &str = "b7ad6b7169203331";

/// What the process made of one trace so far.
struct Spans(Vec<SpanData>);

impl Spans {
    fn of(exporter: &InMemorySpanExporter, trace: &str) -> Self {
        let all = exporter.get_finished_spans().expect("the exporter keeps spans");
        let mine = |span: &SpanData| span.span_context.trace_id().to_string() == trace;
        Self(all.into_iter().filter(mine).collect())
    }

    fn names(&self) -> Vec<String> {
        self.0.iter().map(|span| span.name.to_string()).collect()
    }

    /// The span called `name` that `parent` opened.
    fn child(&self, parent: SpanId, name: &str) -> Result<SpanId, Vec<String>> {
        let found = self.0.iter().find(|span| span.name == name && span.parent_span_id == parent);
        found.map(|span| span.span_context.span_id()).ok_or_else(|| self.names())
    }

    fn named(&self, name: &str) -> Result<(), Vec<String>> {
        self.0.iter().any(|span| span.name == name).then_some(()).ok_or_else(|| self.names())
    }
}

// One test, because a process has one subscriber.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trace_of_a_reading_and_of_a_command_reaches_the_database() {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    let spans = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    let filter = tracing_subscriber::filter::LevelFilter::INFO;
    tracing_subscriber::registry().with(filter).with(spans).init();

    let platform = Platform::start().await.expect("the platform starts");
    let world = World::build(&platform).await.expect("both tenants are filled");
    eventually(Duration::from_secs(10), || async {
        let spans = Spans::of(&exporter, OF_A_READING);
        spans.named("ingest reading")?;
        spans.named("store telemetry")
    })
    .await;

    let owner = &world.a.owner;
    let traced = owner.in_trace(&format!("00-{OF_A_COMMAND}-{CALLERS_SPAN}-01"));
    let path = format!("/api/v1/devices/{}/commands", world.a.device_id);
    let command = json!({
        "name": "set_valve", "arguments": {"position": 7}, "deadline_seconds": 600,
    });
    traced.expect("POST", &path, Some(&command)).await.expect("the command is taken");
    let callers = SpanId::from_hex(CALLERS_SPAN).expect("16 hexadecimal digits");
    eventually(Duration::from_secs(10), || async {
        let spans = Spans::of(&exporter, OF_A_COMMAND);
        let gateway = spans.child(callers, "POST /api/v1/devices/{device_id}/commands")?;
        let service = spans.child(gateway, "/yard.command.v1.CommandService/SendCommand")?;
        let _row = spans.child(service, "postgresql transaction")?;
        // By way of the outbox and JetStream, out to the broker.
        spans.named("dispatch command")
    })
    .await;
    platform.stop().await;
}
