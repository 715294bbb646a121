//! An authenticator app, and people who have one.

use aws_lc_rs::hmac;
use data_encoding::BASE32_NOPAD;
use time::OffsetDateTime;
use tonic::{Response, Status};
use yard_contracts::identity::v1 as wire;
use yard_contracts::identity::v1::{
    CompleteLoginRequest, LoginResponse, SessionDelivery, SignInChallenge,
};
use yard_ids::Clock as _;

use crate::support::{Auth, PASSWORD, bearer, credentials};

/// What an app does with the secret that it was shown (RFC 6238).
pub(crate) struct App(Vec<u8>);

impl App {
    pub(crate) fn of(secret: &str) -> Self {
        Self(BASE32_NOPAD.decode(secret.as_bytes()).unwrap())
    }

    pub(crate) fn code(&self, at: OffsetDateTime) -> String {
        let step = at.unix_timestamp() / 30;
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.0);
        let tag = hmac::sign(&key, &step.to_be_bytes());
        let at = usize::from(tag.as_ref()[19] & 0x0f);
        let number = u32::from_be_bytes(tag.as_ref()[at..at + 4].try_into().unwrap());
        format!("{:06}", (number & 0x7fff_ffff) % 1_000_000)
    }

    /// A code that is none of those that are taken now.
    pub(crate) fn wrong(&self, at: OffsetDateTime) -> String {
        let near: Vec<_> =
            (-1..=1).map(|step| self.code(at + time::Duration::seconds(30 * step))).collect();
        (0..).map(|n| format!("{n:06}")).find(|code| !near.contains(code)).unwrap()
    }
}

/// A person with an authenticator app, and what they were shown when they enrolled it.
pub(crate) struct Person {
    pub(crate) email: &'static str,
    pub(crate) app: App,
    pub(crate) recovery_codes: Vec<String>,
    /// The session in which it was enrolled.
    pub(crate) session: String,
}

impl Person {
    /// Signs in by password and enrols an app; afterwards none of its codes was used at this time.
    pub(crate) async fn enrolled(auth: &Auth, email: &'static str, tenant: &str) -> Self {
        let session = auth.session(email, tenant).await;
        let token = auth.exchange(&session).await.unwrap();
        let (app, change) = enrol(auth, &token).await;
        auth.clock.advance(time::Duration::seconds(60));
        Self { email, app, recovery_codes: change.recovery_codes, session }
    }

    /// Shows the password.
    pub(crate) async fn challenge(&self, auth: &Auth, tenant: &str) -> SignInChallenge {
        let answer = auth.sessions().login(credentials(self.email, PASSWORD, tenant)).await;
        answer.unwrap().into_inner().challenge.unwrap()
    }

    pub(crate) fn code(&self, auth: &Auth) -> String {
        self.app.code(auth.clock.now())
    }

    /// Signs in with both and returns the session's token.
    pub(crate) async fn sign_in(&self, auth: &Auth, tenant: &str) -> String {
        let challenge = self.challenge(auth, tenant).await;
        let answer = complete(auth, &challenge, &self.code(auth), "").await;
        auth.clock.advance(time::Duration::seconds(60));
        answer.unwrap().into_inner().session_token
    }
}

pub(crate) async fn enrol(auth: &Auth, token: &str) -> (App, wire::FactorChange) {
    let begin = bearer(wire::BeginTotpEnrollmentRequest {}, token);
    let shown = auth.factors().begin_totp_enrollment(begin).await.unwrap().into_inner();
    let app = App::of(&shown.secret);
    let code = app.code(auth.clock.now());
    let confirm = bearer(wire::ConfirmTotpEnrollmentRequest { code }, token);
    let change = auth.factors().confirm_totp_enrollment(confirm).await.unwrap();
    assert_eq!(change.metadata().get("yard-session-changed").unwrap(), "1");
    (app, change.into_inner())
}

pub(crate) async fn complete(
    auth: &Auth,
    challenge: &SignInChallenge,
    totp_code: &str,
    recovery_code: &str,
) -> Result<Response<LoginResponse>, Status> {
    let request = CompleteLoginRequest {
        challenge_token: challenge.challenge_token.clone(),
        totp_code: totp_code.to_owned(),
        recovery_code: recovery_code.to_owned(),
        delivery: SessionDelivery::Token.into(),
        passkey: None,
    };
    auth.sessions().complete_login(request).await
}
