use tonic::{Request, Response, Status, async_trait};
use uuid::Uuid;
use yard_authn::{Call, Caller, RpcResult as _};
use yard_contracts::rights::v1 as wire;
use yard_contracts::rights::v1::department_service_server::DepartmentService;
use yard_contracts::values::timestamp;
use yard_fault::{Code, Fault};
use yard_pg::{TenantTx, page};

use super::store::{self, Row};
use crate::rights::{self, Rights, checks, there};

const USUAL_PAGE: u16 = 50;
const LARGEST_PAGE: u16 = 200;
const MOST_DEPARTMENTS: i64 = 1_000;
const MOST_LEVELS: i64 = 16;

#[async_trait]
impl DepartmentService for Rights {
    async fn list_departments(
        &self,
        request: Request<wire::ListDepartmentsRequest>,
    ) -> Result<Response<wire::ListDepartmentsResponse>, Status> {
        let call = Call::of(&request);
        self.departments(&call.caller, request.get_ref()).await.rpc(&call, "list departments")
    }

    async fn get_department(
        &self,
        request: Request<wire::GetDepartmentRequest>,
    ) -> Result<Response<wire::Department>, Status> {
        let call = Call::of(&request);
        let id = &request.get_ref().department_id;
        self.department(&call.caller, id).await.rpc(&call, "show a department")
    }

    async fn create_department(
        &self,
        request: Request<wire::CreateDepartmentRequest>,
    ) -> Result<Response<wire::Department>, Status> {
        let call = Call::of(&request);
        self.make_department(&call.caller, request.get_ref()).await.rpc(&call, "make a department")
    }

    async fn update_department(
        &self,
        request: Request<wire::UpdateDepartmentRequest>,
    ) -> Result<Response<wire::Department>, Status> {
        let call = Call::of(&request);
        let done = self.change_department(&call.caller, request.into_inner()).await;
        done.rpc(&call, "change a department")
    }

    async fn delete_department(
        &self,
        request: Request<wire::DeleteDepartmentRequest>,
    ) -> Result<Response<wire::DeleteDepartmentResponse>, Status> {
        let call = Call::of(&request);
        let id = &request.get_ref().department_id;
        self.drop_department(&call.caller, id).await.rpc(&call, "delete a department")
    }
}

impl Rights {
    async fn departments(
        &self,
        caller: &Caller,
        request: &wire::ListDepartmentsRequest,
    ) -> Result<wire::ListDepartmentsResponse, Fault> {
        let most = page::size(request.page_size, USUAL_PAGE, LARGEST_PAGE)?;
        let after = checks::page_after(&request.page_token)?;
        let mut tx = self.begin(caller).await?;
        let rows = store::page(&mut tx, after, most).await?;
        tx.commit().await?;
        Ok(wire::ListDepartmentsResponse {
            next_page_token: checks::page_next(rows.iter().map(|row| row.id), most),
            departments: rows.into_iter().map(department).collect(),
        })
    }

    async fn department(&self, caller: &Caller, id: &str) -> Result<wire::Department, Fault> {
        let id = checks::named(id)?;
        let mut tx = self.begin(caller).await?;
        let row = store::get(&mut tx, id).await?;
        tx.commit().await?;
        Ok(department(there(row)?))
    }

    async fn make_department(
        &self,
        caller: &Caller,
        request: &wire::CreateDepartmentRequest,
    ) -> Result<wire::Department, Fault> {
        let row = Row {
            id: self.ids.uuid7(),
            parent_id: checks::optional_id(&request.parent_id, "/parent_id")?,
            name: checks::name(&request.name, "/name")?,
            created_at: self.clock.now(),
        };
        let mut tx = self.begin_change(caller).await?;
        if store::count(&mut tx).await? >= MOST_DEPARTMENTS {
            let text = format!("a tenant has at most {MOST_DEPARTMENTS} departments");
            return Err(Fault::invalid(text));
        }
        fits_below(&mut tx, row.id, row.parent_id).await?;
        store::insert(&mut tx, &row).await?;
        self.commit(tx).await?;
        Ok(department(row))
    }

    async fn change_department(
        &self,
        caller: &Caller,
        request: wire::UpdateDepartmentRequest,
    ) -> Result<wire::Department, Fault> {
        let wanted = request.department.ok_or_else(|| Fault::invalid("department is missing"))?;
        let id = checks::named(&wanted.department_id)?;
        let mut tx = self.begin_change(caller).await?;
        let mut row = there(store::get(&mut tx, id).await?)?;
        for path in request.update_mask.unwrap_or_default().paths {
            match path.as_str() {
                "name" => row.name = checks::name(&wanted.name, "/name")?,
                "parent_id" => {
                    row.parent_id = checks::optional_id(&wanted.parent_id, "/parent_id")?;
                    fits_below(&mut tx, id, row.parent_id).await?;
                }
                _ => return Err(checks::not_changeable("name, parent_id")),
            }
        }
        store::update(&mut tx, &row).await?;
        self.commit(tx).await?;
        Ok(department(row))
    }

    async fn drop_department(
        &self,
        caller: &Caller,
        id: &str,
    ) -> Result<wire::DeleteDepartmentResponse, Fault> {
        let id = checks::named(id)?;
        let mut tx = self.begin_change(caller).await?;
        there(store::get(&mut tx, id).await?)?;
        if store::is_used(&mut tx, id).await? {
            return Err(Code::RightsInUse.into());
        }
        store::delete(&mut tx, id).await?;
        self.commit(tx).await?;
        Ok(wire::DeleteDepartmentResponse {})
    }
}

/// Whether a department, with what is below it, may stand below `parent`. True until the transaction
/// ends, because changes wait for each other.
async fn fits_below(tx: &mut TenantTx, id: Uuid, parent: Option<Uuid>) -> Result<(), Fault> {
    let Some(parent) = parent else { return Ok(()) };
    let path = rights::store::path(tx, parent).await?;
    if path.is_empty() {
        return Err(checks::wrong("there is no such department", "/parent_id"));
    }
    if path.contains(&id) {
        return Err(checks::wrong("is the department itself or below it", "/parent_id"));
    }
    let levels = i64::try_from(path.len()).unwrap_or(i64::MAX);
    if levels.saturating_add(store::height(tx, id).await?) > MOST_LEVELS {
        let text = format!("departments are at most {MOST_LEVELS} levels deep");
        return Err(checks::wrong(text, "/parent_id"));
    }
    Ok(())
}

fn department(row: Row) -> wire::Department {
    wire::Department {
        department_id: row.id.as_hyphenated().to_string(),
        parent_id: row.parent_id.map(|id| id.as_hyphenated().to_string()).unwrap_or_default(),
        name: row.name,
        created_at: Some(timestamp(row.created_at)),
    }
}
