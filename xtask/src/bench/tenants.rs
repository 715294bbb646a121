//! What many tenants cost: making them, migrating them, and one pooled connection that serves them all.
//! On a PostgreSQL with nothing else on it; the services have no part in these figures.

use anyhow::{Context, Result};
use serde_json::Value;
use yard_stack::{Durability, Postgres, ServerHome, Tools, random};

use super::BenchArgs;
use crate::platform::DATABASE;
use crate::workspace::{Workspace, last_json};
use crate::{command, say};

pub(super) fn measure(workspace: &Workspace, args: &BenchArgs) -> Result<Value> {
    let progress = &mut |line: &str| say::note(format!("    {line}"));
    let tools = Tools::find_or_install(&workspace.tool_cache(), progress)?;
    say::step("building the tools", || {
        let build =
            command::cargo(workspace.root()).args(["build", "--package", "yard-migrations"]);
        if args.debug { build } else { build.arg("--release") }.run()
    })?;
    let home = ServerHome::throwaway()?;
    let postgres = Postgres::start(&tools, &home, Durability::Kept)?;
    let (admin, password) = (postgres.admin(), random::hex(16)?);
    admin.sql("postgres", &format!("create database {DATABASE}"))?;
    let (url, secret) = (home.dir().join("admin-url"), home.dir().join("role-password"));
    home.write(&url, admin.url(DATABASE).as_bytes())?;
    home.write(&secret, password.as_bytes())?;
    let program = |name: &str| command::new(workspace.binary(name, !args.debug), workspace.root());
    let migrate = || program("yard-migrate").arg("--url-file").arg(&url);
    migrate().arg("up").quiet().context("migrate the database")?;
    migrate().args(["set-role-passwords", "--password-file"]).arg(&secret).quiet()?;
    let output = say::step(&format!("{} tenants", args.tenants), || {
        program("bench-tenants")
            .arg(admin.url(DATABASE))
            .arg(admin.role_url("yard_ingest", &password, DATABASE))
            .arg(args.tenants.to_string())
            .read()
    })?;
    last_json(&output)
}
