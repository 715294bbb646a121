//! Bytes that a parser has never seen: good inputs, damaged in every usual way, the same each run.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// No input that is refused may take longer, on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(2);
/// What breaks parsers: ends of ranges, lengths, tags, separators.
const INTERESTING: &[u8] = b"\x00\x01\x1f\x20\x30\x31\x7f\x80\x81\x82\x84\x88\xa0\xff-.=:/\n\"{}";
/// Longest input that is made.
const LONGEST: usize = 64 * 1024;

/// A source of damaged inputs; xorshift, so that a seed gives the same ones for ever.
#[derive(Debug)]
pub struct Mutator(u64);

impl Mutator {
    /// Any seed will do.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed ^ 0x9e37_79b9_7f4a_7c15)
    }

    fn next(&mut self) -> u64 {
        // Never zero, where xorshift would stay.
        self.0 |= 1;
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// 0 to `end - 1`.
    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % (end.max(1) as u64)).unwrap_or(0)
    }

    fn byte(&mut self) -> u8 {
        if self.below(2) == 0 {
            INTERESTING[self.below(INTERESTING.len())]
        } else {
            self.next().to_le_bytes()[3]
        }
    }

    /// One of the good inputs, damaged one to eight times.
    pub fn damaged(&mut self, good: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = good[self.below(good.len())].clone();
        for _ in 0..=self.below(8) {
            let other = good[self.below(good.len())].clone();
            self.damage(&mut bytes, &other);
        }
        bytes.truncate(LONGEST);
        bytes
    }

    fn damage(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        let at = self.below(bytes.len());
        match self.below(9) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at.min(bytes.len()), self.byte()),
            2 if !bytes.is_empty() => {
                bytes.remove(at);
            }
            3 if !bytes.is_empty() => bytes[at] ^= 1 << self.below(8),
            4 if !bytes.is_empty() => bytes[at] = self.byte(),
            // A stretch again, or one of another input in its place.
            5 => {
                let until = at + self.below(bytes.len() - at + 1);
                let stretch = bytes[at..until].to_vec();
                bytes.splice(at..at, stretch);
            }
            6 => {
                let from = self.below(other.len());
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from.min(other.len())..]);
            }
            7 => {
                let (byte, times) = (self.byte(), self.below(2_048));
                bytes.splice(at..at, std::iter::repeat_n(byte, times));
            }
            _ => {
                let noise: Vec<u8> = (0..self.below(64)).map(|_| self.byte()).collect();
                bytes.splice(at..at, noise);
            }
        }
    }
}

/// Gives a parser so many damaged inputs and the good ones. It may refuse all of them; it must not
/// panic, and not take long.
///
/// # Panics
/// With the input that was too much.
pub fn hammer(good: &[Vec<u8>], count: usize, mut parse: impl FnMut(&[u8])) {
    let mut mutator = Mutator::new(count as u64);
    for number in 0..count {
        let input = good.get(number).cloned().unwrap_or_else(|| mutator.damaged(good));
        let begun = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| parse(&input)));
        let text = String::from_utf8_lossy(&input);
        assert!(outcome.is_ok(), "input {number} makes it panic: {input:02x?} {text}");
        assert!(begun.elapsed() < PATIENCE, "input {number} takes too long: {text}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_seed_gives_the_same_inputs_and_they_differ() {
        let good = vec![b"-----BEGIN X-----".to_vec(), vec![0x30, 0x03, 2, 1, 0]];
        let make = |seed| {
            let mut mutator = Mutator::new(seed);
            (0..200).map(|_| mutator.damaged(&good)).collect::<Vec<_>>()
        };
        assert_eq!(make(1), make(1));
        assert_ne!(make(1), make(2));
        let distinct: std::collections::HashSet<_> = make(1).into_iter().collect();
        assert!(distinct.len() > 150, "{}", distinct.len());
    }

    #[test]
    #[should_panic(expected = "makes it panic")]
    fn parser_that_panics_is_found() {
        hammer(&[vec![1, 2, 3]], 1_000, |input| assert!(input.len() < 10));
    }
}
