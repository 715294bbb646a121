//! auth: tenants' people, their sessions, access tokens, and the devices' certificates.
//!
//! It owns `platform.tenants`, `principals`, `people`, `memberships`, `sessions`, `totp_secrets`,
//! `passkeys`, `recovery_codes`, `challenges`, `claim_codes`, `device_certificates`, `device_standing`,
//! `device_authorities`, `factory_authorities`, `expected_devices`, `revocation_list`,
//! `revocations`, `signing_keys`, `api_tokens`, `oauth_clients`, `oauth_codes`, `oauth_families`,
//! `identity_providers`, `identity_links`, `federated_sign_ins`, `invitations`, `person_links`,
//! `email_changes`, `reset_wishes`, `registrations`, `mails`, `bans`, `guard`, `roles`, `departments`,
//! `positions`, `position_roles`, `assignments`, `overrides`, `break_glass`, `radius_clients`,
//! `radius_keys` and the audit trail, and in tenants' schemas `radius_nas` and `radius_subscribers`;
//! nobody else writes them.
//!
//! It promises that
//! - a session or claim code is stored as a hash only, and a password as Argon2id;
//! - a sign-in for an account that does not exist costs the same and is answered the same as one
//!   with a wrong password;
//! - whoever has a second factor gets no session without it, and a code of one works once, also when
//!   two race with it; that there is one shows after a right password only;
//! - what ends a session (sign-out, expiry, a disabled person, a lost membership, a suspended
//!   tenant) ends it at the next exchange, and no access token outlives its session or a minute;
//! - a claim code signs one certificate, also when two devices race for it;
//! - what ends anything is in the revocation feed within moments, also after a crash in between;
//! - at every moment each token that has not expired, and that nobody withdrew, verifies: keys are
//!   published before they sign and until their last token has expired;
//! - a renewed certificate holds for a week beside its successor, and one that is renewed after its
//!   expiry is given out only when device-ingest accepts nothing of the device any more;
//! - the revocation list is signed again within seconds of a revocation and at least hourly, and a
//!   revocation counts as enforced only when the broker had the list and ended the connections.
//!
//! It never sees a device's private key, never takes a name from a certificate request, and never
//! calls another service; what it asks device-ingest for goes over the bus and is asked again.

mod aaa;
mod audit;
mod authorities;
mod ca;
mod challenges;
mod config;
mod devices;
mod est;
mod factors;
mod factory;
mod federation;
mod feed;
mod guard;
mod http;
mod keys;
mod mail;
mod oauth;
mod passkeys;
mod people;
mod registration;
mod renewals;
mod resealing;
mod revocation;
mod rights;
mod rounds;
mod secrets;
mod sessions;
mod telemetry;
mod tenancy;
mod tokens;
mod upkeep;

pub use config::{
    AuditConfig, Config, DEFAULT_CONFIG, DeviceCaConfig, EstConfig, FactorsConfig,
    FederationConfig, IssuerConfig, KeysConfig, ListenConfig, MailConfig, MqttConfig,
    PasskeysConfig, RadiusConfig, RedisConfig, RegistrationConfig, SealingConfig, SessionsConfig,
    ThrottleConfig,
};

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tonic::service::Routes;
use yard_authn::audit::Auditor;
use yard_authn::revocations::{self, Need};
use yard_authn::seal::Sealer;
use yard_authn::{Identity, Verifier, server};
use yard_contracts::audit::v1::audit_service_server::AuditServiceServer;
use yard_contracts::guard::v1::ban_service_server::BanServiceServer;
use yard_contracts::guard::v1::guard_service_server::GuardServiceServer;
use yard_contracts::guard::v1::maintenance_service_server::MaintenanceServiceServer;
use yard_contracts::guard::v1::origin_service_server::OriginServiceServer;
use yard_contracts::identity::v1::api_token_service_server::ApiTokenServiceServer;
use yard_contracts::identity::v1::device_trust_service_server::DeviceTrustServiceServer;
use yard_contracts::identity::v1::enrollment_service_server::EnrollmentServiceServer;
use yard_contracts::identity::v1::factor_service_server::FactorServiceServer;
use yard_contracts::identity::v1::key_service_server::KeyServiceServer;
use yard_contracts::identity::v1::passkey_service_server::PasskeyServiceServer;
use yard_contracts::identity::v1::session_service_server::SessionServiceServer;
use yard_limits::Redis;
use yard_messaging::Nats;
use yard_pg::Pg;
use yard_runtime::{Runtime, TaskKind};

