//! The comments of `proto/`, as descriptions.

use std::collections::HashMap;

use prost::Message as _;
use prost_reflect::FileDescriptor;
use prost_types::FileDescriptorSet;

/// Leading comments by file and descriptor path.
pub(super) struct Comments(HashMap<(String, Vec<i32>), String>);

impl Comments {
    pub(super) fn of_the_contract() -> Self {
        let mut texts = HashMap::new();
        let set = FileDescriptorSet::decode(yard_contracts::COMMENTED_DESCRIPTOR_SET);
        for file in set.expect("our own build wrote this descriptor set").file {
            let Some(info) = &file.source_code_info else {
                continue;
            };
            for location in &info.location {
                let text = tidy(location.leading_comments());
                if !text.is_empty() {
                    texts.insert((file.name().to_owned(), location.path.clone()), text);
                }
            }
        }
        Self(texts)
    }

    /// The comment before what stands at `path` of `file`.
    pub(super) fn at(&self, file: &FileDescriptor, path: &[i32]) -> Option<&str> {
        self.0.get(&(file.name().to_owned(), path.to_vec())).map(String::as_str)
    }
}

fn tidy(comment: &str) -> String {
    comment.lines().map(str::trim).collect::<Vec<_>>().join("\n").trim().to_owned()
}
