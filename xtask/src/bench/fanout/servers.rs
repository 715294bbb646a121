//! comms-websocket alone with its engines, and the floor.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::Value;
use yard_stack::ports::PortLease;
use yard_stack::process::{Process, ProcessSpec, Ready};
use yard_stack::{Durability, ServerHome, Stack, Tools, random};

use crate::interrupt::Interrupt;
use crate::platform::{self, DATABASE, Folders, People, READY_WITHIN};
use crate::workspace::{Workspace, last_json};
use crate::{command, say};

const SERVICE: &str = "comms-websocket";
/// Limits of the service that no load of the bench is to meet; everything else is as it comes.
const LIFTED: [(&str, &str); 6] = [
    // At full speed to 10,000 every call waits for its turn.
    ("api.patience", "10s"),
    ("api.per_second", "1000000"),
    ("socket.client_events", "true"),
    ("socket.client_events_per_second", "1000000"),
    ("socket.max_connections", "100000"),
    ("runtime.drain_delay", "0s"),
];

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    Service,
    Floor,
}

/// Both, each on a port of its own. Dropping it stops everything, the two first.
#[derive(Debug)]
pub(super) struct Servers {
    service: Process,
    floor: Process,
    _stack: Stack,
    _home: ServerHome,
    _folders: Folders,
    ports: Ports,
    secret: PathBuf,
    load: PathBuf,
    workspace: Workspace,
}

#[derive(Debug)]
struct Ports {
    admin: PortLease,
    grpc: PortLease,
    socket: PortLease,
    floor: PortLease,
}

impl Servers {
    /// Starts everything. The programs must be built.
    pub(super) fn start(
        workspace: &Workspace,
        tools: &Tools,
        interrupt: &Interrupt,
        release: bool,
    ) -> Result<Self> {
        let folders = Folders::open(&workspace.join(".switchyard-bench"), false)?;
        let home = ServerHome::kept(&folders.servers())?;
        let stack = say::step("starting PostgreSQL, Redis and NATS", || {
            Ok(Stack::start(tools, &home, Durability::Kept)?)
        })?;
        let program = |name: &str| workspace.binary(name, release);
        say::step("making keys", || {
            command::new(program("yard"), workspace.root())
                .args(["pki", "init", "--broker-host", "localhost", "--dir"])
                .arg(folders.pki())
                .quiet()
        })?;
        let people = People::open(&folders)?;
        let password = say::step("bringing the schema up to date", || {
            platform::schema(stack.postgres.admin(), &folders, &people, &|| {
                command::new(program("yard-migrate"), workspace.root())
            })
        })?;
        interrupt.check()?;
        let ports = Ports {
            admin: PortLease::any()?,
            grpc: PortLease::any()?,
            socket: PortLease::any()?,
            floor: PortLease::any()?,
        };
        let secret = folders.write_secret("app-secret", &random::hex(32)?)?;
        let service = say::step("starting comms-websocket", || {
            let ready = Ready::Http(ports.admin.addr(), "/readyz".to_owned());
            let mut spec = ProcessSpec::new(SERVICE, &program(SERVICE), workspace.root(), ready);
            spec.log = folders.log(SERVICE);
            spec.ready_within = READY_WITHIN;
            spec.env = environment(&folders, &stack, &ports, &password)?;
            Ok(Process::start(spec)?)
        })?;
        let load = program("yard-bench");
        let floor = say::step("starting the floor", || {
            let ready = Ready::Tcp(ports.floor.addr());
            let mut spec = ProcessSpec::new("floor", &load, workspace.root(), ready);
            let listen = ports.floor.addr().to_string();
            spec = spec.args(["fanout", "floor", "--listen", listen.as_str()]);
            spec.log = folders.log("floor");
            Ok(Process::start(spec)?)
        })?;
        let workspace = workspace.clone();
        Ok(Self {
            service,
            floor,
            _stack: stack,
            _home: home,
            _folders: folders,
            ports,
            secret,
            load,
            workspace,
        })
    }

    /// Starts a server anew, with nothing left of what it held.
    pub(super) fn refresh(&mut self, who: Who) -> Result<()> {
        let (process, _) = self.of(who);
        process.stop()?;
        Ok(process.start_again()?)
    }

    /// The load client's figures for one scenario.
    pub(super) fn measure(&mut self, who: Who, scenario: &[String]) -> Result<Value> {
        let (process, address) = self.of(who);
        let pid = process.pid().context("the server has ended")?;
        let (name, options) = scenario.split_first().context("no scenario")?;
        let output = command::new(&self.load, self.workspace.root())
            .args(["fanout", name, "--address", &address.to_string()])
            .args(["--pid", &pid.to_string(), "--secret-file"])
            .arg(&self.secret)
            .args(options)
            .read();
        let (process, _) = self.of(who);
        let output = output.with_context(|| format!("{who:?}'s log ends:\n{}", process.log_tail()));
        last_json(&output?)
    }

    fn of(&mut self, who: Who) -> (&mut Process, SocketAddr) {
        match who {
            Who::Service => (&mut self.service, self.ports.socket.addr()),
            Who::Floor => (&mut self.floor, self.ports.floor.addr()),
        }
    }
}

fn environment(
    folders: &Folders,
    stack: &Stack,
    ports: &Ports,
    password: &str,
) -> Result<Vec<(String, String)>> {
    let postgres = stack.postgres.admin().role_url("yard_comms", password, DATABASE);
    let pki = folders.pki();
    let path = |path: PathBuf| path.display().to_string();
    let mut told = vec![
        ("runtime.admin_listen", ports.admin.addr().to_string()),
        ("grpc.listen", ports.grpc.addr().to_string()),
        ("socket.listen", ports.socket.addr().to_string()),
        ("socket.app_secret_file", path(folders.secret("app-secret"))),
        ("identity.key_file", path(pki.join("services").join(format!("{SERVICE}.key")))),
        ("identity.trust_file", path(pki.join("trust.json"))),
        ("sealing.key_file", path(pki.join("comms-sealing.key"))),
        ("postgres.url_file", path(folders.write_secret("yard_comms-url", &postgres)?)),
        ("nats.url_file", path(folders.write_secret("nats-url", &stack.nats.url())?)),
        ("redis.url_file", path(folders.write_secret("redis-url", &stack.redis.url(0))?)),
    ];
    told.extend(LIFTED.map(|(key, value)| (key, value.to_owned())));
    let name = |key: &str| key.to_uppercase().replace('.', "__");
    Ok(told
        .into_iter()
        .map(|(key, value)| (format!("YARD_COMMS_WEBSOCKET__{}", name(key)), value))
        .collect())
}
