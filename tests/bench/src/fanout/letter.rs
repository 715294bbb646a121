//! What the bench says: who says it, which it is, and when it was said, so that every receiver can
//! tell what is missing and how long it took.

use std::fmt::Write as _;

/// Where a message's data begins in a frame of Pusher's.
const DATA: &[u8] = b"\"data\":\"";
/// Digits of publisher, number and time.
const PUBLISHER: usize = 2;
const NUMBER: usize = 8;
const TIME: usize = 16;
/// Shortest data that holds it all, bytes.
pub(super) const SHORTEST: usize = PUBLISHER + NUMBER + TIME;

/// What was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Letter {
    /// Below 256.
    pub(super) publisher: usize,
    /// Counts from 0.
    pub(super) number: u32,
    /// Nanoseconds since the beginning of the run.
    pub(super) at: u64,
}

impl Letter {
    /// As text of so many bytes, none of which JSON would escape.
    pub(super) fn write(self, bytes: usize) -> String {
        let mut text = String::with_capacity(bytes);
        let Self { publisher, number, at } = self;
        write!(text, "{publisher:02x}{number:08x}{at:016x}").expect("memory takes all");
        text.extend(std::iter::repeat_n('x', bytes.saturating_sub(SHORTEST)));
        text
    }

    /// Reads the data of a frame. `near` is where the last one began, which saves the search.
    pub(super) fn read(frame: &[u8], near: &mut usize) -> Option<Self> {
        if !frame.get(*near..).is_some_and(|rest| rest.starts_with(DATA)) {
            *near = frame.windows(DATA.len()).position(|part| part == DATA)?;
        }
        let data = frame.get(*near + DATA.len()..)?;
        let (publisher, rest) = data.split_at_checked(PUBLISHER)?;
        let (number, rest) = rest.split_at_checked(NUMBER)?;
        let at = rest.get(..TIME)?;
        Some(Self {
            publisher: usize::try_from(hex(publisher)?).ok()?,
            number: u32::try_from(hex(number)?).ok()?,
            at: hex(at)?,
        })
    }
}

fn hex(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |value, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(value << 4 | u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letter_is_read_from_a_frame_wherever_its_data_is() {
        let letter = Letter { publisher: 9, number: 77, at: 123_456_789_012 };
        let data = letter.write(128);
        assert_eq!(data.len(), 128);
        let mut near = 0;
        for frame in [
            format!(r#"{{"event":"bench","channel":"bench","data":"{data}"}}"#),
            format!(r#"{{"event":"bench","channel":"bench-7","data":"{data}"}}"#),
            format!(r#"{{"channel":"b","data":"{data}","event":"bench"}}"#),
        ] {
            assert_eq!(Letter::read(frame.as_bytes(), &mut near), Some(letter), "{frame}");
        }
        assert_eq!(Letter::read(br#"{"event":"x","data":"{}"}"#, &mut near), None);
    }
}
