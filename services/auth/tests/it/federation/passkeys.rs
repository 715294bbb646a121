//! A provider's word changes nobody's passkeys.

use super::*;
use crate::passkey_support::Holder;

#[tokio::test]
async fn session_of_a_provider_changes_none_of_its_persons_passkeys() {
    let party = Party::start_with(|wish| wish.create_people = false).await;
    let mut holder = Holder::registered(&party.auth, "viewer@example.org", "acme").await;
    let own = party.auth.exchange(&holder.session).await.unwrap();
    let request = BeginIdentityLinkRequest { provider_id: party.provider.provider_id.clone() };
    let begun = party.sign_ins().begin_identity_link(bearer(request, &own)).await.unwrap();
    let answer = Some(party.answered(begun.into_inner()));
    let request = CompleteIdentityLinkRequest { answer };
    party.sign_ins().complete_identity_link(bearer(request, &own)).await.unwrap();
    // However fresh the provider says that it is, and with whatever factors.
    let now = party.auth.clock.now().unix_timestamp();
    party.say(|script| script.claims = json!({"auth_time": now, "amr": ["mfa", "pop"]}));
    let by_provider = party.access().await;
    assert_eq!(party.auth.claims(&by_provider).sub, party.auth.claims(&own).sub);
    holder.refuses(&party.auth, &by_provider, Code::AuthOwnSignInRequired).await;
    party.auth.finish().await;
}
