//! Every RPC whose policy says `idempotent` is held to what an idempotency key promises.

use futures::future::join_all;
use prost_reflect::MethodDescriptor;
use serde_json::Value;
use yard_contracts::access::v1::Scope;
use yard_contracts::{descriptors, policy};

use super::cases::arguments;
use super::route::{Request, request};
use crate::client::{Answer, Client};
use crate::platform::Platform;
use crate::world::{Tenant, World};

/// Calls at the same time under one key.
const AT_ONCE: usize = 6;

/// What was tried, and what did not hold.
#[derive(Debug, Default)]
pub struct Report {
    /// RPCs tried.
    pub methods: usize,
    /// One line for each broken promise.
    pub broken: Vec<String>,
}

/// Tries every idempotent RPC.
///
/// # Errors
/// When the platform does not answer at all.
pub async fn run(platform: &Platform, world: &World) -> anyhow::Result<Report> {
    let mut report = Report::default();
    let methods: Vec<MethodDescriptor> =
        descriptors().services().flat_map(|s| s.methods().collect::<Vec<_>>()).collect();
    for (turn, method) in methods.iter().enumerate() {
        let path = format!("{}/{}", method.parent_service().full_name(), method.name());
        let declared = &policy::methods()[&format!("/{path}")].policy;
        if !declared.idempotent || declared.scope() == Scope::Internal {
            continue;
        }
        report.methods += 1;
        let platform_wide = declared.scope() == Scope::Platform;
        let case = Case { platform, world, method, path: &path, turn: 9_000 + 10 * turn };
        let caller = if platform_wide { &world.administrator } else { &world.a.owner };
        case.hold(caller, platform_wide, &mut report).await?;
    }
    Ok(report)
}

struct Case<'c> {
    platform: &'c Platform,
    world: &'c World,
    method: &'c MethodDescriptor,
    path: &'c str,
    turn: usize,
}

impl Case<'_> {
    async fn hold(
        &self,
        caller: &Client,
        platform_wide: bool,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        let key = format!("e2e-{}", self.turn);
        let first = self.of(&self.world.a, 0)?;
        let together = join_all((0..AT_ONCE).map(|_| send(caller, &first, &key))).await;
        let together = together.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
        let answer = &together[0];
        self.expect(report, answer.status < 300, "the first is refused", answer);
        for other in &together {
            self.expect(report, other.json == answer.json, "calls at once differ", other);
        }
        let again = send(caller, &first, &key).await?;
        self.expect(report, again.json == answer.json, "the same again differs", &again);

        let mut changed = first.clone();
        let differs = changed.body.as_mut().is_some_and(change);
        self.expect(report, differs, "the request cannot be changed", answer);
        let reused = send(caller, &changed, &key).await?;
        let code = reused.json.get("code").and_then(Value::as_str);
        let refused = code == Some("idempotency.key_reused") && reused.status == 409;
        self.expect(report, refused, "another request under the key is answered", &reused);

        if !platform_wide {
            // Another tenant's key of the same text is another key.
            let foreign = send(&self.world.b.owner, &self.of(&self.world.b, 0)?, &key).await?;
            self.expect(report, foreign.status < 300, "another tenant's key is taken", &foreign);
            self.expect(report, foreign.json != answer.json, "a tenant gets another's", &foreign);
            self.age().await;
            let later = send(caller, &changed, &key).await?;
            self.expect(report, later.status < 300, "the key holds after a day", &later);
        }
        Ok(())
    }

    fn of(&self, tenant: &Tenant, more: usize) -> anyhow::Result<Request> {
        let made = arguments(self.path, tenant, self.turn + more).unwrap_or(Value::Null);
        request(self.method, made)
    }

    /// Makes every key of the tenant a day old, as the clock would.
    async fn age(&self) {
        let schema = format!("ts_{}", self.world.a.tenant_id.replace('-', ""));
        let sql = format!(
            "update {schema}.idempotency_keys set created_at = created_at - interval '24 hours'"
        );
        self.platform.db().sql(&sql).await;
    }

    fn expect(&self, report: &mut Report, holds: bool, what: &str, answer: &Answer) {
        if !holds {
            let Answer { status, bytes, .. } = answer;
            report.broken.push(format!("{}: {what}: {status} {bytes}", self.path));
        }
    }
}

async fn send(client: &Client, call: &Request, key: &str) -> anyhow::Result<Answer> {
    client.call_with_key(call.method, &call.path, call.body.as_ref(), Some(key)).await
}

/// Makes another request of it that is as valid: a number one higher, or a name one letter longer.
fn change(body: &mut Value) -> bool {
    let Value::Object(fields) = body else {
        return false;
    };
    for value in fields.values_mut() {
        if let Some(number) = value.as_i64() {
            *value = Value::from(number + 1);
            return true;
        }
    }
    for name in ["name", "display_name", "label", "reason", "email"] {
        if let Some(Value::String(text)) = fields.get_mut(name) {
            text.insert(0, 'x');
            return true;
        }
    }
    false
}
