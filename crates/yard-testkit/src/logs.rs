//! A test's log: shown when the test fails, and a failure itself when it warns unexpectedly.

use std::sync::{Arc, Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::{Layer, fmt};

/// Collects what this thread logs until it is dropped. Tokio's ordinary test runtime has one
/// thread, so that is everything the test does.
///
/// Dropping it fails the test when a WARN or ERROR came from our own code that
/// [`LogCapture::expect`] did not announce.
#[must_use = "the log is watched while this value lives"]
pub struct LogCapture {
    lines: Arc<Mutex<Vec<Line>>>,
    expected: Mutex<Vec<String>>,
    _guard: DefaultGuard,
}

#[derive(Debug, Clone)]
struct Line {
    level: Level,
    text: String,
}

/// Begins to watch the log.
pub fn capture() -> LogCapture {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let shown = fmt::layer().with_test_writer().with_ansi(false).with_filter(LevelFilter::INFO);
    let collected = Collector { lines: Arc::clone(&lines) };
    let subscriber = tracing_subscriber::registry().with(shown).with(collected);
    let guard = tracing::subscriber::set_default(subscriber);
    LogCapture { lines, expected: Mutex::default(), _guard: guard }
}

impl LogCapture {
    /// Announces that warnings and errors which contain `part` are meant to come.
    pub fn expect(&self, part: &str) -> &Self {
        self.expected.lock().unwrap_or_else(PoisonError::into_inner).push(part.to_owned());
        self
    }

    /// True when a line of any level contains `part`.
    #[must_use]
    pub fn contains(&self, part: &str) -> bool {
        self.all().iter().any(|line| line.text.contains(part))
    }

    /// Warnings and errors that nobody announced.
    #[must_use]
    pub fn unexpected(&self) -> Vec<String> {
        let expected = self.expected.lock().unwrap_or_else(PoisonError::into_inner);
        let announced = |line: &Line| expected.iter().any(|part| line.text.contains(part));
        let bad = |line: &Line| line.level <= Level::WARN && !announced(line);
        self.all().into_iter().filter(bad).map(|line| line.text).collect()
    }

    fn all(&self) -> Vec<Line> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for LogCapture {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let unexpected = self.unexpected();
            assert!(unexpected.is_empty(), "unexpected in the log: {unexpected:#?}");
        }
    }
}

struct Collector {
    lines: Arc<Mutex<Vec<Line>>>,
}

impl<S: Subscriber> Layer<S> for Collector {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let metadata = event.metadata();
        // Only our own crates and services count: libraries warn by their own taste.
        if !is_ours(metadata.target()) {
            return;
        }
        let mut text = Text(format!("{} {}:", metadata.level(), metadata.target()));
        event.record(&mut text);
        let line = Line { level: *metadata.level(), text: text.0 };
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }
}

fn is_ours(target: &str) -> bool {
    let root = target.split("::").next().unwrap_or_default();
    let services =
        ["api_gateway", "auth", "comms_websocket", "device_ingest", "scheduler", "worker", "it"];
    root.starts_with("yard") || services.contains(&root)
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.push_str(&format!(" {}={value:?}", field.name()));
    }
}
