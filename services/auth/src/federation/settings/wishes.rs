//! What an owner may set a provider up with.

use time::OffsetDateTime;
use uuid::Uuid;
use yard_contracts::federation::v1 as wire;
use yard_fault::Fault;

use crate::federation::store::Provider;

const LONGEST_ROLE: usize = 64;

fn wrong<T>(field: &str, problem: &str) -> Result<T, Fault> {
    Err(Fault::invalid(format!("{field} {problem}"))
        .with_pointer(format!("/identity_provider/{field}")))
}

fn is_text(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.chars().count()) && !text.contains(char::is_control)
}

/// The client secret, if there is one.
pub(super) fn secret(text: &str) -> Result<Option<&str>, Fault> {
    if text.is_empty() {
        return Ok(None);
    }
    if !is_text(text, 512) {
        return wrong("client_secret", "has to be at most 512 characters");
    }
    Ok(Some(text))
}

/// Everything but the secret and what is not the owner's to say. Which roles there are, and whether
/// the caller may give them, is not looked at. `known`: an address may be asked.
pub(super) fn read(
    wish: wire::IdentityProvider,
    known: impl Fn(&str) -> bool,
) -> Result<Provider, Fault> {
    let name = wish.name.trim().to_owned();
    if !is_text(&name, 60) {
        return wrong("name", "has to be 1 to 60 characters");
    }
    let plain = wish.issuer.bytes().all(|b| b.is_ascii_graphic() && b != b'?');
    if wish.issuer.len() > 512 || !plain || !known(&wish.issuer) {
        return wrong("issuer", "has to be https://… of a public address, without a query");
    }
    if !is_text(&wish.client_id, 256) {
        return wrong("client_id", "has to be 1 to 256 characters");
    }
    let scope = |scope: &String| {
        scope.len() <= 64
            && !scope.is_empty()
            && scope.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\')
    };
    if wish.scopes.len() > 16 || !wish.scopes.iter().all(scope) {
        return wrong("scopes", "has to hold at most 16 scopes of 1 to 64 characters");
    }
    if wish.groups_claim.len() > 128 || wish.groups_claim.contains(char::is_control) {
        return wrong("groups_claim", "has to be at most 128 bytes");
    }
    let rule =
        |rule: &wire::RoleRule| is_text(&rule.group, 256) && is_text(&rule.role, LONGEST_ROLE);
    if wish.role_rules.len() > 64 || !wish.role_rules.iter().all(rule) {
        return wrong("role_rules", "has to hold at most 64 groups, each with a role");
    }
    if !wish.role_rules.is_empty() && wish.groups_claim.is_empty() {
        return wrong("groups_claim", "is missing: the rules would fit nobody");
    }
    if !wish.default_role.is_empty() && !is_text(&wish.default_role, LONGEST_ROLE) {
        return wrong("default_role", "has to be a role or empty");
    }
    let domain = |domain: &String| {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
        (3..=253).contains(&domain.len()) && domain.contains('.') && domain.bytes().all(plain)
    };
    if wish.email_domains.len() > 32 || !wish.email_domains.iter().all(domain) {
        return wrong("email_domains", "has to hold at most 32 domains in lower case");
    }
    if wish.create_people && wish.email_domains.is_empty() {
        return wrong("email_domains", "is missing: accounts are made for addresses of a domain");
    }
    if wish.create_people && wish.default_role.is_empty() && wish.role_rules.is_empty() {
        return wrong("default_role", "is missing: nothing says what new people are");
    }
    let usual = || ["profile", "email"].map(str::to_owned).to_vec();
    let (rule_groups, rule_roles) =
        wish.role_rules.into_iter().map(|rule| (rule.group, rule.role)).unzip();
    Ok(Provider {
        id: Uuid::nil(),
        tenant_id: Uuid::nil(),
        name,
        issuer: wish.issuer,
        client_id: wish.client_id,
        client_secret_sealed: None,
        scopes: if wish.scopes.is_empty() { usual() } else { wish.scopes },
        groups_claim: wish.groups_claim,
        rule_groups,
        rule_roles,
        default_role: Some(wish.default_role).filter(|role| !role.is_empty()),
        email_domains: wish.email_domains,
        create_people: wish.create_people,
        created_at: OffsetDateTime::UNIX_EPOCH,
        disabled_at: None,
        changed_at: None,
        version: 1,
    })
}
