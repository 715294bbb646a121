//! The authorization request (RFC 6749 section 4.1.1, OpenID Connect Core section 3.1.2.1).

use uuid::Uuid;

use super::answer::OauthError;
use super::form::{self, Form};
use super::redirect;
use super::scope;
use super::store::Client;

const LONGEST_STATE: usize = 1_024;
const LONGEST_NONCE: usize = 256;
/// SHA-256 in base64url.
const CHALLENGE: usize = 43;
/// How old a sign-in may be where a client asks for a new one.
const JUST_NOW: u32 = 60;

/// A request of which only the client and the way back to it are known to be good.
#[derive(Debug)]
pub(super) struct Addressed {
    form: Form,
    pub(super) redirect_uri: String,
    state: Option<String>,
}

/// What a client asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) scopes: Vec<String>,
    pub(super) code_challenge: String,
    pub(super) nonce: Option<String>,
    /// The person's proof may be so many seconds old.
    pub(super) max_age: Option<u32>,
    /// The person must not be shown anything.
    pub(super) silent: bool,
    /// The person has to be asked, whosever the client is.
    pub(super) consent: bool,
}

/// The client that a request names. Without one there is nobody to be told of an error.
pub(super) fn client_of(query: &str) -> Option<Uuid> {
    Form::read(query).need("client_id").ok().and_then(|id| Uuid::try_parse(id).ok())
}

impl Addressed {
    /// Finds the way back. It is never taken from the request alone.
    pub(super) fn of(query: &str, client: &Client) -> Option<Self> {
        let form = Form::read(query);
        let uri = form.need("redirect_uri").ok()?.to_owned();
        let known = client.redirect_uris.iter().any(|one| redirect::matches(one, &uri));
        let state = form.get("state").ok().flatten().map(str::to_owned);
        known.then_some(Self { form, redirect_uri: uri, state })
    }

    /// Reads the rest.
    ///
    /// # Errors
    /// What the client is told.
    pub(super) fn read(&self, client: &Client) -> Result<Asked, OauthError> {
        let wrong = |text: &str| Err(OauthError::new("invalid_request", text));
        let form = &self.form;
        for (name, error) in
            [("request", "request_not_supported"), ("request_uri", "request_uri_not_supported")]
        {
            if form.get(name)?.is_some() {
                return Err(OauthError::new(error, "parameters are taken from the query only"));
            }
        }
        if form.need("response_type")? != "code" {
            return Err(OauthError::new(
                "unsupported_response_type",
                "response_type has to be code",
            ));
        }
        if form.get("response_mode")?.is_some_and(|mode| mode != "query") {
            return wrong("response_mode has to be query");
        }
        if form.get("state")?.is_some_and(|state| state.len() > LONGEST_STATE) {
            return wrong("state is longer than 1024 bytes");
        }
        if form.get("code_challenge_method")? != Some("S256") {
            return wrong("code_challenge_method has to be S256");
        }
        let code_challenge = form.need("code_challenge")?.to_owned();
        let letter = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if code_challenge.len() != CHALLENGE || !code_challenge.bytes().all(letter) {
            return wrong("code_challenge has to be 43 characters of base64url");
        }
        let nonce = form.get("nonce")?.map(str::to_owned);
        if nonce.as_ref().is_some_and(|n| n.len() > LONGEST_NONCE || n.contains('\0')) {
            return wrong("nonce is longer than 256 bytes");
        }
        let max_age = form.get("max_age")?.map(str::parse::<u32>).transpose();
        let Ok(max_age) = max_age else {
            return wrong("max_age has to be a number of seconds");
        };
        let prompt: Vec<&str> = form.get("prompt")?.unwrap_or_default().split(' ').collect();
        let silent = prompt.contains(&"none");
        if silent && prompt.len() > 1 {
            return wrong("prompt=none stands alone");
        }
        let anew = prompt.contains(&"login").then_some(JUST_NOW);
        Ok(Asked {
            scopes: scope::read(form.get("scope")?.unwrap_or_default(), &client.abilities)?,
            code_challenge,
            nonce,
            max_age: anew.into_iter().chain(max_age).min(),
            silent,
            consent: prompt.contains(&"consent"),
        })
    }

    /// The way back with an answer. It names the issuer, so that a client of several is not mixed up
    /// (RFC 9207).
    pub(super) fn back(&self, issuer: &str, answer: &[(&str, &str)]) -> String {
        let mut parameters = answer.to_vec();
        parameters.push(("iss", issuer));
        if let Some(state) = &self.state {
            parameters.push(("state", state));
        }
        form::append(&self.redirect_uri, &parameters)
    }

