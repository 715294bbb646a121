use yard_fault::Fault;

const LONGEST: usize = 254;
const LONGEST_LOCAL: usize = 64;

/// An e-mail address in the one form that is stored and compared: lower case, and the domain as it
/// is on the wire, so that an internationalised one has one spelling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address(String);

impl Address {
    /// Reads what someone typed. Local parts that need quotes or SMTPUTF8 are not taken: no mail
    /// server can be counted on to carry them.
    ///
    /// # Errors
    /// `request.invalid` at `pointer`.
    pub(crate) fn parse(text: &str, pointer: &str) -> Result<Self, Fault> {
        normal(text.trim()).map(Self).ok_or_else(|| {
            let rule = "has to be an e-mail address of at most 254 bytes, such as ann@example.org";
            Fault::invalid(format!("{} {rule}", pointer.trim_start_matches('/')))
                .with_pointer(pointer)
        })
    }

    /// What someone typed, as it would have been stored; in lower case where it never would have been.
    pub(crate) fn typed(text: &str) -> String {
        normal(text.trim()).unwrap_or_else(|| text.trim().to_lowercase())
    }

    /// One that was stored.
    pub(crate) fn stored(text: String) -> Self {
        Self(text)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

fn normal(text: &str) -> Option<String> {
    // Nothing longer can become short enough, and nothing long is worth the work.
    if text.len() > 4 * LONGEST {
        return None;
    }
    let (local, domain) = text.rsplit_once('@')?;
    let domain = idna::domain_to_ascii_strict(domain).ok()?;
    let address = format!("{}@{domain}", local.to_ascii_lowercase());
    (is_local(local) && is_domain(&domain) && address.len() <= LONGEST).then_some(address)
}

/// `dot-atom` of RFC 5322.
fn is_local(local: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b);
    local.len() <= LONGEST_LOCAL
        && local.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(plain))
}

/// A host name, not an address in brackets.
fn is_domain(domain: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !domain.is_empty()
        && domain.len() <= 253
        && domain.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label.bytes().all(plain)
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<String> {
        Address::parse(text, "/email").ok().map(|address| address.0)
    }

    #[test]
    fn address_has_one_form_however_it_was_typed() {
        assert_eq!(read(" Ann.Lee+x@Example.ORG ").as_deref(), Some("ann.lee+x@example.org"));
        assert_eq!(read("ann@bücher.example").as_deref(), Some("ann@xn--bcher-kva.example"));
        assert_eq!(read("ann@BÜCHER.example"), read("ann@xn--bcher-kva.example"));
        assert_eq!(read("ops@localhost").as_deref(), Some("ops@localhost"));
        assert_eq!(Address::typed(" Ann@BÜCHER.example"), "ann@xn--bcher-kva.example");
        assert_eq!(Address::typed(" Änn@Example.org "), "änn@example.org");
    }

    #[test]
    fn address_that_could_carry_more_than_itself_is_refused() {
        for odd in [
            "",
            "ann",
            "@example.org",
            "ann@",
            "ann@example.org\r\nBcc: all@example.org",
            "ann@example.org, bob@example.org",
            "ann lee@example.org",
            "\"ann lee\"@example.org",
            "Ann <ann@example.org>",
            "ann..lee@example.org",
            ".ann@example.org",
            "änn@example.org",
            "ann@[127.0.0.1]",
            "ann@exa_mple.org",
            "ann@-example.org",
            "ann@example..org",
            "ann@example.org\0",
            "ann@bob@example.org",
        ] {
            assert_eq!(read(odd), None, "{odd:?}");
        }
    }

    #[test]
    fn address_is_taken_up_to_its_longest_and_not_beyond() {
        let local = "a".repeat(64);
        assert!(read(&format!("{local}@example.org")).is_some());
        assert!(read(&format!("a{local}@example.org")).is_none());
        let label = "b".repeat(63);
        let fits = format!("{local}@{label}.{label}.{}", "c".repeat(61));
        assert_eq!(fits.len(), 254);
        assert!(read(&fits).is_some());
        assert!(read(&format!("{fits}c")).is_none());
        assert!(read(&format!("ann@{}.example", "d".repeat(64))).is_none());
    }
}
