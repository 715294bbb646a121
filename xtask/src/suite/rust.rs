//! Rust tests against real servers that are started once for the whole run.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::json;
use yard_stack::tools::broker_plugin;
use yard_stack::{Durability, Postgres, Redis, ServerHome, Tools, random};

use super::count::Count;
use crate::python_env::{self, PythonEnv};
use crate::workspace::Workspace;
use crate::{command, console, say};

// Names agreed with crates/yard-testkit, which reads the file this variable points to.
const FACTS_VARIABLE: &str = "YARD_TEST_STACK";
const TEMPLATE: &str = "yard_template";

pub(super) fn run(workspace: &Workspace) -> Result<Count> {
    let root = workspace.root();
    // A test of comms-websocket runs the unmodified client in Node.
    let pusher = workspace.join("services/comms-websocket/tests/pusher-js");
    console::packages(&pusher, "installing pusher-js (npm)")?;
    // Another runs the helper for recoverable channels over it.
    let helper = workspace.join("services/comms-websocket/clients/typescript");
    console::packages(&helper, "installing the packages of the TypeScript helper (npm)")?;
    console::script(&helper, "build", "building the TypeScript helper")?;
    let sdks = workspace.join("services/comms-websocket/tests/pusher-sdks");
    console::packages(&sdks, "installing pusher and laravel-echo (npm)")?;
    let python = python(workspace)?;
    // And the platform meets a client and a provider of OpenID Connect.
    let openid = workspace.join("tests/e2e/openid");
    console::packages(&openid, "installing openid-client and oidc-provider (npm)")?;
    say::step("building", || {
        command::cargo(root).args(["build", "--workspace", "--bins", "--quiet"]).run()
    })?;
    let servers = say::step("starting the test servers", || Servers::start(workspace, &python))?;
    let nextest = command::cargo(root).args(["nextest", "--version"]).quiet().is_ok();
    let args: &[&str] = if nextest {
        &["nextest", "run", "--workspace", "--no-fail-fast", "--no-tests=pass"]
    } else {
        &["test", "--workspace", "--no-fail-fast"]
    };
    let (ok, output) = command::cargo(root)
        .args(args)
        .env(FACTS_VARIABLE, servers.home.dir().join("facts.json"))
        .env("CARGO_TERM_COLOR", "never")
        .tee()?;
    Ok(Count::from_run(ok, &output))
}

/// With the client libraries of PyPI that tests of comms-websocket run.
fn python(workspace: &Workspace) -> Result<PathBuf> {
    PythonEnv {
        name: "pusher-python",
        what: "pusher and pysher",
        requirements: include_str!(
            "../../../services/comms-websocket/tests/pusher-sdks/requirements.txt"
        ),
        hashed: true,
        sources: include_str!(
            "../../../services/comms-websocket/tests/pusher-sdks/requirements-source.txt"
        ),
    }
    .ensure(workspace, |root| python_env::find(root, 11).context("Python 3.11 or newer is needed"))
}

/// PostgreSQL with a migrated template database, and Redis. NATS and Mosquitto start in
/// milliseconds, so each test that needs them has its own.
struct Servers {
    // Dropped in this order: servers first, their data last.
    _redis: Redis,
    _postgres: Postgres,
    home: ServerHome,
}

impl Servers {
    fn start(workspace: &Workspace, python: &Path) -> Result<Self> {
        let progress = &mut |line: &str| say::note(format!("    {line}"));
        let tools = Tools::find_or_install(&workspace.tool_cache(), progress)?;
        let home = ServerHome::for_tests()?;
        let postgres = Postgres::start(&tools, &home, Durability::Throwaway)?;
        let redis = Redis::start(&tools, &home)?;
        let password = random::hex(16)?;
        template(workspace, &home, &postgres, &password)?;
        let facts = json!({
            "tools": tools.to_json(),
            "postgres": postgres.admin().to_json(),
            "template": TEMPLATE,
            "role_password": password,
            "redis_url": redis.url(0),
            "pusher_python": python,
            "broker_plugin": broker_plugin(workspace.root(), workspace.target())?,
        });
        home.write(&home.dir().join("facts.json"), facts.to_string().as_bytes())?;
        Ok(Self { _redis: redis, _postgres: postgres, home })
    }
}

fn template(
    workspace: &Workspace,
    home: &ServerHome,
    postgres: &Postgres,
    password: &str,
) -> Result<()> {
    postgres.admin().sql("postgres", &format!("create database {TEMPLATE}"))?;
    let (url, secret) = (home.dir().join("admin-url"), home.dir().join("role-password"));
    home.write(&url, postgres.admin().url(TEMPLATE).as_bytes())?;
    home.write(&secret, password.as_bytes())?;
    let migrate = || {
        let program = workspace.binary("yard-migrate", false);
        command::new(program, workspace.root()).arg("--url-file").arg(&url)
    };
    migrate().arg("up").quiet().context("migrate the template database")?;
    migrate().args(["set-role-passwords", "--password-file"]).arg(&secret).quiet()?;
    fs::remove_file(&secret)?;
    Ok(())
}
