//! As much of CBOR (RFC 8949) as authenticators may write (CTAP 2.1, 8): definite lengths, no tags, at
//! most four levels. Everything read is a part of the input; nothing is allocated.

use super::Refused;

/// Levels of arrays and maps in what is passed over.
const DEEPEST: usize = 4;
/// Members of one array or map; more is no authenticator's.
const MOST_MEMBERS: u64 = 64;

const MALFORMED: Refused = Refused("malformed CBOR");

const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const SIMPLE: u8 = 7;

/// Reads items off the front of some bytes.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) fn int(&mut self) -> Result<i64, Refused> {
        let (major, argument) = self.head()?;
        let value = i64::try_from(argument).map_err(|_large| MALFORMED)?;
        match major {
            UNSIGNED => Ok(value),
            NEGATIVE => Ok(-1 - value),
            _ => Err(MALFORMED),
        }
    }

    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Refused> {
        match self.head()? {
            (BYTES, length) => self.take(length),
            _ => Err(MALFORMED),
        }
    }

    pub(super) fn text(&mut self) -> Result<&'a str, Refused> {
        match self.head()? {
            (TEXT, length) => self.text_of(length),
            _ => Err(MALFORMED),
        }
    }

    /// The number of members of a map, whose keys and values come next.
    pub(super) fn map(&mut self) -> Result<u64, Refused> {
        match self.head()? {
            (MAP, members) if members <= MOST_MEMBERS => Ok(members),
            _ => Err(MALFORMED),
        }
    }

    /// Passes over a map, whatever is in it.
    pub(super) fn skip_map(&mut self) -> Result<(), Refused> {
        match self.head()? {
            (MAP, members) => self.skip_members(members, DEEPEST - 1),
            _ => Err(MALFORMED),
        }
    }

    /// What was not read yet.
    pub(super) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Nothing may be left.
    pub(super) const fn end(&self) -> Result<(), Refused> {
        if self.rest.is_empty() { Ok(()) } else { Err(MALFORMED) }
    }

    fn skip(&mut self, levels: usize) -> Result<(), Refused> {
        match self.head()? {
            (UNSIGNED | NEGATIVE | SIMPLE, _) => Ok(()),
            (BYTES, length) => self.take(length).map(drop),
            (TEXT, length) => self.text_of(length).map(drop),
            (ARRAY, members) if levels > 0 && members <= MOST_MEMBERS => {
                (0..members).try_for_each(|_| self.skip(levels - 1))
            }
            (MAP, members) if levels > 0 => self.skip_members(members, levels - 1),
            _ => Err(MALFORMED),
        }
    }

    fn skip_members(&mut self, members: u64, levels: usize) -> Result<(), Refused> {
        if members > MOST_MEMBERS {
            return Err(MALFORMED);
        }
        let mut keys: Vec<&[u8]> = Vec::new();
        for _ in 0..members {
            let before = self.rest;
            self.skip(levels)?;
            let (key, _value) = before.split_at(before.len() - self.rest.len());
            if keys.contains(&key) {
                return Err(MALFORMED);
            }
            keys.push(key);
            self.skip(levels)?;
        }
        Ok(())
    }

    /// The kind of an item, and its value or length.
    fn head(&mut self) -> Result<(u8, u64), Refused> {
        let (&first, rest) = self.rest.split_first().ok_or(MALFORMED)?;
        self.rest = rest;
        let length = match first & 0x1f {
            small @ 0..=23 => return Ok((first >> 5, u64::from(small))),
            24 => 1,
            25 => 2,
            26 => 4,
            27 => 8,
            // Reserved, or of indefinite length.
            _ => return Err(MALFORMED),
        };
        let argument = self.take(length)?.iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte));
        Ok((first >> 5, argument))
    }

    fn text_of(&mut self, length: u64) -> Result<&'a str, Refused> {
        std::str::from_utf8(self.take(length)?).map_err(|_invalid| MALFORMED)
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], Refused> {
        let length = usize::try_from(length).map_err(|_large| MALFORMED)?;
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(MALFORMED)?;
        self.rest = rest;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;
    use yard_testkit::hammer;

    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        HEXLOWER.decode(text.as_bytes()).unwrap()
    }

    fn skipped(text: &str) -> bool {
        let bytes = hex(text);
        let mut reader = Reader::new(&bytes);
        reader.skip_map().and_then(|()| reader.end()).is_ok()
    }

    #[test]
    fn integers_are_those_of_rfc_8949() {
        // Appendix A.
        for (text, value) in [
            ("00", 0),
            ("17", 23),
            ("1818", 24),
            ("1903e8", 1_000),
            ("1a000f4240", 1_000_000),
            ("1b000000e8d4a51000", 1_000_000_000_000),
            ("20", -1),
            ("3863", -100),
            ("390100", -257),
            ("1b7fffffffffffffff", i64::MAX),
            ("3b7fffffffffffffff", i64::MIN),
        ] {
            assert_eq!(Reader::new(&hex(text)).int(), Ok(value), "{text}");
        }
        for text in ["", "18", "1903", "1bffffffffffffffff", "3bffffffffffffffff", "40", "f4", "1f"]
        {
            assert_eq!(Reader::new(&hex(text)).int(), Err(MALFORMED), "{text}");
        }
    }

    #[test]
    fn strings_are_whole_definite_and_of_their_kind() {
        assert_eq!(Reader::new(&hex("4401020304")).bytes(), Ok([1, 2, 3, 4].as_slice()));
        assert_eq!(Reader::new(&hex("62c3bc")).text(), Ok("ü"));
        for text in ["44010203", "5f42010243030405ff", "6449455446", "5bffffffffffffffff01"] {
            assert!(Reader::new(&hex(text)).bytes().is_err(), "{text}");
        }
        for text in ["62c328", "62c3", "4161", "7f657374726561646d696e67ff"] {
            assert!(Reader::new(&hex(text)).text().is_err(), "{text}");
        }
    }

    #[test]
    fn map_that_is_passed_over_is_well_formed() {
        for good in ["a0", "a201020304", "a26161016162820203", "a101a101a101a101f6", "a161610a"] {
            assert!(skipped(good), "{good}");
        }
        for (bad, why) in [
            ("", "nothing"),
            ("80", "no map"),
            ("a1", "no members"),
            ("a101", "no value"),
            ("a20102", "a member too few"),
            ("a0a0", "more after it"),
            ("a201020103", "a key twice"),
            ("a101a201020103", "a key twice, inside"),
            ("bf0102ff", "of indefinite length"),
            ("a101c11a514b67b0", "a tag"),
            ("a101a101a101a101a0", "five levels"),
            ("a101818181818100", "levels of arrays"),
            ("a10161ff", "no UTF-8"),
            ("bb000000010000000001", "longer than there are bytes"),
            ("a1019bffffffffffffffff", "an array without end"),
        ] {
            assert!(!skipped(bad), "{why}");
        }
        // 64 members are the most.
        let members = |count: u8| {
            let mut bytes = vec![0xb8, count];
            (0..count).for_each(|key| bytes.extend([0x18, key, 0]));
            let mut reader = Reader::new(&bytes);
            reader.skip_map().and_then(|()| reader.end()).is_ok()
        };
        assert!(members(64) && !members(65));
    }

    #[test]
    fn any_bytes_are_read_or_refused() {
        let good = ["a0", "a26161016162820203", "a101a101a101a101f6", "a201020304"].map(hex);
        hammer(&good, 4_000, |bytes| {
            for read in [
                |reader: &mut Reader<'_>| reader.skip_map().is_ok(),
                |reader: &mut Reader<'_>| reader.map().is_ok(),
                |reader: &mut Reader<'_>| reader.int().is_ok(),
                |reader: &mut Reader<'_>| reader.bytes().is_ok(),
                |reader: &mut Reader<'_>| reader.text().is_ok(),
            ] {
                let mut reader = Reader::new(bytes);
                let read = read(&mut reader);
                assert!(reader.rest().len() < bytes.len() || !read);
            }
        });
    }
}
