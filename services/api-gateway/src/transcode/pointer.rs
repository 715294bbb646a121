//! JSON pointers (RFC 6901) to the value that is being read.

use std::fmt;

use yard_fault::{Code, Fault};

/// Where in the request we are.
#[derive(Debug, Clone, Default)]
pub(super) struct Pointer(Vec<String>);

impl Pointer {
    /// From a dotted field path.
    pub(super) fn of_path(path: &str) -> Self {
        Self(path.split('.').map(str::to_owned).collect())
    }

    pub(super) fn push(&mut self, part: impl Into<String>) {
        self.0.push(part.into());
    }

    pub(super) fn pop(&mut self) {
        self.0.pop();
    }

    /// A value that is not allowed here; `need` completes "has to be …".
    pub(super) fn invalid(&self, need: &str) -> Fault {
        let what = self.0.last().map_or("the body", String::as_str);
        Fault::invalid(format!("{what} has to be {need}")).with_pointer(self.to_string())
    }

    /// The field this points to does not exist.
    pub(super) fn unknown(&self) -> Fault {
        let what = self.0.last().map_or("", String::as_str);
        Fault::new(Code::RequestUnknownField)
            .with_public(format!("there is no field {what:?} here"))
            .with_pointer(self.to_string())
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|part| write!(f, "/{}", part.replace('~', "~0").replace('/', "~1")))
    }
}
