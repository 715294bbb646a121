use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::Settings;
use crate::wire::Incoming;

/// Silence after which the connection is given up: the service pings more often than that.
const SILENCE: Duration = Duration::from_secs(180);

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// Come back, at once or after the pause.
    Again { at_once: bool },
    /// Do not.
    Never { code: u16, reason: String },
}

/// An open socket.
pub(crate) struct Connection {
    ws: WebSocketStream<MaybeTlsStream<TcpStream>>,
    pub(crate) socket_id: String,
}

impl Connection {
    pub(crate) async fn open(settings: &Settings) -> Result<Self, End> {
        let Settings { url, key, connect_timeout, .. } = settings;
        let url = format!("{url}/app/{key}?protocol=7&client=yard-rust&version=1.0");
        let opening = async {
            let (ws, _) =
                connect_async(url).await.map_err(|_error| End::Again { at_once: false })?;
            let mut this = Self { ws, socket_id: String::new() };
            // Whoever is turned away is told why before the close that says it in a code.
            let mut hello = this.next().await?;
            while hello.event != "pusher:connection_established" {
                hello = this.next().await?;
            }
            let data = hello.data();
            let id = data.get("socket_id").and_then(|id| id.as_str());
            id.unwrap_or_default().clone_into(&mut this.socket_id);
            Ok(this)
        };
        timeout(*connect_timeout, opening).await.unwrap_or(Err(End::Again { at_once: false }))
    }

    pub(crate) async fn send(&mut self, text: String) -> Result<(), End> {
        let sent = self.ws.send(Message::text(text)).await;
        sent.map_err(|_error| End::Again { at_once: false })
    }

    /// The next message that is one. Cancelling it loses nothing.
    pub(crate) async fn next(&mut self) -> Result<Incoming, End> {
        loop {
            let next = timeout(SILENCE, self.ws.next()).await;
            match next {
                Ok(Some(Ok(Message::Text(text)))) => {
                    if let Some(incoming) = Incoming::parse(text.as_str()) {
                        return Ok(incoming);
                    }
                }
                Ok(Some(Ok(Message::Close(frame)))) => {
                    let frame = frame.map(|f| (u16::from(f.code), f.reason.to_string()));
                    return Err(end_of(frame));
                }
                Ok(Some(Ok(_))) => {}
                Ok(Some(Err(_)) | None) | Err(_) => return Err(End::Again { at_once: false }),
            }
        }
    }
}

/// What the protocol's close codes ask for.
fn end_of(frame: Option<(u16, String)>) -> End {
    match frame {
        Some((code @ 4000..=4099, reason)) => End::Never { code, reason },
        Some((4200..=4299, _)) => End::Again { at_once: true },
        Some(_) | None => End::Again { at_once: false },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_codes_say_whether_to_come_back() {
        let end = |code| end_of(Some((code, "x".to_owned())));
        assert!(matches!(end(4001), End::Never { code: 4001, .. }));
        assert!(matches!(end(4099), End::Never { .. }));
        assert_eq!(end(4100), End::Again { at_once: false });
        assert_eq!(end(4200), End::Again { at_once: true });
        assert_eq!(end(1006), End::Again { at_once: false });
        assert_eq!(end_of(None), End::Again { at_once: false });
    }
}