    /// The way back with an error.
    pub(super) fn back_with(&self, issuer: &str, error: &OauthError) -> String {
        let answer = [("error", error.error), ("error_description", error.description.as_str())];
        self.back(issuer, &answer)
    }
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::*;

    const GOOD: &str = "response_type=code&client_id=x&redirect_uri=https%3A%2F%2Fa.example%2Fcb\
        &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256\
        &scope=openid+devices.read&state=s%20t&nonce=n";

    fn client() -> Client {
        Client {
            id: Uuid::nil(),
            tenant_id: Uuid::nil(),
            name: "x".to_owned(),
            redirect_uris: vec!["https://a.example/cb".to_owned()],
            abilities: vec!["devices.read".to_owned()],
            first_party: false,
            created_at: OffsetDateTime::UNIX_EPOCH,
            deleted_at: None,
        }
    }

    fn read(query: &str) -> Result<Asked, &'static str> {
        let client = client();
        let addressed = Addressed::of(query, &client).ok_or("page")?;
        addressed.read(&client).map_err(|error| error.error)
    }

    #[test]
    fn request_is_read_as_a_whole() {
        let asked = read(GOOD).unwrap();
        assert_eq!(asked.scopes, ["devices.read", "openid"]);
        assert_eq!((asked.nonce.as_deref(), asked.max_age), (Some("n"), None));
        assert!(!asked.silent && !asked.consent);
        let twice = read(&format!("{GOOD}&max_age=600&prompt=login%20consent")).unwrap();
        assert_eq!((twice.max_age, twice.consent), (Some(JUST_NOW), true));
        assert_eq!(read(&format!("{GOOD}&max_age=0&prompt=login")).unwrap().max_age, Some(0));
    }

    #[test]
    fn each_error_is_told_to_whom_it_may_be_told() {
        let without = |name: &str| {
            let kept = GOOD.split('&').filter(|pair| !pair.starts_with(&format!("{name}=")));
            kept.collect::<Vec<_>>().join("&")
        };
        let with = |more: &str| format!("{GOOD}&{more}");
        let instead = |name: &str, value: &str| format!("{}&{name}={value}", without(name));
        for (query, expected) in [
            (without("redirect_uri"), "page"),
            (with("redirect_uri=https%3A%2F%2Fa.example%2Fcb"), "page"),
            (instead("redirect_uri", "https%3A%2F%2Fa.example%2Fcb%2F"), "page"),
            (instead("redirect_uri", "https%3A%2F%2Fevil.example%2Fcb"), "page"),
            (without("response_type"), "invalid_request"),
            (instead("response_type", "token"), "unsupported_response_type"),
            (instead("response_type", "code%20id_token"), "unsupported_response_type"),
            (without("code_challenge"), "invalid_request"),
            (without("code_challenge_method"), "invalid_request"),
            (instead("code_challenge_method", "plain"), "invalid_request"),
            (instead("code_challenge", "short"), "invalid_request"),
            (instead("code_challenge", &"+".repeat(43)), "invalid_request"),
            (with("response_mode=fragment"), "invalid_request"),
            (with("state=again"), "invalid_request"),
            (with("nonce=again"), "invalid_request"),
            (instead("state", &"s".repeat(1_025)), "invalid_request"),
            (instead("nonce", &"n".repeat(257)), "invalid_request"),
            (with("max_age=soon"), "invalid_request"),
            (with("max_age=-1"), "invalid_request"),
            (with("prompt=none%20login"), "invalid_request"),
            (with("request=eyJ"), "request_not_supported"),
            (with("request_uri=https%3A%2F%2Fx"), "request_uri_not_supported"),
            (instead("scope", "tenant.manage"), "invalid_scope"),
        ] {
            assert_eq!(read(&query).err(), Some(expected), "{query}");
        }
        assert!(read(&instead("state", &"s".repeat(1_024))).is_ok());
        assert!(read(&instead("nonce", &"n".repeat(256))).is_ok());
    }

    #[test]
    fn way_back_names_the_issuer_and_keeps_the_state() {
        let client = client();
        let addressed = Addressed::of(GOOD, &client).unwrap();
        let back = addressed.back("https://yard.example", &[("code", "c")]);
        let expected = "https://a.example/cb?code=c&iss=https%3A%2F%2Fyard.example&state=s+t";
        assert_eq!(back, expected);
    }
}
