//! The floor: a bare broadcaster on tokio-tungstenite. It speaks as much of Pusher's protocol as the
//! load client needs and does nothing else of what a server has to: no signatures, no limits but a
//! bounded queue for each socket, no metrics, no broker.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use clap::Args;
use futures::{SinkExt as _, StreamExt as _};
use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, accept_async_with_config};

const READ_BUFFER: usize = 1_024;
const WRITE_BUFFER: usize = 4_096;
const BACKLOG: u32 = 4_096;
/// Frames that may wait for one socket.
const QUEUE: usize = 1_024;
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";

/// Where to listen.
#[derive(Debug, Clone, Args)]
pub(crate) struct FloorArgs {
    #[arg(long)]
    listen: SocketAddr,
}

/// Who is in which channel.
#[derive(Default)]
struct Channels(Mutex<HashMap<String, Vec<Listener>>>);

struct Listener {
    socket: usize,
    queue: mpsc::Sender<Utf8Bytes>,
}

/// As much of a message as is needed.
#[derive(Deserialize)]
struct Envelope<'a> {
    event: &'a str,
    #[serde(default)]
    channel: Option<&'a str>,
    #[serde(borrow, default)]
    data: Option<&'a serde_json::value::RawValue>,
}

#[derive(Deserialize)]
struct Subscribe<'a> {
    channel: &'a str,
}

#[derive(Deserialize)]
struct Published<'a> {
    channel: &'a str,
    data: &'a str,
}

/// Broadcasts until it is killed.
pub(crate) async fn run(args: &FloorArgs) -> Result<()> {
    serve(listen(args.listen)?).await
}

pub(super) fn listen(at: SocketAddr) -> Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(at)?;
    socket.listen(BACKLOG).context("listen")
}

pub(super) async fn serve(listener: TcpListener) -> Result<()> {
    let (channels, mut connections) = (Arc::<Channels>::default(), JoinSet::new());
    for number in 0_usize.. {
        let (stream, _peer) = listener.accept().await?;
        let channels = Arc::clone(&channels);
        connections.spawn(async move {
            // How a connection ends is its client's affair.
            let mut joined = Vec::new();
            drop(attend(stream, number, &channels, &mut joined).await);
            channels.leave(number, &joined);
        });
        while connections.try_join_next().is_some() {}
    }
    Ok(())
}

async fn attend(
    stream: TcpStream,
    number: usize,
    channels: &Channels,
    joined: &mut Vec<String>,
) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut first = [0];
    if stream.peek(&mut first).await? == 1 && first == *b"P" {
        return calls(stream, channels).await;
    }
    let config =
        WebSocketConfig::default().read_buffer_size(READ_BUFFER).write_buffer_size(WRITE_BUFFER);
    // Boxed: what the handshake needs is given back before the socket's long life.
    let opening = Box::pin(accept_async_with_config(stream, Some(config)));
    converse(opening.await?, number, channels, joined).await
}

async fn converse(
    mut socket: WebSocketStream<TcpStream>,
    number: usize,
    channels: &Channels,
    joined: &mut Vec<String>,
) -> Result<()> {
    let (queue, mut waiting) = mpsc::channel(QUEUE);
    let greeting = format!(
        r#"{{"event":"pusher:connection_established","data":"{{\"socket_id\":\"{number}.1\",\"activity_timeout\":120}}"}}"#
    );
    socket.send(Message::text(greeting)).await?;
    loop {
        tokio::select! {
            frame = waiting.recv() => {
                let Some(frame) = frame else { return Ok(()) };
                socket.feed(Message::Text(frame)).await?;
                while let Ok(frame) = waiting.try_recv() {
                    socket.feed(Message::Text(frame)).await?;
                }
                socket.flush().await?;
            }
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) => {
                    if let Some(answer) = channels.hear(&text, number, &queue, joined) {
                        socket.send(Message::Text(answer)).await?;
                    }
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Ok(()),
            },
        }
    }
}

/// Calls of the HTTP API, one after the other.
async fn calls(mut stream: TcpStream, channels: &Channels) -> Result<()> {
    let (mut got, mut chunk) = (Vec::new(), vec![0; 8_192]);
    loop {
        let read = stream.read(&mut chunk).await?;
        if read == 0 {
            return Ok(());
        }
        got.extend_from_slice(chunk.get(..read).unwrap_or_default());
        let text = std::str::from_utf8(&got)?;
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        if body.len() < length.context("a call without a length")?.parse()? {
            continue;
        }
        let Published { channel, data } = serde_json::from_str(body)?;
        let frame = format!(r#"{{"event":"bench","channel":"{channel}","data":"{data}"}}"#);
        channels.say(channel, &frame.into(), None);
        got.clear();
        stream.write_all(ANSWER).await?;
    }
}

impl Channels {
    /// Does what a client says; gives the answer, where there is one.
    fn hear(
        &self,
        text: &Utf8Bytes,
        socket: usize,
        queue: &mpsc::Sender<Utf8Bytes>,
        joined: &mut Vec<String>,
    ) -> Option<Utf8Bytes> {
        let Envelope { event, channel, data } = serde_json::from_str(text).ok()?;
        match (event, channel) {
            ("pusher:subscribe", _) => {
                let Subscribe { channel } = serde_json::from_str(data?.get()).ok()?;
                let listener = Listener { socket, queue: queue.clone() };
                joined.push(channel.to_owned());
                self.with(|all| all.entry(channel.to_owned()).or_default().push(listener));
                let answer = format!(
                    r#"{{"event":"pusher_internal:subscription_succeeded","channel":"{channel}","data":"{{}}"}}"#
                );
                Some(answer.into())
            }
            (_, Some(channel)) => {
                self.say(channel, text, Some(socket));
                None
            }
            _ => None,
        }
    }

    /// A socket whose queue is full misses it, which the load client notices.
    fn say(&self, channel: &str, frame: &Utf8Bytes, except: Option<usize>) {
        self.with(|all| {
            for listener in all.get(channel).into_iter().flatten() {
                if Some(listener.socket) != except {
                    drop(listener.queue.try_send(frame.clone()));
                }
            }
        });
    }

    fn leave(&self, socket: usize, joined: &[String]) {
        self.with(|all| {
            for channel in joined {
                if let Some(listeners) = all.get_mut(channel) {
                    listeners.retain(|listener| listener.socket != socket);
                }
            }
        });
    }

    fn with<T>(&self, act: impl FnOnce(&mut HashMap<String, Vec<Listener>>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
