use tonic::{Request, Response, Status, async_trait};
use yard_authn::{Call, Caller, RpcResult as _, TENANT_PERMISSIONS, permissions_of};
use yard_contracts::rights::v1 as wire;
use yard_contracts::rights::v1::role_service_server::RoleService;
use yard_contracts::values::timestamp;
use yard_fault::{Code, Fault};
use yard_pg::page;

use super::store::{self, Row};
use crate::rights::set::{BUILT_IN, PermissionSet};
use crate::rights::{Rights, checks, note_object, there};

const USUAL_PAGE: u16 = 50;
const LARGEST_PAGE: u16 = 200;
/// Roles of one tenant's own.
const MOST_ROLES: i64 = 200;

#[async_trait]
impl RoleService for Rights {
    async fn list_permissions(
        &self,
        request: Request<wire::ListPermissionsRequest>,
    ) -> Result<Response<wire::ListPermissionsResponse>, Status> {
        let call = Call::of(&request);
        let permissions = TENANT_PERMISSIONS.map(str::to_owned).to_vec();
        Ok(wire::ListPermissionsResponse { permissions }).rpc(&call, "list permissions")
    }

    async fn list_roles(
        &self,
        request: Request<wire::ListRolesRequest>,
    ) -> Result<Response<wire::ListRolesResponse>, Status> {
        let call = Call::of(&request);
        self.list_roles(&call.caller, request.get_ref()).await.rpc(&call, "list roles")
    }

    async fn get_role(
        &self,
        request: Request<wire::GetRoleRequest>,
    ) -> Result<Response<wire::Role>, Status> {
        let call = Call::of(&request);
        self.role(&call.caller, &request.get_ref().role).await.rpc(&call, "show a role")
    }

    async fn create_role(
        &self,
        request: Request<wire::CreateRoleRequest>,
    ) -> Result<Response<wire::Role>, Status> {
        let call = Call::of(&request);
        self.make_role(&call, request.get_ref()).await.rpc(&call, "make a role")
    }

    async fn update_role(
        &self,
        request: Request<wire::UpdateRoleRequest>,
    ) -> Result<Response<wire::Role>, Status> {
        let call = Call::of(&request);
        self.change_role(&call.caller, request.into_inner()).await.rpc(&call, "change a role")
    }

    async fn delete_role(
        &self,
        request: Request<wire::DeleteRoleRequest>,
    ) -> Result<Response<wire::DeleteRoleResponse>, Status> {
        let call = Call::of(&request);
        self.drop_role(&call.caller, &request.get_ref().role).await.rpc(&call, "delete a role")
    }
}

impl Rights {
    async fn list_roles(
        &self,
        caller: &Caller,
        request: &wire::ListRolesRequest,
    ) -> Result<wire::ListRolesResponse, Fault> {
        let most = page::size(request.page_size, USUAL_PAGE, LARGEST_PAGE)?;
        let after = page::parts::<1>(&request.page_token)?;
        let after = after.as_ref().map(|[role]| checks::new_role(role)).transpose();
        let after = after.map_err(|_no_role| Fault::new(Code::PageTokenInvalid))?;
        let mut tx = self.begin(caller).await?;
        let rows = store::page(&mut tx, after, most).await?;
        tx.commit().await?;
        let full = i64::try_from(rows.len()) == Ok(most);
        let next = rows.last().filter(|_| full).map(|last| page::token(&[&last.role]));
        let built_in = BUILT_IN.into_iter().filter(|_| after.is_none()).map(built_in);
        Ok(wire::ListRolesResponse {
            roles: built_in.chain(rows.into_iter().map(own)).collect(),
            next_page_token: next.unwrap_or_default(),
        })
    }

    async fn role(&self, caller: &Caller, role: &str) -> Result<wire::Role, Fault> {
        if BUILT_IN.contains(&role) {
            return Ok(built_in(role));
        }
        let mut tx = self.begin(caller).await?;
        let row = existing(&mut tx, role).await?;
        tx.commit().await?;
        Ok(own(row))
    }

