//! Scopes: what of the person's identity, and which of their permissions.

use std::collections::BTreeSet;

use super::answer::OauthError;

pub(super) const OPENID: &str = "openid";
pub(super) const PROFILE: &str = "profile";
pub(super) const EMAIL: &str = "email";
pub(super) const OFFLINE: &str = "offline_access";
pub(super) const IDENTITY: [&str; 4] = [OPENID, PROFILE, EMAIL, OFFLINE];
const MOST: usize = 96;

/// What a client asks for: of the identity what it likes, of permissions what it is registered for.
///
/// # Errors
/// `invalid_scope` for anything else.
pub(super) fn read(text: &str, abilities: &[String]) -> Result<Vec<String>, OauthError> {
    let asked: BTreeSet<&str> = text.split(' ').filter(|scope| !scope.is_empty()).collect();
    let known = |scope: &&str| IDENTITY.contains(scope) || abilities.iter().any(|a| a == scope);
    if asked.len() > MOST || !asked.iter().all(known) {
        return Err(OauthError::new("invalid_scope", "the client may not ask for all of this"));
    }
    Ok(asked.into_iter().map(str::to_owned).collect())
}

/// The permissions among scopes.
pub(super) fn abilities<'s>(
    scopes: impl Iterator<Item = &'s str>,
) -> impl Iterator<Item = &'s str> {
    scopes.filter(|scope| !IDENTITY.contains(scope))
}

pub(super) fn has(scopes: &[String], scope: &str) -> bool {
    scopes.iter().any(|known| known == scope)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_gets_identity_and_what_it_is_registered_for() {
        let may = ["devices.read".to_owned()];
        let read = |text| read(text, &may).map_err(|e| e.error);
        assert_eq!(read("openid  devices.read openid").unwrap(), ["devices.read", "openid"]);
        assert_eq!(read("").unwrap(), Vec::<String>::new());
        for wrong in ["devices.manage", "openid tenant.manage", "OPENID", "openid\u{a0}profile"] {
            assert_eq!(read(wrong), Err("invalid_scope"), "{wrong}");
        }
        let granted = read("openid devices.read").unwrap();
        let abilities: Vec<_> = abilities(granted.iter().map(String::as_str)).collect();
        assert_eq!(abilities, ["devices.read"]);
    }
}
