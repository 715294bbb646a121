//! WebSocket frames as a client sees and makes them (RFC 6455 section 5), with no buffer of its own
//! for a socket that is between two frames.

/// A whole message in one frame.
pub(super) const TEXT: u8 = 1;
pub(super) const CLOSE: u8 = 8;

/// Cuts what a server sends into frames.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// The beginning of a frame whose rest is on its way.
    begun: Vec<u8>,
}

impl Frames {
    /// Gives each frame that is whole: its opcode and what it holds.
    pub(super) fn cut(&mut self, came: &[u8], mut each: impl FnMut(u8, &[u8])) {
        if self.begun.is_empty() {
            let used = whole(came, &mut each);
            self.begun.extend_from_slice(came.get(used..).unwrap_or_default());
        } else {
            self.begun.extend_from_slice(came);
            let used = whole(&self.begun, &mut each);
            self.begun.drain(..used);
        }
        if self.begun.is_empty() {
            self.begun = Vec::new();
        }
    }
}

/// How many bytes the whole frames at the beginning are.
fn whole(bytes: &[u8], each: &mut impl FnMut(u8, &[u8])) -> usize {
    let mut used = 0;
    while let Some(rest) = bytes.get(used..) {
        let Some((opcode, header, length)) = head(rest) else { break };
        let Some(held) = rest.get(header..header + length) else { break };
        each(opcode, held);
        used += header + length;
    }
    used
}

/// Opcode, bytes of the head and of what follows. Servers do not mask.
fn head(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    match *bytes {
        [first, 126, high, low, ..] => {
            Some((first & 15, 4, usize::from(u16::from_be_bytes([high, low]))))
        }
        [first, 127, a, b, c, d, e, f, g, h, ..] => {
            let length = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
            Some((first & 15, 10, usize::try_from(length).ok()?))
        }
        [first, length @ 0..=125, ..] => Some((first & 15, 2, usize::from(length))),
        _ => None,
    }
}

/// Appends a text message as a client sends it. The mask is zero, so that what is masked stays as it
/// is: a mask guards proxies, of which there is none here.
pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    let length = u16::try_from(text.len()).expect("what the bench sends is short");
    out.push(0x80 | TEXT);
    match u8::try_from(length) {
        Ok(short @ 0..=125) => out.push(0x80 | short),
        _ => {
            out.push(0x80 | 126);
            out.extend_from_slice(&length.to_be_bytes());
        }
    }
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_cut_wherever_the_network_cuts_them() {
        let long = "x".repeat(300);
        let mut sent = vec![0x81, 2, b'h', b'i', 0x88, 2, 0x10, 0x68, 0x81, 126, 1, 44];
        sent.extend_from_slice(long.as_bytes());
        for size in 1..sent.len() {
            let (mut frames, mut heard) = (Frames::default(), Vec::new());
            for part in sent.chunks(size) {
                frames.cut(part, |opcode, held| heard.push((opcode, held.to_vec())));
            }
            let expected = [
                (TEXT, b"hi".to_vec()),
                (CLOSE, vec![0x10, 0x68]),
                (TEXT, long.clone().into_bytes()),
            ];
            assert_eq!(heard, expected, "{size}");
            assert_eq!(frames.begun.capacity(), 0, "{size}");
        }
    }

    #[test]
    fn text_is_put_with_its_length_and_an_empty_mask() {
        let mut out = Vec::new();
        put_text(&mut out, "hi");
        assert_eq!(out, [0x81, 0x82, 0, 0, 0, 0, b'h', b'i']);
        out.clear();
        put_text(&mut out, &"x".repeat(126));
        assert_eq!(out.get(..8), Some([0x81, 0xfe, 0, 126, 0, 0, 0, 0].as_slice()));
    }
}
