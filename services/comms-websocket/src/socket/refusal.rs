//! How a connection ends.

use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::{Error as WsError, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use crate::protocol::{self, Closing};
use crate::telemetry;

/// A peer that does not read gets no longer than this for our last words.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// What is still on its way is read and thrown away, so that the kernel does not reset the
/// connection before the close frame has arrived.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 4 * 1024 * 1024;

pub(super) type Socket = WebSocketStream<TcpStream>;

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

async fn swallow(stream: &mut TcpStream) {
    let mut scratch = [0; 512];
    let mut left = LINGER_BYTES;
    while let Ok(read @ 1..) = stream.read(&mut scratch).await {
        left = left.saturating_sub(read);
        if left == 0 {
            return;
        }
    }
}
