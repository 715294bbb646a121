//! Sign-in and step-up by passkey.

use tonic::{Response, Status};
use uuid::Uuid;
use yard_authn::{Call, Caller, RpcResult as _};
use yard_contracts::identity::v1 as wire;
use yard_contracts::values::timestamp;
use yard_fault::{Code, Fault};
use yard_pg::{Actor, PlatformTx};

use super::answer::by_token;
use super::grpc::SessionsGrpc;
use super::login::{self, Login, Opened, outcome};
use super::reauthenticate::{Renewed, session};
use super::throttle::{Attempt, Within};
use super::{Client, store};
use crate::challenges::{self, Begun, ChallengeToken, Purpose};
use crate::factors::Proof;
use crate::passkeys::{self, Answer};
use crate::telemetry;

/// A passkey's answer to a sign-in that was begun.
struct ByPasskey {
    challenge: ChallengeToken,
    answer: Answer,
    tenant: Option<String>,
    client: Client,
}

impl SessionsGrpc {
    pub(crate) async fn sign_in_by_passkey(
        &self,
        request: wire::CompletePasskeySignInRequest,
        client: Client,
        call: &Call,
    ) -> Result<Response<wire::LoginResponse>, Status> {
        call.note(|notes| notes.sign_in = true);
        let done = async {
            let by_token = by_token(request.delivery)?;
            let challenge = ChallengeToken::parse(&request.challenge_token)?;
            let assertion = request.assertion.unwrap_or_default();
            let answer = Answer::read(&challenge, &assertion, "assertion")?;
            let tenant = login::tenant(request.tenant)?;
            let offered = ByPasskey { challenge, answer, tenant, client };
            Ok((by_token, self.login.login_by_passkey(offered, call).await?))
        };
        let (by_token, opened) = done.await.rpc(call, "sign in by passkey")?.into_inner();
        self.hand_out(opened, by_token, call).await
    }
}

impl Login {
    /// A challenge that any passkey may answer.
    ///
    /// # Errors
    /// `request.invalid` where there are no passkeys.
    pub(crate) async fn begin_by_passkey(&self) -> Result<wire::PasskeyChallenge, Fault> {
        let tx = PlatformTx::begin(&self.0.pg, &Actor::service("auth")).await?;
        self.ask_for_passkey(tx, Purpose::PasskeySignIn, None).await
    }

    /// A challenge for the caller's own passkeys.
    ///
    /// # Errors
    /// `request.invalid` where there are none.
    pub(crate) async fn begin_again_by_passkey(
        &self,
        caller: &Caller,
    ) -> Result<wire::PasskeyChallenge, Fault> {
        session(caller)?;
        let person = caller.person()?.uuid();
        let mut tx = self.begin(caller).await?;
        if self.0.factors.enrolled(&mut tx, person).await?.passkeys == 0 {
            return Err(Fault::invalid("you have no passkey"));
        }
        self.ask_for_passkey(tx, Purpose::Reauthentication, Some(person)).await
    }

    async fn ask_for_passkey(
        &self,
        mut tx: PlatformTx,
        purpose: Purpose,
        person: Option<Uuid>,
    ) -> Result<wire::PasskeyChallenge, Fault> {
        let begun = Begun { purpose, person, tenant: None, amr: &[] };
        let (token, ends) = challenges::begin(&mut tx, &begun, self.0.clock.now()).await?;
        let options = self.0.factors.passkeys.options(&mut tx, person, &token).await?;
        tx.commit().await?;
        Ok(wire::PasskeyChallenge {
            challenge_token: token.expose().to_owned(),
            expires_at: Some(timestamp(ends)),
            options: Some(options),
        })
    }

    /// Opens a session for whoever's passkey it is. An unknown one, one that does not verify and a
    /// disabled person get the same answer.
    async fn login_by_passkey(&self, offered: ByPasskey, call: &Call) -> Result<Opened, Fault> {
        let done = self.prove_by_passkey(offered, call).await;
        telemetry::login(done.as_ref().map_or_else(|fault| outcome(fault.code()), |_| "passkey"));
        done
    }

    async fn prove_by_passkey(&self, offered: ByPasskey, call: &Call) -> Result<Opened, Fault> {
        let ByPasskey { challenge, answer, tenant, client } = offered;
        self.count_passkey_try(&challenge, Purpose::PasskeySignIn, None).await?;
        let refused = || Fault::new(Code::AuthFactorInvalid);
        let mut tx = PlatformTx::begin(&self.0.pg, &Actor::service("auth")).await?;
        // Whatever fails from here on leaves the challenge, and the passkey's counter, as they were.
        challenges::finish(&mut tx, &challenge).await?;
        let claim = self.0.factors.passkeys.identify(&mut tx, &answer).await?;
        let person = claim.person.ok_or_else(refused)?;
        let account = store::account_of(&mut tx, person).await?.ok_or_else(refused)?;
        let memberships = store::memberships(&mut tx, &account.email).await?;
        login::note_attempt(call, Some(&account), &memberships, tenant.as_deref());
        if !claim.proved || account.disabled_at.is_some() {
            return Err(refused());
        }
        let place = login::choose(account.system_administrator, memberships, tenant.as_deref())?;
        let attempt = Attempt::new(&account.email, client.source());
        let amr = passkeys::SHOWN.iter().map(|&mark| mark.to_owned()).collect();
        let opened = self.open(&mut tx, account, place, amr, &client).await?;
        tx.commit().await?;
        self.0.throttle.passed(&attempt).await;
        Ok(opened)
    }

    /// Renews the proof of the caller's session by a passkey.
    pub(super) async fn renew_by_passkey(
        &self,
        caller: &Caller,
        challenge: &ChallengeToken,
        proof: &Proof,
    ) -> Result<Renewed, Fault> {
        let (session, person) = (session(caller)?, caller.person()?.uuid());
        self.count_passkey_try(challenge, Purpose::Reauthentication, Some(person)).await?;
        let mut tx = self.begin(caller).await?;
        challenges::finish(&mut tx, challenge).await?;
        let shown = self.0.factors.take(&mut tx, person, proof).await?;
        let renewed = self.renew(&mut tx, session, shown, true).await?;
        tx.commit().await?;
        self.0.throttle.passed_within(&Within::factor(session)).await;
        Ok(renewed)
    }

    /// Counts the try, whatever comes of it. Somebody else's challenge is none.
    async fn count_passkey_try(
        &self,
        challenge: &ChallengeToken,
        purpose: Purpose,
        person: Option<Uuid>,
    ) -> Result<(), Fault> {
        let mut tx = PlatformTx::begin(&self.0.pg, &Actor::service("auth")).await?;
        let now = self.0.clock.now();
        let pending = challenges::count_try(&mut tx, challenge, purpose, now).await?;
        tx.commit().await?;
        let own = pending.principal_id == person;
        own.then_some(()).ok_or_else(|| Code::AuthChallengeExpired.into())
    }
}
