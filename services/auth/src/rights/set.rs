use yard_authn::{TENANT_PERMISSIONS, permissions_of};

/// Roles that every tenant has and nobody changes.
pub(super) const BUILT_IN: [&str; 3] = ["owner", "operator", "viewer"];

/// Some of the permissions that are held in a tenant, one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct PermissionSet(u64);

const _: () = assert!(TENANT_PERMISSIONS.len() <= 64, "a set has 64 bits");

impl PermissionSet {
    /// Those of `names` that exist; what a past release knew and this one does not, means nothing.
    pub(crate) fn of<S: AsRef<str>>(names: &[S]) -> Self {
        names.iter().fold(Self::default(), |set, name| set.or(Self::one(name.as_ref())))
    }

    /// One permission; empty for a name that does not exist.
    pub(crate) fn one(name: &str) -> Self {
        let place = TENANT_PERMISSIONS.iter().position(|known| *known == name);
        Self(place.map_or(0, |place| 1 << place))
    }

    /// What a role holds: a built-in one by its name, another by what its row says.
    pub(crate) fn of_role(role: &str, own: &[String]) -> Self {
        if BUILT_IN.contains(&role) { Self::of(permissions_of(role)) } else { Self::of(own) }
    }

    pub(crate) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether it has all that `other` has.
    pub(crate) const fn holds(self, other: Self) -> bool {
        other.without(self).is_empty()
    }

    /// In the catalogue's order.
    pub(crate) fn names(self) -> impl Iterator<Item = &'static str> {
        let all = TENANT_PERMISSIONS.iter().enumerate();
        all.filter_map(move |(place, name)| (self.0 >> place & 1 == 1).then_some(*name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_gives_back_its_names_in_the_catalogues_order_and_no_others() {
        let set = PermissionSet::of(&["tenant.manage", "devices.read", "gone.long_ago"]);
        assert_eq!(set.names().collect::<Vec<_>>(), ["devices.read", "tenant.manage"]);
        let all = PermissionSet::of(&TENANT_PERMISSIONS);
        assert_eq!(all.names().count(), TENANT_PERMISSIONS.len());
        assert!(all.holds(set) && !set.holds(all));
        assert!(PermissionSet::of::<&str>(&[]).is_empty());
    }

    #[test]
    fn role_of_the_platform_holds_nothing_in_a_tenant() {
        assert!(PermissionSet::of_role("system-administrator", &[]).is_empty());
        assert!(PermissionSet::of(permissions_of("system-administrator")).is_empty());
        let own = ["devices.read".to_owned()];
        assert_eq!(PermissionSet::of_role("night-shift", &own), PermissionSet::one("devices.read"));
        let owner = PermissionSet::of_role("owner", &own);
        assert_eq!(owner, PermissionSet::of(permissions_of("owner")));
    }
}
