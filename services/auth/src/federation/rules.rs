//! What a provider's word is worth in its tenant.

use serde_json::Value;

use super::store::Provider;
use crate::mail::Address;

/// Groups that are looked at.
const MOST_GROUPS: usize = 500;

/// The person's groups by the ID token.
fn groups<'c>(claims: &'c Value, claim: &str) -> Vec<&'c str> {
    match claims.get(claim) {
        Some(Value::String(one)) => vec![one.as_str()],
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).take(MOST_GROUPS).collect(),
        _ => Vec::new(),
    }
}

/// Whether the provider decides on roles at every sign-in, and not only once for who is new.
pub(super) fn decides(provider: &Provider) -> bool {
    !provider.rule_groups.is_empty()
}

/// The role that the provider gives; `None` gives none.
pub(super) fn role<'p>(provider: &'p Provider, claims: &Value) -> Option<&'p str> {
    let groups = if provider.groups_claim.is_empty() {
        Vec::new()
    } else {
        groups(claims, &provider.groups_claim)
    };
    let rules = provider.rule_groups.iter().zip(&provider.rule_roles);
    let fits = rules.into_iter().find(|(group, _)| groups.contains(&group.as_str()));
    fits.map(|(_, role)| role.as_str()).or(provider.default_role.as_deref())
}

/// The person's e-mail address as accounts have it, if the provider has verified it.
pub(super) fn email(claims: &Value) -> Option<String> {
    let verified = claims.get("email_verified") == Some(&Value::Bool(true));
    let email = claims.get("email").and_then(Value::as_str).filter(|_| verified)?;
    Address::parse(email, "/email").ok().map(|address| address.as_str().to_owned())
}

/// Whether an address is of a domain that the provider speaks for.
pub(super) fn is_of_domain(email: Option<&str>, domains: &[String]) -> bool {
    let domain = email.and_then(|email| email.split_once('@')).map(|(_, domain)| domain);
    domains.is_empty() || domain.is_some_and(|domain| domains.iter().any(|one| one == domain))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use time::OffsetDateTime;
    use uuid::Uuid;

    use super::*;

    fn provider(rules: &[(&str, &str)], default: Option<&str>) -> Provider {
        Provider {
            id: Uuid::nil(),
            tenant_id: Uuid::nil(),
            name: String::new(),
            issuer: String::new(),
            client_id: String::new(),
            client_secret_sealed: None,
            scopes: Vec::new(),
            groups_claim: "groups".to_owned(),
            rule_groups: rules.iter().map(|(group, _)| (*group).to_owned()).collect(),
            rule_roles: rules.iter().map(|(_, role)| (*role).to_owned()).collect(),
            default_role: default.map(str::to_owned),
            email_domains: Vec::new(),
            create_people: true,
            created_at: OffsetDateTime::UNIX_EPOCH,
            disabled_at: None,
            changed_at: None,
            version: 1,
        }
    }

    #[test]
    fn first_rule_that_fits_decides_then_the_default_then_nobody() {
        let rules = [("admins", "owner"), ("staff", "operator")];
        let with = provider(&rules, Some("viewer"));
        assert_eq!(role(&with, &json!({"groups": ["staff", "admins"]})), Some("owner"));
        assert_eq!(role(&with, &json!({"groups": "staff"})), Some("operator"));
        for claims in [
            json!({}),
            json!({"groups": []}),
            json!({"groups": ["Staff"]}),
            json!({"groups": {"staff": 1}}),
        ] {
            assert_eq!(role(&with, &claims), Some("viewer"), "{claims}");
            assert_eq!(role(&provider(&rules, None), &claims), None, "{claims}");
        }
        let unread = Provider { groups_claim: String::new(), ..provider(&rules, None) };
        assert_eq!(role(&unread, &json!({"groups": "staff", "": "staff"})), None);
    }

    #[test]
    fn address_counts_when_it_is_verified_and_of_the_domain() {
        let said = |email: &str, verified: Value| {
            super::email(&json!({"email": email, "email_verified": verified}))
        };
        assert_eq!(said("Ann@Acme.example", json!(true)).as_deref(), Some("ann@acme.example"));
        assert_eq!(
            said("a@B\u{fc}cher.example", json!(true)).as_deref(),
            Some("a@xn--bcher-kva.example")
        );
        for verified in [json!(false), json!("true"), json!(null)] {
            assert_eq!(said("ann@acme.example", verified), None);
        }
        for odd in ["ann", "a@b@c", "a b@c", ""] {
            assert_eq!(said(odd, json!(true)), None, "{odd}");
        }
        let domains = ["acme.example".to_owned()];
        assert!(is_of_domain(Some("ann@acme.example"), &domains));
        for other in [Some("ann@evil-acme.example"), Some("ann@x.acme.example"), None] {
            assert!(!is_of_domain(other, &domains), "{other:?}");
        }
        assert!(is_of_domain(None, &[]));
    }
}
