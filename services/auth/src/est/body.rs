//! Bodies: base64 with line breaks, in both directions (RFC 8951).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Length of a line of base64.
const LINE: usize = 64;
/// Largest body of a request: a certificate request of 8 KiB in base64, with line breaks.
pub(super) const LARGEST: usize = 12 * 1024;

/// Reads a body that was sent as base64 with any white space, as RFC 8951 asks for.
pub(super) fn read(body: &[u8]) -> Option<Vec<u8>> {
    let bare: Vec<u8> = body.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    STANDARD.decode(bare).ok().filter(|der| !der.is_empty())
}

/// Base64 in lines.
pub(super) fn write(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut lines = String::with_capacity(text.len() + text.len() / LINE + 2);
    for (at, letter) in text.chars().enumerate() {
        if at > 0 && at.is_multiple_of(LINE) {
            lines.push_str("\r\n");
        }
        lines.push(letter);
    }
    lines.push_str("\r\n");
    lines
}
