//! Node for building the console, Chromium for looking at it.

use std::path::PathBuf;

use super::apt::{self, Package};
use super::search::on_path;
use crate::error::{Result, StackError};

/// Node's programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub node: PathBuf,
    pub npm: PathBuf,
}

impl Node {
    /// Finds Node; it is not installed, because Debian's own may be too old for the console's tools.
    pub fn find() -> Result<Self> {
        match (on_path("node"), on_path("npm")) {
            (Some(node), Some(npm)) => Ok(Self { node, npm }),
            _ => Err(StackError::Missing {
                tool: "Node (node and npm)",
                remedy: "install Node 20.19 or newer, for example from nodejs.org, so that \
                         `node --version` and `npm --version` answer"
                    .into(),
            }),
        }
    }
}

/// Finds Chromium for the end-to-end tests, or installs Debian's.
pub fn chromium(progress: &mut dyn FnMut(&str)) -> Result<PathBuf> {
    let find = || on_path("chromium").or_else(|| on_path("chromium-browser"));
    if let Some(found) = find() {
        return Ok(found);
    }
    apt::provide(&[Package("chromium")], progress)?;
    find().ok_or_else(|| StackError::Missing {
        tool: "chromium",
        remedy: "its Debian package did not bring it".into(),
    })
}
