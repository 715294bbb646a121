//! Logs to standard output, traces by OTLP, metrics in Prometheus' text form.

use std::sync::OnceLock;

use anyhow::Context as _;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{KeyValue, global};
use opentelemetry_otlp::WithExportConfig as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry, reload};

use crate::build_info::BuildInfo;
use crate::config::{LogFormat, RuntimeConfig};

/// Bucket bounds in seconds for every histogram whose name ends in `_seconds`.
const SECONDS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

const UPKEEP: std::time::Duration = std::time::Duration::from_secs(5);

/// Changes the log filter of the running process.
#[derive(Clone)]
pub(crate) struct LogHandle(reload::Handle<EnvFilter, Registry>);

impl LogHandle {
    pub(crate) fn set(&self, filter: &str) -> Result<(), String> {
        let filter = EnvFilter::try_new(filter).map_err(|e| e.to_string())?;
        self.0.reload(filter).map_err(|e| e.to_string())
    }
}

/// Flushes traces when dropped.
pub(crate) struct Telemetry {
    pub(crate) log: LogHandle,
    traces: Option<SdkTracerProvider>,
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.traces.take().map(|traces| traces.shutdown()) {
            tracing::warn!(error = %error, "could not flush traces");
        }
    }
}

/// Sets up all three for this process.
pub(crate) fn install(config: &RuntimeConfig, build: &BuildInfo) -> anyhow::Result<Telemetry> {
    let filter = EnvFilter::try_new(&config.log_level).context("runtime.log_level")?;
    let (filter, handle) = reload::Layer::new(filter);
    let output = match config.log_format {
        LogFormat::Json => tracing_subscriber::fmt::layer()
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .boxed(),
        LogFormat::Text => tracing_subscriber::fmt::layer().boxed(),
    };
    let traces = trace_provider(config, build)?;
    let spans = traces
        .as_ref()
        .map(|provider| tracing_opentelemetry::layer().with_tracer(provider.tracer(build.service)));
    tracing_subscriber::registry().with(filter).with(output).with(spans).try_init()?;
    metrics_handle();
    Ok(Telemetry { log: LogHandle(handle), traces })
}

fn trace_provider(
    config: &RuntimeConfig,
    build: &BuildInfo,
) -> anyhow::Result<Option<SdkTracerProvider>> {
    global::set_text_map_propagator(TraceContextPropagator::new());
    if config.otlp_endpoint.is_empty() {
        return Ok(None);
    }
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_tonic()
        .with_endpoint(&config.otlp_endpoint)
        .build()
        .context("runtime.otlp_endpoint")?;
    let resource = Resource::builder()
        .with_service_name(build.service)
        .with_attribute(KeyValue::new("service.version", build.version))
        .with_attribute(KeyValue::new("service.instance.id", build.instance.clone()))
        .with_attribute(KeyValue::new("deployment.environment", config.environment.clone()))
        .build();
    let ratio = Sampler::TraceIdRatioBased(config.sample_ratio);
    Ok(Some(
        SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_sampler(Sampler::ParentBased(Box::new(ratio)))
            .with_resource(resource)
            .build(),
    ))
}

fn metrics_handle() -> &'static PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE.get_or_init(|| {
        let suffix = metrics_exporter_prometheus::Matcher::Suffix("_seconds".to_owned());
        PrometheusBuilder::new()
            .set_buckets_for_metric(suffix, SECONDS)
            .expect("the list of buckets is not empty")
            .install_recorder()
            .expect("this is the only recorder of the process")
    })
}

/// Folds recorded values into their buckets until `stop`. Without it every value of a histogram is
/// kept until somebody reads the metrics, and a service that nobody reads grows for ever.
pub(crate) async fn keep_up(stop: tokio_util::sync::CancellationToken) -> anyhow::Result<()> {
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(UPKEEP) => metrics_handle().run_upkeep(),
        }
    }
}

/// Every metric of the process in Prometheus' text form.
#[must_use]
pub fn metrics_text() -> String {
    let handle = metrics_handle();
    handle.run_upkeep();
    handle.render()
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::{Span as _, Tracer as _};
    use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
        TraceService, TraceServiceServer,
    };
    use opentelemetry_proto::tonic::collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
    };
    use tokio::sync::mpsc;
    use tonic::transport::server::TcpIncoming;
    use tonic::{Request, Response, Status};

    use super::*;

    /// A collector that hands on what it is sent.
    struct Collector(mpsc::UnboundedSender<ExportTraceServiceRequest>);

    #[tonic::async_trait]
    impl TraceService for Collector {
        async fn export(
            &self,
            request: Request<ExportTraceServiceRequest>,
        ) -> Result<Response<ExportTraceServiceResponse>, Status> {
            drop(self.0.send(request.into_inner()));
            Ok(Response::new(ExportTraceServiceResponse::default()))
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn spans_reach_a_collector_by_otlp_with_the_services_name() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut config = RuntimeConfig::for_test();
        config.otlp_endpoint = format!("http://{}", listener.local_addr().unwrap());
        config.sample_ratio = 1.0;
        let (sender, mut received) = mpsc::unbounded_channel();
        let collector = tonic::transport::Server::builder()
            .add_service(TraceServiceServer::new(Collector(sender)))
            .serve_with_incoming(TcpIncoming::from(listener));
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(collector);

        let build =
            BuildInfo { service: "sample", version: "0.0.1", instance: "instance-1".to_owned() };
        let provider = trace_provider(&config, &build).unwrap().expect("an endpoint is given");
        provider.tracer("sample").start("something").end();
        tokio::task::spawn_blocking(move || provider.shutdown()).await.unwrap().unwrap();

        let export = received.recv().await.expect("the provider flushes before it ends");
        let spans = &export.resource_spans[0];
        let attributes = &spans.resource.as_ref().unwrap().attributes;
        let service = attributes.iter().find(|a| a.key == "service.name").unwrap();
        assert!(format!("{:?}", service.value).contains("sample"), "{service:?}");
        assert_eq!(spans.scope_spans[0].spans[0].name, "something");
    }
}
