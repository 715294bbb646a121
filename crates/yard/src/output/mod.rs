//! The only place that writes to the terminal.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line's answer is what it prints; everything else goes through here"
)]

mod table;

use std::error::Error;

use serde::Serialize;

pub use table::Table;

use crate::failure::Failure;

/// How answers are given: for people, or as JSON, one object on a line.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    json: bool,
}

impl Output {
    /// `json` as the caller asked.
    #[must_use]
    pub const fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether a program reads this.
    #[must_use]
    pub const fn is_json(self) -> bool {
        self.json
    }

    /// Gives the answer of a command: `value` as JSON, or what `human` prints.
    pub fn answer<T: Serialize>(self, value: &T, human: impl FnOnce(Self)) {
        if self.json { self.json_line(value) } else { human(self) }
    }

    /// One JSON object on a line of standard output.
    pub fn json_line<T: Serialize>(self, value: &T) {
        match serde_json::to_string(value) {
            Ok(text) => println!("{text}"),
            Err(error) => eprintln!("yard: could not print the answer: {error}"),
        }
    }

    /// A line for people on standard output.
    pub fn line(self, text: &str) {
        println!("{text}");
    }

    /// Progress for people: on standard error, so that standard output stays the answer.
    pub fn note(self, text: &str) {
        eprintln!("{text}");
    }

    /// Says why a command failed, with the causes behind it.
    pub fn failure(self, failure: &Failure) {
        let mut text = failure.to_string();
        let mut cause = failure.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        eprintln!("yard: {text}");
    }
}
