//! The demo's tenants and people.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use yard_stack::random;

use super::Folders;

/// The file with the demo's one password, below the secrets.
pub(crate) const PASSWORD_FILE: &str = "demo-password";
/// Who is in each tenant.
pub(crate) const ROLES: [&str; 3] = ["owner", "operator", "viewer"];
const ADMINISTRATOR: &str = "admin@switchyard.example";

/// A tenant of the demo, and what its devices say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DemoTenant {
    pub(crate) slug: &'static str,
    pub(crate) name: &'static str,
    /// The data set its devices replay.
    pub(crate) data: &'static str,
    /// The name `yard simulate` gives its first device.
    pub(crate) first_device: &'static str,
}

/// Both tenants.
pub(crate) const TENANTS: [DemoTenant; 2] = [
    DemoTenant {
        slug: "acme-water",
        name: "Acme Water",
        data: "water-flow",
        first_device: "Branch meter 001",
    },
    DemoTenant {
        slug: "brookside",
        name: "Brookside Hotels",
        data: "room-climate",
        first_device: "Room sensor 001",
    },
];

impl DemoTenant {
    /// The address of the person with a role.
    pub(crate) fn email(&self, role: &str) -> String {
        format!("{role}@{}.example", self.slug)
    }
}

/// Everybody of the demo. They share a password that is made anew for each fresh platform.
#[derive(Debug)]
pub(crate) struct People {
    password: String,
    bootstrap: PathBuf,
}

impl People {
    /// Takes the kept people, or makes a password and the file for `yard-migrate bootstrap`.
    pub(crate) fn open(folders: &Folders) -> Result<Self> {
        let bootstrap = folders.secret("bootstrap.toml");
        if let (Ok(password), true) =
            (fs::read_to_string(folders.secret(PASSWORD_FILE)), bootstrap.is_file())
        {
            return Ok(Self { password, bootstrap });
        }
        let password = format!("demo-{}", random::hex(6)?);
        folders.write_secret(PASSWORD_FILE, &password)?;
        folders.write_secret("bootstrap.toml", &document(&password))?;
        Ok(Self { password, bootstrap })
    }

    pub(crate) fn password(&self) -> &str {
        &self.password
    }

    pub(crate) fn administrator(&self) -> &'static str {
        ADMINISTRATOR
    }

    pub(super) fn bootstrap(&self) -> &Path {
        &self.bootstrap
    }
}

/// The file that `yard-migrate bootstrap` reads.
fn document(password: &str) -> String {
    let person = |table: &str, email: &str, name: &str| {
        format!(
            "[[{table}]]\nemail = \"{email}\"\ndisplay_name = \"{name}\"\n\
             password = \"{password}\"\n"
        )
    };
    let mut text = person("system_administrator", ADMINISTRATOR, "Sam Admin");
    for tenant in TENANTS {
        let DemoTenant { slug, name, .. } = tenant;
        text.push_str(&format!("\n[[tenant]]\nslug = \"{slug}\"\nname = \"{name}\"\n"));
        for role in ROLES {
            let display = format!("{name} {role}");
            text.push_str(&person("tenant.person", &tenant.email(role), &display));
            text.push_str(&format!("role = \"{role}\"\n"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bootstrap_file_names_both_tenants_with_three_people_each() {
        let file: toml::Table = document("secret-secret").parse().unwrap();
        let tenants = file.get("tenant").and_then(toml::Value::as_array).unwrap();
        assert_eq!(tenants.len(), 2);
        for tenant in tenants {
            let people = tenant.get("person").and_then(toml::Value::as_array).unwrap();
            assert_eq!(people.len(), 3);
        }
        assert!(file.contains_key("system_administrator"));
    }
}
