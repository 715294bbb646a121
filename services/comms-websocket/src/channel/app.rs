use std::sync::Arc;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use yard_authn::Grant;
use yard_runtime::{ConfigError, Secret};

use crate::config::SocketConfig;

/// Bytes of HMAC-SHA256.
const MAC: usize = 32;
const SHORTEST_SECRET: usize = 16;
const MOST_SECRETS: usize = 2;

/// A Pusher app: its public key, and the secret that signs joins.
#[derive(Clone)]
pub(crate) struct App {
    key: Arc<str>,
    /// The first signs, all verify.
    secrets: Arc<[hmac::Key]>,
}

impl App {
    pub(crate) fn new<'s>(key: &str, secrets: impl IntoIterator<Item = &'s [u8]>) -> Self {
        let keys = secrets.into_iter().map(|secret| hmac::Key::new(hmac::HMAC_SHA256, secret));
        Self { key: key.into(), secrets: keys.collect() }
    }

    /// Reads the secret's file: one line, or two while one secret takes over from another.
    pub(crate) fn load(config: &SocketConfig) -> Result<Self, ConfigError> {
        let option = "socket.app_secret_file";
        let text = Secret::from_file(option, &config.app_secret_file)?;
        let secrets: Vec<&[u8]> =
            text.expose().lines().map(str::as_bytes).filter(|line| !line.is_empty()).collect();
        if !(1..=MOST_SECRETS).contains(&secrets.len()) {
            return Err(ConfigError::new(option, "has to hold one secret or two, one a line"));
        }
        if secrets.iter().any(|secret| secret.len() < SHORTEST_SECRET) {
            return Err(ConfigError::new(option, "a secret needs at least 16 bytes"));
        }
        Ok(Self::new(&config.app_key, secrets))
    }

    /// Signs with the first secret.
    fn tag(&self, text: &str) -> Option<hmac::Tag> {
        self.secrets.first().map(|secret| hmac::sign(secret, text.as_bytes()))
    }

    /// Whether one of the secrets made this tag, compared in constant time.
    fn made(&self, text: &str, tag: &[u8]) -> bool {
        self.secrets.iter().any(|secret| hmac::verify(secret, text.as_bytes(), tag).is_ok())
    }

    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// `key:signature` by which `socket` may join `channel`, as a server that holds the secret makes
    /// it.
    #[cfg(test)]
    pub(crate) fn sign(&self, socket: &str, channel: &str, data: Option<&str>) -> String {
        let tag = self.tag(&signed_text(socket, channel, data)).expect("the app has a secret");
        let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{}:{hex}", self.key)
    }

    /// `key:signature.grant` by which `socket` may join `channel`; the socket that joins with it ends
    /// with the grant. Clients pass `auth` on as it is, so that they need not know.
    pub(crate) fn sign_for(&self, socket: &str, channel: &str, grant: &Grant) -> Option<String> {
        let grant = URL_SAFE_NO_PAD.encode(serde_json::to_vec(grant).ok()?);
        let tag = self.tag(&bound_text(socket, channel, &grant))?;
        let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        Some(format!("{}:{hex}.{grant}", self.key))
    }

    /// The grant of what [`App::sign_for`] gave; `None` for anything else.
    pub(crate) fn verify_for(&self, auth: &str, socket: &str, channel: &str) -> Option<Grant> {
        let (key, rest) = auth.split_once(':')?;
        let (signature, grant) = rest.split_once('.')?;
        let tag = from_hex(signature)?;
        let text = bound_text(socket, channel, grant);
        if key != &*self.key || !self.made(&text, &tag) {
            return None;
        }
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(grant).ok()?).ok()
    }

    /// Whether `auth` is `key:signature` as the Pusher protocol has it, compared in constant time.
    pub(crate) fn verify(
        &self,
        auth: &str,
        socket: &str,
        channel: &str,
        data: Option<&str>,
    ) -> bool {
        let Some((key, signature)) = auth.split_once(':') else {
            return false;
        };
        let Some(tag) = from_hex(signature) else {
            return false;
        };
        let text = signed_text(socket, channel, data);
        key == &*self.key && self.made(&text, &tag)
    }
}

fn signed_text(socket: &str, channel: &str, data: Option<&str>) -> String {
    match data {
        None => format!("{socket}:{channel}"),
        Some(data) => format!("{socket}:{channel}:{data}"),
    }
}

