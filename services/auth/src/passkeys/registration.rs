use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use time::OffsetDateTime;
use uuid::Uuid;
use yard_authn::Caller;
use yard_contracts::identity::v1 as wire;
use yard_contracts::values::timestamp;
use yard_fault::{Code, Fault};
use yard_pg::PlatformTx;

use super::form::{self, Attestation};
use super::grpc::PasskeysGrpc;
use super::verify::{self, Registered};
use super::{PATIENCE, Refused, RelyingParty, SHOWN, key, store};
use crate::challenges::{self, Begun, ChallengeToken, Purpose};
use crate::factors;
use crate::people::Notice;
use crate::telemetry;

/// Passkeys of one person under one domain.
const MOST: usize = 20;

impl PasskeysGrpc {
    pub(super) async fn begin_registration(
        &self,
        caller: &Caller,
    ) -> Result<wire::PasskeyRegistration, Fault> {
        let person = caller.person()?.uuid();
        let rp = self.factors.passkeys.relying_party()?;
        let mut tx = self.begin(caller).await?;
        let own = store::descriptors(&mut tx, &rp.id, person).await?;
        admit_one_more(own.len())?;
        let names = store::names(&mut tx, person).await?;
        let begun = Begun {
            purpose: Purpose::PasskeyRegistration,
            person: Some(person),
            tenant: None,
            amr: &[],
        };
        let (token, ends) =
            challenges::begin(&mut tx, &begun, self.factors.passkeys.clock.now()).await?;
        tx.commit().await?;
        let options = wire::PasskeyCreationOptions {
            challenge: URL_SAFE_NO_PAD.encode(token.for_authenticator()),
            rp_id: rp.id.clone(),
            rp_name: self.name.clone(),
            user_id: URL_SAFE_NO_PAD.encode(person.as_bytes()),
            user_name: names.email,
            user_display_name: names.display_name,
            algorithms: key::ALGORITHMS.to_vec(),
            exclude_credentials: own.into_iter().map(Into::into).collect(),
            timeout: PATIENCE,
            attestation: "none".to_owned(),
            resident_key: "required".to_owned(),
            user_verification: "required".to_owned(),
        };
        Ok(wire::PasskeyRegistration {
            challenge_token: token.expose().to_owned(),
            expires_at: Some(timestamp(ends)),
            options: Some(options),
        })
    }

    pub(super) async fn complete_registration(
        &self,
        caller: &Caller,
        request: wire::CompletePasskeyRegistrationRequest,
    ) -> Result<wire::PasskeyAdded, Fault> {
        let person = caller.person()?.uuid();
        let rp = self.factors.passkeys.relying_party()?;
        let name = form::name(&request.name)?;
        let answer = Attestation::read(request.attestation)?;
        let token = ChallengeToken::parse(&request.challenge_token)?;
        let now = self.factors.passkeys.clock.now();
        self.count_try(caller, person, &token, now).await?;
        let made = verify::registration(rp, &token.for_authenticator(), &answer);
        let made = made.map_err(refused)?;
        let row = store::Row {
            id: self.ids.uuid7(),
            name,
            created_at: now,
            last_used_at: None,
            backup_eligible: made.backup_eligible,
            backed_up: made.backed_up,
            transports: answer.transports,
            rp_id: Some(rp.id.clone()),
        };
        let mut tx = self.begin(caller).await?;
        factors::lock(&mut tx, person).await?;
        challenges::finish(&mut tx, &token).await?;
        let recovery_codes = self.add(&mut tx, caller, rp, (&row, &made)).await?;
        let factors = self.factors.overview(&mut tx, person).await?;
        self.tell(&mut tx, person, Notice::PasskeyAdded).await?;
        tx.commit().await?;
        self.post.wake();
        telemetry::factor("passkey", "registered");
        let passkey = Some(row.shown(Some(&rp.id)));
        Ok(wire::PasskeyAdded { passkey, factors: Some(factors), recovery_codes })
    }

    async fn count_try(
        &self,
        caller: &Caller,
        person: Uuid,
        token: &ChallengeToken,
        now: OffsetDateTime,
    ) -> Result<(), Fault> {
        let mut tx = self.begin(caller).await?;
        let purpose = Purpose::PasskeyRegistration;
        let pending = challenges::count_try(&mut tx, token, purpose, now).await?;
        tx.commit().await?;
        // Somebody else's is none.
        let own = pending.principal_id == Some(person);
        own.then_some(()).ok_or_else(|| Code::AuthChallengeExpired.into())
    }

    /// Recovery codes, if it is the first factor.
    async fn add(
        &self,
        tx: &mut PlatformTx,
        caller: &Caller,
        rp: &RelyingParty,
        (row, made): (&store::Row, &Registered),
    ) -> Result<Vec<String>, Fault> {
        let person = caller.person()?.uuid();
        admit_one_more(store::descriptors(tx, &rp.id, person).await?.len())?;
        let before = self.factors.enrolled(tx, person).await?;
        match store::insert(tx, person, row, made).await {
            Ok(()) => {}
            // Whose it is, is nobody's business.
            Err(error) if error.is_taken("passkeys_by_credential") => {
                return Err(refused(Refused("registered already")));
            }
            Err(error) => return Err(error.into()),
        }
        self.factors.added(tx, caller, before, SHOWN).await
    }
}

fn admit_one_more(own: usize) -> Result<(), Fault> {
    let text = || format!("you have {MOST} passkeys; remove one first");
    (own < MOST).then_some(()).ok_or_else(|| Fault::invalid(text()))
}

fn refused(reason: Refused) -> Fault {
    telemetry::factor("passkey", "registration_refused");
    Fault::new(Code::AuthFactorInvalid).with_source(reason)
}
