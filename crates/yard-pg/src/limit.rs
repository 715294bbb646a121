//! What a tenant may have at most. The number is its own or its plan's, kept by auth; it is held
//! by whoever makes the thing, in the transaction that makes it (ADR 0028).

use sqlx::PgConnection;
use time::OffsetDateTime;
use yard_fault::{Code, Fault};
use yard_ids::TenantId;

use crate::PgError;

/// Every limit there is. `platform.tenant_use` counts each by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Limit {
    /// `devices`
    Devices,
    /// `contracts`
    Contracts,
    /// `commands_per_day`
    CommandsPerDay,
    /// `people`
    People,
    /// `api_tokens`
    ApiTokens,
}

impl Limit {
    /// All of them, by name.
    pub const ALL: [Self; 5] =
        [Self::ApiTokens, Self::CommandsPerDay, Self::Contracts, Self::Devices, Self::People];

    /// As it stands in plans and tenants.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Devices => "devices",
            Self::Contracts => "contracts",
            Self::CommandsPerDay => "commands_per_day",
            Self::People => "people",
            Self::ApiTokens => "api_tokens",
        }
    }

    /// What is counted, in a few words.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Devices => "registered devices",
            Self::Contracts => "contracts, each version for itself",
            Self::CommandsPerDay => "commands accepted since midnight UTC",
            Self::People => "members",
            Self::ApiTokens => "API tokens in force, of all members together",
        }
    }

    /// The service that makes the thing, and so holds the limit.
    #[must_use]
    pub const fn holder(self) -> &'static str {
        match self {
            Self::Devices | Self::Contracts | Self::CommandsPerDay => "device-ingest",
            Self::People | Self::ApiTokens => "auth",
        }
    }

    /// The limit of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|limit| limit.as_str() == name)
    }
}

/// Whether the tenant may have one more. Asked in the transaction that then makes it, after
/// whatever may wait for long: the next one of the same tenant and limit waits for its end.
///
/// # Errors
/// `limit.reached` with the limit, its number and what is in use.
pub async fn hold(
    connection: &mut PgConnection,
    tenant: TenantId,
    limit: Limit,
    now: OffsetDateTime,
) -> Result<(), Fault> {
    hold_many(connection, tenant, limit, 1, now).await
}

/// As [`hold`], for `more` at once. For none it only makes others wait, where there is a limit.
///
/// # Errors
/// `limit.reached` when they do not all fit.
pub async fn hold_many(
    connection: &mut PgConnection,
    tenant: TenantId,
    limit: Limit,
    more: i64,
    now: OffsetDateTime,
) -> Result<(), Fault> {
    let row: Option<(i64, Option<i64>)> =
        sqlx::query_as("select most, used from platform.hold_limit($1, $2, $3)")
            .bind(tenant.uuid())
            .bind(limit.as_str())
            .bind(now)
            .fetch_optional(connection)
            .await
            .map_err(PgError::from)?;
    let Some((most, used)) = row else { return Ok(()) };
    let name = limit.as_str();
    let used = used.ok_or_else(|| Fault::internal(format!("nobody counts {name}")))?;
    if more == 0 || used.saturating_add(more) <= most {
        return Ok(());
    }
    let text = match more {
        1 => format!("The limit {name} is reached: {used} of {most} are in use."),
        _ => format!("{more} more are beyond the limit {name}: {used} of {most} are in use."),
    };
    Err(Fault::new(Code::LimitReached).with_public(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_known_by_their_names_in_order() {
        let names = Limit::ALL.map(Limit::as_str);
        assert!(names.is_sorted(), "{names:?}");
        for limit in Limit::ALL {
            assert_eq!(Limit::from_name(limit.as_str()), Some(limit));
            assert!(!limit.meaning().is_empty() && !limit.holder().is_empty());
        }
        assert_eq!(Limit::from_name("Devices"), None);
    }
}
