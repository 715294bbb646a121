//! Parameters as OAuth has them: form-encoded, each at most once.

use super::answer::OauthError;

/// Parameters beyond are nobody's.
const MOST: usize = 32;

/// The parameters of one request.
#[derive(Debug, Clone, Default)]
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    /// Empty values count as absent (RFC 6749 section 3.1).
    pub(super) fn read(encoded: &str) -> Self {
        let pairs = form_urlencoded::parse(encoded.as_bytes());
        let pairs = pairs.filter(|(_, value)| !value.is_empty()).take(MOST);
        Self(pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
    }

    /// A parameter.
    ///
    /// # Errors
    /// `invalid_request` when it stands there twice.
    pub(super) fn get(&self, name: &str) -> Result<Option<&str>, OauthError> {
        let mut values = self.0.iter().filter(|(known, _)| known == name);
        match (values.next(), values.next()) {
            (Some(_), Some(_)) => {
                Err(OauthError::new("invalid_request", "a parameter is repeated"))
            }
            (first, _) => Ok(first.map(|(_, value)| value.as_str())),
        }
    }

    /// A parameter that has to be there.
    ///
    /// # Errors
    /// `invalid_request` when it is not, or is there twice.
    pub(super) fn need(&self, name: &'static str) -> Result<&str, OauthError> {
        let missing = || OauthError::new("invalid_request", format!("{name} is missing"));
        self.get(name)?.ok_or_else(missing)
    }
}

/// Adds parameters to a URL that may have some.
pub(super) fn append(url: &str, parameters: &[(&str, &str)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(parameters);
    let mark = if url.contains('?') { '&' } else { '?' };
    format!("{url}{mark}{}", query.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameter_is_there_once_or_not_at_all() {
        let form = Form::read("a=1&b=x%20y+z&c=&d=1&d=2");
        assert_eq!(form.get("a").unwrap(), Some("1"));
        assert_eq!(form.need("b").unwrap(), "x y z");
        assert_eq!(form.get("c").unwrap(), None);
        assert!(form.need("c").is_err() && form.need("e").is_err());
        assert!(form.get("d").is_err());
    }

    #[test]
    fn what_is_appended_stays_what_it_was() {
        let to = append("https://x.example/cb?a=1", &[("state", "ä&b=c#d"), ("code", "yac_x")]);
        assert_eq!(to, "https://x.example/cb?a=1&state=%C3%A4%26b%3Dc%23d&code=yac_x");
        assert_eq!(append("app.example:/cb", &[("a", "1")]), "app.example:/cb?a=1");
    }
}
