//! People with passkeys, and what their browsers do.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tonic::{Response, Status};
use yard_contracts::identity::v1 as wire;
use yard_contracts::identity::v1::SessionDelivery;
use yard_fault::Code;
use yard_testkit::{Answered, Authenticator, Created, KeyKind};

use crate::support::{Auth, bearer, code};

/// The host of the tests' console.
pub(crate) const DOMAIN: &str = "yard.test";

/// Somebody with a passkey, and what they were shown when they registered it.
pub(crate) struct Holder {
    pub(crate) authenticator: Authenticator,
    pub(crate) passkey: wire::Passkey,
    pub(crate) recovery_codes: Vec<String>,
    /// The session in which it was registered.
    pub(crate) session: String,
}

impl Holder {
    /// Signs in by password and registers a passkey.
    pub(crate) async fn registered(auth: &Auth, email: &str, tenant: &str) -> Self {
        let session = auth.session(email, tenant).await;
        let token = auth.exchange(&session).await.unwrap();
        let mut authenticator = Authenticator::new(KeyKind::Es256, DOMAIN);
        let added = register(auth, &token, &mut authenticator).await;
        let passkey = added.passkey.unwrap();
        Self { authenticator, passkey, recovery_codes: added.recovery_codes, session }
    }

    /// Answers a challenge for any passkey.
    pub(crate) fn answer(&mut self, challenge: &wire::PasskeyChallenge) -> wire::PasskeyAssertion {
        let options = challenge.options.as_ref().unwrap();
        assertion(&self.authenticator.get(&options.challenge))
    }

    /// Signs in by nothing else and returns the session's token.
    pub(crate) async fn sign_in(&mut self, auth: &Auth, tenant: &str) -> Result<String, Status> {
        let challenge = begin_sign_in(auth).await;
        let assertion = self.answer(&challenge);
        let answer = sign_in(auth, &challenge, assertion, tenant).await?;
        Ok(answer.into_inner().session_token)
    }
}

pub(crate) async fn begin(auth: &Auth, token: &str) -> Result<wire::PasskeyRegistration, Status> {
    let request = bearer(wire::BeginPasskeyRegistrationRequest {}, token);
    Ok(auth.passkeys().begin_passkey_registration(request).await?.into_inner())
}

/// Lets the authenticator know whose passkey it makes, and makes it.
pub(crate) fn create(own: &mut Authenticator, begun: &wire::PasskeyRegistration) -> Created {
    let options = begun.options.as_ref().unwrap();
    own.user_handle = URL_SAFE_NO_PAD.decode(&options.user_id).unwrap();
    own.create(&options.challenge)
}

pub(crate) async fn complete(
    auth: &Auth,
    token: &str,
    begun: &wire::PasskeyRegistration,
    created: &Created,
) -> Result<Response<wire::PasskeyAdded>, Status> {
    let [client_data_json, attestation_object] = created.in_base64url();
    let transports = vec!["internal".to_owned(), "hybrid".to_owned()];
    let attestation =
        Some(wire::PasskeyAttestation { client_data_json, attestation_object, transports });
    let request = wire::CompletePasskeyRegistrationRequest {
        challenge_token: begun.challenge_token.clone(),
        name: "phone".to_owned(),
        attestation,
    };
    auth.passkeys().complete_passkey_registration(bearer(request, token)).await
}

pub(crate) async fn register(
    auth: &Auth,
    token: &str,
    own: &mut Authenticator,
) -> wire::PasskeyAdded {
    let begun = begin(auth, token).await.unwrap();
    let created = create(own, &begun);
    let added = complete(auth, token, &begun, &created).await.unwrap();
    assert_eq!(added.metadata().get("yard-session-changed").unwrap(), "1");
    added.into_inner()
}

pub(crate) fn assertion(answered: &Answered) -> wire::PasskeyAssertion {
    let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    wire::PasskeyAssertion {
        credential_id: text(&answered.credential_id),
        client_data_json: text(&answered.client_data),
        authenticator_data: text(&answered.authenticator_data),
        signature: text(&answered.signature),
        user_handle: text(&answered.user_handle),
    }
}