use aaa::Aaa;
use audit::grpc::AuditGrpc;
use authorities::Authorities;
use ca::DeviceCa;
use devices::Enrolment;
use devices::grpc::DevicesGrpc;
use est::{Est, EstParts};
use factors::Factors;
use factors::grpc::FactorsGrpc;
use factory::FactoryEnrolment;
use factory::grpc::Factories;
use federation::{Federation, FederationParts};
use feed::{Nudge, Publisher};
use guard::Guarding;
use keys::grpc::KeysGrpc;
use keys::{Keys, KeysParts};
use mail::Post;
use oauth::{Issuer, IssuerParts};
use passkeys::Passkeys;
use passkeys::grpc::PasskeysGrpc;
use people::PeopleParts;
use registration::RegistrationParts;
use renewals::grpc::DeviceTrustGrpc;
use renewals::{Renewals, Standing};
use revocation::RevocationList;
use sessions::grpc::SessionsGrpc;
use sessions::{Exchange, Login, LoginParts, Opener, OwnSessions, Passwords, Throttle};
use tenancy::Founder;
use tokens::TokenExchange;
use tokens::grpc::TokensGrpc;

/// Nothing that auth is asked is larger; passwords and certificate requests are the longest.
const LARGEST_REQUEST: usize = 64 * 1024;

/// A sign-in waits this long for its limits.
const REDIS_PATIENCE: Duration = Duration::from_secs(2);

/// Starts the service on `runtime` and returns once it is under way.
///
/// # Errors
/// One line that names the option, file or address that cannot be used.
pub async fn run(config: Config, runtime: Runtime) -> anyhow::Result<()> {
    // What a start holds meanwhile is large, and its caller may hold more.
    Box::pin(start(config, runtime)).await
}

async fn start(config: Config, runtime: Runtime) -> anyhow::Result<()> {
    let grpc = runtime.bind("grpc", config.grpc.listen).await?;
    let http = runtime.bind("http", config.http.listen).await?;
    let Ground { verifier, ca, pg, redis, nats, sealer, desk, auditor, nudge, keys } =
        Ground::lay(&config, &runtime).await?;
    let issuer_url = config.issuer.url()?;
    let passkeys = Passkeys::over(&config.passkeys, &config.mail, runtime.clock())?;
    passkeys.settle(&pg).await?;
    let factors = Factors { sealer: sealer.clone(), clock: runtime.clock(), passkeys };
    let post = Post::start(&config.mail, &pg, &sealer, &runtime)?;
    let passwords = Passwords::start(&config.sessions).await?;
    let revocation = RevocationList::start(&pg, &nats, &ca, &config.device_ca, &runtime);

    let idle = config.sessions.idle.try_into().context("sessions.idle")?;
    sessions::end_idle_sessions(&pg, idle, &nudge, &runtime);
    let own = OwnSessions { pg: pg.clone(), clock: runtime.clock(), nudge: nudge.clone() };
    let exchange = Exchange::new(&pg, &runtime, &keys, idle);
    let tokens = TokenExchange {
        pg: pg.clone(),
        clock: runtime.clock(),
        ids: runtime.ids(),
        keys: keys.clone(),
    };
    let lifetime = config.sessions.lifetime.try_into().context("sessions.lifetime")?;
    let opener = Opener { clock: runtime.clock(), ids: runtime.ids(), lifetime };
    let parts = FederationParts::over(&runtime, &pg, &sealer, &nudge, &opener, &passwords);
    let federation = Federation::start(parts, &config, &runtime).await?;
    let throttle = Throttle::new(redis, &config.throttle, runtime.clock());
    let aaa = Aaa::start((&pg, &sealer), &throttle, &config.radius, &runtime).await?;
    let login = Login::new(LoginParts {
        pg: pg.clone(),
        clock: runtime.clock(),
        passwords: passwords.clone(),
        throttle: throttle.clone(),
        factors: factors.clone(),
        opener: opener.clone(),
        post: post.clone(),
    });
    let devices = DeviceParts {
        pg: pg.clone(),
        nats: nats.clone(),
        ca,
        auditor: auditor.clone(),
        revocation: revocation.clone(),
        est: config.est,
        mqtt: config.mqtt,
    };

    let issuer = Issuer::new(IssuerParts {
        pg: pg.clone(),
        clock: runtime.clock(),
        ids: runtime.ids(),
        keys: keys.clone(),
        sealer: sealer.clone(),
        nudge: nudge.clone(),
        auditor: auditor.clone(),
        url: issuer_url,
    });

    let founder = Founder::start(&pg, &runtime);
    let (held, made) = ((&post, &passwords, &throttle), (&founder, &nudge));
    let registration =
        RegistrationParts::over(&runtime, &pg, held, made, config.registration).await?;
    let people = PeopleParts::over(&runtime, &pg, post.clone(), passwords, sealer, &nudge);
    let told = nudge.clone();
    let sessions = Arc::new(SessionsGrpc {
        login,
        own,
        exchange,
        tokens,
        issuer: issuer.clone(),
        lifetime,
        nudge,
    });
    let own = OwnParts {
        pg: pg.clone(),
        factors,
        name: config.factors.issuer,
        sessions: Arc::clone(&sessions),
        nudge: told.clone(),
        post,
    };
    let sessions =
        SessionServiceServer::from_arc(sessions).max_decoding_message_size(LARGEST_REQUEST);
    let jwks = keys.clone();
    let keys = KeyServiceServer::new(KeysGrpc { keys }).max_decoding_message_size(LARGEST_REQUEST);
    let guarding = Guarding { pg: pg.clone(), clock: runtime.clock(), ids: runtime.ids(), nats };
    let audit = AuditServiceServer::new(AuditGrpc { desk });
    let routes = Routes::new(sessions)
        .add_service(keys)
        .add_service(audit.max_decoding_message_size(LARGEST_REQUEST));
    let routes = add_own(routes, own, &runtime);
    let routes = add_devices(routes, devices, &runtime).await?;
    let routes = tenancy::serve(routes, &pg, founder, &runtime);
    let routes = rights::serve(routes, &pg, &told, &runtime);
    let routes = people::serve(routes, people, opener, &runtime);
    let routes = registration::serve(routes, registration, &runtime);
    upkeep::start(&pg, &runtime);
    let routes = aaa.serve(federation.serve(issuer.serve(add_guard(routes, guarding))));
    http::serve(&runtime, http, jwks, revocation, issuer.router());
    server::serve(&runtime, grpc, &verifier, &auditor, routes);
    Ok(())
}

