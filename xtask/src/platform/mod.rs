//! A whole Switchyard on this machine: servers, schema, people and the six services, all of them
//! children of this process. `up`, `chaos`, `bench` and `matrix` stand on it.

mod crew;
mod edges;
mod folders;
mod people;
mod services;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value};
use yard_stack::process::{Process, ProcessSpec, Ready};
use yard_stack::tools::broker_plugin;
use yard_stack::{Durability, Mail, MailTls, Mosquitto, PostgresAdmin, ServerHome, Stack, Tools};

pub(crate) use crew::Crew;
pub(crate) use edges::Edge;
pub(crate) use folders::Folders;
pub(crate) use people::{DemoTenant, PASSWORD_FILE, People, TENANTS};

use crate::command::{self, Cmd};
use crate::interrupt::Interrupt;
use crate::say;
use crate::workspace::Workspace;

/// The platform's database.
pub(crate) const DATABASE: &str = "switchyard";

/// How to run it.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Its private folder.
    pub(crate) dir: PathBuf,
    /// Go on with the data of the last run.
    pub(crate) keep: bool,
    /// Optimised builds.
    pub(crate) release: bool,
    /// The documented ports where they are free.
    pub(crate) usual_ports: bool,
    /// Whether commits reach the disk.
    pub(crate) durability: Durability,
}

/// The running platform. Dropping it stops everything, services first.
#[derive(Debug)]
pub(crate) struct Platform {
    // Dropped in this order.
    pub(crate) crew: Crew,
    agent: Process,
    pub(crate) mosquitto: Mosquitto,
    mail: Mail,
    pub(crate) stack: Stack,
    _home: ServerHome,
    pub(crate) folders: Folders,
    pub(crate) people: People,
    pub(crate) edge: Edge,
    workspace: Workspace,
    release: bool,
}

impl Platform {
    /// Starts everything and waits until all services are ready. The programs must be built.
    pub(crate) fn start(
        workspace: &Workspace,
        tools: &Tools,
        settings: &Settings,
        interrupt: &Interrupt,
    ) -> Result<Self> {
        let folders = Folders::open(&settings.dir, settings.keep)?;
        let yard = |name| workspace.binary(name, settings.release);
        let home = ServerHome::kept(&folders.servers())?;
        let stack = say::step("starting PostgreSQL, Redis and NATS", || {
            Ok(Stack::start(tools, &home, settings.durability)?)
        })?;
        if !folders.pki().join("trust.json").is_file() {
            say::step("making keys and certificates", || {
                command::new(yard("yard"), workspace.root())
                    .args(["pki", "init", "--broker-host", "localhost", "--dir"])
                    .arg(folders.pki())
                    .quiet()
            })?;
        }
        let plugin = say::step("building the broker's plugin", || {
            Ok(broker_plugin(workspace.root(), workspace.target())?)
        })?;
        let mosquitto = say::step("starting Mosquitto", || {
            Ok(Mosquitto::start(tools, &home, &folders.pki(), &plugin)?)
        })?;
        let mail = say::step("starting a mail server that keeps its mails", || {
            Ok(Mail::start(tools, &home, &MailTls::Off)?)
        })?;
        let people = People::open(&folders)?;
        let password = say::step("bringing the schema up to date", || {
            schema(stack.postgres.admin(), &folders, &people, &|| {
                command::new(yard("yard-migrate"), workspace.root())
            })
        })?;
        interrupt.check()?;
        let ports = settings.usual_ports;
        let edge = Edge::new((&stack, &mosquitto, &mail), &folders, &password, ports)?;
        let crew = say::step("starting the six services", || {
            Crew::start(workspace, &edge, &folders, settings.release)
        })?;
        let agent = broker_agent(&yard("yard"), &folders, &mosquitto)?;
        let (workspace, release) = (workspace.clone(), settings.release);
        Ok(Self {
            crew,
            agent,
            mosquitto,
            mail,
            stack,
            _home: home,
            folders,
            people,
            edge,
            workspace,
            release,
        })
    }

