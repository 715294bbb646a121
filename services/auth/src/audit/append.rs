//! Records become entries.

use std::collections::{BTreeSet, HashMap};

use time::OffsetDateTime;
use uuid::Uuid;
use yard_audit::{Entry, Hash, Personal};
use yard_fault::Fault;
use yard_pg::{Actor, PlatformTx};

use super::incoming::{Incoming, UNKNOWN, to_microseconds};
use super::people::Names;
use super::store::{self, Head, Known, NewRow};
use super::subjects::{self, SubjectKeys};
use super::{Desk, chain_name, people};
use crate::{secrets, telemetry};

/// Stores a batch in one transaction. Repeating any of it changes nothing.
///
/// # Errors
/// When the database does not answer; then nothing of it is stored.
pub(super) async fn append(desk: &Desk, batch: &[Incoming]) -> Result<(), Fault> {
    let copies: Vec<Incoming> = batch.iter().filter_map(Incoming::copy).collect();
    let all: Vec<&Incoming> = batch.iter().chain(&copies).collect();
    let ended: Vec<&Incoming> = all.iter().copied().filter(|record| record.ended).collect();
    let now = to_microseconds(desk.clock.now());

    let mut tx = PlatformTx::begin(&desk.pg, &Actor::service("auth")).await?;
    let chains: BTreeSet<Uuid> = ended.iter().map(|record| record.chain).collect();
    let chains: Vec<Uuid> = chains.into_iter().collect();
    let heads = store::lock_heads(&mut tx, &chains).await?;
    let events: Vec<Uuid> = all.iter().map(|record| record.event_id).collect();
    let known = store::known(&mut tx, &events).await?;
    let names = people::names(&mut tx, &ended).await?;
    let keys = subjects::keys(&mut tx, &desk.sealer, &subjects_of(&ended), now).await?;

    let mut links = Links { heads, known: Earlier::of(known), rows: Vec::new(), now };
    for record in ended {
        links.add(record, names.get(&record.subject.unwrap_or_default()), &keys)?;
    }
    let Links { heads, known, rows, .. } = links;
    let (begun, over): (Vec<&Incoming>, Vec<&Incoming>) =
        all.iter().partition(|record| !record.ended && !known.has(record.event_id));
    store::insert_rows(&mut tx, &rows).await?;
    store::move_heads(&mut tx, &heads).await?;
    store::insert_open(&mut tx, &begun, now).await?;
    let over: Vec<Uuid> = over.iter().map(|record| record.event_id).collect();
    store::delete_open(&mut tx, &over).await?;
    tx.commit().await?;
    telemetry::audit_entries(rows.len());
    Ok(())
}

fn subjects_of(ended: &[&Incoming]) -> Vec<(Uuid, String)> {
    let pairs = ended.iter().filter_map(|r| Some((r.chain, r.subject?.to_string())));
    pairs.collect::<BTreeSet<_>>().into_iter().collect()
}

/// Entries that events have already.
struct Earlier(HashMap<Uuid, Vec<Known>>);

impl Earlier {
    fn of(known: Vec<Known>) -> Self {
        let mut all: HashMap<Uuid, Vec<Known>> = HashMap::new();
        for entry in known {
            all.entry(entry.event_id).or_default().push(entry);
        }
        Self(all)
    }

    fn has(&self, event: Uuid) -> bool {
        self.0.contains_key(&event)
    }

    /// What a record of an event would resolve: 0 for a new one; `None` if it says nothing new.
    fn place(&self, record: &Incoming) -> Option<i64> {
        let earlier = self.0.get(&record.event_id).into_iter().flatten();
        let own: Vec<_> = earlier.filter(|entry| entry.tenant_id == record.chain).collect();
        let settled = own.iter().any(|entry| entry.outcome != UNKNOWN);
        if settled || (!own.is_empty() && record.outcome == UNKNOWN) {
            return None;
        }
        Some(own.first().map_or(0, |unknown| unknown.sequence))
    }
}

/// Chains that grow within one transaction.
struct Links {
    heads: HashMap<Uuid, Head>,
    known: Earlier,
    rows: Vec<NewRow>,
    now: OffsetDateTime,
}

impl Links {
    fn add(
        &mut self,
        record: &Incoming,
        names: Option<&Names>,
        keys: &SubjectKeys,
    ) -> Result<(), Fault> {
        let Some(resolves) = self.known.place(record) else { return Ok(()) };
        let head = self.heads.get_mut(&record.chain);
        let head = head.ok_or_else(|| Fault::internal("a chain without a head"))?;
        let personal = personal(record, names)?;
        let sealed = match &personal {
            Some(personal) => keys.seal(record.chain, record.event_id, personal)?,
            None => None,
        };
        // Of an erased person nothing is kept, so nothing is committed to either.
        let commitment = personal.filter(|_| sealed.is_some()).map(|p| p.commitment());
        let entry = entry(record, head.sequence + 1, resolves, commitment, self.now);
        let hash = entry.hash(&head.hash);
        let row = NewRow { chain: record.chain, previous_hash: head.hash, hash, entry, sealed };
        (head.sequence, head.hash) = (row.entry.sequence, hash);
        let noted = Known {
            tenant_id: record.chain,
            event_id: record.event_id,
            sequence: row.entry.sequence,
            outcome: record.outcome.clone(),
        };
        self.known.0.entry(record.event_id).or_default().push(noted);
        self.rows.push(row);
        Ok(())
    }
}

fn personal(record: &Incoming, names: Option<&Names>) -> Result<Option<Personal>, Fault> {
    let Some(subject) = record.subject else { return Ok(None) };
    let Names { email, display_name } = names.cloned().unwrap_or_default();
    Ok(Some(Personal {
        salt: secrets::random()?,
        subject_id: subject.to_string(),
        email,
        display_name,
        address: record.address.clone(),
        user_agent: record.user_agent.clone(),
    }))
}

fn entry(
    record: &Incoming,
    sequence: i64,
    resolves: i64,
    personal_commitment: Option<Hash>,
    recorded_at: OffsetDateTime,
) -> Entry {
    Entry {
        chain: chain_name(record.chain),
        sequence,
        event_id: record.event_id.as_hyphenated().to_string(),
        kind: record.kind.to_owned(),
        occurred_at: record.occurred_at,
        recorded_at,
        service: record.service.clone(),
        actor: record.actor.clone(),
        acting_as: record.acting_as.clone(),
        session_id: record.session_id.clone(),
        action: record.action.clone(),
        object_type: record.object_type.clone(),
        object_id: record.object_id.clone(),
        outcome: record.outcome.clone(),
        incident: record.incident.clone(),
        trace_id: record.trace_id.clone(),
        address_prefix: record.address_prefix.clone(),
        changed_fields: record.changed_fields.clone(),
        repeats: record.repeats,
        resolves,
        subject_id: record.subject.map(|id| id.to_string()).unwrap_or_default(),
        personal_commitment,
    }
}
