use std::fmt;
use std::ops::RangeInclusive;
use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use yard_authn::Grant;
use yard_ids::TenantId;
use yard_runtime::{ConfigError, Secret};

use super::AppSettings;
use crate::channel::{ChannelName, Topic};
use crate::config::SocketConfig;
use crate::inspection::Activity;
use crate::protocol::Closing;

/// Bytes of HMAC-SHA256.
const MAC: usize = 32;
const SHORTEST_SECRET: usize = 16;
const MOST_SECRETS: usize = 2;
/// Of tenants' apps: ten digits.
pub(super) const NUMBERS: RangeInclusive<i64> = 1_000_000_000..=9_999_999_999;

/// An app's number. Digits only: some of Pusher's libraries take nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct AppId(u64);

impl AppId {
    pub(crate) const fn new(number: u64) -> Self {
        Self(number)
    }

    pub(crate) const fn number(self) -> u64 {
        self.0
    }

    /// Reads the number of a tenant's app; anything else is nobody's.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        text.parse().ok().filter(|number| NUMBERS.contains(number)).and_then(Self::of_stored)
    }

    /// As a tenant's app's number is stored; `None` for one that no tenant's app has.
    pub(crate) fn stored(self) -> Option<i64> {
        i64::try_from(self.0).ok().filter(|number| NUMBERS.contains(number))
    }

    /// Reads [`AppId::stored`].
    pub(crate) fn of_stored(number: i64) -> Option<Self> {
        u64::try_from(number).ok().map(Self)
    }
}

impl fmt::Display for AppId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The secrets of an app: the first signs, all verify, so that one can take over from the other.
#[derive(Clone)]
pub(crate) struct Secrets(Arc<[hmac::Key]>);

impl Secrets {
    pub(crate) fn new<'s>(secrets: impl IntoIterator<Item = &'s [u8]>) -> Self {
        let keys = secrets.into_iter().map(|secret| hmac::Key::new(hmac::HMAC_SHA256, secret));
        Self(keys.collect())
    }

    /// Signs with the first secret.
    fn tag(&self, text: &[u8]) -> Option<hmac::Tag> {
        self.0.first().map(|secret| hmac::sign(secret, text))
    }

    /// Whether one of the secrets made this tag, compared in constant time.
    fn made(&self, text: &str, tag: &[u8]) -> bool {
        self.0.iter().any(|secret| hmac::verify(secret, text.as_bytes(), tag).is_ok())
    }
}

/// A Pusher app: its public key, and the secrets that sign joins, users and calls of the HTTP API.
/// Everybody shares the one of its number; what changes of it changes for all of them.
pub(crate) struct App {
    id: AppId,
    key: Box<str>,
    /// Whose it is; the platform's own has none.
    tenant: Option<TenantId>,
    state: RwLock<Arc<State>>,
    activity: Activity,
}

struct State {
    secrets: Secrets,
    settings: AppSettings,
    deleted: bool,
}

impl App {
    pub(crate) fn new(
        id: AppId,
        key: &str,
        tenant: Option<TenantId>,
        secrets: Secrets,
        settings: AppSettings,
    ) -> Self {
        let state = RwLock::new(Arc::new(State { secrets, settings, deleted: false }));
        Self { id, key: key.into(), tenant, state, activity: Activity::default() }
    }

