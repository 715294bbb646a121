//! Reads request bodies, up to a limit in bytes and in time.

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use yard_fault::{Code, Fault};

/// Largest body, bytes.
pub const LARGEST_BODY: usize = 1024 * 1024;
/// Largest body of a caller whom nobody knows yet, bytes: what they send takes memory, however many
/// they are.
const LARGEST_UNKNOWN: usize = 64 * 1024;
/// What is still read of a body that is too large, so that its sender gets to read the answer.
const SWALLOWED: usize = 4 * LARGEST_BODY;
const DEADLINE: Duration = Duration::from_secs(30);

/// How large a body may be, of a caller in a session or without.
pub(super) const fn most(known: bool) -> usize {
    if known { LARGEST_BODY } else { LARGEST_UNKNOWN }
}

/// The whole body, up to `most` bytes.
pub(super) async fn read(body: Body, most: usize) -> Result<Bytes, Fault> {
    match tokio::time::timeout(DEADLINE, collect(body, most)).await {
        Ok(read) => read,
        Err(_elapsed) => {
            Err(Fault::new(Code::RequestMalformed)
                .with_public("the body did not arrive within 30 s"))
        }
    }
}

async fn collect(mut body: Body, most: usize) -> Result<Bytes, Fault> {
    let (mut read, mut total) = (BytesMut::new(), 0);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|e| {
            Fault::new(Code::RequestMalformed).with_public("the body broke off").with_source(e)
        })?;
        let Some(data) = frame.data_ref() else {
            continue;
        };
        total += data.len();
        if total <= most {
            read.extend_from_slice(data);
        } else if total > SWALLOWED {
            break;
        }
    }
    if total > most {
        let text = format!("a body may have {} KiB here", most / 1024);
        return Err(Fault::new(Code::RequestTooLarge).with_public(text));
    }
    Ok(read.freeze())
}
