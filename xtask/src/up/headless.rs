//! `cargo xtask up --check`.

use std::time::Duration;

use anyhow::Result;

use super::Fleet;
use crate::interrupt::Interrupt;
use crate::platform::Platform;

pub(super) fn run(_p: &mut Platform, _f: &Fleet, _i: &Interrupt, _r: Duration) -> Result<()> {
    Ok(())
}
