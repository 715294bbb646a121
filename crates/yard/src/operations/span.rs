/// Reads `90s`, `30m`, `12h`, `7d` as seconds.
pub(crate) fn seconds(text: &str) -> Result<i32, String> {
    let wrong = || format!("{text}: a span is a number with s, m, h or d, for example 12h");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let factor = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let number: i32 = text.trim_end_matches(unit).parse().map_err(|_e| wrong())?;
    number.checked_mul(factor).filter(|seconds| *seconds > 0).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_in_their_unit_and_nonsense_is_refused() {
        assert_eq!(seconds("90s"), Ok(90));
        assert_eq!(seconds("30m"), Ok(1_800));
        assert_eq!(seconds("12h"), Ok(43_200));
        assert_eq!(seconds("7d"), Ok(604_800));
        for text in ["", "s", "12", "-1h", "0s", "1w", "99999999d", "hh"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
