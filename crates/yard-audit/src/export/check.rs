use std::collections::BTreeMap;

use super::line::{AnchorLine, EndLine, EventLine, HeaderLine, Line, time};
use super::{Disclosure, FORMAT, Seal};
use crate::hash::from_hex;
use crate::{Hash, KeyError, PublicKeys, Root, merkle};

/// What is wrong with an export, and on which line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct CheckError {
    /// From 1.
    pub line: u64,
    /// In words.
    pub problem: String,
}

/// What an export that passed has shown.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Verified {
    /// Tenant's UUID or `platform`.
    pub chain: String,
    /// Entries.
    pub entries: u64,
    /// Of the first entry.
    pub first_sequence: i64,
    /// Of the last entry.
    pub last_sequence: i64,
    /// Of the last entry.
    pub last_hash: Hash,
    /// Up to here a signed root covers the chain.
    pub anchored_sequence: i64,
    /// Signed roots that were checked.
    pub roots: u64,
    /// Entries whose personal data was destroyed.
    pub erased: u64,
    /// When it was exported.
    pub exported_at: String,
}

/// Checks an export line by line, so that its size does not matter.
#[derive(Debug)]
pub struct Checker {
    keys: PublicKeys,
    kept: BTreeMap<i64, Hash>,
    line: u64,
    state: Option<State>,
    done: Option<Verified>,
}

#[derive(Debug)]
struct State {
    seal: Seal,
    found: Verified,
    previous: Hash,
    last_root: Option<(i64, Hash)>,
}

type Step<T = ()> = Result<T, String>;

impl Checker {
    /// Believes these keys and nothing else.
    #[must_use]
    pub const fn new(keys: PublicKeys) -> Self {
        Self { keys, kept: BTreeMap::new(), line: 0, state: None, done: None }
    }

    /// Holds the export's roots against roots that were kept elsewhere.
    #[must_use]
    pub fn against(mut self, kept: impl IntoIterator<Item = Root>) -> Self {
        self.kept.extend(kept.into_iter().map(|root| (root.number, root.digest())));
        self
    }

    /// The next line, without its line end.
    ///
    /// # Errors
    /// At the first thing that is not as it has to be.
    pub fn line(&mut self, text: &str) -> Result<(), CheckError> {
        self.line += 1;
        self.take(text).map_err(|problem| CheckError { line: self.line, problem })
    }

    /// After the last line.
    ///
    /// # Errors
    /// When the export does not end with its signature.
    pub fn finish(self) -> Result<Verified, CheckError> {
        let problem = "the export is cut off: it does not end with its signature".to_owned();
        self.done.ok_or(CheckError { line: self.line, problem })
    }

    fn take(&mut self, text: &str) -> Step {
        if self.done.is_some() {
            return Err("stands after the end".to_owned());
        }
        match (Line::read(text)?, &mut self.state) {
            (Line::Header(header), None) => {
                self.state = Some(State::begin(header)?);
                Ok(())
            }
            (Line::Header(_), Some(_)) => Err("a second header".to_owned()),
            (_, None) => Err("the header is missing".to_owned()),
            (Line::Event(event), Some(state)) => state.event(&event),
            (Line::Anchor(anchor), Some(state)) => {
                let kept = self.kept.get(&anchor.root.number);
                if kept.is_some_and(|kept| Some(*kept) != anchor.root.root().map(|r| r.digest())) {
                    return Err("the root is another than the one that was kept".to_owned());
                }
                state.anchor(&anchor, &self.keys)
            }
            (Line::End(end), Some(state)) => {
                self.done = Some(state.end(&end, &self.keys)?);
                Ok(())
            }
        }
    }
}

