//! One supervised child process: started, watched, stopped, killed and started again.

mod ready;
mod spawner;
mod user;

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

pub use ready::Ready;
pub use user::{RunAs, is_root};

use crate::error::{Doing, Result, StackError, best_effort};

const POLL: Duration = Duration::from_millis(10);
const TAIL_LINES: usize = 25;

/// A signal that [`Process::signal`] can send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    Hangup,
    Interrupt,
    Terminate,
    Stop,
    Continue,
}

impl Signal {
    fn name(self) -> &'static str {
        match self {
            Self::Hangup => "HUP",
            Self::Interrupt => "INT",
            Self::Terminate => "TERM",
            Self::Stop => "STOP",
            Self::Continue => "CONT",
        }
    }
}

/// How to run a program and how to tell that it is ready.
#[derive(Debug, Clone)]
pub struct ProcessSpec {
    /// What messages call it.
    pub name: String,
    pub program: PathBuf,
    pub args: Vec<OsString>,
    /// Added to the environment of this process.
    pub env: Vec<(String, String)>,
    pub dir: PathBuf,
    /// The account to run as; `None` keeps the caller's.
    pub run_as: Option<RunAs>,
    /// Standard output and error are appended here.
    pub log: PathBuf,
    pub ready: Ready,
    pub ready_within: Duration,
    /// What asks it to end in order.
    pub stop_signal: Signal,
    /// After this long it is killed.
    pub stop_within: Duration,
}

impl ProcessSpec {
    /// A spec with the usual patience (ready within 30 s, stopped within 10 s by `SIGTERM`).
    #[must_use]
    pub fn new(name: &str, program: &Path, dir: &Path, ready: Ready) -> Self {
        Self {
            name: name.to_owned(),
            program: program.to_owned(),
            args: Vec::new(),
            env: Vec::new(),
            dir: dir.to_owned(),
            run_as: None,
            log: dir.join(format!("{name}.log")),
            ready,
            ready_within: Duration::from_secs(30),
            stop_signal: Signal::Terminate,
            stop_within: Duration::from_secs(10),
        }
    }

    /// The same spec with these arguments.
    #[must_use]
    pub fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args = args.into_iter().map(Into::into).collect();
        self
    }

    fn command(&self, log: &File) -> Result<Command> {
        let mut command = Command::new("setpriv");
        // The kernel ends the child when this process dies, however that happens.
        command.args(["--pdeathsig", "KILL"]);
        if let Some(user) = &self.run_as {
            command.arg(format!("--reuid={}", user.uid));
            command.arg(format!("--regid={}", user.gid));
            command.arg("--clear-groups");
        }
        let duplicate = || log.try_clone().doing(|| format!("share the log of {}", self.name));
        command
            .arg("--")
            .arg(&self.program)
            .args(&self.args)
            .envs(self.env.iter().map(|(key, value)| (key, value)))
            .current_dir(&self.dir)
            .stdin(Stdio::null())
            .stdout(duplicate()?)
            .stderr(duplicate()?);
        Ok(command)
    }
}

/// A child process. Dropping it stops it.
#[derive(Debug)]
pub struct Process {
    spec: ProcessSpec,
    child: Option<Child>,
}

impl Process {
    /// Starts the program and waits until it is ready.
    pub fn start(spec: ProcessSpec) -> Result<Self> {
        let mut process = Self::launch(spec)?;
        process.wait_ready()?;
        Ok(process)
    }

    /// Starts the program and returns at once; call [`Process::wait_ready`] before using it.
    pub fn launch(spec: ProcessSpec) -> Result<Self> {
        let mut process = Self { spec, child: None };
        process.spawn()?;
        Ok(process)
    }