    /// The platform's own, with the secret's file read: one line, or two while one secret takes over
    /// from another.
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
        let settings = AppSettings {
            allowed_origins: config.allowed_origins.clone(),
            client_events: config.client_events,
            client_events_per_second: config.client_events_per_second,
            max_members: config.max_members,
            recoverable_prefixes: config.recoverable_prefixes.clone(),
            ..AppSettings::default()
        };
        let id = AppId::new(config.app_id);
        Ok(Self::new(id, &config.app_key, None, Secrets::new(secrets), settings))
    }

    pub(crate) const fn id(&self) -> AppId {
        self.id
    }

    pub(crate) const fn key(&self) -> &str {
        &self.key
    }

    pub(crate) const fn tenant(&self) -> Option<TenantId> {
        self.tenant
    }

    /// What was counted of it on this instance.
    pub(crate) const fn activity(&self) -> &Activity {
        &self.activity
    }

    /// Runs with the settings as they are now.
    pub(crate) fn with_settings<T>(&self, read: impl FnOnce(&AppSettings) -> T) -> T {
        read(&self.state().settings)
    }

    /// What the app is from now on.
    pub(crate) fn change(&self, secrets: Secrets, settings: AppSettings) {
        self.set(State { secrets, settings, deleted: false });
    }

    /// The app is no more: nothing is signed by it, and nobody may be in it.
    pub(super) fn delete(&self) {
        let settings = self.with_settings(AppSettings::clone);
        self.set(State { secrets: Secrets::new([]), settings, deleted: true });
    }

    /// Why nobody may be in the app; `None` while it is open.
    pub(crate) fn refusal(&self) -> Option<Closing> {
        match &*self.state() {
            State { deleted: true, .. } => Some(Closing::UnknownApp),
            State { settings: AppSettings { enabled: false, .. }, .. } => {
                Some(Closing::AppDisabled)
            }
            State { .. } => None,
        }
    }

    fn set(&self, state: State) {
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(state);
    }

    fn state(&self) -> Arc<State> {
        Arc::clone(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What of the live bus a channel of this app carries. `Err` for a name that speaks of another
    /// tenant's: it is nobody's here.
    pub(crate) fn topic(&self, name: &ChannelName) -> Result<Option<Topic>, ForeignTenant> {
        match (Topic::of(name), self.tenant) {
            (Some(topic), Some(own)) if topic.tenant() != own => Err(ForeignTenant),
            (topic, _) => Ok(topic),
        }
    }

    /// `key:signature` of a text, as a server that holds the secret makes it.
    #[cfg(test)]
    pub(crate) fn sign(&self, text: &str) -> String {
        let tag = self.state().secrets.tag(text.as_bytes()).expect("the app has a secret");
        format!("{}:{}", self.key, to_hex(tag.as_ref()))
    }

    /// The signature of what is sent to the app's own server, in hexadecimal.
    pub(crate) fn sign_body(&self, body: &[u8]) -> Option<String> {
        self.state().secrets.tag(body).map(|tag| to_hex(tag.as_ref()))
    }

    /// `key:signature.grant` by which `socket` may join `channel`; the socket that joins with it ends
    /// with the grant. Clients pass `auth` on as it is, so that they need not know.
    pub(crate) fn sign_for(
        &self,
        socket: &str,
        channel: &str,
        data: Option<&str>,
        grant: &Grant,
    ) -> Option<String> {
        let grant = URL_SAFE_NO_PAD.encode(serde_json::to_vec(grant).ok()?);
        let tag = self.state().secrets.tag(bound_text(socket, channel, data, &grant).as_bytes())?;
        Some(format!("{}:{}.{grant}", self.key, to_hex(tag.as_ref())))
    }

    /// The grant of what [`App::sign_for`] gave; `None` for anything else.
    pub(crate) fn verify_for(
        &self,
        auth: &str,
        socket: &str,
        channel: &str,
        data: Option<&str>,
    ) -> Option<Grant> {
        let (key, rest) = auth.split_once(':')?;
        let (signature, grant) = rest.split_once('.')?;
        let tag = from_hex(signature)?;
        let text = bound_text(socket, channel, data, grant);
        if key != &*self.key || !self.state().secrets.made(&text, &tag) {
            return None;
        }
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(grant).ok()?).ok()
    }

    /// Whether `auth` is `key:signature` by which `socket` may join `channel`, as the Pusher protocol
    /// has it.
    pub(crate) fn verify(
        &self,
        auth: &str,
        socket: &str,
        channel: &str,
        data: Option<&str>,
    ) -> bool {
        self.verify_text(auth, &joined_text(socket, channel, data))
    }

    /// Whether `auth` is `key:signature` by which `socket` speaks for the user of `user_data`.
    pub(crate) fn verify_user(&self, auth: &str, socket: &str, user_data: &str) -> bool {
        self.verify_text(auth, &format!("{socket}::user::{user_data}"))
    }

    /// Whether `signature`, in hexadecimal, is of `text`. For calls of the HTTP API.
    pub(crate) fn verify_signature(&self, signature: &str, text: &str) -> bool {
        from_hex(signature).is_some_and(|tag| self.state().secrets.made(text, &tag))
    }

    fn verify_text(&self, auth: &str, text: &str) -> bool {
        let Some((key, signature)) = auth.split_once(':') else {
            return false;
        };
        let Some(tag) = from_hex(signature) else {
            return false;
        };
        key == &*self.key && self.state().secrets.made(text, &tag)
    }
}

/// A name that speaks of a tenant other than the app's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the channel is of another organisation")]
pub(crate) struct ForeignTenant;

fn joined_text(socket: &str, channel: &str, data: Option<&str>) -> String {
    match data {
        None => format!("{socket}:{channel}"),
        Some(data) => format!("{socket}:{channel}:{data}"),
    }
}

/// No socket's id begins so: what is signed for one purpose is of no use for the other. Neither a
/// channel's name nor a grant holds a colon.
fn bound_text(socket: &str, channel: &str, data: Option<&str>, grant: &str) -> String {
    format!("grant:{socket}:{channel}:{grant}:{}", data.unwrap_or_default())
}

