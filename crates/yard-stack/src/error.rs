//! What can go wrong while finding, installing, starting or stopping a server.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// The result of everything in this crate.
pub type Result<T, E = StackError> = std::result::Result<T, E>;

/// Why a server or a tool is not there.
#[derive(Debug)]
pub enum StackError {
    /// A program is needed and this process may not install it; `remedy` is what to type.
    Missing { tool: &'static str, remedy: String },
    /// The operating system refused something.
    Io { doing: String, source: io::Error },
    /// A helper program ran and failed; `output` is the end of what it printed.
    Command { command: String, output: String },
    /// A child process ended before it was ready.
    Exited { name: String, status: String, log_tail: String },
    /// A child process is alive but did not become ready in time.
    NotReady { name: String, waited: Duration, log_tail: String },
    /// A file that the caller promised is not there.
    NoFile { what: &'static str, path: PathBuf },
    /// Every port that was tried is taken.
    NoFreePort,
}

impl fmt::Display for StackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { tool, remedy } => write!(f, "{tool} is missing; {remedy}"),
            Self::Io { doing, .. } => write!(f, "could not {doing}"),
            Self::Command { command, output } => write!(f, "`{command}` failed:\n{output}"),
            Self::Exited { name, status, log_tail } => {
                write!(f, "{name} ended before it was ready ({status}); its log ends:\n{log_tail}")
            }
            Self::NotReady { name, waited, log_tail } => {
                write!(f, "{name} was not ready after {waited:?}; its log ends:\n{log_tail}")
            }
            Self::NoFile { what, path } => write!(f, "{what} is not at {}", path.display()),
            Self::NoFreePort => write!(f, "no free port between 20000 and 32000"),
        }
    }
}

impl std::error::Error for StackError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// Says what was being done when the operating system refused.
pub(crate) trait Doing<T> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|source| StackError::Io { doing: what(), source })
    }
}

/// Drops a result on purpose: used only while tearing down, where the next step runs regardless.
pub(crate) fn best_effort<T, E>(_result: std::result::Result<T, E>) {}
