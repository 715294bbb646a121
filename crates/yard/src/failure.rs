//! How a command ends when it does not succeed.

use std::path::{Path, PathBuf};

use crate::api::Problem;

/// Exit code of a command that was refused or did not find what it checked for.
pub const REFUSED: u8 = 1;
/// Exit code of a command that was called wrongly.
pub const USAGE: u8 = 2;

/// Why a command ended without doing what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The platform refused; its own words.
    #[error("{0}")]
    Refused(Box<Problem>),
    /// What was asked cannot be meant; exit code [`USAGE`].
    #[error("{0}")]
    Usage(String),
    /// A file could not be read or written.
    #[error("{}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The platform could not be asked, or answered with something unreadable.
    #[error("could not ask {url}")]
    Http {
        /// What was asked.
        url: String,
        /// Why.
        source: reqwest::Error,
    },
    /// Keys or certificates could not be made.
    #[error("could not make a certificate")]
    Certificate(#[from] rcgen::Error),
    /// Anything else, in one sentence.
    #[error("{0}")]
    Other(String),
}

/// The outcome of a command.
pub type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    /// One sentence.
    pub fn other(text: impl Into<String>) -> Self {
        Self::Other(text.into())
    }

    /// For `map_err` on file operations.
    pub fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self + use<'_> {
        move |source| Self::File { path: path.to_owned(), source }
    }

    /// The stable code, when the platform gave one.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused(problem) => Some(problem.code.as_str()),
            _ => None,
        }
    }

    /// Whether the same request may succeed a little later.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Http { .. } => true,
            Self::Refused(problem) => problem.status == 429 || problem.status >= 500,
            _ => false,
        }
    }

    /// The process's exit code.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => USAGE,
            _ => REFUSED,
        }
    }
}
