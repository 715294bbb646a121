//! An export: what it is made of, how it is sealed, and how it is checked.

mod check;
mod line;
mod seal;

pub use check::{CheckError, Checker, Verified};
pub use line::{AnchorLine, EndLine, EventLine, HeaderLine, Line, PersonalLine, RootLine};
pub use seal::{Disclosure, Seal};

/// Value of `format` in the header.
pub const FORMAT: &str = "switchyard-audit-1";
