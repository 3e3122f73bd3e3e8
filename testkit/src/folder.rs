//! Folders for what a test's processes write, in the build's own folder.
//!
//! A folder goes when its owner does. A stack that a whole test file shares is never dropped, and a test that fails keeps
//! its folder so that the logs can be read: what earlier processes left behind is swept when the next one makes a folder.

use crate::process::{binary_folder, is_running};
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

/// A folder of this test's own.
#[derive(Debug)]
pub struct TestFolder(PathBuf);

impl TestFolder {
    /// Makes a new, empty folder.
    ///
    /// # Panics
    /// When that fails.
    #[must_use]
    pub fn new() -> Self {
        static SWEPT: Once = Once::new();
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let parent = binary_folder().join("testkit");
        SWEPT.call_once(|| sweep(&parent));
        let path = parent.join(format!(
            "{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        ));
        std::fs::create_dir_all(&path).unwrap_or_else(|error| panic!("cannot create {}: {error}", path.display()));
        Self(path)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Default for TestFolder {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for TestFolder {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("what the processes wrote is kept in {}", self.0.display());
        } else {
            let _best_effort = std::fs::remove_dir_all(&self.0);
        }
    }
}

/// Removes the folders of processes that are gone; their names begin with the process id.
fn sweep(parent: &Path) {
    for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name.split('-').next().and_then(|id| id.parse().ok());
        if owner.is_some_and(|id| !is_running(id)) {
            let _best_effort = std::fs::remove_dir_all(entry.path());
        }
    }
}
