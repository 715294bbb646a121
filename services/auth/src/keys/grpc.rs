use time::OffsetDateTime;
use tonic::{Request, Response, Status, async_trait};
use yard_authn::seal;
use yard_authn::{Call, RpcResult as _};
use yard_contracts::identity::v1::key_service_server::KeyService;
use yard_contracts::identity::v1::{
    GetKeySetRequest, KeySet, ListSigningKeysRequest, ListSigningKeysResponse,
    RevokeSigningKeyRequest, RotateSigningKeysRequest, SigningKey, SigningKeyChange,
    SigningKeyState,
};
use yard_contracts::values::timestamp;
use yard_fault::{Code, Fault};
use yard_pg::{Actor, PlatformTx, page};

use super::plan::{self, Key, State};
use super::rotation::Change;
use super::store::{self, Row};
use super::{Keys, key_set};

const USUAL_PAGE: u16 = 50;
const LARGEST_PAGE: u16 = 200;
const LONGEST_REASON: usize = 200;

/// Serves `KeyService`.
pub(crate) struct KeysGrpc {
    pub(crate) keys: Keys,
}

#[async_trait]
impl KeyService for KeysGrpc {
    async fn get_key_set(
        &self,
        _request: Request<GetKeySetRequest>,
    ) -> Result<Response<KeySet>, Status> {
        Ok(Response::new(key_set(&self.keys.published())))
    }

    async fn list_signing_keys(
        &self,
        request: Request<ListSigningKeysRequest>,
    ) -> Result<Response<ListSigningKeysResponse>, Status> {
        let call = Call::of(&request);
        self.list(&call, request.get_ref()).await.rpc(&call, "list signing keys")
    }

    async fn rotate_signing_keys(
        &self,
        request: Request<RotateSigningKeysRequest>,
    ) -> Result<Response<SigningKeyChange>, Status> {
        let call = Call::of(&request);
        let who = Actor::of_subject(call.caller.subject());
        let change = self.keys.rotate(request.get_ref().emergency, &who).await;
        change.map(|change| self.wire(&change)).rpc(&call, "rotate signing keys")
    }

    async fn revoke_signing_key(
        &self,
        request: Request<RevokeSigningKeyRequest>,
    ) -> Result<Response<SigningKeyChange>, Status> {
        let call = Call::of(&request);
        self.revoke(&call, request.get_ref()).await.rpc(&call, "revoke a signing key")
    }
}

impl KeysGrpc {
    async fn list(
        &self,
        call: &Call,
        request: &ListSigningKeysRequest,
    ) -> Result<ListSigningKeysResponse, Fault> {
        let most = page::size(request.page_size, USUAL_PAGE, LARGEST_PAGE)?;
        let after = page::parts::<2>(&request.page_token)?;
        let after = after.as_ref().map(|[at, kid]| position(at, kid)).transpose()?;
        let parts = &self.keys.0.parts;
        let mut tx =
            PlatformTx::begin(&parts.pg, &Actor::of_subject(call.caller.subject())).await?;
        let rows = store::page(&mut tx, after, most).await?;
        let living: Vec<Key> = store::living(&mut tx).await?.iter().map(Row::key).collect();
        tx.commit().await?;
        let full = i64::try_from(rows.len()) == Ok(most);
        let next = rows.last().filter(|_| full).map(|last| {
            page::token(&[&last.created_at.unix_timestamp_nanos().to_string(), &last.kid])
        });
        Ok(ListSigningKeysResponse {
            keys: rows.iter().map(|row| self.signing_key(row, &living)).collect(),
            next_page_token: next.unwrap_or_default(),
        })
    }

    async fn revoke(
        &self,
        call: &Call,
        request: &RevokeSigningKeyRequest,
    ) -> Result<SigningKeyChange, Fault> {
        let reason = request.reason.trim();
        let length = reason.chars().count();
        if !(1..=LONGEST_REASON).contains(&length) || reason.contains(char::is_control) {
            let text = "reason has to be 1 to 200 characters";
            return Err(Fault::invalid(text).with_pointer("/reason"));
        }
        // Its end by the plan is told apart from an operator's word.
        if reason == "expired" || request.kid.contains('\0') {
            return Err(Fault::invalid("reason is taken").with_pointer("/reason"));
        }
        let who = Actor::of_subject(call.caller.subject());
        let change = self.keys.revoke(&request.kid, reason, &who).await?;
        Ok(self.wire(&change))
    }

    fn wire(&self, change: &Change) -> SigningKeyChange {
        let both = [change.active.key(), change.previous.key()];
        SigningKeyChange {
            active: Some(self.signing_key(&change.active, &both)),
            previous: Some(self.signing_key(&change.previous, &both)),
        }
    }

    fn signing_key(&self, row: &Row, living: &[Key]) -> SigningKey {
        let next = plan::next_change(&row.key(), living, &self.keys.0.parts.rules);
        let sealed_with = row.sealed.as_deref().and_then(seal::kid_of).unwrap_or_default();
        SigningKey {
            kid: row.kid.clone(),
            state: state(row.state()).into(),
            created_at: Some(timestamp(row.created_at)),
            activated_at: row.activated_at.map(timestamp),
            retired_at: row.retired_at.map(timestamp),
            revoked_at: row.revoked_at.map(timestamp),
            reason: row.reason.clone(),
            next_change_at: next.map(timestamp),
            sealed_with: sealed_with.to_owned(),
        }
    }
}

const fn state(state: State) -> SigningKeyState {
    match state {
        State::Pending => SigningKeyState::Pending,
        State::Active => SigningKeyState::Active,
        State::Retiring => SigningKeyState::Retiring,
        State::Revoked => SigningKeyState::Revoked,
    }
}

fn position<'k>(at: &str, kid: &'k str) -> Result<(OffsetDateTime, &'k str), Fault> {
    let refused = || Fault::new(Code::PageTokenInvalid);
    let nanos: i128 = at.parse().map_err(|_e| refused())?;
    let at = OffsetDateTime::from_unix_timestamp_nanos(nanos).map_err(|_e| refused())?;
    if kid.contains('\0') {
        return Err(refused());
    }
    Ok((at, kid))
}
