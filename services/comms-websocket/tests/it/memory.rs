//! What an idle socket costs. Its client is a bare TCP connection in this process, which holds no
//! buffer; the little that it costs is in the figure.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{KEY, Service};

const SOCKETS: u64 = 2_000;
/// The bar, KiB of resident memory per idle socket.
const MOST_KIB: u64 = 16;

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Fewer where the process may not open as many files; each socket takes two.
fn sockets() -> u64 {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let soft = line.split_whitespace().nth(3).unwrap().parse().unwrap_or(u64::MAX);
    SOCKETS.min(soft.saturating_sub(400) / 2)
}

async fn open(port: u16) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request = format!(
        "GET /app/{KEY}?protocol=7 HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\n\
         upgrade: websocket\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let (mut got, mut chunk) = (Vec::new(), [0; 256]);
    while !got.windows(11).any(|part| part == b"established") {
        let read = stream.read(&mut chunk).await.unwrap();
        assert!(read > 0, "closed");
        got.extend_from_slice(chunk.get(..read).unwrap());
    }
    stream
}

#[tokio::test]
async fn idle_socket_costs_at_most_its_budget() {
    let service = Service::start().await;
    // What the first socket brings along once is not a socket's cost.
    let mut open_sockets = vec![open(service.port()).await];
    let before = resident_kib();
    let count = sockets();
    for _ in 0..count {
        open_sockets.push(open(service.port()).await);
    }
    let each = resident_kib().saturating_sub(before) as f64 / count as f64;
    println!("an idle socket costs {each:.1} KiB");
    assert!(each <= MOST_KIB as f64, "{each:.1} KiB");
}
