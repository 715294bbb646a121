use crate::api::{Api, Origin};
use crate::failure::Outcome;
use crate::output::{Output, Table};

/// Shows where the platform thinks this call comes from.
pub async fn run(api: &Api, out: Output) -> Outcome {
    let origin: Origin = api.get("/api/ops/v1/origin", &[]).await?;
    out.answer(&origin, |out| {
        let trusted = if origin.peer_trusted { "a trusted proxy" } else { "no trusted proxy" };
        let facts = [
            ("client", origin.client.clone()),
            ("peer", format!("{} ({trusted})", origin.peer)),
            (origin.header.as_str(), origin.forwarded.clone()),
        ];
        for line in Table::facts(&facts).lines() {
            out.line(&line);
        }
        for remark in &origin.remarks {
            out.line(&format!("note: {remark}"));
        }
    });
    Ok(())
}
