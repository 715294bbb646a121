use lettre::Message;
use lettre::message::header::{HeaderName, HeaderValue, MIME_VERSION_1_0};
use lettre::message::{Mailbox, MultiPart};
use time::OffsetDateTime;
use uuid::Uuid;
use yard_fault::Fault;
use yard_runtime::ConfigError;

use super::Content;

/// Makes messages of mails.
#[derive(Debug, Clone)]
pub(super) struct Composer {
    from: Mailbox,
}

/// Reads `mail.from`.
///
/// # Errors
/// Names the option.
pub(super) fn sender(text: &str) -> Result<Mailbox, ConfigError> {
    let rule = "has to be an address, such as Switchyard <no-reply@example.org>";
    let odd = text.chars().any(char::is_control);
    let mailbox: Option<Mailbox> = text.parse().ok().filter(|_| !odd);
    mailbox.ok_or_else(|| ConfigError::new("mail.from", rule))
}

impl Composer {
    pub(super) fn new(from: &str) -> Result<Self, ConfigError> {
        Ok(Self { from: sender(from)? })
    }

    /// The message; the id makes its `Message-ID`, so that one which is sent twice is seen as one.
    ///
    /// # Errors
    /// `internal` for anything that could end a header early; the texts come from checked names.
    pub(super) fn compose(
        &self,
        id: Uuid,
        content: Content,
        at: OffsetDateTime,
    ) -> Result<Message, Fault> {
        let Content { to, subject, text, html } = content;
        if subject.chars().any(char::is_control) {
            return Err(Fault::internal("a mail's subject holds a control character"));
        }
        let to: Mailbox =
            to.parse().map_err(|e| Fault::internal("a mail's address").with_source(e))?;
        let id = format!("<{}@{}>", id.as_simple(), self.from.email.domain());
        // Nobody's absence is told to us, and no list answers.
        let automatic = HeaderValue::new(
            HeaderName::new_from_ascii_str("Auto-Submitted"),
            "auto-generated".to_owned(),
        );
        Message::builder()
            .from(self.from.clone())
            .to(to)
            .subject(subject)
            .message_id(Some(id))
            .date(at.into())
            .header(MIME_VERSION_1_0)
            .raw_header(automatic)
            .multipart(MultiPart::alternative_plain_html(text, html))
            .map_err(|e| Fault::internal("compose a mail").with_source(e))
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn content(to: &str, subject: &str) -> Content {
        Content {
            to: to.to_owned(),
            subject: subject.to_owned(),
            text: "Grüße\n".to_owned(),
            html: "<p>Grüße</p>".to_owned(),
        }
    }

    fn composed(to: &str, subject: &str) -> Result<String, Fault> {
        let composer = Composer::new("Switchyard <no-reply@yard.example>").unwrap();
        let at = datetime!(2026-03-01 12:00 UTC);
        let message = composer.compose(Uuid::from_u128(7), content(to, subject), at)?;
        Ok(String::from_utf8(message.formatted()).unwrap())
    }

    #[test]
    fn message_has_both_parts_and_says_that_a_program_wrote_it() {
        let message = composed("ann@example.org", "Hällo").unwrap();
        for part in [
            "To: ann@example.org\r\n",
            "Auto-Submitted: auto-generated\r\n",
            "Message-ID: <00000000000000000000000000000007@yard.example>\r\n",
            "Date: Sun, 01 Mar 2026 12:00:00 +0000\r\n",
            "multipart/alternative",
            "text/plain",
            "text/html",
        ] {
            assert!(message.contains(part), "{part}: {message}");
        }
    }

    #[test]
    fn nothing_that_would_make_a_header_of_its_own_is_composed() {
        for subject in ["x\r\nBcc: all@example.org", "x\ny", "x\0"] {
            assert!(composed("ann@example.org", subject).is_err(), "{subject:?}");
        }
        for to in ["ann@example.org\r\nBcc: x@y", "ann@example.org, x@y", ""] {
            assert!(composed(to, "x").is_err(), "{to:?}");
        }
        for from in ["", "Switchyard", "a@b\r\nBcc: c@d", "<>"] {
            assert!(sender(from).is_err(), "{from:?}");
        }
    }
}
