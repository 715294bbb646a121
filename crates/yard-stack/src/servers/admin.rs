//! The superuser's way into a PostgreSQL, from any process that is told the facts.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::error::{Doing, Result, StackError};
use crate::tools::Tools;

pub(super) const ADMIN: &str = "yard_admin";

/// Superuser access on 127.0.0.1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresAdmin {
    psql: PathBuf,
    port: u16,
    password: String,
}

impl PostgresAdmin {
    pub(super) fn new(tools: &Tools, port: u16, password: String) -> Self {
        Self { psql: tools.postgres_bin.join("psql"), port, password }
    }

    /// The same access to another server, one that was copied from this.
    pub(super) fn at(&self, port: u16) -> Self {
        Self { port, ..self.clone() }
    }

    /// What PostgreSQL's own programs take from their environment.
    pub(super) fn environment(&self) -> [(&'static str, String); 4] {
        [
            ("PGHOST", "127.0.0.1".to_owned()),
            ("PGPORT", self.port.to_string()),
            ("PGUSER", ADMIN.to_owned()),
            ("PGPASSWORD", self.password.clone()),
        ]
    }

    /// Runs SQL with `psql` and gives back its rows, unaligned, `|` between columns. For set-up and
    /// for looking from outside; programs use a driver.
    pub fn sql(&self, database: &str, statement: &str) -> Result<String> {
        let output = Command::new(&self.psql)
            .args(["-X", "-q", "-t", "-A", "-v", "ON_ERROR_STOP=1", "-d", database])
            .args(["-c", statement])
            .envs(self.environment())
            .stdin(Stdio::null())
            .output()
            .doing(|| "run psql".into())?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
        }
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(StackError::Command { command: format!("psql: {statement}"), output: text })
    }

    /// The superuser's connection string for one database.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        self.role_url(ADMIN, &self.password, database)
    }

    /// A role's connection string for one database.
    #[must_use]
    pub fn role_url(&self, role: &str, password: &str, database: &str) -> String {
        format!("postgres://{role}:{password}@127.0.0.1:{}/{database}", self.port)
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The facts as JSON, for another process.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({"psql": self.psql, "port": self.port, "password": self.password})
    }

    /// Reads what [`PostgresAdmin::to_json`] wrote; `None` when a field is missing.
    #[must_use]
    pub fn from_json(value: &Value) -> Option<Self> {
        Some(Self {
            psql: value.get("psql")?.as_str()?.into(),
            port: value.get("port")?.as_u64()?.try_into().ok()?,
            password: value.get("password")?.as_str()?.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn access_survives_the_trip_through_json() {
        let admin = PostgresAdmin { psql: "/x/psql".into(), port: 21_000, password: "p".into() };
        assert_eq!(admin.url("d"), "postgres://yard_admin:p@127.0.0.1:21000/d");
        assert_eq!(PostgresAdmin::from_json(&admin.to_json()), Some(admin));
    }
}
