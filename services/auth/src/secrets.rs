//! Secrets come from the system's randomness, never from [`yard_ids::IdSource`], which a test may
//! foresee. Stored are only their SHA-256: they are random and long, so that a slow hash would add
//! nothing.

use aws_lc_rs::digest;
use yard_fault::Fault;

/// `N` random bytes.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Fault> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|_unspecified| Fault::internal("the system gives no random numbers"))?;
    Ok(bytes)
}

/// SHA-256 of a text.
pub(crate) fn sha256(text: &str) -> [u8; 32] {
    sha256_of(text.as_bytes())
}

/// SHA-256 of bytes.
pub(crate) fn sha256_of(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    hash
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        text
    })
}
