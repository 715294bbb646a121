//! Random bytes for passwords and folder names, from the kernel.

use std::fs::File;
use std::io::Read;

use crate::error::{Doing, Result};

/// `bytes` random bytes as lower-case hexadecimal.
pub fn hex(bytes: usize) -> Result<String> {
    let mut raw = vec![0_u8; bytes];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut raw))
        .doing(|| "read /dev/urandom".into())?;
    Ok(raw.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A random number below `bound`, which must not be zero. The slight bias does not matter here.
pub fn below(bound: u32) -> Result<u32> {
    let mut raw = [0_u8; 4];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut raw))
        .doing(|| "read /dev/urandom".into())?;
    Ok(u32::from_le_bytes(raw) % bound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_of_sixteen_bytes_has_thirty_two_digits_and_differs_each_time() {
        let (first, second) = (hex(16).unwrap(), hex(16).unwrap());
        assert_eq!(first.len(), 32);
        assert_ne!(first, second);
    }
}
