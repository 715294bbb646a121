use serde::{Deserialize, Serialize};

use crate::api::Api;
use crate::failure::Outcome;
use crate::output::{Output, Table};

#[derive(Debug, Serialize, Deserialize)]
struct Authority {
    key_id: String,
    subject: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    since: Option<String>,
    #[serde(default)]
    not_after: Option<String>,
    #[serde(default)]
    certificates_in_force: i64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct All {
    #[serde(default)]
    authorities: Vec<Authority>,
}

/// Shows the CAs behind devices' certificates, and how far one has taken over from another.
pub(super) async fn list(api: &Api, out: Output) -> Outcome {
    let all: All = api.get("/api/ops/v1/device-authorities", &[]).await?;
    out.answer(&all, |out| {
        let mut table = Table::new(&["state", "since", "in force", "until", "subject", "key id"]);
        let moment = |at: &Option<String>| at.clone().unwrap_or_else(|| "-".to_owned());
        for one in &all.authorities {
            let state = one.state.strip_prefix("DEVICE_AUTHORITY_STATE_").unwrap_or(&one.state);
            table.row(vec![
                state.to_lowercase(),
                moment(&one.since),
                one.certificates_in_force.to_string(),
                moment(&one.not_after),
                one.subject.clone(),
                one.key_id.clone(),
            ]);
        }
        table.lines().iter().for_each(|line| out.line(line));
    });
    Ok(())
}
