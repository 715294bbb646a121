//! Carries the trace context over transports: gRPC metadata, NATS headers, MQTT user properties,
//! rows. One W3C `traceparent` text in all of them.

use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator as _};
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// Header name (W3C Trace Context).
pub const TRACEPARENT: &str = "traceparent";

#[derive(Default)]
struct Carrier(Option<String>);

impl Injector for Carrier {
    fn set(&mut self, key: &str, value: String) {
        if key == TRACEPARENT {
            self.0 = Some(value);
        }
    }
}

impl Extractor for Carrier {
    fn get(&self, key: &str) -> Option<&str> {
        if key == TRACEPARENT { self.0.as_deref() } else { None }
    }

    fn keys(&self) -> Vec<&str> {
        vec![TRACEPARENT]
    }
}

/// The `traceparent` of the current span, if it is sampled.
#[must_use]
pub fn current() -> Option<String> {
    let context = Span::current().context();
    if !context.span().span_context().is_sampled() {
        return None;
    }
    let mut carrier = Carrier::default();
    TraceContextPropagator::new().inject_context(&context, &mut carrier);
    carrier.0
}

/// Names a span whose name is known only after it began. The field `otel.name` does not: it is read
/// once, before the span's context is first asked for.
pub fn rename(span: &Span, name: String) {
    span.context().span().update_name(name);
}

/// Makes `span` a child of what a peer sent. A text that is no `traceparent` changes nothing.
pub fn continue_from(span: &Span, traceparent: Option<&str>) {
    let Some(text) = traceparent else { return };
    let context = TraceContextPropagator::new()
        .extract_with_context(&Context::new(), &Carrier(Some(text.to_owned())));
    if let Err(error) = span.set_parent(context) {
        tracing::trace!(error = %error, "span keeps its own trace");
    }
}
