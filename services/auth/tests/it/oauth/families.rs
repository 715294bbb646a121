//! At most one refresh token of a grant is in force, and who shows another ends the grant.

use std::collections::BTreeSet;
use std::time::Duration as Wait;

use futures::future::join_all;
use time::Duration;
use yard_authn::TokenError;
use yard_contracts::federation::v1::DeleteOauthClientRequest;
use yard_contracts::federation::v1::oauth_client_service_client::OauthClientServiceClient;
use yard_contracts::rights::v1::OverrideEffect;
use yard_contracts::values::timestamp;
use yard_fault::{Code, Fault};
use yard_testkit::{eventually, logs};

use super::{ALL, Answer, Party, post, register, token};
use crate::rights_support::Desk;
use crate::support::bearer;

const SOON: Wait = Wait::from_secs(5);
const LIVE: &str = "select count(*) from platform.oauth_families f \
                    join platform.sessions s on s.id = f.session_id where s.revoked_at is null";

async fn begin(party: &Party) -> String {
    party.grant(ALL).await["refresh_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn retry_within_the_grace_gets_the_same_successor() {
    let party = Party::start().await;
    let first = begin(&party).await;
    let answer = party.refresh(&first).await;
    assert_eq!((answer.status, answer.json.get("id_token")), (200, None));
    let second = answer.refresh();
    party.auth.clock.advance(Duration::seconds(10));
    let again = party.refresh(&first).await;
    assert_eq!(again.refresh(), second);
    let access = again.json["access_token"].as_str().unwrap().to_owned();
    assert!(party.auth.exchange(&access).await.is_ok());
    let third = party.refresh(&second).await.refresh();
    assert!(![first, second].contains(&third));
    assert_eq!(party.auth.db.sql(LIVE).await.trim(), "1");
    party.auth.finish().await;
}

#[tokio::test]
async fn reuse_after_the_grace_ends_the_grant_everywhere_and_is_audited() {
    let _log = logs::capture();
    let party = Party::start().await;
    let follower = party.auth.follower().await;
    let first = begin(&party).await;
    let answer = party.refresh(&first).await;
    let access = answer.json["access_token"].as_str().unwrap().to_owned();
    let inside = party.auth.exchange(&access).await.unwrap();
    assert!(follower.verify(&inside).is_ok());
    party.auth.clock.advance(Duration::seconds(11));
    let inside = party.auth.exchange(&access).await.unwrap();
    assert!(follower.verify(&inside).is_ok());
    assert_eq!(party.refresh(&first).await.error(), "invalid_grant");
    let ended = || async { matches!(follower.verify(&inside), Err(TokenError::Revoked)) };
    eventually(SOON, ended).await;
    assert_eq!(party.refresh(&answer.refresh()).await.error(), "invalid_grant");
    let refused = party.auth.exchange(&access).await.unwrap_err();
    assert_eq!(Fault::from_status(&refused).code(), Code::AuthSessionExpired);
    // The browser's own session is another one.
    assert!(follower.verify(&party.auth.access("owner@example.org", "acme").await).is_ok());
    let told = "select count(*) from platform.audit_events \
                where action = 'oauth2/token' and outcome = 'auth.refresh_reuse'";
    eventually(SOON, || async { party.auth.db.sql(told).await.trim() == "1" }).await;
    party.auth.finish().await;
}

#[tokio::test]
async fn token_shown_by_another_client_ends_the_grant() {
    let party = Party::start().await;
    let other = register(&party.auth, &party.person, &[]).await.client_id;
    let first = begin(&party).await;
    let form =
        [("grant_type", "refresh_token"), ("client_id", &*other), ("refresh_token", &*first)];
    assert_eq!(token(&party.auth, &form).await.error(), "invalid_grant");
    assert_eq!(party.refresh(&first).await.error(), "invalid_grant");
    assert_eq!(party.auth.db.sql(LIVE).await.trim(), "0");
    party.auth.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn racing_refreshes_get_one_successor_and_leave_one_leaf() {
    let party = Party::start().await;
    let mut leaf = begin(&party).await;
    for round in 0..8 {
        let answers = join_all((0..8).map(|_| party.refresh(&leaf))).await;
        let successors: BTreeSet<_> = answers.iter().map(Answer::refresh).collect();
        assert!(answers.iter().all(|answer| answer.status == 200), "{round}: {answers:?}");
        assert_eq!(successors.len(), 1, "{round}: {successors:?}");
        leaf = successors.into_iter().next().unwrap();
    }
    let rotations = "select rotations from platform.oauth_families";
    assert_eq!(party.auth.db.sql(rotations).await.trim(), "8");
    party.auth.finish().await;
}

/// What should be in force, by the rule itself.
struct Model {
    issued: Vec<String>,
    rotated_at: Option<i64>,
    ended: bool,
}

impl Model {
    /// Whether showing the token is answered by a token, and by which if that is known.
    fn show(&mut self, index: usize, now: i64) -> Option<Option<String>> {
        let leaf = self.issued.len() - 1;
        let fresh = self.rotated_at.is_some_and(|at| now - at <= 10);
        if self.ended {
            return None;
        }
        if index == leaf {
            self.rotated_at = Some(now);
            return Some(None);
        }
        if index + 1 == leaf && fresh {
            return Some(Some(self.issued[leaf].clone()));
        }
        self.ended = true;
        None
    }
}

#[tokio::test]
async fn any_order_of_shown_tokens_leaves_one_leaf_or_none() {
    let mut party = Party::start().await;
    // A generator of its own, so that each run tries the same.
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut draw = move |most: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % most as u64).unwrap()
    };
    let session = party.auth.session("owner@example.org", "acme").await;
    let (mut ended, mut repeated) = (0, 0);
    for family in 0..12 {
        // Time has gone by since the last one, and sign-ins are limited.
        party.person = party.auth.exchange(&session).await.unwrap();
        let mut model = Model { issued: vec![begin(&party).await], rotated_at: None, ended: false };
        let mut now = 0;
        for _step in 0..10 {
            let wait = [0, 0, 1, 9, 11][draw(5)];
            party.auth.clock.advance(Duration::seconds(wait));
            now += wait;
            // Mostly one of the newest two.
            let back = [0, 0, 0, 1, 1, 2][draw(6)];
            let index = (model.issued.len() - 1).saturating_sub(back);
            let shown = model.issued[index].clone();
            let answer = party.refresh(&shown).await;
            match model.show(index, now) {
                None => assert_eq!(answer.error(), "invalid_grant", "family {family}"),
                Some(Some(same)) => {
                    assert_eq!(answer.refresh(), same, "family {family}");
                    repeated += 1;
                }
                Some(None) => {
                    let next = answer.refresh();
                    assert!(!next.is_empty() && !model.issued.contains(&next), "family {family}");
                    model.issued.push(next);
                }
            }
            let live: i64 = party.auth.db.sql(LIVE).await.trim().parse().unwrap();
            assert_eq!(live, i64::from(!model.ended), "family {family}");
        }
        ended += i32::from(model.ended);
        party
            .auth
            .db
            .sql(
                "update platform.sessions set revoked_at = now() where id in \
            (select session_id from platform.oauth_families) and revoked_at is null",
            )
            .await;
    }
    assert!(ended > 2 && repeated > 2, "{ended} ended, {repeated} repeated: too tame a run");
    party.auth.finish().await;
}

