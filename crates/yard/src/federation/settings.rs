//! What an identity provider is set up with, as options say it and as it is sent.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::failure::{Failure, Outcome};
use crate::session;

/// Who has a group gets a role; `GROUP=ROLE` as an option. A role has no `=`, a group may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    pub(super) group: String,
    pub(super) role: String,
}

impl FromStr for Rule {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.rsplit_once('=') {
            Some((group, role)) if !group.is_empty() && !role.is_empty() => {
                Ok(Self { group: group.to_owned(), role: role.to_owned() })
            }
            _ => Err("has to be GROUP=ROLE"),
        }
    }
}

/// Options that a new provider and a change have in common.
#[derive(Debug, Default, Args)]
pub struct Settings {
    /// File with the client's secret, or `-` for standard input. One line end after it is ignored.
    #[arg(long, value_name = "FILE")]
    pub client_secret_file: Option<PathBuf>,
    /// Scope to ask for beside `openid`; may be given again. [default: profile email]
    #[arg(long = "scope")]
    pub scopes: Vec<String>,
    /// Claim of the ID token that holds people's groups.
    #[arg(long, value_name = "CLAIM")]
    pub groups_claim: Option<String>,
    /// Who has the group gets the role; may be given again, the first that fits counts.
    #[arg(long = "rule", value_name = "GROUP=ROLE")]
    pub rules: Vec<Rule>,
    /// Role of everybody else; empty lets nobody else in.
    #[arg(long, value_name = "ROLE")]
    pub default_role: Option<String>,
    /// Domain that people's verified addresses have to be of; may be given again.
    #[arg(long = "email-domain", value_name = "DOMAIN")]
    pub email_domains: Vec<String>,
}

impl Settings {
    /// Only what was given.
    pub(super) fn named(&self) -> Outcome<Map<String, Value>> {
        let mut body = Map::new();
        if let Some(file) = &self.client_secret_file {
            let secret = session::read_secret(file)?;
            if secret.is_empty() {
                return Err(Failure::Usage(format!("{} holds no secret", file.display())));
            }
            body.insert("client_secret".to_owned(), json!(secret));
        }
        for (field, list) in [("scopes", &self.scopes), ("email_domains", &self.email_domains)] {
            if !list.is_empty() {
                body.insert(field.to_owned(), json!(list));
            }
        }
        if !self.rules.is_empty() {
            body.insert("role_rules".to_owned(), json!(self.rules));
        }
        for (field, text) in
            [("groups_claim", &self.groups_claim), ("default_role", &self.default_role)]
        {
            if let Some(text) = text {
                body.insert(field.to_owned(), json!(text));
            }
        }
        Ok(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_is_split_at_its_last_sign() {
        let rule: Rule = "cn=ops,dc=acme=operator".parse().unwrap();
        assert_eq!((&*rule.group, &*rule.role), ("cn=ops,dc=acme", "operator"));
        for bad in ["", "ops", "=operator", "ops="] {
            assert!(bad.parse::<Rule>().is_err(), "{bad}");
        }
    }

    #[test]
    fn only_what_was_given_is_sent() {
        assert!(Settings::default().named().unwrap().is_empty());
        let settings = Settings {
            scopes: vec!["groups".to_owned()],
            default_role: Some(String::new()),
            ..Settings::default()
        };
        let sent = Value::Object(settings.named().unwrap());
        assert_eq!(sent, json!({"scopes": ["groups"], "default_role": ""}));
    }
}
