//! A chain as a stream, page by page, signed at its end.

use std::collections::VecDeque;

use futures::stream::{BoxStream, StreamExt as _, TryStreamExt as _, try_unfold};
use uuid::Uuid;
use yard_audit::Hash;
use yard_audit::export::{Disclosure, FORMAT, Seal};
use yard_audit::merkle::Step;
use yard_contracts::audit::v1::{AuditEvent, AuditExportEnd, AuditExportHeader, AuditExportItem};
use yard_contracts::values::timestamp;
use yard_fault::Fault;
use yard_pg::Actor;

use super::incoming::to_microseconds;
use super::rows::{self, HeadRow};
use super::store::hash_of;
use super::{ChainTx, Desk, chain_name, read};

const PAGE: i64 = 500;

/// Where an export is.
struct Export {
    desk: Desk,
    chain: Uuid,
    actor: Actor,
    at: i64,
    last: i64,
    last_hash: Hash,
    seal: Seal,
    ended: bool,
}

/// The items of a chain as it is now; what is added meanwhile is the next export's.
pub(super) async fn items(
    desk: Desk,
    chain: Uuid,
    actor: Actor,
) -> Result<BoxStream<'static, Result<AuditExportItem, Fault>>, Fault> {
    let head = head(&desk, chain, &actor).await?;
    let first = head.as_ref().map_or(1, |head| head.first_sequence);
    let before = head.as_ref().map_or(Hash::ZERO, |head| hash_of(&head.first_previous_hash));
    let header = AuditExportHeader {
        format: FORMAT.to_owned(),
        chain: chain_name(chain),
        first_sequence: first,
        first_previous_hash: before.to_string(),
    };
    let export = Export {
        seal: Seal::begin(&header.chain, first, &before),
        desk,
        chain,
        actor,
        at: first - 1,
        last: head.as_ref().map_or(0, |head| head.sequence),
        last_hash: before,
        ended: false,
    };
    let first = AuditExportItem { header: Some(header), ..AuditExportItem::default() };
    let pages = try_unfold(export, |mut export| async move {
        Ok::<_, Fault>(export.page().await?.map(|items| (items, export)))
    });
    let items =
        pages.map_ok(|items| futures::stream::iter(items.into_iter().map(Ok))).try_flatten();
    Ok(futures::stream::once(async { Ok(first) }).chain(items).boxed())
}

async fn head(desk: &Desk, chain: Uuid, actor: &Actor) -> Result<Option<HeadRow>, Fault> {
    let mut tx = ChainTx::begin(&desk.pg, chain, actor).await?;
    Ok(rows::head(&mut tx, chain).await?)
}

impl Export {
    /// The next items; `None` after the end.
    async fn page(&mut self) -> Result<Option<Vec<AuditExportItem>>, Fault> {
        if self.ended {
            return Ok(None);
        }
        if self.at >= self.last {
            self.ended = true;
            return Ok(Some(vec![self.end()]));
        }
        let (chain, at, last) = (self.chain, self.at, self.last);
        let mut tx = ChainTx::begin(&self.desk.pg, chain, &self.actor).await?;
        let stored = rows::onwards(&mut tx, chain, at, last, PAGE).await?;
        let upto = stored.last().map_or(last, |row| row.sequence);
        let anchors = rows::anchors(&mut tx, chain, at, upto).await?;
        let hashes: Vec<(i64, Hash)> =
            stored.iter().map(|row| (row.sequence, read::hash(row))).collect();
        let events = read::events(&mut tx, &self.desk.sealer, chain, stored).await?;
        drop(tx);
        let Some((upto, hash)) = hashes.last().copied() else {
            return Err(Fault::internal(format!(
                "entries of chain {chain} are missing after {at}"
            )));
        };
        let mut anchors: VecDeque<_> = anchors.into_iter().map(read::parts).collect();
        let mut items = Vec::with_capacity(events.len() + anchors.len() + 1);
        for (event, (sequence, hash)) in events.into_iter().zip(hashes) {
            self.seal.event(&hash, shown(&event));
            items.push(AuditExportItem { event: Some(event), ..AuditExportItem::default() });
            while let Some((_, path, root)) = anchors.pop_front_if(|(at, ..)| *at == sequence) {
                let steps: Vec<Step> = path.iter().filter_map(|step| step.parse().ok()).collect();
                self.seal.anchor(&root, sequence, &steps);
                let anchor = Some(read::anchor(sequence, path, &root));
                items.push(AuditExportItem { anchor, ..AuditExportItem::default() });
            }
        }
        (self.at, self.last_hash) = (upto, hash);
        Ok(Some(items))
    }

    fn end(&self) -> AuditExportItem {
        let at = to_microseconds(self.desk.clock.now());
        let key = &self.desk.key;
        let end = AuditExportEnd {
            last_sequence: self.at,
            last_hash: self.last_hash.to_string(),
            digest: self.seal.digest().to_string(),
            exported_at: Some(timestamp(at)),
            key_id: key.id().to_owned(),
            signature: yard_audit::to_hex(&self.seal.sign(key, self.at, &self.last_hash, at)),
        };
        AuditExportItem { end: Some(end), ..AuditExportItem::default() }
    }
}

fn shown(event: &AuditEvent) -> Disclosure {
    match &event.personal {
        None => Disclosure::None,
        Some(personal) if personal.erased => Disclosure::Erased,
        Some(_) => Disclosure::Open,
    }
}