#[tokio::test]
async fn grant_ends_when_it_is_idle_and_at_its_last_day() {
    let party = Party::start().await;
    let mut leaf = begin(&party).await;
    let idle = begin(&party).await;
    for _ in 0..4 {
        party.auth.clock.advance(Duration::days(14) - Duration::seconds(1));
        let answer = party.refresh(&leaf).await;
        assert_eq!(answer.status, 200, "{}", answer.json);
        leaf = answer.refresh();
    }
    assert_eq!(party.refresh(&idle).await.error(), "invalid_grant");
    // 56 days less 4 s have gone.
    party.auth.clock.advance(Duration::days(4) + Duration::seconds(3));
    let answer = party.refresh(&leaf).await;
    assert_eq!(answer.json["expires_in"], 1, "the last second");
    party.auth.clock.advance(Duration::seconds(1));
    assert_eq!(party.refresh(&answer.refresh()).await.error(), "invalid_grant");
    party.auth.finish().await;
}

#[tokio::test]
async fn access_token_can_be_narrowed_but_not_widened() {
    let party = Party::start().await;
    let first = begin(&party).await;
    let client = party.client.client_id.as_str();
    let with = async |refresh: &str, scope: &str| {
        let form = [
            ("grant_type", "refresh_token"),
            ("client_id", client),
            ("refresh_token", refresh),
            ("scope", scope),
        ];
        token(&party.auth, &form).await
    };
    assert_eq!(with(&first, "devices.control").await.error(), "invalid_scope");
    let narrow = with(&first, "devices.read").await;
    assert_eq!(narrow.json["scope"], "devices.read");
    let access = narrow.json["access_token"].as_str().unwrap();
    let claims = party.auth.claims(&party.auth.exchange(access).await.unwrap());
    assert_eq!(claims.permissions, ["devices.read"]);
    let wide = party.refresh(&narrow.refresh()).await;
    assert_eq!(wide.json["scope"].as_str().unwrap().split(' ').count(), 6);
    party.auth.finish().await;
}

