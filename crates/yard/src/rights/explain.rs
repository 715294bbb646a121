use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::api::Api;
use crate::failure::Outcome;
use crate::output::{Output, Table};

/// What people may do, and why.
#[derive(Debug, Subcommand)]
pub enum RightsCommand {
    /// Says why somebody may do something, or may not: every rule, and the one that decides.
    Explain(ExplainArgs),
}

/// Arguments of `yard rights explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// For example devices.control.
    pub permission: String,
    /// Principal id of a member; yourself when left out.
    #[arg(long)]
    pub person: Option<Uuid>,
    /// Ask about what belongs to this department; about everything in the tenant when left out.
    #[arg(long)]
    pub department: Option<Uuid>,
    /// Ask about what is the person's own.
    #[arg(long)]
    pub own: bool,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Rule {
    kind: String,
    reaches: bool,
    decides: bool,
    scope: String,
    role: String,
    position_id: String,
    department_id: String,
    override_id: String,
    reason: String,
    expires_at: Option<String>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Decision {
    principal_id: String,
    permission: String,
    allowed: bool,
    rules: Vec<Rule>,
    stands_until: Option<String>,
}

/// Runs a command of this family.
pub async fn run(command: &RightsCommand, api: &Api, out: Output) -> Outcome {
    let RightsCommand::Explain(args) = command;
    let id = |id: Option<Uuid>| id.map(|id| id.to_string()).unwrap_or_default();
    let query = [
        ("permission", args.permission.clone()),
        ("principal_id", id(args.person)),
        ("department_id", id(args.department)),
        ("own", if args.own { "true" } else { "" }.to_owned()),
    ];
    let path = if args.person.is_some() { "/api/v1/decisions" } else { "/api/v1/me/decisions" };
    let decision: Decision = api.get(path, &query).await?;
    out.answer(&decision, |out| lines(&decision).iter().for_each(|line| out.line(line)));
    Ok(())
}

fn lines(decision: &Decision) -> Vec<String> {
    let word = if decision.allowed { "allowed" } else { "refused" };
    let until = decision.stands_until.as_ref();
    let until = until.map(|at| format!(", as it stands until {at}")).unwrap_or_default();
    let mut lines = vec![format!("{} is {word}{until}", decision.permission)];
    let mut table = Table::new(&["", "rule", "reach", "from", "until", "reason"]);
    for rule in &decision.rules {
        let sign = match (rule.decides, rule.reaches) {
            (true, _) => "→",
            (false, true) => "",
            (false, false) => "(does not reach)",
        };
        let from = [&rule.role, &rule.position_id, &rule.department_id, &rule.override_id];
        let from: Vec<&str> =
            from.into_iter().map(String::as_str).filter(|s| !s.is_empty()).collect();
        table.row(vec![
            sign.to_owned(),
            words(&rule.kind, "RULE_KIND_"),
            words(&rule.scope, "GRANT_SCOPE_"),
            from.join(" "),
            rule.expires_at.clone().unwrap_or_default(),
            rule.reason.clone(),
        ]);
    }
    lines.extend(table.lines());
    lines
}

fn words(name: &str, prefix: &str) -> String {
    name.trim_start_matches(prefix).to_lowercase().replace('_', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deciding_rule_is_marked_and_one_that_does_not_reach_says_so() {
        let rule = |kind: &str, reaches, decides| Rule {
            kind: format!("RULE_KIND_{kind}"),
            scope: "GRANT_SCOPE_TENANT".to_owned(),
            reaches,
            decides,
            ..Rule::default()
        };
        let decision = Decision {
            permission: "devices.control".to_owned(),
            rules: vec![rule("ALLOW_OVERRIDE", false, false), rule("DEFAULT_DENY", true, true)],
            ..Decision::default()
        };
        let lines = lines(&decision);
        assert_eq!(lines[0], "devices.control is refused");
        assert!(lines[2].starts_with("(does not reach)  allow override  tenant"), "{lines:?}");
        assert!(lines[3].starts_with("→                 default deny"), "{lines:?}");
    }
}
