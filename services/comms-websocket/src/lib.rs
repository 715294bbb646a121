//! Live channels over the Pusher protocol, version 7.
//!
//! Owns the sockets and what they listen to, and the apps that tenants make (`platform.realtime_apps`
//! and their secrets). It promises that a socket hears only channels that its app signed for it, that
//! a slow socket delays nobody else, and that a drain tells every client to come back at once. A socket that was let in by a session or an API
//! token ends within two seconds of it. It never stores or repeats an event: what is
//! published while nobody listens, or while the broker is away, is not heard.
//!
//! Who is in which channel, over all instances, is kept in Redis, which may lose it: every instance
//! says its own part again, and a killed one's is taken back within twelve seconds.
//!
//! An event is serialised once and its bytes are shared by all sockets. NATS is asked only for
//! subjects that a socket or a tail on this instance wants.
//!
//! Not offered yet: histories, acknowledged delivery and webhooks.

mod api;
mod app;
mod budget;
mod bus;
mod channel;
mod config;
mod hub;
mod presence;
mod protocol;
mod realtime;
mod socket;
mod telemetry;
mod ticket;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use yard_authn::audit::Auditor;
use yard_authn::revocations::{self, Need};
use yard_authn::seal::Sealer;
use yard_authn::{Identity, server};
use yard_contracts::realtime::v1::realtime_app_service_server::RealtimeAppServiceServer;
use yard_contracts::realtime::v1::realtime_service_server::RealtimeServiceServer;
use yard_messaging::Nats;
use yard_pg::Pg;
use yard_runtime::{Runtime, TaskKind};

pub use channel::CHANNEL_FORMS;
pub use config::{
    ApiConfig, AppsConfig, Config, DEFAULT_CONFIG, GrpcConfig, RedisConfig, SealingConfig,
    SocketConfig, TailConfig,
};
use ticket::{Redis, Tickets};

/// Longest wait for an answer of Redis; handshakes and joins wait for it.
const REDIS_PATIENCE: Duration = Duration::from_secs(2);

/// Binds, connects, and starts serving; returns once that is under way.
///
/// # Errors
/// When a file, a listener or the broker is not there.
pub async fn run(config: Config, rt: Runtime) -> anyhow::Result<()> {
    let starting = rt.health().await_start("comms-websocket");
    let identity = Identity::load(&config.identity, &rt)?;
    let own = app::App::load(&config.socket)?;
    let sealer = Sealer::load(&config.sealing.key_file)?;
    let pg = Pg::open(&config.postgres, rt.service())?;
    pg.watch_as_advice(&rt);
    let calls = rt.bind("grpc", config.grpc.listen).await?;
    let sockets = rt.bind("socket", config.socket.listen).await?;
    let nats = Nats::connect(&config.nats, &rt).await?;
    revocations::follow(&rt, &nats, identity.verifier(), Need::Readiness).await?;
    let auditor = Auditor::start(&rt, nats.audit_trail());
    let feed = identity.verifier().revocations();
    let (apps, app_ends) = app::start(own, (&pg, &sealer), feed, &rt);

    let meters = Arc::new(telemetry::Meters::new());
    let bus = bus::Bus::new(nats.clone(), rt.instance());
    let changes = presence::Changes::default();
    let hub = hub::Hub::new(bus.clone(), &rt, Arc::clone(&meters), changes.clone());
    let left = CancellationToken::new();
    let redis =
        yard_limits::Redis::start_until(&config.redis, REDIS_PATIENCE, &rt, left.clone()).await?;
    let tickets = Tickets::new(Redis::new(redis.clone()), rt.clock());
    let lists = watch::WatchLists::default();
    let online = watch::Online::new(redis.clone(), rt.instance(), bus.clone(), lists.clone());
    let rosters = presence::Rosters::new(redis, rt.instance());
    let api =
        api::Api::new(config.api.clone(), apps.clone(), hub.bus().clone(), rosters.clone(), &rt);
    let lookout = watch::Lookout::new(online.clone(), &rt);
    rt.tasks().spawn(TaskKind::Critical, "watch lists", lookout.run());
    let ledger = presence::Ledger::new(rosters, apps.clone(), hub.clone(), (changes, online), &rt);
    rt.tasks().spawn(TaskKind::Critical, "presence", ledger.run(left.drop_guard()));
    let service = realtime::Realtime::new(&config, apps.clone(), hub.clone(), tickets.clone(), &rt);
    let tenants = app::AppsGrpc {
        pg,
        sealer,
        apps: apps.clone(),
        bus,
        clock: rt.clock(),
        ids: rt.ids(),
        most: config.apps.max_per_tenant,
    };
    let routes = Routes::new(RealtimeServiceServer::new(service))
        .add_service(RealtimeAppServiceServer::new(tenants));
    server::serve(&rt, calls, identity.verifier(), &auditor, routes);

    let judge = socket::Judge::new(identity.verifier().revocations(), &rt);
    let door = socket::Door::new(config.socket, apps, hub, api, meters, (judge, tickets, lists));
    let ends = socket::end_with_grants(Arc::clone(&door), rt.clone());
    rt.tasks().spawn(TaskKind::Critical, "socket ends", ends);
    let with_apps = socket::end_with_apps(Arc::clone(&door), app_ends, rt.clone());
    rt.tasks().spawn(TaskKind::Critical, "app ends", with_apps);
    socket::obey(Arc::clone(&door), nats.clone(), &rt);
    socket::pass_on(Arc::clone(&door), nats, &rt);
    rt.tasks().spawn(TaskKind::Critical, "socket", socket::serve(door, sockets, rt.clone()));
    drop(starting);
    Ok(())
}
