//! The demo's devices, simulated by the `yard` command line over real mTLS.

use anyhow::Result;

use crate::platform::Platform;
use crate::workspace::Workspace;

/// Running simulations, one for each tenant.
#[derive(Debug)]
pub(crate) struct Fleet {}

impl Fleet {
    pub(crate) fn start(_p: &Platform, _w: &Workspace, _n: u32, _r: bool) -> Result<Self> {
        Ok(Self {})
    }
}
