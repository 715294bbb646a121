//! problem+json, read leniently: a proxy in between may answer in its own way.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What an error answer says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// HTTP status.
    #[serde(default)]
    pub status: u16,
    /// Stable code, for example `device.not_found`.
    #[serde(default)]
    pub code: String,
    /// What was wrong this time.
    #[serde(default)]
    pub detail: String,
    /// JSON pointer to the value at fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// Under which id the platform's log has the rest.
    #[serde(default)]
    pub instance: String,
}

impl Problem {
    /// From a problem document inside a stream that had begun well.
    #[must_use]
    pub fn of_stream(body: &str) -> Self {
        serde_json::from_str(body).unwrap_or_else(|_error| Self::read(500, body))
    }

    /// From an answer's status and body; a body that is no problem document becomes the detail.
    #[must_use]
    pub fn read(status: u16, body: &str) -> Self {
        match serde_json::from_str::<Self>(body) {
            Ok(problem) if !problem.code.is_empty() => Self { status, ..problem },
            _ => Self {
                status,
                code: format!("http.{status}"),
                detail: body.chars().take(200).collect(),
                pointer: None,
                instance: String::new(),
            },
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)?;
        if let Some(pointer) = &self.pointer {
            write!(f, " at {pointer}")?;
        }
        if self.instance.is_empty() { Ok(()) } else { write!(f, " (instance {})", self.instance) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problem_document_prints_code_detail_pointer_and_instance() {
        let body = r#"{"type":"/errors/a.b","title":"T","status":422,"code":"a.b","detail":"too big",
            "pointer":"/x","instance":"i-1"}"#;
        let text = Problem::read(422, body).to_string();
        assert_eq!(text, "a.b: too big at /x (instance i-1)");
    }

    #[test]
    fn problem_of_a_foreign_answer_names_the_status() {
        let problem = Problem::read(502, "<html>bad gateway</html>");
        assert_eq!(problem.code, "http.502");
        assert!(problem.detail.contains("bad gateway"));
    }
}
