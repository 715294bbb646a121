use time::OffsetDateTime;
use yard_authn::Call;
use yard_contracts::tenancy::v1 as wire;
use yard_contracts::values::timestamp;
use yard_fault::{Code, Fault};

use super::grpc::RegistrationGrpc;
use super::store::{self, Row};
use crate::people::LinkToken;

impl RegistrationGrpc {
    /// Also where nobody may register any more: what was confirmed goes on.
    pub(super) async fn show(&self, call: &Call, token: &str) -> Result<wire::Registration, Fault> {
        let hash = LinkToken::hash_of(token)?;
        let mut tx = self.parts.begin(&call.caller).await?;
        let row = store::find(&mut tx, &hash, self.parts.clock.now()).await?;
        tx.commit().await?;
        Ok(shown(row.ok_or_else(|| Fault::new(Code::LinkInvalid))?))
    }
}

pub(super) fn shown(row: Row) -> wire::Registration {
    use wire::RegistrationStepKind as Kind;
    let state = state(&row);
    let step = |kind: Kind, at: Option<OffsetDateTime>| wire::RegistrationStep {
        kind: kind.into(),
        done_at: at.map(timestamp),
    };
    wire::Registration {
        state: state.into(),
        steps: vec![
            step(Kind::Requested, Some(row.mailed_at)),
            step(Kind::Verified, row.confirmed_at),
            step(Kind::Provisioning, row.begun_at),
            step(Kind::Ready, row.ready_at),
        ],
        account_exists: row.confirmed_at.is_none() && row.account_in_use,
        email: row.email,
        display_name: row.display_name,
        tenant_name: row.tenant_name,
        tenant_slug: row.tenant_slug,
        expires_at: Some(timestamp(row.expires_at)),
    }
}

const fn state(row: &Row) -> wire::RegistrationState {
    use wire::RegistrationState as State;
    match (row.confirmed_at, row.begun_at, row.failed_at, row.ready_at) {
        (None, ..) => State::Requested,
        (_, _, _, Some(_)) => State::Ready,
        (_, _, Some(_), _) => State::Failed,
        (_, Some(_), ..) => State::Provisioning,
        _ => State::Verified,
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn state_follows_from_what_was_done() {
        use wire::RegistrationState as State;
        let at = Some(datetime!(2026-03-01 12:00 UTC));
        let row = |confirmed_at, begun_at, failed_at, ready_at| Row {
            id: Uuid::nil(),
            email: String::new(),
            display_name: String::new(),
            tenant_name: String::new(),
            tenant_slug: String::new(),
            locale: None,
            mailed_at: datetime!(2026-03-01 11:00 UTC),
            expires_at: datetime!(2026-03-02 11:00 UTC),
            confirmed_at,
            begun_at,
            failed_at,
            ready_at,
            tries: 0,
            principal_id: None,
            account_in_use: true,
            account_disabled: false,
        };
        for (row, expected, done) in [
            (row(None, None, None, None), State::Requested, 1),
            (row(at, None, None, None), State::Verified, 2),
            (row(at, at, None, None), State::Provisioning, 3),
            (row(at, at, at, None), State::Failed, 3),
            (row(at, at, None, at), State::Ready, 4),
        ] {
            let shown = shown(row);
            assert_eq!(shown.state(), expected);
            assert_eq!(shown.steps.iter().filter(|s| s.done_at.is_some()).count(), done);
            // Whether there is an account is nobody's business any more once it is confirmed.
            assert_eq!(shown.account_exists, expected == State::Requested);
        }
    }
}
