//! The vector that docs/audit-chain.md publishes for programs that are not ours.

use yard_audit::Hash;

use crate::tampering::entry;

const DOCUMENT: &str = include_str!("../../../../docs/audit-chain.md");

#[test]
fn published_vector_is_what_the_code_computes() {
    let (first, personal) = entry(1);
    let hash = first.hash(&Hash::ZERO);
    let (second, _) = entry(2);
    let computed = [
        ("commitment", personal.unwrap().commitment()),
        ("hash of entry 1", hash),
        ("hash of entry 2", second.hash(&hash)),
        ("leaf of entry 2", yard_audit::merkle::leaf(&second.chain, 2, &second.hash(&hash))),
    ];
    for (name, value) in computed {
        let line = format!("| {name} | `{value}` |");
        assert!(DOCUMENT.contains(&line), "the document lacks: {line}");
    }
}