/// What everything else stands on, running.
struct Ground {
    verifier: Verifier,
    ca: Arc<DeviceCa>,
    pg: Pg,
    redis: Redis,
    nats: Nats,
    sealer: Sealer,
    desk: audit::Desk,
    auditor: Auditor,
    nudge: Nudge,
    keys: Keys,
}

impl Ground {
    async fn lay(config: &Config, runtime: &Runtime) -> anyhow::Result<Self> {
        let identity = Identity::load(&config.identity, runtime)?;
        let verifier = identity.verifier().clone();
        let ca = Arc::new(DeviceCa::load(&config.device_ca, runtime.clock().now())?);
        let pg = Pg::open(&config.postgres, runtime.service())?;
        pg.watch(runtime);
        // Before a list is signed in which one of them would be missing.
        let authorities = Authorities { pg: pg.clone(), clock: runtime.clock() };
        authorities.settle(&ca, &config.device_ca.abandoned).await?;
        let redis = Redis::start(&config.redis, REDIS_PATIENCE, runtime).await?;
        let nats = Nats::connect(&config.nats, runtime).await?;
        let sealer = Sealer::load(&config.sealing.key_file)?;
        let desk = audit::Desk::load(&config.audit, pg.clone(), sealer.clone(), runtime)?;
        let trail = desk.start(&config.audit, runtime, &nats);
        let auditor = Auditor::start(runtime, trail.publish());
        resealing::start::<factors::AppSecrets>(&pg, &sealer, runtime).await?;
        let nudge = Nudge::default();
        let parts = KeysParts {
            pg: pg.clone(),
            clock: runtime.clock(),
            sealer: sealer.clone(),
            identity: identity.clone(),
            first: config.issuer.clone(),
            rules: config.keys.rules()?,
            nudge: nudge.clone(),
        };
        let keys = Keys::start(parts, &identity).await?;
        let soft = runtime.shutdown().soft().clone();
        let publisher =
            Publisher::new(pg.clone(), nats.clone(), keys.clone(), nudge.clone(), soft.clone());
        runtime.tasks().spawn(TaskKind::Critical, "revocation feed", publisher.run());
        runtime.tasks().spawn(TaskKind::Critical, "signing keys", keys.clone().run(soft));
        revocations::follow(runtime, &nats, &verifier, Need::Advice).await?;
        Ok(Self { verifier, ca, pg, redis, nats, sealer, desk, auditor, nudge, keys })
    }
}

