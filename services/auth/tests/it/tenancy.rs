use std::time::Duration;

use tonic::Request;
use tonic::transport::Channel;
use uuid::Uuid;
use yard_contracts::tenancy::v1 as wire;
use yard_contracts::tenancy::v1::TenantState;
use yard_contracts::tenancy::v1::organization_service_client::OrganizationServiceClient;
use yard_contracts::tenancy::v1::tenant_service_client::TenantServiceClient;
use yard_fault::Code;
use yard_testkit::{eventually, logs};

use crate::support::{Auth, bearer, code};

/// An operator of the platform with what they do to tenants.
pub(crate) struct Operator {
    client: TenantServiceClient<Channel>,
    token: String,
}

impl Operator {
    pub(crate) async fn of(auth: &Auth) -> Self {
        let token = auth.access("root@example.org", "").await;
        Self { client: TenantServiceClient::new(auth.channel()), token }
    }

    fn with<T>(&self, message: T) -> (TenantServiceClient<Channel>, Request<T>) {
        (self.client.clone(), bearer(message, &self.token))
    }

    async fn create(&self, slug: &str) -> Result<wire::Tenant, tonic::Status> {
        let (slug, name, plan) = (slug.to_owned(), "New one".to_owned(), String::new());
        let (mut client, request) = self.with(wire::CreateTenantRequest { slug, name, plan });
        Ok(client.create_tenant(request).await?.into_inner())
    }

    async fn get(&self, id: &str) -> wire::Tenant {
        let (mut client, request) = self.with(wire::GetTenantRequest { tenant_id: id.to_owned() });
        client.get_tenant(request).await.unwrap().into_inner()
    }

    pub(crate) async fn suspend(&self, id: &str) -> Option<Code> {
        let (tenant_id, reason) = (id.to_owned(), "unpaid".to_owned());
        let (mut client, request) = self.with(wire::SuspendTenantRequest { tenant_id, reason });
        code(client.suspend_tenant(request).await)
    }

    async fn resume(&self, id: &str) -> Option<Code> {
        let (mut client, request) =
            self.with(wire::ResumeTenantRequest { tenant_id: id.to_owned() });
        code(client.resume_tenant(request).await)
    }

    async fn close(&self, id: &str, slug: &str) -> Option<Code> {
        self.close_by(id, slug, "", true).await
    }

    pub(crate) async fn close_by(
        &self,
        id: &str,
        slug: &str,
        export: &str,
        without: bool,
    ) -> Option<Code> {
        let (mut client, request) = self.with(wire::CloseTenantRequest {
            tenant_id: id.to_owned(),
            slug: slug.to_owned(),
            reason: "contract ended".to_owned(),
            export_digest: export.to_owned(),
            without_export: without,
        });
        code(client.close_tenant(request).await)
    }

    pub(crate) async fn proof(&self, id: &str) -> wire::TenantClosure {
        let tenant_id = id.to_owned();
        let (mut client, request) = self.with(wire::GetTenantClosureRequest { tenant_id });
        client.get_tenant_closure(request).await.unwrap().into_inner()
    }

    pub(crate) async fn in_state(&self, id: &str, state: TenantState) -> wire::Tenant {
        eventually(Duration::from_secs(10), || async {
            let tenant = self.get(id).await;
            if tenant.state() == state { Ok(tenant) } else { Err(tenant) }
        })
        .await
    }
}

#[tokio::test]
async fn tenant_that_is_asked_for_becomes_ready_with_its_schema() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let operator = Operator::of(&auth).await;
    let asked = operator.create("new-one").await.unwrap();
    assert_eq!((asked.state(), asked.plan.as_str()), (TenantState::Provisioning, "standard"));
    let ready = operator.in_state(&asked.tenant_id, TenantState::Ready).await;
    let schema = ready.schema.unwrap();
    assert!(schema.version > 0 && schema.version == schema.newest && schema.error.is_empty());
    let again = operator.create("new-one").await.map(tonic::Response::new);
    assert_eq!(code(again), Some(Code::ResourceExists));
    auth.finish().await;
}

#[tokio::test]
async fn tenant_whose_schema_cannot_be_made_yet_is_made_once_it_can() {
    let log = logs::capture();
    log.expect("a tenant's step failed");
    let auth = Auth::start().await;
    auth.db
        .sql("insert into platform.tenant_migrations values (9000, 'broken', 'select 1 / 0', '')")
        .await;
    let operator = Operator::of(&auth).await;
    let asked = operator.create("late").await.unwrap();
    eventually(Duration::from_secs(10), || async { log.contains("a tenant's step failed") }).await;
    assert_eq!(operator.get(&asked.tenant_id).await.state(), TenantState::Provisioning);
    auth.db.sql("delete from platform.tenant_migrations where version = 9000").await;
    operator.in_state(&asked.tenant_id, TenantState::Ready).await;
    auth.finish().await;
}

