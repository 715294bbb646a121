//! What people may call themselves.

use yard_authn::password;
use yard_fault::Fault;

const LONGEST_NAME: usize = 120;

/// 1 to 120 characters on one line, trimmed.
pub(crate) fn display_name(text: &str) -> Result<String, Fault> {
    let text = text.trim();
    let length = text.chars().count();
    if (1..=LONGEST_NAME).contains(&length) && !text.chars().any(char::is_control) {
        return Ok(text.to_owned());
    }
    let rule = "display_name has to be 1 to 120 characters on one line";
    Err(Fault::invalid(rule).with_pointer("/display_name"))
}

/// Refuses a password that would not be taken, before anything is done for it.
pub(crate) fn password(text: &str) -> Result<(), Fault> {
    password::check(text)
        .map_err(|problem| Fault::invalid(problem.to_string()).with_pointer("/password"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_is_one_line_within_its_bounds() {
        assert_eq!(display_name("  Änn Lee ").unwrap(), "Änn Lee");
        assert!(display_name(&"é".repeat(120)).is_ok());
        for bad in ["", " ", "a\r\nBcc: b", &"é".repeat(121)] {
            assert_eq!(display_name(bad).unwrap_err().pointer(), Some("/display_name"), "{bad:?}");
        }
    }

    #[test]
    fn password_is_measured_before_it_is_hashed() {
        assert!(password("twelve chars").is_ok() && password(&"x".repeat(1_024)).is_ok());
        assert!(password("ünder twelf").is_err() && password(&"x".repeat(1_025)).is_err());
    }
}
