//! How deep JSON nests, found without building it.

/// Whether brackets outside strings nest deeper than `limit`.
pub(super) fn exceeds(json: &str, limit: usize) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                if depth > limit {
                    return true;
                }
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_are_counted_outside_strings_only() {
        assert!(!exceeds(r#"{"a":"[[[[[[","b":"\"[[["}"#, 1));
        assert!(!exceeds("[[],[],[]]", 2));
        assert!(exceeds("[[[]]]", 2));
        assert!(exceeds(&"[".repeat(10_000), 64));
    }
}
