//! The public door: REST by the contract's descriptors, sessions of people, the console and its
//! sockets.
//!
//! Owns no data and has no SQL among its dependencies. Promises that what a service behind it is
//! asked is well-formed by the contract, comes from a caller whom the policy admits, and was not
//! sent by another site's page. Never holds code for any one endpoint: a new RPC is served, checked
//! and documented once it stands in `proto/`.

pub mod config;
mod console;
mod gateway;
pub mod guard;
pub mod limits;
mod observe;
pub mod openapi;
pub mod pass;
mod problem;
mod protect;
mod serve;
pub mod session;
mod socket;
pub mod transcode;

use std::sync::Arc;
use std::time::Duration;

use yard_authn::Identity;
use yard_authn::audit::Auditor;
use yard_authn::revocations::{self, Need};
use yard_contracts::identity::v1::GetKeySetRequest;
use yard_contracts::identity::v1::key_service_client::KeyServiceClient;
use yard_limits::{Limiter, Redis};
use yard_messaging::Nats;
use yard_runtime::{Check, Runtime};

pub use config::Config;
use gateway::Gateway;
use guard::Guard;
use limits::{Addresses, Places, Rates};
use pass::PassThrough;
pub use protect::ForwardedHeader;
use protect::{Origins, Proxies};
use session::Sessions;
use socket::Tunnel;
use transcode::{Routes, Transcoder, Upstreams};

/// Every option with its comment.
pub const DEFAULT_CONFIG: &str = include_str!("../config/default.toml");

/// Starts the gateway.
///
/// # Errors
/// When the configuration, a key, the console's folder or the contract cannot be used.
pub async fn run(config: Config, runtime: Runtime) -> anyhow::Result<()> {
    let listener = runtime.bind("http", config.http.listen).await?;
    let identity = Identity::load(&config.identity, &runtime)?;
    let pool = yard_contracts::descriptors();
    let routes = Arc::new(Routes::compile(pool)?);
    let upstreams = Upstreams::connect(&config.upstreams, &routes.owners())?;
    let own = yard_authn::client::channel("upstreams.auth", &config.upstreams.auth, &identity)?;
    let nats = Nats::connect(&config.nats, &runtime).await?;
    revocations::follow(&runtime, &nats, identity.verifier(), Need::Readiness).await?;
    let auditor = Auditor::start(&runtime, nats.audit_trail());
    let sessions = Sessions::new(own.clone(), identity.verifier().clone(), runtime.clock());
    let origins = Origins::parse(&config.http.allowed_origins, config.http.public_https)?;
    let proxies = Proxies::parse(&config.http.trusted_proxies, config.http.forwarded_header)?;
    warn_of_proxies(&config, &proxies);
    let guard = Guard::start(&config.bans, proxies.clone(), own.clone(), &runtime);
    let rates = Arc::new(Rates::new(limiter(&config, &runtime).await?, config.limits.clone()));
    let places = Places::new(&config.limits, &config.caps);
    let console = console::Console::load(&config.console.dir)?;

    check_auth(&runtime, &upstreams)?;
    let gateway = Gateway {
        openapi: openapi::Served::new(Arc::clone(&routes), config.clone()),
        transcoder: Transcoder {
            upstreams,
            sessions: Arc::new(sessions),
            origins: origins.clone(),
            rates: Arc::clone(&rates),
            places: places.clone(),
            limits: config.limits.clone(),
            caps: config.caps.clone(),
            guard: Arc::clone(&guard),
            proxies: proxies.clone(),
            auditor,
            soft: runtime.shutdown().soft().clone(),
        },
        tunnel: Tunnel {
            upstream: config.upstreams.socket.clone(),
            origins: origins.clone(),
            guard: Arc::clone(&guard),
            sockets: Addresses::new(config.caps.connections_per_address),
            runtime: runtime.clone(),
        },
        pass: PassThrough {
            ways: PassThrough::ways(&config.pass_through, &config.upstreams.socket),
            rates,
            places,
            limits: config.limits.clone(),
            caps: config.caps.clone(),
            guard: Arc::clone(&guard),
            runtime: runtime.clone(),
        },
        guard,
        calls: Addresses::new(config.caps.calls_per_address),
        caps: config.caps.clone(),
        routes,
        console,
        origins,
        proxies,
        https: config.http.public_https,
        runtime: runtime.clone(),
    };
    serve::serve(&runtime, listener, &config.caps, Arc::new(gateway));
    Ok(())
}

/// Redis has to answer within this time; what it keeps is worth no longer wait.
const REDIS_PATIENCE: Duration = Duration::from_millis(250);

async fn limiter(config: &Config, runtime: &Runtime) -> anyhow::Result<Limiter> {
    let redis = if config.redis.is_empty() {
        tracing::info!("no Redis is given: this gateway counts its limits by itself");
        None
    } else {
        Some(Redis::start(&config.redis, REDIS_PATIENCE, runtime).await?)
    };
    Ok(Limiter::new("yard:gateway", runtime.clock(), redis))
}

/// Limits and bans are held against addresses, so they are worth what the list of proxies is worth.
fn warn_of_proxies(config: &Config, proxies: &Proxies) {
    if proxies.is_empty() && config.http.public_https {
        tracing::warn!(
            "HTTPS ends before this gateway, but http.trusted_proxies is empty: all clients of the \
             proxy share one address, its limits and its bans"
        );
    }
    if !proxies.is_empty() {
        tracing::info!(
            proxies = config.http.trusted_proxies.join(" "),
            header = config.http.forwarded_header.name(),
            "client addresses are taken from these proxies; `yard origin` shows yours"
        );
    }
}

/// Nobody gets in without auth, so the gateway is ready when auth answers.
fn check_auth(runtime: &Runtime, upstreams: &Upstreams) -> anyhow::Result<()> {
    let keys = KeyServiceClient::new(upstreams.of("auth")?);
    runtime.health().register(Check::new("auth", move || {
        let mut keys = keys.clone();
        async move {
            let answer = keys.get_key_set(GetKeySetRequest {}).await;
            answer.map(drop).map_err(|status| status.to_string())
        }
    }));
    Ok(())
}