    async fn make_role(
        &self,
        call: &Call,
        request: &wire::CreateRoleRequest,
    ) -> Result<wire::Role, Fault> {
        let row = Row {
            role: checks::new_role(&request.role)?.to_owned(),
            name: checks::name(&request.name, "/name")?,
            description: checks::note(&request.description, "/description")?,
            permissions: checks::permissions(&request.permissions)?,
            changed_at: self.clock.now(),
        };
        note_object(call, "role", &row.role);
        checks::within(&call.caller, PermissionSet::of(&row.permissions))?;
        let mut tx = self.begin_change(&call.caller).await?;
        if store::count(&mut tx).await? >= MOST_ROLES {
            return Err(Fault::invalid(format!("a tenant has at most {MOST_ROLES} roles")));
        }
        store::insert(&mut tx, &row).await?;
        self.commit(tx).await?;
        Ok(own(row))
    }

    async fn change_role(
        &self,
        caller: &Caller,
        request: wire::UpdateRoleRequest,
    ) -> Result<wire::Role, Fault> {
        let wanted = request.role.ok_or_else(|| Fault::invalid("role is missing"))?;
        let mut tx = self.begin_change(caller).await?;
        let mut row = existing(&mut tx, &wanted.role).await?;
        let before = PermissionSet::of(&row.permissions);
        for path in request.update_mask.unwrap_or_default().paths {
            match path.as_str() {
                "name" => row.name = checks::name(&wanted.name, "/name")?,
                "description" => {
                    row.description = checks::note(&wanted.description, "/description")?;
                }
                "permissions" => row.permissions = checks::permissions(&wanted.permissions)?,
                _ => return Err(checks::not_changeable("name, description, permissions")),
            }
        }
        // What it is given and what it loses: both are the caller's own, or not the caller's to move.
        let after = PermissionSet::of(&row.permissions);
        checks::within(caller, after.without(before).or(before.without(after)))?;
        row.changed_at = self.clock.now();
        store::update(&mut tx, &row).await?;
        self.commit(tx).await?;
        Ok(own(row))
    }

    async fn drop_role(
        &self,
        caller: &Caller,
        role: &str,
    ) -> Result<wire::DeleteRoleResponse, Fault> {
        let mut tx = self.begin_change(caller).await?;
        store::keep(&mut tx, role).await?;
        existing(&mut tx, role).await?;
        if store::is_used(&mut tx, role).await? {
            return Err(Code::RightsInUse.into());
        }
        store::delete(&mut tx, role).await?;
        self.commit(tx).await?;
        Ok(wire::DeleteRoleResponse {})
    }
}

/// A role of the tenant's own; built-in ones are found and cannot be changed.
async fn existing(tx: &mut yard_pg::TenantTx, role: &str) -> Result<Row, Fault> {
    if BUILT_IN.contains(&role) {
        return Err(checks::wrong("is built in and never changes", "/role"));
    }
    // PostgreSQL takes no NUL in a text.
    checks::new_role(role).map_err(|_no_key| Fault::new(Code::ResourceNotFound))?;
    there(store::get(tx, role).await?)
}

fn built_in(role: &str) -> wire::Role {
    let (name, description) = match role {
        "owner" => ("Owner", "Everything in the tenant."),
        "operator" => ("Operator", "Reads everything, controls and enrols devices."),
        _ => ("Viewer", "Reads devices, readings, people and rights."),
    };
    wire::Role {
        role: role.to_owned(),
        name: name.to_owned(),
        description: description.to_owned(),
        permissions: sorted(permissions_of(role).iter().map(|&name| name.to_owned()).collect()),
        built_in: true,
        changed_at: None,
    }
}

fn own(row: Row) -> wire::Role {
    wire::Role {
        role: row.role,
        name: row.name,
        description: row.description,
        permissions: row.permissions,
        built_in: false,
        changed_at: Some(timestamp(row.changed_at)),
    }
}

fn sorted(mut permissions: Vec<String>) -> Vec<String> {
    permissions.sort_unstable();
    permissions
}