    /// The console's and the API's address.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.edge.gateway.addr())
    }

    /// Where every mail is a file.
    pub(crate) fn mails(&self) -> PathBuf {
        self.mail.folder()
    }

    /// Superuser access to the database, for looking at what was stored.
    pub(crate) fn admin(&self) -> &PostgresAdmin {
        self.stack.postgres.admin()
    }

    /// Runs SQL that gives one number.
    pub(crate) fn count(&self, statement: &str) -> Result<u64> {
        let text = self.admin().sql(DATABASE, statement)?;
        text.parse().with_context(|| format!("`{statement}` gave `{text}`"))
    }

    /// A program of this build.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.workspace.binary(name, self.release)
    }

    /// The `yard` command line, signed in as a person of a tenant (see [`Platform::sign_in`]).
    pub(crate) fn yard(&self, tenant: &DemoTenant, role: &str) -> Cmd {
        command::new(self.workspace.binary("yard", self.release), self.workspace.root())
            .arg("--json")
            .arg("--profile-file")
            .arg(self.folders.profile(tenant.slug, role))
    }

    /// The profile of a person who was signed in.
    pub(crate) fn profile(&self, tenant: &DemoTenant, role: &str) -> PathBuf {
        self.folders.profile(tenant.slug, role)
    }

    /// What a service's metrics say at this moment.
    pub(crate) fn metrics(&self, service: &str) -> Result<String> {
        let admin = self.crew.admin(service).with_context(|| format!("no service {service}"))?;
        let answer = yard_stack::http::get(admin, "/metrics")?;
        Ok(answer.body)
    }

    /// Signs a demo person in, so that [`Platform::yard`] can act for them.
    pub(crate) fn sign_in(&self, tenant: &DemoTenant, role: &str) -> Result<()> {
        self.yard(tenant, role)
            .args(["login", "--url", &self.url(), "--tenant", tenant.slug])
            .args(["--email", &tenant.email(role), "--password-file"])
            .arg(self.folders.secret(PASSWORD_FILE))
            .quiet()
    }

    /// What has to be asked now and then: fails when a service or the broker's agent has ended by
    /// itself.
    pub(crate) fn tend(&mut self) -> Result<()> {
        let mut ended = self.crew.ended();
        if !self.agent.is_running() {
            ended.push(format!("yard broker-agent has ended:\n{}", self.agent.log_tail()));
        }
        if ended.is_empty() {
            return Ok(());
        }
        bail!("{}", ended.join("\n\n"))
    }

    /// Resident memory in KiB, by process.
    pub(crate) fn memory(&mut self) -> Map<String, Value> {
        self.each_process(|process| process.rss_kib().into())
    }

    /// Processor time in seconds, by process.
    pub(crate) fn cpu_seconds(&mut self) -> Map<String, Value> {
        self.each_process(|process| process.cpu_seconds().into())
    }

    fn each_process(&mut self, figure: impl Fn(&Process) -> Value) -> Map<String, Value> {
        let servers = [
            self.stack.postgres.process(),
            self.stack.redis.process(),
            self.stack.nats.process(),
            self.mosquitto.process(),
        ];
        let servers = servers.into_iter().map(|process| &*process);
        let all = self.crew.processes().chain(servers);
        all.map(|process| (process.spec().name.clone(), figure(process))).collect()
    }

    /// Stops everything in order and says so.
    pub(crate) fn stop(mut self) {
        let begun = std::time::Instant::now();
        self.crew.stop();
        drop(self);
        say::note(format!("  stopped ({})", say::seconds(begun.elapsed())));
    }
}

/// Hands the revocation lists that auth writes to the broker, as a sidecar does in a cluster.
fn broker_agent(yard: &Path, folders: &Folders, mosquitto: &Mosquitto) -> Result<Process> {
    let pki = folders.pki();
    let mut spec = ProcessSpec::new("broker-agent", yard, &pki, Ready::Alive).args([
        "broker-agent".into(),
        "--source".into(),
        pki.join("device-crl.pem").into_os_string(),
        "--ca".into(),
        pki.join("device-ca.pem").into_os_string(),
        "--list-file".into(),
        mosquitto.list_file().into_os_string(),
        "--pid-file".into(),
        mosquitto.pid_file().into_os_string(),
        "--interval-ms".into(),
        "200".into(),
    ]);
    spec.log = folders.log("broker-agent");
    Ok(Process::start(spec)?)
}

/// Builds the programs that a platform consists of.
pub(crate) fn build(workspace: &Workspace, release: bool) -> Result<()> {
    say::step("building the services (the first time takes minutes)", || {
        let cargo = command::cargo(workspace.root()).args(["build", "--bins"]);
        if release { cargo.arg("--release") } else { cargo }.run()
    })
}

/// Creates the database where missing, migrates it, and makes the demo people. Gives back the
/// service roles' password.
pub(crate) fn schema(
    admin: &PostgresAdmin,
    folders: &Folders,
    people: &People,
    migrate: &dyn Fn() -> Cmd,
) -> Result<String> {
    let exists = format!("select count(*) from pg_database where datname = '{DATABASE}'");
    if admin.sql("postgres", &exists)? == "0" {
        admin.sql("postgres", &format!("create database {DATABASE}"))?;
    }
    let url = folders.write_secret("postgres-admin-url", &admin.url(DATABASE))?;
    let password = yard_stack::random::hex(16)?;
    let role_password = folders.write_secret("role-password", &password)?;
    let run = || migrate().arg("--url-file").arg(&url);
    run().arg("up").quiet()?;
    run().args(["set-role-passwords", "--password-file"]).arg(&role_password).quiet()?;
    run().args(["bootstrap", "--file"]).arg(people.bootstrap()).quiet()?;
    Ok(password)
}

/// How long a service may take to become ready after its start.
pub(crate) const READY_WITHIN: Duration = Duration::from_secs(60);