/// Lower-case hexadecimal.
pub(crate) fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let digit = |n: u8| char::from_digit(u32::from(n), 16).unwrap_or('0');
        text.push(digit(byte >> 4));
        text.push(digit(byte & 15));
        text
    })
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
        app("278d425bdf160c739803", &[b"7ad3773142a6692b25b8"])
    }

    fn app(key: &str, secrets: &[&[u8]]) -> App {
        let secrets = Secrets::new(secrets.iter().copied());
        App::new(AppId::new(1), key, None, secrets, AppSettings::default())
    }

    const PRIVATE: &str = "278d425bdf160c739803:\
        58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4";

    #[test]
    fn signature_of_the_documented_vectors_matches() {
        let app = documented();
        assert_eq!(app.sign("1234.1234:private-foobar"), PRIVATE);
        let data = r#"{"user_id":10,"user_info":{"name":"Mr. Channels"}}"#;
        assert_eq!(
            app.sign(&format!("1234.1234:presence-foobar:{data}")),
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
        assert!(!self::app("other", &[b"7ad3773142a6692b25b8"]).verify(
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
        let (before, both, after) = (app(key, &[old]), app(key, &[new, old]), app(key, &[new]));
        assert!(both.verify(PRIVATE, "1234.1234", "private-foobar", None));
        let fresh = both.sign("1234.1234:private-foobar");
        assert_eq!(fresh, after.sign("1234.1234:private-foobar"));
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
    fn signature_of_the_documented_user_matches() {
        let user = r#"{"id":"12345"}"#;
        let auth = documented().sign(&format!("1234.1234::user::{user}"));
        assert_eq!(
            auth,
            "278d425bdf160c739803:\
             4708d583dada6a56435fb8bc611c77c359a31eebde13337c16ab43aa6de336ba"
        );
        assert!(documented().verify_user(&auth, "1234.1234", user));
        assert!(!documented().verify_user(&auth, "1234.1235", user));
        assert!(!documented().verify_user(&auth, "1234.1234", "{}"));
    }

    #[test]
    fn secrets_and_settings_change_for_everybody_who_has_the_app() {
        let app = documented();
        let settings = AppSettings { client_events: true, ..AppSettings::default() };
        app.change(Secrets::new([b"another secret of it".as_slice()]), settings);
        assert!(!app.verify(PRIVATE, "1234.1234", "private-foobar", None));
        assert!(app.with_settings(|settings| settings.client_events));
    }

    #[test]
    fn topic_of_another_tenant_is_nobodys_in_a_tenants_app() {
        let (own, other) =
            ("0190a6f2-7c2a-7b52-9c11-000000000001", "0190a6f2-7c2a-7b52-9c11-000000000002");
        let secrets = || Secrets::new([b"7ad3773142a6692b25b8".as_slice()]);
        let mine = |tenant: Option<&str>| {
            let tenant = tenant.map(|text| text.parse().unwrap());
            App::new(AppId::new(2), "k", tenant, secrets(), AppSettings::default())
        };
        let name =
            |tenant: &str| ChannelName::parse(&format!("private-organization.{tenant}")).unwrap();
        assert!(matches!(mine(Some(own)).topic(&name(own)), Ok(Some(_))));
        assert_eq!(mine(Some(own)).topic(&name(other)), Err(ForeignTenant));
        assert!(matches!(mine(None).topic(&name(other)), Ok(Some(_))));
    }

    #[test]
    fn signature_for_a_grant_gives_it_back_to_its_socket_and_channel_only() {
        let app = documented();
        let auth = app.sign_for("1.1", "private-x", None, &grant()).unwrap();
        assert_eq!(app.verify_for(&auth, "1.1", "private-x", None), Some(grant()));
        assert_eq!(app.verify_for(&auth, "1.2", "private-x", None), None);
        assert_eq!(app.verify_for(&auth, "1.1", "private-y", None), None);
        assert!(!app.verify(&auth, "1.1", "private-x", None), "no plain signature");
        let (signed, _) = auth.split_once('.').unwrap();
        let other = URL_SAFE_NO_PAD.encode(r#"{"kid":"x","issued_ms":1}"#);
        assert_eq!(app.verify_for(&format!("{signed}.{other}"), "1.1", "private-x", None), None);
        assert_eq!(app.verify_for(signed, "1.1", "private-x", None), None);
    }

    proptest! {
        #[test]
        fn verify_never_panics_and_refuses_what_was_not_signed(auth in ".{0,120}") {
            prop_assert!(!documented().verify(&auth, "1.1", "private-x", None));
        }
    }
}
