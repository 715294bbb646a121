//! From the commit that ends a session to its last effect: at the gateway, which has it cached, and
//! at a socket that it opened.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures::StreamExt as _;
use serde_json::{Value, json};
use sqlx::Connection as _;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::spread;
use crate::client::Client;
use crate::platform::{PASSWORD, Platform};

/// Five times the promise; a try that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(10);

type Socket = WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>;

/// Ends `tries` sessions, one after the other.
///
/// # Errors
/// When one of them does not end.
pub async fn measure(platform: &Platform, tries: usize) -> anyhow::Result<Value> {
    let mut database = sqlx::PgConnection::connect(&platform.db().admin_url()).await?;
    let (mut gateway, mut socket) = (Vec::new(), Vec::new());
    for _ in 0..tries {
        let client = Client::sign_in(&platform.base_url(), "owner@a.test", PASSWORD).await?;
        let mut opened = open(platform, &client).await?;
        // The gateway believes this exchange for two seconds, unless the feed says otherwise.
        client.expect("GET", "/api/v1/me", None).await?;
        sqlx::query(
            "update platform.sessions set revoked_at = clock_timestamp() where revoked_at is null",
        )
        .execute(&mut database)
        .await?;
        let since = Instant::now();
        let (refused, closed) = tokio::join!(refused(&client, since), closed(&mut opened, since));
        gateway.push(refused?);
        socket.push(closed?);
    }
    Ok(json!({"gateway": spread(gateway), "socket": spread(socket)}))
}

/// A socket that is its caller's by a ticket.
async fn open(platform: &Platform, client: &Client) -> anyhow::Result<Socket> {
    let settings = client.expect("GET", "/api/v1/realtime", None).await?;
    let made = client.expect("POST", "/api/v1/me/socket-tickets", Some(&json!({}))).await?;
    let text =
        |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let key = text(&settings, "app_key").context("app_key")?;
    let ticket = text(&made, "ticket").context("ticket")?;
    let base = platform.base_url().replace("http://", "ws://");
    let url = format!("{base}/app/{key}?protocol=7&client=bench&ticket={ticket}");
    let (mut socket, _) = connect_async(url).await?;
    let hello = timeout(PATIENCE, socket.next()).await?.context("the socket says hello")??;
    anyhow::ensure!(hello.to_text()?.contains("connection_established"), "{hello:?}");
    Ok(socket)
}

async fn refused(client: &Client, since: Instant) -> anyhow::Result<Duration> {
    while since.elapsed() < PATIENCE {
        if client.call("GET", "/api/v1/me", None).await?.status == 401 {
            return Ok(since.elapsed());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    anyhow::bail!("the gateway still lets an ended session in")
}

async fn closed(socket: &mut Socket, since: Instant) -> anyhow::Result<Duration> {
    while let Some(message) = timeout(PATIENCE, socket.next()).await? {
        if let Message::Close(Some(frame)) = message? {
            anyhow::ensure!(u16::from(frame.code) == 4009, "closed with {}", frame.code);
            return Ok(since.elapsed());
        }
    }
    anyhow::bail!("the socket ended without a word")
}
