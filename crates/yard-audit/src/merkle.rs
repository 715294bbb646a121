//! A hash tree over the heads of all chains. Leaves and nodes have different first bytes, so that
//! neither passes as the other; a node without a neighbour goes up as it is.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::canonical::{Canonical, sha256};
use crate::{Hash, HashError};

const LEAF_DOMAIN: &str = "switchyard.audit.leaf.v1";
const LEAF: u8 = 0;
const NODE: u8 = 1;

/// One neighbour on the way from a leaf to the root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The neighbour is on the left.
    Left(Hash),
    /// The neighbour is on the right.
    Right(Hash),
}

/// The leaf of a chain whose entry `sequence` has `hash`.
#[must_use]
pub fn leaf(chain: &str, sequence: i64, hash: &Hash) -> Hash {
    let content = Canonical::of(LEAF_DOMAIN).text(chain).number(sequence).hash(hash);
    sha256(&[&[LEAF], content.as_bytes()].concat())
}

fn node(left: &Hash, right: &Hash) -> Hash {
    let mut content = [NODE; 65];
    let (_, hashes) = content.split_at_mut(1);
    let (a, b) = hashes.split_at_mut(32);
    a.copy_from_slice(left.as_bytes());
    b.copy_from_slice(right.as_bytes());
    sha256(&content)
}

/// A tree with all its levels, leaves first.
#[derive(Debug)]
pub struct Tree(Vec<Vec<Hash>>);

impl Tree {
    /// `None` over nothing.
    #[must_use]
    pub fn over(leaves: Vec<Hash>) -> Option<Self> {
        let mut levels = vec![leaves];
        while let Some(below) = levels.last().filter(|level| level.len() > 1) {
            let above = below.chunks(2).map(|pair| match pair {
                [left, right] => node(left, right),
                alone => alone.first().copied().unwrap_or(Hash::ZERO),
            });
            levels.push(above.collect());
        }
        levels.last().is_some_and(|top| top.len() == 1).then_some(Self(levels))
    }

    /// The root.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.0.last().and_then(|top| top.first()).copied().unwrap_or(Hash::ZERO)
    }

    /// The neighbours from the leaf at `position` up to the root.
    #[must_use]
    pub fn path(&self, position: usize) -> Vec<Step> {
        let (mut at, mut path) = (position, Vec::new());
        for level in &self.0 {
            if at % 2 == 1 {
                path.extend(level.get(at - 1).map(|hash| Step::Left(*hash)));
            } else {
                path.extend(level.get(at + 1).map(|hash| Step::Right(*hash)));
            }
            at /= 2;
        }
        path
    }
}

/// The root that a leaf and its path lead to.
#[must_use]
pub fn climb(leaf: Hash, path: &[Step]) -> Hash {
    path.iter().fold(leaf, |hash, step| match step {
        Step::Left(left) => node(left, &hash),
        Step::Right(right) => node(&hash, right),
    })
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Left(hash) => write!(f, "L{hash}"),
            Self::Right(hash) => write!(f, "R{hash}"),
        }
    }
}

impl FromStr for Step {
    type Err = HashError;

    fn from_str(text: &str) -> Result<Self, HashError> {
        if let Some(hash) = text.strip_prefix('L') {
            return hash.parse().map(Self::Left);
        }
        text.strip_prefix('R').ok_or(HashError)?.parse().map(Self::Right)
    }
}

impl Serialize for Step {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Step {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(count: i64) -> Vec<Hash> {
        (0..count).map(|n| leaf("chain", n, &Hash::ZERO)).collect()
    }

    #[test]
    fn every_leaf_of_trees_of_any_size_leads_to_the_root_and_no_other_does() {
        for count in 1..40 {
            let leaves = leaves(count);
            let tree = Tree::over(leaves.clone()).unwrap();
            for (position, leaf) in leaves.iter().enumerate() {
                assert_eq!(climb(*leaf, &tree.path(position)), tree.root(), "{position}/{count}");
                let other = leaves.get((position + 1) % leaves.len()).copied().unwrap();
                if other != *leaf {
                    assert_ne!(climb(other, &tree.path(position)), tree.root());
                }
            }
        }
        assert!(Tree::over(Vec::new()).is_none());
    }

    #[test]
    fn a_node_is_no_leaf() {
        let tree = Tree::over(leaves(4)).unwrap();
        let inner = tree.0.get(1).unwrap().clone();
        assert_ne!(
            Tree::over(inner.clone()).map(|t| t.root()),
            Tree::over(leaves(2)).map(|t| t.root())
        );
        assert_ne!(inner.first(), leaves(1).first());
    }
}