/// No socket's id begins so: what is signed for one purpose is of no use for the other.
fn bound_text(socket: &str, channel: &str, grant: &str) -> String {
    format!("grant:{socket}:{channel}:{grant}")
}

/// Lower-case only, as the protocol writes it.
fn from_hex(text: &str) -> Option<[u8; MAC]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let bytes = text.as_bytes();
    let mut out = [0; MAC];
    if bytes.len() != MAC * 2 {
        return None;
    }
    for (value, pair) in out.iter_mut().zip(bytes.chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *value = digit(*high)? << 4 | digit(*low)?;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The worked example of Pusher's own documentation.
    fn documented() -> App {
        App::new("278d425bdf160c739803", [b"7ad3773142a6692b25b8".as_slice()])
    }

    const PRIVATE: &str = "278d425bdf160c739803:\
        58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4";

    #[test]
    fn signature_of_the_documented_vectors_matches() {
        let app = documented();
        assert_eq!(app.sign("1234.1234", "private-foobar", None), PRIVATE);
        let data = r#"{"user_id":10,"user_info":{"name":"Mr. Channels"}}"#;
        assert_eq!(
            app.sign("1234.1234", "presence-foobar", Some(data)),
            "278d425bdf160c739803:\
             31935e7d86dba64c2a90aed31fdc61869f9b22ba9d8863bba239c03ca481bc80"
        );
    }

    #[test]
    fn signature_of_anything_else_is_refused() {
        let app = documented();
        assert!(app.verify(PRIVATE, "1234.1234", "private-foobar", None));
        assert!(!app.verify(PRIVATE, "1234.1235", "private-foobar", None));
        assert!(!app.verify(PRIVATE, "1234.1234", "private-foobaz", None));
        assert!(!app.verify(PRIVATE, "1234.1234", "private-foobar", Some("{}")));
        assert!(!App::new("other", [b"7ad3773142a6692b25b8".as_slice()]).verify(
            PRIVATE,
            "1234.1234",
            "private-foobar",
            None
        ));
        for auth in [
            "",
            ":",
            "278d425bdf160c739803",
            "278d425bdf160c739803:",
            "a:b:c",
            &PRIVATE.to_uppercase(),
        ] {
            assert!(!app.verify(auth, "1234.1234", "private-foobar", None), "{auth}");
        }
    }

    #[test]
    fn second_secret_still_verifies_while_the_first_signs() {
        let (old, new) =
            (b"7ad3773142a6692b25b8".as_slice(), b"a new secret of the app".as_slice());
        let key = "278d425bdf160c739803";
        let (before, both, after) =
            (App::new(key, [old]), App::new(key, [new, old]), App::new(key, [new]));
        assert!(both.verify(PRIVATE, "1234.1234", "private-foobar", None));
        let fresh = both.sign("1234.1234", "private-foobar", None);
        assert_eq!(fresh, after.sign("1234.1234", "private-foobar", None));
        assert!(!before.verify(&fresh, "1234.1234", "private-foobar", None));
        assert!(!after.verify(PRIVATE, "1234.1234", "private-foobar", None));
    }

    fn grant() -> Grant {
        Grant {
            person: Some("0190a6f2-7c2a-7b52-9c11-000000000001".parse().unwrap()),
            tenant: None,
            session: None,
            api_token: None,
            kid: "issuer:a".into(),
            issued_ms: 7,
            ends: Some(9),
        }
    }

    #[test]
    fn signature_for_a_grant_gives_it_back_to_its_socket_and_channel_only() {
        let app = documented();
        let auth = app.sign_for("1.1", "private-x", &grant()).unwrap();
        assert_eq!(app.verify_for(&auth, "1.1", "private-x"), Some(grant()));
        assert_eq!(app.verify_for(&auth, "1.2", "private-x"), None);
        assert_eq!(app.verify_for(&auth, "1.1", "private-y"), None);
        assert!(!app.verify(&auth, "1.1", "private-x", None), "no plain signature");
        let (signed, _) = auth.split_once('.').unwrap();
        let other = URL_SAFE_NO_PAD.encode(r#"{"kid":"x","issued_ms":1}"#);
        assert_eq!(app.verify_for(&format!("{signed}.{other}"), "1.1", "private-x"), None);
        assert_eq!(app.verify_for(signed, "1.1", "private-x"), None);
    }

    proptest! {
        #[test]
        fn verify_never_panics_and_refuses_what_was_not_signed(auth in ".{0,120}") {
            prop_assert!(!documented().verify(&auth, "1.1", "private-x", None));
        }
    }
}
