use yard_contracts::tenancy::v1 as wire;
use yard_fault::Fault;

use crate::mail::Address;
use crate::people::fields;
use crate::tenancy::names;

const SHORTEST_SLUG: usize = 3;
/// Names that people take for the platform's own.
const KEPT: [&str; 16] = [
    "admin", "api", "app", "auth", "console", "devices", "docs", "help", "login", "mail",
    "platform", "root", "status", "support", "system", "www",
];
const TENANT_NAME: &str = "/tenant_name";
const TENANT_SLUG: &str = "/tenant_slug";

/// What somebody asks for, checked for form only.
pub(super) struct Wish {
    pub(super) email: Address,
    pub(super) display_name: String,
    pub(super) tenant_name: String,
    pub(super) tenant_slug: String,
    pub(super) locale: Option<String>,
}

impl Wish {
    pub(super) fn of(request: &wire::RegisterRequest) -> Result<Self, Fault> {
        let locale = request.locale.as_str();
        Ok(Self {
            email: Address::parse(&request.email, "/email")?,
            display_name: fields::display_name(&request.display_name)?,
            tenant_name: names::name(&request.tenant_name)
                .map_err(|fault| fault.with_pointer(TENANT_NAME))?,
            tenant_slug: slug(&request.tenant_slug)?.to_owned(),
            locale: (!locale.is_empty()).then(|| names::locale(locale)).transpose()?,
        })
    }
}

/// A slug that people may choose by themselves.
pub(super) fn slug(text: &str) -> Result<&str, Fault> {
    let refused = |rule: &str| Fault::invalid(rule.to_owned()).with_pointer(TENANT_SLUG);
    let slug = names::slug(text).map_err(|fault| fault.with_pointer(TENANT_SLUG))?;
    if slug.len() < SHORTEST_SLUG {
        return Err(refused("tenant_slug has to be 3 to 63 characters"));
    }
    if KEPT.contains(&slug) {
        return Err(refused("tenant_slug is kept for the platform"));
    }
    Ok(slug)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> wire::RegisterRequest {
        wire::RegisterRequest {
            email: " Ann@Example.org ".to_owned(),
            display_name: " Ann Lee ".to_owned(),
            tenant_name: " Acme Water ".to_owned(),
            tenant_slug: "acme-water".to_owned(),
            locale: String::new(),
        }
    }

    fn pointer(change: impl FnOnce(&mut wire::RegisterRequest)) -> Option<String> {
        let mut request = asked();
        change(&mut request);
        Wish::of(&request).err().and_then(|fault| fault.pointer().map(str::to_owned))
    }

    #[test]
    fn wish_is_read_and_trimmed() {
        let wish = Wish::of(&asked()).unwrap();
        assert_eq!((wish.email.as_str(), wish.locale), ("ann@example.org", None));
        assert_eq!((&*wish.display_name, &*wish.tenant_name), ("Ann Lee", "Acme Water"));
    }

    #[test]
    fn each_field_is_held_to_its_bounds() {
        assert_eq!(pointer(|r| r.email = "nobody".to_owned()).as_deref(), Some("/email"));
        let long = "é".repeat(121);
        for bad in ["", " ", "a\nb", long.as_str()] {
            assert_eq!(
                pointer(|r| r.display_name = bad.to_owned()).as_deref(),
                Some("/display_name")
            );
            assert_eq!(pointer(|r| r.tenant_name = bad.to_owned()).as_deref(), Some(TENANT_NAME));
        }
        assert_eq!(pointer(|r| r.tenant_name = "é".repeat(120)), None);
        assert_eq!(pointer(|r| r.locale = "en_US".to_owned()).as_deref(), Some("/locale"));
        let long = "a".repeat(64);
        for bad in ["", "ab", "-abc", "Acme", "admin", "www", long.as_str()] {
            let found = pointer(|r| r.tenant_slug = bad.to_owned());
            assert_eq!(found.as_deref(), Some(TENANT_SLUG), "{bad}");
        }
        for good in ["abc", "admins", &"a".repeat(63)] {
            assert_eq!(pointer(|r| r.tenant_slug = good.to_owned()), None, "{good}");
        }
    }
}
