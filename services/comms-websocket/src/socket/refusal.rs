//! How a connection ends.

use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::{Error as WsError, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use tokio_util::either::Either;

use crate::protocol::{self, Closing};
use crate::telemetry;

/// A peer that does not read gets no longer than this for our last words.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// What is still on its way is read and thrown away, so that the kernel does not reset the
/// connection before the close frame has arrived.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 4 * 1024 * 1024;

/// Plain text, or TLS; the latter boxed, so that it costs the others nothing.
pub(crate) type Stream = Either<TcpStream, Box<TlsStream<TcpStream>>>;
pub(super) type Socket = WebSocketStream<Stream>;

/// Why a session is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// The connection is lost.
    Gone,
    /// The client has closed; its close frame is yet to be answered.
    Left,
    /// We close.
    Close(Closing),
}

impl Ending {
    /// What an error of the WebSocket library means.
    pub(super) fn of(error: &WsError) -> Self {
        match error {
            WsError::Capacity(_) => Self::Close(Closing::TooLarge),
            WsError::Utf8(_) => Self::Close(Closing::NotUtf8),
            WsError::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Self::Gone,
            WsError::Protocol(_) => Self::Close(Closing::FrameMalformed),
            _ => Self::Gone,
        }
    }
}

/// Says goodbye as well as the peer lets us.
pub(super) async fn end(mut socket: Socket, ending: Ending) {
    let why = match ending {
        Ending::Gone => return,
        Ending::Left => {
            // The answer is queued in the library already; reading or flushing sends it.
            drop(timeout(LAST_WORDS, socket.next()).await);
            return;
        }
        Ending::Close(why) => why,
    };
    telemetry::closed(why.label());
    let said = timeout(LAST_WORDS, last_words(&mut socket, why)).await;
    if !matches!(said, Ok(Ok(()))) {
        return;
    }
    let mut stream = socket.into_inner();
    if stream.shutdown().await.is_ok() {
        drop(timeout(LINGER, swallow(&mut stream)).await);
    }
}

async fn last_words(socket: &mut Socket, why: Closing) -> Result<(), WsError> {
    // For clients that show errors, not close codes. Reconnecting is no error.
    if (4000..4200).contains(&why.code()) {
        let error = protocol::error(Some(why.code()), why.reason());
        socket.feed(Message::Text(error)).await?;
    }
    let reason = Utf8Bytes::from_static(why.reason());
    let frame = CloseFrame { code: why.code().into(), reason };
    socket.feed(Message::Close(Some(frame))).await?;
    socket.flush().await
}

async fn swallow(stream: &mut Stream) {
    let mut scratch = [0; 512];
    let mut left = LINGER_BYTES;
    while let Ok(read @ 1..) = stream.read(&mut scratch).await {
        left = left.saturating_sub(read);
        if left == 0 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Read, Result as IoResult, Write};

    use tokio_tungstenite::tungstenite::protocol::{Role, WebSocket, WebSocketConfig};

    use super::*;

    const LARGEST: usize = 1_024;

    /// What a client sent; what it is answered goes nowhere.
    struct Wire<'a>(Cursor<&'a [u8]>);

    impl Read for Wire<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> IoResult<usize> {
            // Tokio has one as well.
            Read::read(&mut self.0, buffer)
        }
    }

    impl Write for Wire<'_> {
        fn write(&mut self, buffer: &[u8]) -> IoResult<usize> {
            Ok(buffer.len())
        }

        fn flush(&mut self) -> IoResult<()> {
            Ok(())
        }
    }

    /// Reads frames to their end: how many messages they were, and how it ended.
    fn read(bytes: &[u8]) -> (usize, Ending) {
        let config = WebSocketConfig::default()
            .max_message_size(Some(LARGEST))
            .max_frame_size(Some(LARGEST));
        let wire = Wire(Cursor::new(bytes));
        let mut socket = WebSocket::from_raw_socket(wire, Role::Server, Some(config));
        let mut messages = 0;
        loop {
            match socket.read() {
                Ok(Message::Text(text)) => {
                    assert!(text.len() <= LARGEST);
                    messages += 1;
                }
                Ok(Message::Binary(bytes)) => {
                    assert!(bytes.len() <= LARGEST);
                    messages += 1;
                }
                Ok(Message::Close(_)) => return (messages, Ending::Left),
                Ok(_) => {}
                Err(error) => return (messages, Ending::of(&error)),
            }
        }
    }

    /// Fuzz target: frames damaged in every usual way end with a code that says what is wrong, or
    /// with the connection.
    #[test]
    fn fuzz_damaged_frames_end_with_a_code_of_rfc_6455() {
        let mask = [0_u8; 4];
        let frame = |first: u8, payload: &[u8]| {
            let mut bytes = vec![first, 0x80 | u8::try_from(payload.len()).unwrap()];
            bytes.extend(mask);
            bytes.extend(payload);
            bytes
        };
        let long = [&[0x81, 0xfe, 4, 0][..], &mask, &[b'x'; LARGEST]].concat();
        let good = vec![
            [frame(0x81, b"{}"), frame(0x89, b"ping"), frame(0x88, &[3, 232, b'a'])].concat(),
            [frame(0x01, "κ".as_bytes()), frame(0x8a, b""), frame(0x80, b"x")].concat(),
            [frame(0x02, b"\xff"), frame(0x00, b""), frame(0x80, b"\xfe")].concat(),
            long,
        ];
        let (mut messages, mut endings) = (0, [0_usize; 5]);
        yard_testkit::hammer(&good, 30_000, |input| {
            let (read, ending) = read(input);
            messages += read;
            let kind = match ending {
                Ending::Gone => 0,
                Ending::Left => 1,
                Ending::Close(Closing::FrameMalformed) => 2,
                Ending::Close(Closing::NotUtf8) => 3,
                Ending::Close(Closing::TooLarge) => 4,
                Ending::Close(other) => panic!("{other:?}"),
            };
            endings[kind] += 1;
        });
        // None of the ways to end is left out.
        assert!(messages > 1_000 && endings.iter().all(|count| *count > 10), "{endings:?}");
    }
}
