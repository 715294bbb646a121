use std::ops::Deref;
use std::path::{Path, PathBuf};

use yard_ids::{IdSource as _, RandomIds};

/// A folder below the temporary one that goes with its test, also with one that fails.
#[derive(Debug)]
pub struct TestFolder(PathBuf);

impl TestFolder {
    /// Makes it; `whose` is a part of its name, for whoever finds one that a killed test left.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn new(whose: &str) -> Self {
        let path = std::env::temp_dir().join(format!("yard-{whose}-{}", RandomIds.uuid7()));
        std::fs::create_dir(&path).expect("a temporary folder can be made");
        Self(path)
    }
}

impl Deref for TestFolder {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl AsRef<Path> for TestFolder {
    fn as_ref(&self) -> &Path {
        self
    }
}

impl Drop for TestFolder {
    fn drop(&mut self) {
        // It may be gone already, and whatever a failing test left running may still write there.
        drop(std::fs::remove_dir_all(&self.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_goes_with_all_that_is_in_it_also_when_its_test_fails() {
        let folder = TestFolder::new("own");
        let path = folder.to_path_buf();
        std::fs::create_dir(folder.join("below")).unwrap();
        std::fs::write(folder.join("below/file"), "x").unwrap();
        let failed = std::thread::spawn(move || {
            let _folder = folder;
            panic!("as a test that fails");
        });
        assert!(failed.join().is_err());
        assert!(!path.exists());
    }
}