impl State {
    fn begin(header: HeaderLine) -> Step<Self> {
        if header.format != FORMAT {
            return Err(format!("the format {:?} is not {FORMAT}", header.format));
        }
        let whole = header.first_sequence == 1;
        if header.first_sequence < 1 || (whole && header.first_previous_hash != Hash::ZERO) {
            return Err("the chain cannot begin so".to_owned());
        }
        Ok(Self {
            seal: Seal::begin(&header.chain, header.first_sequence, &header.first_previous_hash),
            previous: header.first_previous_hash,
            last_root: None,
            found: Verified {
                chain: header.chain,
                entries: 0,
                first_sequence: header.first_sequence,
                last_sequence: header.first_sequence - 1,
                last_hash: header.first_previous_hash,
                anchored_sequence: 0,
                roots: 0,
                erased: 0,
                exported_at: String::new(),
            },
        })
    }

    fn event(&mut self, event: &EventLine) -> Step {
        let expected = self.found.last_sequence + 1;
        if event.sequence != expected {
            return Err(format!("entry {} stands where {expected} should", event.sequence));
        }
        let own = if self.found.chain == crate::PLATFORM { "" } else { &self.found.chain };
        if event.tenant_id != own {
            return Err("the entry is of another chain".to_owned());
        }
        if event.previous_hash != self.previous {
            return Err("it does not link to the entry before".to_owned());
        }
        let entry = event.entry(&self.found.chain).ok_or("a field cannot be what it says")?;
        if entry.hash(&self.previous) != event.hash {
            return Err("its hash is not that of its content".to_owned());
        }
        let shown = disclosure(event)?;
        self.seal.event(&event.hash, shown);
        self.previous = event.hash;
        self.found.entries += 1;
        self.found.erased += u64::from(shown == Disclosure::Erased);
        self.found.last_sequence = event.sequence;
        self.found.last_hash = event.hash;
        Ok(())
    }

    fn anchor(&mut self, anchor: &AnchorLine, keys: &PublicKeys) -> Step {
        if anchor.sequence != self.found.last_sequence {
            return Err(format!("the anchor of entry {} stands elsewhere", anchor.sequence));
        }
        let root = anchor.root.root().ok_or("a field cannot be what it says")?;
        root.verify(keys).map_err(|e: KeyError| e.to_string())?;
        let leaf = merkle::leaf(&self.found.chain, anchor.sequence, &self.previous);
        if merkle::climb(leaf, &anchor.path) != root.merkle_root {
            return Err("the signed root does not cover this entry".to_owned());
        }
        if let Some((number, digest)) = &self.last_root {
            let follows = root.number == number + 1;
            if root.number <= *number || (follows && root.previous_digest != *digest) {
                return Err("the root does not follow the one before".to_owned());
            }
        }
        self.seal.anchor(&root, anchor.sequence, &anchor.path);
        self.last_root = Some((root.number, root.digest()));
        self.found.roots += 1;
        self.found.anchored_sequence = anchor.sequence;
        Ok(())
    }

    fn end(&mut self, end: &EndLine, keys: &PublicKeys) -> Step<Verified> {
        let at = time(&end.exported_at).ok_or("the time cannot be read")?;
        let signature = from_hex(&end.signature).ok_or("the signature cannot be read")?;
        if end.last_sequence != self.found.last_sequence || end.last_hash != self.previous {
            return Err(format!("entries are missing before the end: {}", end.last_sequence));
        }
        if end.digest != self.seal.digest() {
            return Err("it was signed over another content".to_owned());
        }
        self.seal.verify(keys, end, at, &signature).map_err(|e| e.to_string())?;
        self.found.exported_at.clone_from(&end.exported_at);
        Ok(self.found.clone())
    }
}

fn disclosure(event: &EventLine) -> Step<Disclosure> {
    let Some(personal) = &event.personal else {
        let alone = event.personal_commitment.is_empty();
        return if alone {
            Ok(Disclosure::None)
        } else {
            Err("its personal data was taken out".to_owned())
        };
    };
    if personal.erased {
        let blank = personal.is_blank();
        return if blank {
            Ok(Disclosure::Erased)
        } else {
            Err("erased, and not empty".to_owned())
        };
    }
    let committed = personal.personal().map(|personal| personal.commitment().to_string());
    if committed.as_ref() != Some(&event.personal_commitment) {
        return Err("its personal data is not what was recorded".to_owned());
    }
    Ok(Disclosure::Open)
}