#[tokio::test]
async fn exception_against_a_person_holds_against_their_clients() {
    let mut party = Party::start().await;
    let desk = Desk::with(&party.auth, party.person.clone());
    party.person = party.auth.access("viewer@example.org", "acme").await;
    let tokens = party.grant(ALL).await;
    let access = tokens["access_token"].as_str().unwrap();
    let may = async || {
        let inside = party.auth.exchange(access).await.unwrap();
        party.auth.claims(&inside).permissions
    };
    assert_eq!(may().await, ["devices.read"]);
    let viewer = party.auth.person("viewer").await;
    let until = timestamp(party.auth.in_seconds(100));
    let denied = desk.wish([&viewer, ""], "devices.read", OverrideEffect::Deny, until).await;
    denied.unwrap();
    assert!(may().await.is_empty());
    party.auth.finish().await;
}

#[tokio::test]
async fn grant_without_offline_access_lives_as_long_as_its_token() {
    let party = Party::start().await;
    let tokens = party.grant("openid devices.read").await;
    assert_eq!(tokens.get("refresh_token"), None);
    let access = tokens["access_token"].as_str().unwrap();
    party.auth.clock.advance(Duration::seconds(299));
    let claims = party.auth.claims(&party.auth.exchange(access).await.unwrap());
    assert_eq!(claims.exp - claims.iat, 1);
    party.auth.clock.advance(Duration::seconds(1));
    assert!(party.auth.exchange(access).await.is_err());
    party.auth.finish().await;
}

#[tokio::test]
async fn revocation_ends_the_grant_by_either_token_for_its_own_client() {
    let party = Party::start().await;
    let other = register(&party.auth, &party.person, &[]).await.client_id;
    let revoke = async |client: &str, text: &str| {
        let form = [("client_id", client), ("token", text), ("token_type_hint", "nonsense")];
        post(&party.auth, "/oauth2/revoke", &form).await
    };
    let own = party.client.client_id.as_str();
    for kind in ["refresh_token", "access_token"] {
        let tokens = party.grant(ALL).await;
        let (shown, refresh) = (tokens[kind].as_str().unwrap(), &tokens["refresh_token"]);
        assert_eq!(revoke(&other, shown).await.error(), "invalid_grant", "{kind}");
        let refresh = party.refresh(refresh.as_str().unwrap()).await.refresh();
        for _twice in 0..2 {
            assert_eq!(revoke(own, shown).await.status, 200, "{kind}");
        }
        assert_eq!(party.refresh(&refresh).await.error(), "invalid_grant", "{kind}");
        let access = tokens["access_token"].as_str().unwrap();
        assert!(party.auth.exchange(access).await.is_err(), "{kind}");
    }
    for unknown in ["x", "rt_x", "eyJ.x.y"] {
        assert_eq!(revoke(own, unknown).await.status, 200);
    }
    assert_eq!(revoke("x", "x").await.error(), "invalid_client");
    party.auth.finish().await;
}

#[tokio::test]
async fn grant_ends_with_its_client_and_rests_without_its_person() {
    let party = Party::start().await;
    let leaf = begin(&party).await;
    // A tenant keeps an owner, so that another has to be one first.
    let person = "principal_id = (select principal_id from platform.people \
                  where email = 'owner@example.org')";
    let make = async |role: &str, whose: &str| {
        let change = format!("update platform.memberships set role = '{role}' where {whose}");
        party.auth.db.sql(&change).await;
    };
    make("owner", "role = 'operator'").await;
    make("viewer", person).await;
    let answer = party.refresh(&leaf).await;
    let access = answer.json["access_token"].as_str().unwrap().to_owned();
    let claims = party.auth.claims(&party.auth.exchange(&access).await.unwrap());
    assert_eq!(claims.permissions, ["devices.read"]);

    party.auth.db.sql("update platform.tenants set state = 'suspended' where slug = 'acme'").await;
    assert_eq!(party.refresh(&answer.refresh()).await.error(), "invalid_grant");
    party.auth.db.sql("update platform.tenants set state = 'ready'").await;
    let answer = party.refresh(&answer.refresh()).await;
    assert_eq!(answer.status, 200, "a suspension ends nothing");

    make("owner", person).await;
    let owner = party.auth.access("owner@example.org", "acme").await;
    let mut clients = OauthClientServiceClient::new(party.auth.channel());
    let client_id = party.client.client_id.clone();
    for _twice in 0..2 {
        let request = DeleteOauthClientRequest { client_id: client_id.clone() };
        clients.delete_oauth_client(bearer(request, &owner)).await.unwrap();
    }
    assert_eq!(party.refresh(&answer.refresh()).await.error(), "invalid_grant");
    assert_eq!(party.auth.db.sql(LIVE).await.trim(), "0");
    let bob = party.auth.access("bob@example.org", "byte").await;
    let foreign = clients.delete_oauth_client(bearer(DeleteOauthClientRequest { client_id }, &bob));
    let fault = Fault::from_status(&foreign.await.unwrap_err());
    assert_eq!(fault.code(), Code::ResourceNotFound);
    party.auth.finish().await;
}
