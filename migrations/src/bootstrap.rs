//! The first tenants and people of an installation, from a file. Repeating it changes nothing that
//! is there already.

use serde::Deserialize;
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;
use yard_ids::{IdSource, TenantId};

use crate::run::connect;
use crate::{MigrationError, NewTenant, create_tenant};

/// The file: `[[tenant]]` with `slug`, `name` and `[[tenant.person]]`, and
/// `[[system_administrator]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bootstrap {
    /// Tenants with their first people.
    #[serde(default, rename = "tenant")]
    pub tenants: Vec<Tenant>,
    /// People who run the platform and are in no tenant.
    #[serde(default, rename = "system_administrator")]
    pub system_administrators: Vec<Person>,
}

/// A tenant of the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tenant {
    /// See [`NewTenant`].
    pub slug: String,
    /// See [`NewTenant`].
    pub name: String,
    /// First members.
    #[serde(default, rename = "person")]
    pub people: Vec<Person>,
}

/// A person of the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// Compared without regard to case.
    pub email: String,
    /// Shown in the console.
    pub display_name: String,
    /// At least 12 characters; only its Argon2id hash is stored.
    pub password: String,
    /// `owner`, `operator` or `viewer`; ignored for a system administrator.
    #[serde(default)]
    pub role: String,
}

/// Applies the file.
///
/// # Errors
/// At the first thing that cannot be made.
pub async fn apply(
    admin_url: &str,
    file: &Bootstrap,
    ids: &dyn IdSource,
) -> Result<(), MigrationError> {
    let mut connection = connect(admin_url).await?;
    for tenant in &file.tenants {
        let id = tenant_id(&mut connection, &tenant.slug, ids).await?;
        let (slug, name) = (tenant.slug.clone(), tenant.name.clone());
        create_tenant(admin_url, &NewTenant { id, slug, name }).await?;
        for person in &tenant.people {
            let principal = ensure_person(&mut connection, person, false, ids).await?;
            join(&mut connection, id, principal, &person.role).await?;
        }
    }
    for person in &file.system_administrators {
        ensure_person(&mut connection, person, true, ids).await?;
    }
    connection.close().await?;
    Ok(())
}

async fn tenant_id(
    connection: &mut PgConnection,
    slug: &str,
    ids: &dyn IdSource,
) -> Result<TenantId, MigrationError> {
    let known: Option<Uuid> = sqlx::query_scalar("select id from platform.tenants where slug = $1")
        .bind(slug)
        .fetch_optional(connection)
        .await?;
    Ok(TenantId::from_uuid(known.unwrap_or_else(|| ids.uuid7())))
}

async fn ensure_person(
    connection: &mut PgConnection,
    person: &Person,
    system_administrator: bool,
    ids: &dyn IdSource,
) -> Result<Uuid, MigrationError> {
    let email = person.email.trim().to_lowercase();
    let known: Option<Uuid> =
        sqlx::query_scalar("select principal_id from platform.people where email = $1")
            .bind(&email)
            .fetch_optional(&mut *connection)
            .await?;
    if let Some(id) = known {
        return Ok(id);
    }
    let hash = yard_authn::password::hash(&person.password)
        .map_err(|e| MigrationError::Argument(format!("password of {email}: {e}")))?;
    let id = ids.uuid7();
    let mut tx = connection.begin().await?;
    sqlx::query(
        "insert into platform.principals (id, kind, display_name) values ($1, 'person', $2)",
    )
    .bind(id)
    .bind(&person.display_name)
    .execute(&mut *tx)
    .await?;
    sqlx::query(
        "insert into platform.people (principal_id, email, password_hash, system_administrator) \
         values ($1, $2, $3, $4)",
    )
    .bind(id)
    .bind(&email)
    .bind(hash)
    .bind(system_administrator)
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(id)
}

async fn join(
    connection: &mut PgConnection,
    tenant: TenantId,
    principal: Uuid,
    role: &str,
) -> Result<(), MigrationError> {
    sqlx::query(
        "insert into platform.memberships (tenant_id, principal_id, role) values ($1, $2, $3) \
         on conflict (tenant_id, principal_id) do nothing",
    )
    .bind(tenant.uuid())
    .bind(principal)
    .bind(role)
    .execute(connection)
    .await?;
    Ok(())
}
