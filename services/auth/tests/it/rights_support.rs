//! What tests of rights share: a tenant's owner who builds, and a second service that hears of it.

use std::time::Duration;

use prost_types::{FieldMask, Timestamp};
use time::OffsetDateTime;
use tonic::transport::Channel;
use tonic::{Response, Status};
use yard_authn::{TokenError, Verifier};
use yard_contracts::rights::v1 as wire;
use yard_contracts::rights::v1::decision_service_client::DecisionServiceClient;
use yard_contracts::rights::v1::department_service_client::DepartmentServiceClient;
use yard_contracts::rights::v1::override_service_client::OverrideServiceClient;
use yard_contracts::rights::v1::position_service_client::PositionServiceClient;
use yard_contracts::rights::v1::role_service_client::RoleServiceClient;
use yard_contracts::rights::v1::{GrantScope, OverrideEffect, Severity};
use yard_contracts::values::timestamp;
use yard_ids::Clock as _;
use yard_testkit::eventually;

use crate::support::{Auth, bearer};

/// The feed's promise.
pub(crate) const SOON: Duration = Duration::from_secs(2);

/// Somebody who arranges a tenant.
pub(crate) struct Desk {
    pub(crate) token: String,
    channel: Channel,
}

type Answer<T> = Result<Response<T>, Status>;

impl Desk {
    pub(crate) async fn of(auth: &Auth, email: &str, tenant: &str) -> Self {
        Self::with(auth, auth.access(email, tenant).await)
    }

    pub(crate) fn with(auth: &Auth, token: String) -> Self {
        Self { token, channel: auth.channel() }
    }

    pub(crate) fn roles(&self) -> RoleServiceClient<Channel> {
        RoleServiceClient::new(self.channel.clone())
    }

    pub(crate) fn departments(&self) -> DepartmentServiceClient<Channel> {
        DepartmentServiceClient::new(self.channel.clone())
    }

    pub(crate) fn positions(&self) -> PositionServiceClient<Channel> {
        PositionServiceClient::new(self.channel.clone())
    }

    pub(crate) fn overrides(&self) -> OverrideServiceClient<Channel> {
        OverrideServiceClient::new(self.channel.clone())
    }

    pub(crate) fn decisions(&self) -> DecisionServiceClient<Channel> {
        DecisionServiceClient::new(self.channel.clone())
    }

    pub(crate) async fn make_role(&self, role: &str, permissions: &[&str]) -> Answer<wire::Role> {
        let request = wire::CreateRoleRequest {
            role: role.to_owned(),
            name: role.to_uppercase(),
            description: String::new(),
            permissions: permissions.iter().map(|&name| name.to_owned()).collect(),
        };
        self.roles().create_role(bearer(request, &self.token)).await
    }

    pub(crate) async fn change_role(&self, role: &str, permissions: &[&str]) -> Answer<wire::Role> {
        let role = wire::Role {
            role: role.to_owned(),
            permissions: permissions.iter().map(|&name| name.to_owned()).collect(),
            ..wire::Role::default()
        };
        let paths = vec!["permissions".to_owned()];
        let request =
            wire::UpdateRoleRequest { role: Some(role), update_mask: Some(FieldMask { paths }) };
        self.roles().update_role(bearer(request, &self.token)).await
    }

    pub(crate) async fn drop_role(&self, role: &str) -> Answer<wire::DeleteRoleResponse> {
        let request = wire::DeleteRoleRequest { role: role.to_owned() };
        self.roles().delete_role(bearer(request, &self.token)).await
    }

    pub(crate) async fn make_department(
        &self,
        name: &str,
        parent: &str,
    ) -> Answer<wire::Department> {
        let (name, parent_id) = (name.to_owned(), parent.to_owned());
        let request = wire::CreateDepartmentRequest { name, parent_id };
        self.departments().create_department(bearer(request, &self.token)).await
    }

    /// One that has to be made; its id.
    pub(crate) async fn department(&self, name: &str, parent: &str) -> String {
        self.make_department(name, parent).await.unwrap().into_inner().department_id
    }

