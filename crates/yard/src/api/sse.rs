//! Server-sent events, as much of the format as the platform uses.

use futures::StreamExt as _;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::failure::{Failure, Outcome};

/// Larger than any event; a stream that never ends a line is not one of ours.
const LONGEST_LINE: usize = 1024 * 1024;

/// An event of a channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    #[serde(default)]
    pub channel: String,
    #[serde(default)]
    pub event: String,
    #[serde(default)]
    pub data: Map<String, Value>,
    #[serde(default)]
    pub at: Option<String>,
}

/// Events as they arrive.
pub struct EventStream {
    url: String,
    bytes: futures::stream::BoxStream<'static, reqwest::Result<Vec<u8>>>,
    parser: Parser,
}

impl EventStream {
    pub(super) fn new(url: String, response: reqwest::Response) -> Self {
        let bytes = response.bytes_stream().map(|chunk| chunk.map(Vec::from)).boxed();
        Self { url, bytes, parser: Parser::default() }
    }

    /// The next event; `None` when the platform has ended the stream.
    pub async fn next(&mut self) -> Outcome<Option<Event>> {
        let Some(data) = self.next_data().await? else { return Ok(None) };
        let event = serde_json::from_str(&data)
            .map_err(|error| Failure::other(format!("an event could not be read: {error}")))?;
        Ok(Some(event))
    }

    /// The next item of a stream as it came; `None` when the platform has ended it.
    pub async fn next_data(&mut self) -> Outcome<Option<String>> {
        loop {
            if let Some(block) = self.parser.next_block()? {
                match read_block(block)? {
                    Some(data) => return Ok(Some(data)),
                    None => continue,
                }
            }
            match self.bytes.next().await {
                None => return Ok(None),
                Some(Ok(chunk)) => self.parser.push(&chunk),
                Some(Err(source)) => {
                    return Err(Failure::Http { url: self.url.clone(), source });
                }
            }
        }
    }
}

fn read_block(block: Block) -> Outcome<Option<String>> {
    if block.data.is_empty() {
        return Ok(None);
    }
    if block.name == "error" {
        return Err(Failure::Refused(Box::new(super::Problem::of_stream(&block.data))));
    }
    Ok(Some(block.data))
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Block {
    name: String,
    data: String,
}

#[derive(Default)]
struct Parser {
    buffer: Vec<u8>,
    open: Block,
}

impl Parser {
    fn push(&mut self, chunk: &[u8]) {
        self.buffer.extend_from_slice(chunk);
    }

    /// The next complete block; comments and fields that we do not use are skipped.
    fn next_block(&mut self) -> Outcome<Option<Block>> {
        while let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.buffer.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches(['\n', '\r']);
            if line.is_empty() {
                return Ok(Some(std::mem::take(&mut self.open)));
            }
            self.field(line);
        }
        if self.buffer.len() > LONGEST_LINE {
            return Err(Failure::other("the answer is no stream of events"));
        }
        Ok(None)
    }

    fn field(&mut self, line: &str) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "event" => value.clone_into(&mut self.open.name),
            "data" => {
                if !self.open.data.is_empty() {
                    self.open.data.push('\n');
                }
                self.open.data.push_str(value);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_split_anywhere_are_put_together() {
        let text = ": hello\n\nevent: message\r\ndata: {\"a\":\ndata: 1}\n\ndata:x\n\n";
        for cut in 0..text.len() {
            let (a, b) = text.as_bytes().split_at(cut);
            let mut parser = Parser::default();
            let mut found = Vec::new();
            for chunk in [a, b] {
                parser.push(chunk);
                while let Some(block) = parser.next_block().unwrap() {
                    found.push(block);
                }
            }
            let data: Vec<_> = found.iter().map(|b| b.data.as_str()).collect();
            assert_eq!(data, ["", "{\"a\":\n1}", "x"], "cut at {cut}");
            assert_eq!(found[1].name, "message");
        }
    }

    #[test]
    fn event_named_error_is_a_refusal() {
        let block = Block {
            name: "error".to_owned(),
            data: r#"{"status":403,"code":"auth.forbidden","detail":"no","instance":"i"}"#
                .to_owned(),
        };
        assert_eq!(read_block(block).unwrap_err().code(), Some("auth.forbidden"));
    }
}
