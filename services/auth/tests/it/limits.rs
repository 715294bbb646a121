//! Plans, a tenant's own numbers, and what auth itself holds.

use std::collections::HashMap;

use tonic::transport::Channel;
use yard_contracts::identity::v1::{CreateApiTokenRequest, RevokeApiTokenRequest};
use yard_contracts::tenancy::v1 as wire;
use yard_contracts::tenancy::v1::LimitSource;
use yard_contracts::tenancy::v1::organization_service_client::OrganizationServiceClient;
use yard_contracts::tenancy::v1::tenant_service_client::TenantServiceClient;
use yard_fault::Code;
use yard_testkit::logs;

use crate::support::{Auth, bearer, code};

struct Office<'a> {
    auth: &'a Auth,
    root: String,
    owner: String,
}

impl<'a> Office<'a> {
    async fn of(auth: &'a Auth) -> Self {
        let root = auth.access("root@example.org", "").await;
        Self { auth, root, owner: auth.access("owner@example.org", "acme").await }
    }

    fn tenants(&self) -> TenantServiceClient<Channel> {
        TenantServiceClient::new(self.auth.channel())
    }

    async fn put(&self, name: &str, limits: &[(&str, i64)]) -> Result<wire::Plan, Option<Code>> {
        let limits = limits.iter().map(|&(name, most)| (name.to_owned(), most)).collect();
        let plan = wire::Plan { name: name.to_owned(), limits, ..wire::Plan::default() };
        let request = bearer(wire::PutPlanRequest { plan: Some(plan) }, &self.root);
        let answer = self.tenants().put_plan(request).await;
        answer.map(tonic::Response::into_inner).map_err(|status| code::<()>(Err(status)))
    }

    async fn set(&self, plan: &str, own: &[(&str, i64)]) -> Option<Code> {
        let tenant = wire::Tenant {
            tenant_id: self.auth.tenant("acme").await.to_string(),
            plan: plan.to_owned(),
            limits: own.iter().map(|&(name, most)| (name.to_owned(), most)).collect(),
            ..wire::Tenant::default()
        };
        let paths = vec!["plan".to_owned(), "limits".to_owned()];
        let update_mask = Some(prost_types::FieldMask { paths });
        let request = wire::UpdateTenantRequest { tenant: Some(tenant), update_mask };
        code(self.tenants().update_tenant(bearer(request, &self.root)).await)
    }

    /// As the tenant sees it: source, number and use by name.
    async fn seen(&self) -> HashMap<String, (LimitSource, i64, i64)> {
        let mut client = OrganizationServiceClient::new(self.auth.channel());
        let request = bearer(wire::GetLimitsRequest {}, &self.owner);
        let own = client.get_limits(request).await.unwrap().into_inner();
        let tenant_id = self.auth.tenant("acme").await.to_string();
        let request = bearer(wire::GetTenantLimitsRequest { tenant_id }, &self.root);
        let operators = self.tenants().get_tenant_limits(request).await.unwrap().into_inner();
        assert_eq!(own, operators);
        let entry = |l: wire::LimitUse| (l.name.clone(), (l.source(), l.most, l.used));
        own.limits.into_iter().map(entry).collect()
    }

    async fn token(&self) -> Result<String, tonic::Status> {
        let request = CreateApiTokenRequest {
            name: "robot".to_owned(),
            abilities: vec!["devices.read".to_owned()],
            expires_in_days: 0,
        };
        let answer = self.auth.tokens().create_api_token(bearer(request, &self.owner)).await?;
        Ok(answer.into_inner().token.unwrap_or_default().token_id)
    }
}

#[tokio::test]
async fn req_lmu_56_own_numbers_come_before_the_plans_and_use_stands_beside_them() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let office = Office::of(&auth).await;
    let all = office.seen().await;
    assert_eq!(all.len(), 5);
    assert_eq!(all["people"], (LimitSource::None, 0, 4), "{all:?}");
    let plan = office.put("small", &[("people", 9), ("devices", 3)]).await.unwrap();
    assert!(plan.changed_by.starts_with("person:"), "{plan:?}");
    assert_eq!(office.set("small", &[("devices", 7)]).await, None);
    let all = office.seen().await;
    assert_eq!(all["people"], (LimitSource::Plan, 9, 4));
    assert_eq!(all["devices"], (LimitSource::Tenant, 7, 0));
    assert_eq!(all["contracts"], (LimitSource::None, 0, 0));
    office.put("small", &[("people", 3)]).await.unwrap();
    assert_eq!(office.seen().await["people"], (LimitSource::Plan, 3, 4), "what is there stays");
    let plans = office.tenants().list_plans(bearer(wire::ListPlansRequest {}, &office.root)).await;
    let plans = plans.unwrap().into_inner().plans;
    let names: Vec<_> = plans.iter().map(|plan| plan.name.as_str()).collect();
    assert_eq!(names, ["small", "standard", "trial"]);
    auth.finish().await;
}

#[tokio::test]
async fn unknown_limits_and_plans_are_refused() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let office = Office::of(&auth).await;
    let invalid = Some(Code::RequestInvalid);
    assert_eq!(office.put("small", &[("gib", 9)]).await.unwrap_err(), invalid);
    assert_eq!(office.put("small", &[("devices", -1)]).await.unwrap_err(), invalid);
    assert_eq!(office.put("Small", &[]).await.unwrap_err(), invalid);
    assert_eq!(office.put("", &[]).await.unwrap_err(), invalid);
    assert_eq!(office.set("small", &[]).await, invalid, "no such plan");
    assert_eq!(office.set("standard", &[("messages", 1)]).await, invalid);
    assert_eq!(office.set("standard", &[("devices", 0)]).await, None);
    auth.finish().await;
}

#[tokio::test]
async fn req_lmu_56_nth_api_token_is_made_and_the_next_refused_until_one_ends() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let office = Office::of(&auth).await;
    assert_eq!(office.set("standard", &[("api_tokens", 2)]).await, None);
    let tries = [office.token(), office.token(), office.token(), office.token()];
    let (made, refused): (Vec<_>, Vec<_>) =
        futures::future::join_all(tries).await.into_iter().partition(Result::is_ok);
    assert_eq!((made.len(), refused.len()), (2, 2));
    for status in refused.into_iter().filter_map(Result::err) {
        assert_eq!(status.message(), "The limit api_tokens is reached: 2 of 2 are in use.");
        assert_eq!(code::<()>(Err(status)), Some(Code::LimitReached));
    }
    let token_id = made.into_iter().flatten().next().unwrap();
    let end = bearer(RevokeApiTokenRequest { token_id }, &office.owner);
    auth.tokens().revoke_api_token(end).await.unwrap();
    office.token().await.unwrap();
    assert_eq!(office.seen().await["api_tokens"], (LimitSource::Tenant, 2, 2));
    auth.finish().await;
}
