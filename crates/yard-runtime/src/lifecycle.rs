use tokio_util::sync::CancellationToken;

/// Two stops: *soft* asks to finish, *hard* to leave at once.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    draining: CancellationToken,
    soft: CancellationToken,
    hard: CancellationToken,
}

impl Shutdown {
    /// Cancelled when no new work shall be taken; what is in hand is finished.
    #[must_use]
    pub const fn soft(&self) -> &CancellationToken {
        &self.soft
    }

    /// Cancelled when the time for finishing is over.
    #[must_use]
    pub const fn hard(&self) -> &CancellationToken {
        &self.hard
    }

    /// Whether shutdown has begun; readiness is off from then on.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }

    pub(crate) fn begin(&self) {
        self.draining.cancel();
    }

    pub(crate) fn stop_softly(&self) {
        self.draining.cancel();
        self.soft.cancel();
    }

    pub(crate) fn stop_hard(&self) {
        self.stop_softly();
        self.hard.cancel();
    }
}
