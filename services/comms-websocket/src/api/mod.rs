//! Pusher's HTTP API: apps' own servers publish by it and ask who listens.
//!
//! It promises that nothing is said by a call that is refused, that a call that is answered 200 has
//! reached the broker, and that neither a slow caller nor a busy app delays sockets or other apps. A
//! call is checked before its body is read: what nobody has signed takes no memory here.

mod body;
mod budget;
mod channels;
mod config;
mod confirm;
mod event;
mod heard;
mod info;
mod problem;
mod publish;
mod route;
mod signature;
mod test_event;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Body;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use yard_ids::Clock;
use yard_runtime::Runtime;

use crate::app::{App, Apps, Unavailable};
use crate::confirmed::Confirmed;
use crate::hub::Hub;
use crate::inspection::Pace;
use crate::presence::Rosters;
use crate::telemetry;
use budget::{Budgets, Turn};
pub use config::ApiConfig;
use event::{Batch, Event, OneEvent};
use heard::Heard;
use problem::{Problem, json_response};
use publish::Published;
use route::{Call, Route};
use signature::Query;
pub(crate) use test_event::TestEvent;

/// How long what is asked of Redis may take; what publishes has its own, shorter limit.
const READING: Duration = Duration::from_secs(5);

/// The API of all apps.
pub(crate) struct Api {
    settings: ApiConfig,
    apps: Apps,
    hub: Hub,
    rosters: Rosters,
    confirmed: Confirmed,
    clock: Arc<dyn Clock>,
    pace: Pace,
    heard: Heard,
    budgets: Arc<Budgets>,
    lines: Arc<Semaphore>,
}

/// The right of a connection to make calls, for as long as it lives.
pub(crate) struct Line {
    _place: OwnedSemaphorePermit,
}

/// A call that is signed.
struct Signed {
    app: Arc<App>,
    query: Query,
    turn: Turn,
}

impl Api {
    pub(crate) fn new(
        settings: ApiConfig,
        apps: Apps,
        hub: Hub,
        (rosters, confirmed): (Rosters, Confirmed),
        pace: Pace,
        rt: &Runtime,
    ) -> Arc<Self> {
        let heard = Heard::new(hub.bus().nats().clone());
        let budgets = Arc::new(Budgets::new(settings.per_second, settings.calls_per_app));
        let lines = Arc::new(Semaphore::new(settings.max_connections));
        let clock = rt.clock();
        Arc::new(Self {
            settings,
            apps,
            hub,
            rosters,
            confirmed,
            clock,
            pace,
            heard,
            budgets,
            lines,
        })
    }

    /// Whether an address is one of the API's.
    pub(crate) fn is_served(path: &str) -> bool {
        route::is_served(path)
    }

    /// A connection's first call; `None` when as many make calls as may.
    pub(crate) fn line(&self) -> Option<Line> {
        let place = Arc::clone(&self.lines).try_acquire_owned().ok()?;
        Some(Line { _place: place })
    }

    /// The answer for a connection that gets no [`Line`].
    pub(crate) fn full() -> Response<Full<Bytes>> {
        telemetry::api_call("other", 503, Duration::ZERO);
        Problem::unavailable("as many connections make calls as may; try again").response()
    }

