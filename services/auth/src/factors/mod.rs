//! Second factors: authenticator apps (RFC 6238), recovery codes, and passkeys as one.
//!
//! A code is taken once, also when two ask with it at the same time: the row that notes it is changed
//! by a statement that asks for what it was, in the transaction that uses the proof.

mod change;
pub(crate) mod grpc;
mod proof;
mod recovery;
mod store;
mod totp;
mod upkeep;

pub(crate) use proof::{Factors, Proof};
pub(crate) use store::lock;
pub(crate) use upkeep::AppSecrets;

use yard_contracts::identity::v1::FactorKind;

/// The mark of a session that a second factor was shown for.
pub(crate) const MULTI_FACTOR: &str = "mfa";
/// What secrets are sealed as.
const PURPOSE: &str = "totp-secret";

/// What a person can prove themselves with beside the password.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Enrolled {
    pub(crate) totp: bool,
    /// Of the domain that the console is under.
    pub(crate) passkeys: i64,
    /// Of another, where it was before: no browser shows one of them here.
    pub(crate) former_passkeys: i64,
    pub(crate) recovery_codes: i64,
}

impl Enrolled {
    /// Whether there is one. Recovery codes alone are none: they stand in for a lost one.
    pub(crate) const fn any(self) -> bool {
        self.totp || self.passkeys > 0
    }

    /// Whether the password alone is not enough. Nobody's account is less guarded for a move of the
    /// console: whose passkeys stayed behind shows a recovery code, as long as there is one.
    pub(crate) const fn asked_for(self) -> bool {
        self.any() || (self.former_passkeys > 0 && self.recovery_codes > 0)
    }

    /// What is typed; whether a passkey can be asked for depends on more.
    pub(crate) fn kinds(self) -> Vec<FactorKind> {
        let mut kinds = Vec::new();
        if self.totp {
            kinds.push(FactorKind::Totp);
        }
        if self.asked_for() && self.recovery_codes > 0 {
            kinds.push(FactorKind::RecoveryCode);
        }
        kinds
    }
}
