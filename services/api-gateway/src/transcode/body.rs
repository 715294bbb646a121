//! Reads request bodies, up to a limit in bytes and in time.

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use tokio::time::timeout;
use yard_contracts::access::v1::Rate;
use yard_fault::{Code, Fault};

use crate::limits::{CapsConfig, LimitsConfig};

/// What is still read of a body that is too large, so that its sender gets to read the answer.
const SWALLOWED: usize = 4 * 1024 * 1024;

/// How many bytes a body of this class may have, of a caller in a session or without.
pub(crate) fn most(limits: &LimitsConfig, caps: &CapsConfig, rate: Rate, known: bool) -> usize {
    let class = limits.of(rate).body_kib;
    1_024 * if known { class } else { class.min(caps.anonymous_body_kib) }
}

/// The whole body, up to `most` bytes.
pub(crate) async fn read(body: Body, most: usize, caps: &CapsConfig) -> Result<Bytes, Fault> {
    match timeout(caps.body_time, collect(body, most, caps.body_pause)).await {
        Ok(read) => read,
        Err(_elapsed) => Err(late("the body took", caps.body_time)),
    }
}

fn late(what: &str, limit: Duration) -> Fault {
    let text = format!("{what} longer than {} s", limit.as_secs_f32());
    Fault::new(Code::RequestMalformed).with_public(text)
}

async fn collect(mut body: Body, most: usize, pause: Duration) -> Result<Bytes, Fault> {
    let (mut read, mut total) = (BytesMut::new(), 0);
    let next = async |body: &mut Body| match timeout(pause, body.frame()).await {
        Ok(frame) => Ok(frame),
        Err(_elapsed) => Err(late("a part of the body took", pause)),
    };
    while let Some(frame) = next(&mut body).await? {
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