    /// Answers a call.
    pub(crate) async fn answer<B>(&self, request: Request<B>) -> Response<Full<Bytes>>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let began = Instant::now();
        let (parts, body) = request.into_parts();
        let (label, outcome) = match Route::find(&parts.method, parts.uri.path()) {
            Ok(route) => (route.call.label(), self.follow(&parts, route, body).await),
            Err(problem) => ("other", refuse(body, problem).await),
        };
        let response = match outcome {
            Ok(value) => json_response(&value),
            Err(problem) => problem.response(),
        };
        telemetry::api_call(label, response.status().as_u16(), began.elapsed());
        response
    }

    async fn follow<B>(&self, parts: &Parts, route: Route, body: B) -> Result<Value, Problem>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let signed = match self.check(parts, &route).await {
            Ok(signed) => signed,
            Err(problem) => return refuse(body, problem).await,
        };
        let most = match route.call {
            Call::BatchEvents => self.settings.max_batch_kib,
            _ => self.settings.max_body_kib,
        };
        let body = body::read(body, most * 1_024, self.settings.body_timeout).await?;
        signature::check_body(&signed.query, &body)?;
        self.perform(route.call, &signed, &body).await
    }

    /// Whose call it is, and whether they may make it now.
    async fn check(&self, parts: &Parts, route: &Route) -> Result<Signed, Problem> {
        let query = Query::parse(parts.uri.query().unwrap_or_default())?;
        let app = self.app_of(route, &query).await?;
        let now = self.clock.now().unix_timestamp();
        let paths = (parts.uri.path(), route.decoded.as_str());
        signature::check_head(&app, now, parts.method.as_str(), paths, &query)?;
        if !app.with_settings(|settings| settings.enabled) {
            return Err(Problem::disabled());
        }
        let turn = self.budgets.begin(app.id())?;
        Ok(Signed { app, query, turn })
    }

    async fn app_of(&self, route: &Route, query: &Query) -> Result<Arc<App>, Problem> {
        let (found, unknown) = match route.app {
            Some(id) => (self.apps.by_id(id).await, route::NO_APP),
            None => {
                let key = query.get("auth_key").unwrap_or_default();
                (self.apps.by_key(key).await, NO_KEY)
            }
        };
        found.map_err(|Unavailable| APPS_AWAY)?.ok_or(unknown)
    }

    async fn perform(&self, call: Call, signed: &Signed, body: &[u8]) -> Result<Value, Problem> {
        let Signed { app, query, turn } = signed;
        match call {
            Call::Events => {
                let event = read::<OneEvent>(body)?;
                let confirmed = event.is_confirmed();
                let event = event.check(app)?;
                if confirmed {
                    return self.confirm(app, event, body).await;
                }
                self.one(app, event).await
            }
            Call::BatchEvents => {
                let events = read::<Batch>(body)?.check(app)?;
                turn.pay(events.len())?;
                self.batch(app, &events).await
            }
            Call::Channels => in_time(self.channels(app, query)).await,
            Call::Channel(name) => in_time(self.one_channel(app, &name, query)).await,
            Call::Users(name) => in_time(self.users(app, &name)).await,
            Call::Message(id) => in_time(self.message(app, &id)).await,
            Call::Terminate(user) => self.terminate(app, &user).await,
        }
    }

    async fn one(&self, app: &App, event: Event) -> Result<Value, Problem> {
        let events = [event];
        let published = self.publish(app, &events).await?;
        let [event] = &events;
        let told = published.first().map(|published| event.tell(published)).unwrap_or_default();
        let told: Map<_, _> = told
            .into_iter()
            .filter(|(_, of)| !of.is_empty() || !event.info.is_empty())
            .map(|(name, of)| (name, of.into()))
            .collect();
        Ok(if told.is_empty() { json!({}) } else { json!({"channels": told}) })
    }

    async fn batch(&self, app: &App, events: &[Event]) -> Result<Value, Problem> {
        let published = self.publish(app, events).await?;
        // By their place; nothing of an event of which there is nothing to tell.
        let tell = |(event, published): (&Event, &Published)| {
            event.tell(published).pop().map(|(_name, of)| of).unwrap_or_default()
        };
        let told: Vec<Map<_, _>> = events.iter().zip(&published).map(tell).collect();
        let silent = told.iter().all(Map::is_empty) && events.iter().all(|e| e.info.is_empty());
        Ok(if silent { json!({}) } else { json!({"batch": told}) })
    }
}

/// Refuses a call whose body nobody has read.
async fn refuse<B>(body: B, problem: Problem) -> Result<Value, Problem>
where
    B: Body<Data = Bytes> + Unpin,
{
    body::swallow(body).await;
    Err(problem)
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let problem = format!("the body is not what this call takes, at line {line}:{column}");
        Problem::malformed(problem)
    })
}

async fn in_time<T>(asked: impl Future<Output = Result<T, Problem>>) -> Result<T, Problem> {
    timeout(READING, asked).await.unwrap_or(Err(publish::STORE_AWAY))
}

const NO_KEY: Problem = Problem::unsigned("auth_key is the key of no app");
const APPS_AWAY: Problem = Problem::unavailable("the app cannot be looked up; try again");
