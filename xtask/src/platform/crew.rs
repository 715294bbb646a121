//! The six services as child processes.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use yard_stack::process::{Process, ProcessSpec, Ready, Signal};

use super::{Edge, Folders, READY_WITHIN, services};
use crate::workspace::Workspace;

/// The running services.
#[derive(Debug)]
pub(crate) struct Crew {
    services: Vec<Process>,
}

impl Crew {
    /// Starts all services at once and waits until each one's `/readyz` says yes.
    pub(super) fn start(
        workspace: &Workspace,
        edge: &Edge,
        folders: &Folders,
        release: bool,
    ) -> Result<Self> {
        let mut crew = Self { services: Vec::new() };
        for service in services::all(edge, workspace) {
            let program = workspace.binary(service.name, release);
            let ready = Ready::Http(service.admin, "/readyz".to_owned());
            let mut spec = ProcessSpec::new(service.name, &program, workspace.root(), ready);
            spec.log = folders.log(service.name);
            spec.env = service.env;
            spec.ready_within = READY_WITHIN;
            crew.services.push(Process::launch(spec)?);
        }
        for service in &mut crew.services {
            service.wait_ready()?;
        }
        Ok(crew)
    }

    /// One service by its name.
    pub(crate) fn get(&mut self, name: &str) -> Result<&mut Process> {
        let found = self.services.iter_mut().find(|service| service.spec().name == name);
        found.with_context(|| format!("there is no service {name}"))
    }

    /// Where a service answers operators.
    pub(super) fn admin(&self, name: &str) -> Option<SocketAddr> {
        let found = self.services.iter().find(|service| service.spec().name == name)?;
        match &found.spec().ready {
            Ready::Http(addr, _) => Some(*addr),
            _ => None,
        }
    }

    /// The services' names.
    pub(crate) fn names(&self) -> Vec<String> {
        self.services.iter().map(|service| service.spec().name.clone()).collect()
    }

    /// Services that have ended, each with the end of its log.
    pub(super) fn ended(&mut self) -> Vec<String> {
        let ended = self.services.iter_mut().filter_map(|service| {
            if service.is_running() {
                return None;
            }
            let name = &service.spec().name;
            Some(format!("{name} has ended; its log ends:\n{}", service.log_tail()))
        });
        ended.collect()
    }

    pub(super) fn processes(&self) -> impl Iterator<Item = &Process> {
        self.services.iter()
    }

    /// Asks all to end at once, so that their draining overlaps, then waits for each.
    pub(super) fn stop(&mut self) {
        for service in &self.services {
            // One that has just died needs no signal; `stop` below settles every case.
            drop(service.signal(Signal::Terminate));
        }
        for service in self.services.iter_mut().rev() {
            drop(service.stop());
        }
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.stop();
    }
}
