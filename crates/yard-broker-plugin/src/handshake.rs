//! Connections that end before they are anyone's: what the broker's log says of them.
//!
//! A certificate is checked inside the TLS handshake, where no plugin is asked. The broker says so
//! in its log, and with `log_dest topic` each line passes the check of who may receive it: that is
//! where it is read. Measured on 2.0.11; the same words stand in OpenSSL 1.1.1 and 3.

/// Why a certificate was refused, as far as the broker tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// Of another authority, revoked, expired, or checked against a revocation list that has
    /// expired: the broker does not say which.
    Unverified,
    /// None was shown.
    Missing,
}

impl Reason {
    /// The word in reports.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Unverified => "unverified",
            Self::Missing => "missing",
        }
    }
}

/// What a line of the broker's log means to us.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line<'l> {
    /// A certificate was refused. With the source, where the line has it; otherwise the end of
    /// the same connection follows.
    Refused(Reason, Option<&'l [u8]>),
    /// The broker could not read its revocation list, and from now on checks none.
    ListUnreadable,
    /// Nothing.
    Other,
}

/// Reads a line, with or without its time stamp.
pub(crate) fn read(line: &[u8]) -> Line<'_> {
    if holds(line, b"Unable to load certificate revocation file") {
        return Line::ListUnreadable;
    }
    let reason = if holds(line, b"certificate verify failed") {
        Reason::Unverified
    } else if holds(line, b"peer did not return a certificate") {
        Reason::Missing
    } else {
        return Line::Other;
    };
    Line::Refused(reason, source(line))
}

/// `Client connection from <source> failed: …` names it; `OpenSSL Error[…]` does not.
fn source(line: &[u8]) -> Option<&[u8]> {
    const BEFORE: &[u8] = b"Client connection from ";
    let begin = line.windows(BEFORE.len()).position(|part| part == BEFORE)? + BEFORE.len();
    let rest = line.get(begin..)?;
    let end = rest.iter().position(|byte| *byte == b' ')?;
    rest.get(..end)
}

fn holds(line: &[u8], words: &[u8]) -> bool {
    line.windows(words.len()).any(|part| part == words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_broker_are_understood() {
        let verify = b"1795247025: OpenSSL Error[0]: error:0A000086:SSL routines::certificate \
                       verify failed";
        assert_eq!(read(verify), Line::Refused(Reason::Unverified, None));
        let none = b"OpenSSL Error[0]: error:0A0000C7:SSL routines::peer did not return a \
                     certificate";
        assert_eq!(read(none), Line::Refused(Reason::Missing, None));
        let at_once = b"1795247090: Client connection from 10.0.0.9 failed: \
                        error:0A000086:SSL routines::certificate verify failed.";
        assert_eq!(read(at_once), Line::Refused(Reason::Unverified, Some(b"10.0.0.9")));
        let list = b"Error: Unable to load certificate revocation file \"crl.pem\". Check crlfile.";
        assert_eq!(read(list), Line::ListUnreadable);
    }

    #[test]
    fn other_lines_mean_nothing() {
        for line in [
            &b"1: New connection from 127.0.0.1:44582 on port 8883."[..],
            b"1: Client connection from 1.2.3.4 failed: error:0A00010B:SSL routines::wrong version",
            b"1: Client <unknown> disconnected: Protocol error.",
            b"Client connection from ",
            b"",
        ] {
            assert_eq!(read(line), Line::Other);
        }
    }
}