    pub(crate) async fn move_department(&self, id: &str, parent: &str) -> Answer<wire::Department> {
        let department = wire::Department {
            department_id: id.to_owned(),
            parent_id: parent.to_owned(),
            ..wire::Department::default()
        };
        let request = wire::UpdateDepartmentRequest {
            department: Some(department),
            update_mask: Some(FieldMask { paths: vec!["parent_id".to_owned()] }),
        };
        self.departments().update_department(bearer(request, &self.token)).await
    }

    /// A position with duty from warnings on; its id.
    pub(crate) async fn position(&self, department: &str, title: &str, rank: i32) -> String {
        let request = wire::CreatePositionRequest {
            department_id: department.to_owned(),
            title: title.to_owned(),
            rank,
            duty_from: Severity::Warning.into(),
            duty_kinds: Vec::new(),
        };
        let made = self.positions().create_position(bearer(request, &self.token)).await;
        made.unwrap().into_inner().position_id
    }

    pub(crate) async fn grant(
        &self,
        position: &str,
        role: &str,
        scope: GrantScope,
    ) -> Answer<wire::Position> {
        let request = wire::GrantPositionRoleRequest {
            position_id: position.to_owned(),
            role: role.to_owned(),
            scope: scope.into(),
        };
        self.positions().grant_position_role(bearer(request, &self.token)).await
    }

    pub(crate) async fn assign(
        &self,
        position: &str,
        person: &str,
        span: [Option<OffsetDateTime>; 2],
    ) -> Answer<wire::Assignment> {
        let [starts_at, ends_at] = span.map(|at| at.map(timestamp));
        let request = wire::AssignPositionRequest {
            position_id: position.to_owned(),
            principal_id: person.to_owned(),
            starts_at,
            ends_at,
        };
        self.positions().assign_position(bearer(request, &self.token)).await
    }

    pub(crate) async fn wish(
        &self,
        [person, position]: [&str; 2],
        permission: &str,
        effect: OverrideEffect,
        expires_at: Timestamp,
    ) -> Answer<wire::Override> {
        let request = wire::RequestOverrideRequest {
            principal_id: person.to_owned(),
            position_id: position.to_owned(),
            permission: permission.to_owned(),
            effect: effect.into(),
            scope: GrantScope::Tenant.into(),
            department_id: String::new(),
            reason: "because".to_owned(),
            expires_at: Some(expires_at),
        };
        self.overrides().request_override(bearer(request, &self.token)).await
    }

    pub(crate) async fn approve(&self, id: &str) -> Answer<wire::Override> {
        let request = wire::ApproveOverrideRequest { override_id: id.to_owned() };
        self.overrides().approve_override(bearer(request, &self.token)).await
    }

    pub(crate) async fn end(&self, id: &str) -> Answer<wire::Override> {
        let request = wire::EndOverrideRequest { override_id: id.to_owned() };
        self.overrides().end_override(bearer(request, &self.token)).await
    }

    pub(crate) async fn explain(
        &self,
        person: &str,
        permission: &str,
        department: &str,
    ) -> Answer<wire::Decision> {
        let request = wire::ExplainDecisionRequest {
            principal_id: person.to_owned(),
            permission: permission.to_owned(),
            department_id: department.to_owned(),
            own: false,
        };
        self.decisions().explain_decision(bearer(request, &self.token)).await
    }
}

impl Auth {
    /// A principal's id by their name.
    pub(crate) async fn person(&self, name: &str) -> String {
        let query =
            format!("select principal_id from platform.people where email = '{name}@example.org'");
        self.db.sql(&query).await.trim().to_owned()
    }

    /// What somebody may do, by the token they get now.
    pub(crate) async fn may(&self, session: &str) -> Vec<String> {
        self.claims(&self.exchange(session).await.unwrap()).permissions
    }

    /// A token of what holds after a change that voids `before`.
    pub(crate) async fn renewed(&self, follower: &Verifier, before: &str, session: &str) -> String {
        eventually(SOON, || async { revoked(follower, before) }).await;
        self.exchange(session).await.unwrap()
    }

    pub(crate) fn in_seconds(&self, seconds: i64) -> OffsetDateTime {
        self.clock.now() + time::Duration::seconds(seconds)
    }
}

pub(crate) fn revoked(verifier: &Verifier, token: &str) -> bool {
    matches!(verifier.verify(token), Err(TokenError::Revoked))
}
