//! Just enough HTTP/1.0 to ask a loopback server how it is.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::error::{Doing, Result};

const PATIENCE: Duration = Duration::from_secs(2);

/// An answer: status code (0 when the status line was not understood) and body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub body: String,
}

/// Sends `GET path` and reads the whole answer, waiting at most two seconds for each step.
pub fn get(addr: SocketAddr, path: &str) -> Result<Answer> {
    request(addr, path).doing(|| format!("ask http://{addr}{path}"))
}

fn request(addr: SocketAddr, path: &str) -> std::io::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&addr, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {addr}\r\nConnection: close\r\n\r\n")?;
    let mut raw = Vec::new();
    stream.read_to_end(&mut raw)?;
    Ok(parse(&String::from_utf8_lossy(&raw)))
}

fn parse(raw: &str) -> Answer {
    let (head, body) = raw.split_once("\r\n\r\n").unwrap_or((raw, ""));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    Answer { status, body: body.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_split_into_status_and_body() {
        let answer = parse("HTTP/1.1 503 Service Unavailable\r\nX: y\r\n\r\nnot yet");
        assert_eq!(answer, Answer { status: 503, body: "not yet".into() });
    }

    #[test]
    fn rubbish_has_status_zero() {
        assert_eq!(parse("").status, 0);
    }
}
