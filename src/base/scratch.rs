//! For tests: a path of one's own in the temporary folder, which is gone in the end, also
//! when the test fails.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// See the module. A file or a folder; nothing at first.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// A path that nobody else has, with this word in it.
    pub(crate) fn new(word: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("framescope-{word}-{}-{n}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    /// A folder that is there.
    #[allow(dead_code, reason = "each that includes this uses its part")]
    pub(crate) fn folder(word: &str) -> Self {
        let new = Self::new(word);
        std::fs::create_dir_all(&new.0).expect("a folder in the temporary folder");
        new
    }
}

impl Deref for Scratch {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl AsRef<Path> for Scratch {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // One of them is right, or it is gone already.
        let _ = std::fs::remove_file(&self.0);
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn it_is_gone_when_a_test_fails() {
    let path = std::panic::catch_unwind(|| {
        let folder = Scratch::folder("gone");
        std::fs::write(folder.join("file"), "x").expect("written");
        std::panic::panic_any(folder.to_path_buf());
    });
    let path = path.expect_err("it fails");
    let path = path.downcast_ref::<PathBuf>().expect("its path");
    assert!(path.to_string_lossy().contains("gone") && !path.exists());
}
