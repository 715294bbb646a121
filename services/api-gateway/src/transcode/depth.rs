//! The shape of JSON, found without building it.

/// How deep and how much a body may hold.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Levels of arrays and objects.
    pub depth: usize,
    /// Members of objects and elements of arrays, on all levels together.
    pub members: usize,
}

/// Which limit a text exceeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Excess {
    Depth,
    Members,
}

impl Shape {
    /// Looks at brackets and commas outside strings. An array or object counts one for what is in
    /// it first, and one for each comma.
    pub(super) fn excess(self, json: &str) -> Option<Excess> {
        let (mut depth, mut members, mut in_string, mut escaped) = (0_usize, 0_usize, false, false);
        for byte in json.bytes() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if in_string => escaped = true,
                b'"' => in_string = !in_string,
                b'{' | b'[' if !in_string => {
                    depth += 1;
                    members += 1;
                }
                b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
                b',' if !in_string => members += 1,
                _ => {}
            }
            if depth > self.depth {
                return Some(Excess::Depth);
            }
            if members > self.members {
                return Some(Excess::Members);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excess(json: &str, depth: usize, members: usize) -> Option<Excess> {
        Shape { depth, members }.excess(json)
    }

    #[test]
    fn brackets_and_commas_are_counted_outside_strings_only() {
        assert_eq!(excess(r#"{"a":"[[[[[[","b":"\"[,,,["}"#, 1, 2), None);
        assert_eq!(excess("[[],[],[]]", 2, 6), None);
        assert_eq!(excess("[[[]]]", 2, 100), Some(Excess::Depth));
        assert_eq!(excess(&"[".repeat(10_000), 64, 100_000), Some(Excess::Depth));
    }

    #[test]
    fn members_are_counted_on_all_levels_to_the_last_one() {
        let list = |n: usize| format!("[{}]", vec!["0"; n].join(","));
        assert_eq!(excess(&list(100), 64, 100), None);
        assert_eq!(excess(&list(101), 64, 100), Some(Excess::Members));
        let nested = format!("{{\"a\":{},\"b\":{}}}", list(49), list(49));
        assert_eq!(excess(&nested, 64, 100), None);
        assert_eq!(excess(&nested, 64, 99), Some(Excess::Members));
    }
}
