use std::error::Error;
use std::fmt;

use crate::{Class, Code};

type Source = Box<dyn Error + Send + Sync + 'static>;

/// An error with a code, a text for the caller and one for us.
///
/// `Display` prints the public text only. The private detail and the source go to the log, by
/// [`Fault::log`], once, where the error stops travelling.
#[derive(Debug)]
pub struct Fault {
    code: Code,
    public: Option<String>,
    pointer: Option<String>,
    max_auth_age: Option<u32>,
    retry_after: Option<u32>,
    detail: Option<String>,
    source: Option<Source>,
}

impl Fault {
    /// A fault whose public text is the code's title.
    #[must_use]
    pub const fn new(code: Code) -> Self {
        Self {
            code,
            public: None,
            pointer: None,
            max_auth_age: None,
            retry_after: None,
            detail: None,
            source: None,
        }
    }

    /// A fault of our own making. `detail` is never shown to a caller.
    #[must_use]
    pub fn internal(detail: impl Into<String>) -> Self {
        Self::new(Code::Internal).with_detail(detail)
    }

    /// Invalid input: `public` says which and why; it must not repeat secrets.
    #[must_use]
    pub fn invalid(public: impl Into<String>) -> Self {
        Self::new(Code::RequestInvalid).with_public(public)
    }

    /// A text for the caller that says more than the code's title.
    #[must_use]
    pub fn with_public(mut self, text: impl Into<String>) -> Self {
        self.public = Some(text.into());
        self
    }

    /// JSON pointer (RFC 6901) to the value at fault.
    #[must_use]
    pub fn with_pointer(mut self, pointer: impl Into<String>) -> Self {
        self.pointer = Some(pointer.into());
        self
    }

    /// For `auth.step_up_required`: how many seconds ago the last proof may have been.
    #[must_use]
    pub const fn with_max_auth_age(mut self, seconds: u32) -> Self {
        self.max_auth_age = Some(seconds);
        self
    }

    /// For what is to be repeated later: after how many seconds it may be granted.
    #[must_use]
    pub const fn with_retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// A text for our log.
    #[must_use]
    pub fn with_detail(mut self, text: impl Into<String>) -> Self {
        self.detail = Some(text.into());
        self
    }

    /// What caused it; for our log.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Source>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> Code {
        self.code
    }

    /// Shorthand for `code().class()`.
    #[must_use]
    pub const fn class(&self) -> Class {
        self.code.class()
    }

    /// The text for the caller.
    #[must_use]
    pub fn public(&self) -> &str {
        self.public.as_deref().unwrap_or_else(|| self.code.title())
    }

    /// JSON pointer to the value at fault, if any.
    #[must_use]
    pub fn pointer(&self) -> Option<&str> {
        self.pointer.as_deref()
    }

    /// How fresh a proof is asked for, seconds, if that is what is missing.
    #[must_use]
    pub const fn max_auth_age(&self) -> Option<u32> {
        self.max_auth_age
    }

    /// After how many seconds it may be granted, if that is known.
    #[must_use]
    pub const fn retry_after(&self) -> Option<u32> {
        self.retry_after
    }

    /// The private text with the chain of causes, for the log.
    #[must_use]
    pub fn inside(&self) -> String {
        let mut text = self.detail.clone().unwrap_or_default();
        let mut next = self.source.as_deref().map(|s| s as &dyn Error);
        while let Some(error) = next {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&error.to_string());
            next = error.source();
        }
        text
    }

    /// Writes it to the log where it stops: our own faults as errors, a dependency that does not
    /// answer as a warning, what callers do wrong at debug level.
    pub fn log(&self, incident: &str, doing: &'static str) {
        let (code, inside) = (self.code.as_str(), self.inside());
        match self.class() {
            Class::Internal => {
                tracing::error!(code, incident, inside, "could not {doing}");
            }
            Class::Unavailable | Class::Timeout if !self.code.is_deliberate() => {
                tracing::warn!(code, incident, inside, "could not {doing}");
            }
            _ => tracing::debug!(
                code,
                incident,
                inside,
                public = self.public(),
                "refused to {doing}"
            ),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.public())
    }
}

impl Error for Fault {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|s| s as &(dyn Error + 'static))
    }
}

impl From<Code> for Fault {
    fn from(code: Code) -> Self {
        Self::new(code)
    }
}

/// A domain error that knows its code. Deliberately not implemented for library errors.
pub trait Classify: Error + Send + Sync + Sized + 'static {
    /// The code that leaves the platform.
    fn code(&self) -> Code;

    /// The fault, with this error as its source.
    fn into_fault(self) -> Fault {
        Fault::new(self.code()).with_source(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_never_shows_detail_or_source() {
        let fault = Fault::internal("relation secret_table").with_source("password is hunter2");
        assert_eq!(fault.to_string(), Code::Internal.title());
        assert_eq!(fault.inside(), "relation secret_table: password is hunter2");
    }
}
