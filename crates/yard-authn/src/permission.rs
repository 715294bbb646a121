/// Every permission that is held in a tenant.
pub const TENANT_PERMISSIONS: [&str; 15] = [
    "devices.read",
    "telemetry.read",
    "people.read",
    "rights.read",
    "devices.control",
    "devices.enroll",
    "subscribers.read",
    "subscribers.manage",
    "devices.manage",
    "people.manage",
    "rights.manage",
    "realtime.manage",
    "radius.manage",
    "audit.read",
    "tenant.manage",
];

/// Every permission of a system administrator.
pub const PLATFORM_PERMISSIONS: [&str; 6] =
    ["ops.read", "ops.manage", "tenants.read", "tenants.manage", "keys.manage", "ops.break_glass"];

/// What a built-in role may do; empty for a role that does not exist.
#[must_use]
pub fn permissions_of(role: &str) -> &'static [&'static str] {
    match role {
        "viewer" => TENANT_PERMISSIONS.split_at(4).0,
        "operator" => TENANT_PERMISSIONS.split_at(8).0,
        "owner" => &TENANT_PERMISSIONS,
        "system-administrator" => &PLATFORM_PERMISSIONS,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_permission_that_an_rpc_asks_for_is_held_by_some_role() {
        for method in yard_contracts::policy::methods().values() {
            let asked = method.policy.permission.as_str();
            let known = asked.is_empty()
                || TENANT_PERMISSIONS.contains(&asked)
                || PLATFORM_PERMISSIONS.contains(&asked);
            assert!(known, "{} asks for {asked}", method.path);
        }
    }

    #[test]
    fn roles_grow_and_never_mix_tenant_with_platform() {
        assert!(!permissions_of("viewer").contains(&"devices.control"));
        assert!(permissions_of("operator").contains(&"devices.enroll"));
        assert!(!permissions_of("operator").contains(&"devices.manage"));
        assert!(permissions_of("owner").contains(&"devices.manage"));
        assert!(!permissions_of("operator").contains(&"people.manage"));
        let administrators = permissions_of("system-administrator");
        assert!(administrators.iter().all(|p| !TENANT_PERMISSIONS.contains(p)));
        assert!(permissions_of("root").is_empty());
    }
}