/// What the devices' side works with.
struct DeviceParts {
    pg: Pg,
    nats: Nats,
    ca: Arc<DeviceCa>,
    auditor: Auditor,
    revocation: RevocationList,
    est: EstConfig,
    mqtt: MqttConfig,
}

/// Enrolment and renewal of devices, by gRPC and by EST.
async fn add_devices(
    routes: Routes,
    parts: DeviceParts,
    runtime: &Runtime,
) -> anyhow::Result<Routes> {
    let DeviceParts { pg, nats, ca, auditor, revocation, est: door, mqtt } = parts;
    let standing = Standing { pg: pg.clone(), nats };
    let soft = runtime.shutdown().soft().clone();
    runtime.tasks().spawn(TaskKind::Critical, "standings", standing.clone().run(soft));
    let clock = runtime.clock();
    let renewals = Renewals { pg: pg.clone(), clock, ca: Arc::clone(&ca), standing };
    let clock = runtime.clock();
    let factory = FactoryEnrolment { pg: pg.clone(), clock, ca: Arc::clone(&ca) };
    let enrolment = Enrolment { pg: pg.clone(), clock: runtime.clock(), ca };
    if door.is_wanted() {
        let listener = runtime.bind("est", door.listen).await?;
        let est = Est::new(EstParts {
            factory: factory.clone(),
            enrolment: enrolment.clone(),
            renewals: renewals.clone(),
            auditor,
            clock: runtime.clock(),
        });
        est::serve(runtime, listener, &door, est)?;
    }
    let authorities = Authorities { pg: pg.clone(), clock: runtime.clock() };
    let factories = Factories { pg, clock: runtime.clock(), ids: runtime.ids() };
    let trust =
        DeviceTrustGrpc { renewals, factories, authorities, revocation: revocation.clone() };
    let devices = DevicesGrpc { enrolment, factory, revocation, mqtt };
    let most = LARGEST_REQUEST;
    Ok(routes
        .add_service(DeviceTrustServiceServer::new(trust).max_decoding_message_size(most))
        .add_service(EnrollmentServiceServer::new(devices).max_decoding_message_size(most)))
}

/// What people's own factors and API tokens work with.
struct OwnParts {
    pg: Pg,
    factors: Factors,
    /// What apps and authenticators call this platform.
    name: String,
    sessions: Arc<SessionsGrpc>,
    nudge: Nudge,
    post: Post,
}

fn add_own(routes: Routes, parts: OwnParts, runtime: &Runtime) -> Routes {
    let OwnParts { pg, factors, name, sessions, nudge, post } = parts;
    let passkeys = PasskeysGrpc {
        pg: pg.clone(),
        ids: runtime.ids(),
        factors: factors.clone(),
        name: name.clone(),
        sessions,
        nudge: nudge.clone(),
        post,
    };
    let tokens = TokensGrpc {
        pg: pg.clone(),
        clock: runtime.clock(),
        ids: runtime.ids(),
        nudge: nudge.clone(),
    };
    let factors = FactorsGrpc { pg, ids: runtime.ids(), factors, issuer: name, nudge };
    let most = LARGEST_REQUEST;
    routes
        .add_service(FactorServiceServer::new(factors).max_decoding_message_size(most))
        .add_service(PasskeyServiceServer::new(passkeys).max_decoding_message_size(most))
        .add_service(ApiTokenServiceServer::new(tokens).max_decoding_message_size(most))
}

fn add_guard(routes: Routes, guarding: Guarding) -> Routes {
    let most = LARGEST_REQUEST;
    routes
        .add_service(BanServiceServer::new(guarding.clone()).max_decoding_message_size(most))
        .add_service(
            MaintenanceServiceServer::new(guarding.clone()).max_decoding_message_size(most),
        )
        .add_service(OriginServiceServer::new(guarding.clone()).max_decoding_message_size(most))
        .add_service(GuardServiceServer::new(guarding).max_decoding_message_size(most))
}