#[tokio::test]
async fn suspended_tenants_people_are_out_at_once_and_in_again_after_it() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let operator = Operator::of(&auth).await;
    let tenant = auth.tenant("acme").await.to_string();
    let session = auth.session("owner@example.org", "acme").await;
    assert_eq!(operator.suspend(&tenant).await, None);
    assert_eq!(operator.suspend(&tenant).await, None, "asking twice changes nothing");
    let refused = auth.exchange(&session).await.map(tonic::Response::new);
    assert_eq!(code(refused), Some(Code::TenantSuspended));
    assert_eq!(operator.get(&tenant).await.state_reason, "unpaid");
    assert_eq!(operator.resume(&tenant).await, None);
    assert_eq!(operator.get(&tenant).await.state_reason, "");
    auth.finish().await;
}

#[tokio::test]
async fn only_a_suspended_tenant_is_closed_and_only_by_its_own_slug() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let operator = Operator::of(&auth).await;
    let asked = operator.create("ending").await.unwrap();
    let id = operator.in_state(&asked.tenant_id, TenantState::Ready).await.tenant_id;
    assert_eq!(operator.close(&id, "ending").await, Some(Code::TenantStateConflict));
    assert_eq!(operator.suspend(&id).await, None);
    assert_eq!(operator.close(&id, "acme").await, Some(Code::RequestInvalid));
    assert_eq!(operator.close(&id, "ending").await, None);
    let closed = operator.in_state(&id, TenantState::Closed).await;
    assert!(closed.schema.is_none());

    let proof = operator.proof(&id).await;
    assert_eq!(proof.export_digest, "none");
    assert!(proof.closed_by.starts_with("person:"), "{proof:?}");
    assert!(proof.relations.iter().any(|r| r.relation == "series.telemetry"), "{proof:?}");
    assert_eq!(proof.digest.len(), 64);
    let schema = format!("ts_{}", Uuid::try_parse(&id).unwrap().as_simple());
    let left = auth.db.sql(&format!("select to_regnamespace('{schema}') is null")).await;
    assert_eq!(left.trim(), "t");
    for refused in [operator.resume(&id).await, operator.suspend(&id).await] {
        assert_eq!(refused, Some(Code::TenantStateConflict));
    }
    let again = operator.create("ending").await.map(tonic::Response::new);
    assert_eq!(code(again), Some(Code::ResourceExists), "a slug is never given twice");
    auth.finish().await;
}

#[tokio::test]
async fn tenants_are_listed_by_slug_in_pages() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let operator = Operator::of(&auth).await;
    let (mut slugs, mut next) = (Vec::new(), String::new());
    loop {
        let page = wire::ListTenantsRequest { page_size: 1, page_token: next };
        let (mut client, request) = operator.with(page);
        let answer = client.list_tenants(request).await.unwrap().into_inner();
        slugs.extend(answer.tenants.into_iter().map(|tenant| tenant.slug));
        next = answer.next_page_token;
        if next.is_empty() {
            break;
        }
    }
    let mut sorted = slugs.clone();
    sorted.sort_unstable();
    assert!(slugs.len() >= 2 && slugs == sorted, "{slugs:?}");
    auth.finish().await;
}

#[tokio::test]
async fn owner_renames_the_organization_and_a_viewer_only_reads_it() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let mut client = OrganizationServiceClient::new(auth.channel());
    let change = |token: &str, paths: &[&str]| {
        let organization = wire::Organization {
            name: " Acme Two ".to_owned(),
            time_zone: "Africa/Nairobi".to_owned(),
            plan: "gold".to_owned(),
            ..wire::Organization::default()
        };
        let paths = paths.iter().map(|&path| path.to_owned()).collect();
        let request = wire::UpdateOrganizationRequest {
            organization: Some(organization),
            update_mask: Some(prost_types::FieldMask { paths }),
        };
        let (mut client, request) = (client.clone(), bearer(request, token));
        async move { client.update_organization(request).await }
    };
    let viewer = auth.access("viewer@example.org", "").await;
    let owner = auth.access("owner@example.org", "").await;
    assert_eq!(code(change(&viewer, &["name"]).await), Some(Code::AuthForbidden));
    assert_eq!(code(change(&owner, &["plan"]).await), Some(Code::RequestInvalid));
    let changed = change(&owner, &["name", "time_zone"]).await.unwrap().into_inner();
    assert_eq!((changed.name.as_str(), changed.time_zone.as_str()), ("Acme Two", "Africa/Nairobi"));
    let request = bearer(wire::GetOrganizationRequest {}, &viewer);
    let seen = client.get_organization(request).await.unwrap().into_inner();
    assert_eq!((seen.name.as_str(), seen.plan.as_str()), ("Acme Two", "standard"));
    auth.finish().await;
}