pub(crate) async fn begin_sign_in(auth: &Auth) -> wire::PasskeyChallenge {
    let request = wire::BeginPasskeySignInRequest {};
    auth.passkeys().begin_passkey_sign_in(request).await.unwrap().into_inner()
}

pub(crate) async fn sign_in(
    auth: &Auth,
    challenge: &wire::PasskeyChallenge,
    assertion: wire::PasskeyAssertion,
    tenant: &str,
) -> Result<Response<wire::LoginResponse>, Status> {
    let request = wire::CompletePasskeySignInRequest {
        challenge_token: challenge.challenge_token.clone(),
        assertion: Some(assertion),
        tenant: tenant.to_owned(),
        delivery: SessionDelivery::Token.into(),
    };
    auth.passkeys().complete_passkey_sign_in(request).await
}

pub(crate) async fn begin_again(
    auth: &Auth,
    token: &str,
) -> Result<wire::PasskeyChallenge, Status> {
    let request = bearer(wire::BeginPasskeyReauthenticationRequest {}, token);
    Ok(auth.passkeys().begin_passkey_reauthentication(request).await?.into_inner())
}

pub(crate) async fn reauthenticate(
    auth: &Auth,
    token: &str,
    challenge: &wire::PasskeyChallenge,
    assertion: wire::PasskeyAssertion,
) -> Result<Response<wire::ReauthenticateResponse>, Status> {
    let proof = wire::PasskeyProof {
        challenge_token: challenge.challenge_token.clone(),
        assertion: Some(assertion),
    };
    let request = wire::ReauthenticateRequest {
        passkey: Some(proof),
        delivery: SessionDelivery::Token.into(),
        ..wire::ReauthenticateRequest::default()
    };
    auth.sessions().reauthenticate(bearer(request, token)).await
}

pub(crate) async fn list(auth: &Auth, token: &str) -> Vec<wire::Passkey> {
    let request = bearer(wire::ListPasskeysRequest {}, token);
    auth.passkeys().list_passkeys(request).await.unwrap().into_inner().passkeys
}

pub(crate) async fn rename(
    auth: &Auth,
    token: &str,
    passkey: &str,
    name: &str,
) -> Result<Response<wire::Passkey>, Status> {
    let request =
        wire::RenamePasskeyRequest { passkey_id: passkey.to_owned(), name: name.to_owned() };
    auth.passkeys().rename_passkey(bearer(request, token)).await
}

pub(crate) async fn remove(
    auth: &Auth,
    token: &str,
    passkey: &str,
) -> Result<Response<wire::Factors>, Status> {
    let request = wire::RemovePasskeyRequest { passkey_id: passkey.to_owned() };
    auth.passkeys().remove_passkey(bearer(request, token)).await
}

impl Holder {
    /// Whatever `other` is, it is the holder's in name only: it is refused so by all that would read or
    /// change passkeys, and by the proofs. What it tries is right in everything else, as shows after.
    pub(crate) async fn refuses(&mut self, auth: &Auth, other: &str, expected: Code) {
        let own = auth.exchange(&self.session).await.unwrap();
        let (before, id) = (list(auth, &own).await, self.passkey.passkey_id.clone());
        let begun = begin(auth, &own).await.unwrap();
        let mut second = Authenticator::new(KeyKind::EdDsa, DOMAIN);
        let created = create(&mut second, &begun);
        let challenge = begin_again(auth, &own).await.unwrap();
        let answer = self.answer(&challenge);
        let read = bearer(wire::ListPasskeysRequest {}, other);
        for refused in [
            code(begin(auth, other).await.map(Response::new)),
            code(complete(auth, other, &begun, &created).await),
            code(rename(auth, other, &id, "mine").await),
            code(remove(auth, other, &id).await),
            code(begin_again(auth, other).await.map(Response::new)),
            code(reauthenticate(auth, other, &challenge, answer.clone()).await),
            code(auth.passkeys().list_passkeys(read).await),
        ] {
            assert_eq!(refused, Some(expected));
        }
        assert_eq!(list(auth, &own).await, before);
        complete(auth, &own, &begun, &created).await.unwrap();
        let proved = reauthenticate(auth, &own, &challenge, answer).await.unwrap();
        self.session = proved.into_inner().session_token;
    }
}
