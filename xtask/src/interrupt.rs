//! Ctrl-C and SIGTERM become a flag, so that what was started can be stopped in order.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use signal_hook::consts::{SIGINT, SIGTERM};

const POLL: Duration = Duration::from_millis(100);

/// Whether someone asked us to end.
#[derive(Debug, Clone)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Takes over SIGINT and SIGTERM. A second one ends the process at once.
    pub(crate) fn install() -> Result<Self> {
        let flag = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // Order matters: the first signal arms the flag, the next one finds it armed and exits.
            signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&flag))?;
            signal_hook::flag::register(signal, Arc::clone(&flag))?;
        }
        Ok(Self(flag))
    }

    /// True once a signal came.
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// Fails once a signal came.
    pub(crate) fn check(&self) -> Result<()> {
        if self.is_set() {
            bail!("interrupted");
        }
        Ok(())
    }

    /// Asks `done` again and again until it says yes, the time is up or a signal comes.
    pub(crate) fn wait_until(
        &self,
        what: &str,
        within: Duration,
        mut done: impl FnMut() -> Result<bool>,
    ) -> Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < within {
            self.check()?;
            if done()? {
                return Ok(());
            }
            thread::sleep(POLL);
        }
        bail!("{what}: not within {} s", within.as_secs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_ends_when_the_condition_holds_or_the_time_is_up() {
        let interrupt = Interrupt(Arc::new(AtomicBool::new(false)));
        let mut asked = 0;
        let patience = Duration::from_secs(5);
        let waited = interrupt.wait_until("three", patience, || {
            asked += 1;
            Ok(asked == 3)
        });
        assert!(waited.is_ok());
        let late = interrupt.wait_until("never", Duration::ZERO, || Ok(false));
        assert!(late.unwrap_err().to_string().starts_with("never"));
    }

    #[test]
    fn a_signal_ends_the_waiting() {
        let interrupt = Interrupt(Arc::new(AtomicBool::new(true)));
        let ended = interrupt.wait_until("x", Duration::from_secs(60), || Ok(false));
        assert_eq!(ended.unwrap_err().to_string(), "interrupted");
    }
}
