//! A WebSocket client of these tests' own: libraries refuse to write what a server has to refuse.

use std::io::ErrorKind;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::{KEY, PATIENCE, Service};

/// The last frame of a message.
pub(crate) const FIN: u8 = 0x80;
pub(crate) const CONTINUATION: u8 = 0;
pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;
/// Says that the payload is masked, in the second byte of a frame.
pub(crate) const MASKED: u8 = 0x80;
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// The answer to [`PUSHER_PING`].
const PUSHER_PONG: &[u8] = br#"{"event":"pusher:pong","data":{}}"#;
pub(crate) const PUSHER_PING: &[u8] = br#"{"event":"pusher:ping","data":{}}"#;

/// A frame as clients write it: masked, its length in as few bytes as it takes.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = head(first, payload.len() as u64);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// The beginning of a masked frame whose payload is `length` bytes long.
pub(crate) fn head(first: u8, length: u64) -> Vec<u8> {
    let mut bytes = vec![first];
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ ..=125), _) => bytes.push(MASKED | short),
        (_, Ok(middle)) => {
            bytes.push(MASKED | 126);
            bytes.extend(middle.to_be_bytes());
        }
        _ => {
            bytes.push(MASKED | 127);
            bytes.extend(length.to_be_bytes());
        }
    }
    bytes.extend(MASK);
    bytes
}

/// What a close frame says.
pub(crate) fn reason(code: u16, text: &[u8]) -> Vec<u8> {
    [&code.to_be_bytes()[..], text].concat()
}

/// The request that asks for a WebSocket.
pub(crate) fn request() -> String {
    format!(
        "GET /app/{KEY}?protocol=7 HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\n\
         upgrade: websocket\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

/// A connection that has been welcomed.
pub(crate) struct Raw<S = TcpStream>(pub(crate) S);

impl Raw {
    pub(crate) async fn connect(service: &Service) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", service.port())).await.unwrap();
        Self::over(stream, b"").await
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Raw<S> {
    /// Asks for a WebSocket, `early` in the same packet as the request.
    pub(crate) async fn over(mut stream: S, early: &[u8]) -> Self {
        let request = [request().as_bytes(), early].concat();
        stream.write_all(&request).await.unwrap();
        let mut this = Self(stream);
        let answer = this.head_of_answer().await;
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
        let (_, hello) = this.frame().await.expect("a first frame");
        let hello = String::from_utf8(hello).unwrap();
        assert!(hello.contains("pusher:connection_established"), "{hello}");
        this
    }

    /// The head of an HTTP answer.
    pub(crate) async fn head_of_answer(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let next = timeout(PATIENCE, self.0.read_u8()).await.expect("an answer in time");
            head.push(next.expect("an answer"));
        }
        String::from_utf8(head).unwrap()
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    /// The next frame: its first byte and its payload; `None` at the end of the connection.
    pub(crate) async fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        match timeout(PATIENCE, self.read_frame()).await.expect("a frame in time") {
            Ok(frame) => Some(frame),
            Err(error) if is_end(error.kind()) => None,
            Err(error) => panic!("{error}"),
        }
    }

    async fn read_frame(&mut self) -> std::io::Result<(u8, Vec<u8>)> {
        let first = self.0.read_u8().await?;
        let length = match self.0.read_u8().await? {
            126 => u64::from(self.0.read_u16().await?),
            127 => self.0.read_u64().await?,
            short @ ..=125 => u64::from(short),
            masked => panic!("servers do not mask: {masked}"),
        };
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        self.0.read_exact(&mut payload).await?;
        Ok((first, payload))
    }

    /// Asks for a sign of life of the application and gets it as the next frame.
    pub(crate) async fn is_well(&mut self) {
        self.send(&frame(FIN | TEXT, PUSHER_PING)).await;
        self.expect_pong_of_pusher().await;
    }

    pub(crate) async fn expect_pong_of_pusher(&mut self) {
        let (first, payload) = self.frame().await.expect("the connection is open");
        let text = String::from_utf8_lossy(&payload);
        assert_eq!((first, &*payload), (FIN | TEXT, PUSHER_PONG), "{text}");
    }

    /// The next frame, which has to be a pong with this payload.
    pub(crate) async fn expect_pong(&mut self, expected: &[u8]) {
        assert_eq!(self.frame().await, Some((FIN | PONG, expected.to_vec())));
    }

    /// Reads to the end of the connection: the payload of the one close frame, if there was one, and
    /// nothing came after it.
    pub(crate) async fn close_payload(&mut self) -> Option<Vec<u8>> {
        loop {
            let (first, payload) = self.frame().await?;
            if first == FIN | CLOSE {
                assert_eq!(self.frame().await, None, "nothing follows a close frame");
                return Some(payload);
            }
        }
    }

    /// The code with which the far end closes; 1005 for a close frame without one.
    pub(crate) async fn close_code(&mut self) -> Option<u16> {
        let payload = self.close_payload().await?;
        match payload.first_chunk::<2>() {
            Some(code) => Some(u16::from_be_bytes(*code)),
            None => Some(1005),
        }
    }

    /// Reads to the end of the connection.
    pub(crate) async fn ended(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        let read = timeout(PATIENCE, self.0.read_to_end(&mut rest)).await.expect("an end in time");
        if let Err(error) = read {
            assert!(is_end(error.kind()), "{error}");
        }
        rest
    }
}

/// How connections end, from a client's side.
fn is_end(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
}