    /// Waits until the readiness probe says yes; fails early when the process ends.
    pub fn wait_ready(&mut self) -> Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < self.spec.ready_within {
            if let Some(status) = self.exited()? {
                self.child = None;
                return Err(StackError::Exited {
                    name: self.spec.name.clone(),
                    status,
                    log_tail: self.log_tail(),
                });
            }
            if self.spec.ready.holds() {
                return Ok(());
            }
            thread::sleep(POLL);
        }
        Err(StackError::NotReady {
            name: self.spec.name.clone(),
            waited: begun.elapsed(),
            log_tail: self.log_tail(),
        })
    }

    /// Asks the process to end in order and waits; kills it when it takes too long.
    pub fn stop(&mut self) -> Result<()> {
        if !self.is_running() {
            self.child = None;
            return Ok(());
        }
        self.signal(self.spec.stop_signal)?;
        let begun = Instant::now();
        while begun.elapsed() < self.spec.stop_within {
            if self.exited()?.is_some() {
                self.child = None;
                return Ok(());
            }
            thread::sleep(POLL);
        }
        self.kill()
    }

    /// `kill -9`, and waits until the process is gone.
    pub fn kill(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill().doing(|| format!("kill {}", self.spec.name))?;
            child.wait().doing(|| format!("wait for {}", self.spec.name))?;
        }
        Ok(())
    }

    /// Starts the program again after [`Process::stop`] or [`Process::kill`] and waits until ready.
    pub fn start_again(&mut self) -> Result<()> {
        if !self.is_running() {
            self.spawn()?;
        }
        self.wait_ready()
    }

    /// Sends a signal to the process.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let Some(child) = &self.child else {
            return Ok(());
        };
        let status = Command::new("sh")
            .args(["-c", "kill -s \"$1\" \"$2\"", "sh", signal.name(), &child.id().to_string()])
            .stderr(Stdio::null())
            .status()
            .doing(|| format!("signal {}", self.spec.name))?;
        if status.success() {
            return Ok(());
        }
        Err(StackError::Command {
            command: format!("kill -s {} ({})", signal.name(), self.spec.name),
            output: status.to_string(),
        })
    }

    /// True while the process has not ended.
    pub fn is_running(&mut self) -> bool {
        self.child.is_some() && matches!(self.exited(), Ok(None))
    }

    /// The process id, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Resident memory in KiB, of the process and of its children (PostgreSQL's backends).
    #[must_use]
    pub fn rss_kib(&self) -> u64 {
        self.pid().map_or(0, ready::resident_kib)
    }

    /// Processor time it has used so far, in seconds.
    #[must_use]
    pub fn cpu_seconds(&self) -> f64 {
        self.pid().map_or(0.0, ready::cpu_seconds)
    }

    /// How it was asked to run.
    #[must_use]
    pub fn spec(&self) -> &ProcessSpec {
        &self.spec
    }

    /// Changes how it will run from its next start on.
    pub fn spec_mut(&mut self) -> &mut ProcessSpec {
        &mut self.spec
    }

    /// The last lines of its log.
    #[must_use]
    pub fn log_tail(&self) -> String {
        tail(&self.spec.log, TAIL_LINES)
    }

    fn spawn(&mut self) -> Result<()> {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.spec.log)
            .doing(|| format!("open {}", self.spec.log.display()))?;
        let child = spawner::spawn(self.spec.command(&log)?)
            .doing(|| format!("start {}", self.spec.program.display()))?;
        self.child = Some(child);
        Ok(())
    }

    fn exited(&mut self) -> Result<Option<String>> {
        let Some(child) = &mut self.child else {
            return Ok(Some("not started".into()));
        };
        let status = child.try_wait().doing(|| format!("look at {}", self.spec.name))?;
        Ok(status.map(|status| status.to_string()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        best_effort(self.stop());
    }
}

/// The last `lines` lines of a text file; empty when it cannot be read.
#[must_use]
pub fn tail(path: &Path, lines: usize) -> String {
    let text = fs::read(path).map(|raw| String::from_utf8_lossy(&raw).into_owned());
    let text = text.unwrap_or_default();
    let all: Vec<&str> = text.lines().collect();
    all.iter().skip(all.len().saturating_sub(lines)).copied().collect::<Vec<_>>().join("\n")
}
