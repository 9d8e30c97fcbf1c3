//! Temporary files and folders: for their owner alone, gone in the end, and gone after all
//! where a program was killed before it could remove them.
//!
//! Each is locked (flock(2)) as long as the program that made it runs. The system lets go of a
//! lock when a program ends, however it does: what nobody has locked is nobody's, and is
//! removed when a program makes its first one in the same folder. Where other machines may have
//! theirs in that folder nothing is locked, and nothing removed.

use std::collections::HashSet;
use std::fs::{DirBuilder, File, Metadata, OpenOptions, TryLockError};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};

use super::local::is_local;

/// Names that are tried before it is given up.
const ATTEMPTS: u32 = 64;
/// What names begin with.
const PREFIX: &str = "framescope-";
/// What names of files end with; folders have nothing there.
const SPOOL: &str = ".spool";
/// Hexadecimal digits between the two.
const DIGITS: usize = 16;

/// A folder that nobody else may look into, removed when dropped.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// Locked as long as it is open, where anything is.
    _lock: File,
}

/// Folders that this program has looked through: there may be many files in one, and whoever
/// makes another of ours has no time.
static LOOKED: LazyLock<Mutex<HashSet<PathBuf>>> = LazyLock::new(Mutex::default);

impl Folder {
    /// Makes one in the folder for temporary files.
    ///
    /// # Errors
    /// Those of the system, with the path.
    pub fn create() -> io::Result<Self> {
        let (path, lock) = make(&std::env::temp_dir(), "", |path| {
            DirBuilder::new().mode(0o700).create(path)?;
            File::open(path)
        })?;
        Ok(Self { path, _lock: lock })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Nobody is left to tell if it is gone already.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// Makes a file there that is for reading and writing; whoever has it removes it.
pub(super) fn spool(folder: &Path) -> io::Result<(PathBuf, File)> {
    make(folder, SPOOL, |path| {
        OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)
    })
}

/// Makes what is locked under a new name. The name is hard to guess: nobody can have put a
/// link there.
fn make(
    folder: &Path,
    ending: &str,
    make: impl Fn(&Path) -> io::Result<File>,
) -> io::Result<(PathBuf, File)> {
    let hasher = RandomState::new();
    for attempt in 0..ATTEMPTS {
        let tag = hasher.hash_one((std::process::id(), attempt));
        let path = folder.join(format!("{PREFIX}{tag:0DIGITS$x}{ending}"));
        let file = match make(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == ErrorKind::AlreadyExists => continue,
            Err(e) => return Err(io::Error::new(e.kind(), format!("{}: {e}", path.display()))),
        };
        // Nobody looks for leftovers elsewhere, and there a lock may be long in coming. Who
        // cannot tell where this is (a build without `live`) must not be taken for one.
        let local = is_local(folder);
        if local || cfg!(not(feature = "live")) {
            match file.try_lock() {
                // Somebody took it for a leftover before it was locked.
                Err(TryLockError::WouldBlock) => continue,
                Ok(()) if !path.exists() => continue,
                Ok(()) if local => look_once(folder, &file),
                Ok(()) => {}
                // There are no locks, so that nobody takes it for a leftover.
                Err(TryLockError::Error(_)) => {}
            }
        }
        return Ok((path, file));
    }
    Err(io::Error::new(ErrorKind::AlreadyExists, "no free name for a temporary file or folder"))
}

/// Removes leftovers where this program has not done so; `file` is one of its own there.
fn look_once(folder: &Path, file: &File) {
    let first = LOOKED.lock().unwrap_or_else(PoisonError::into_inner).insert(folder.to_path_buf());
    if first && let Ok(own) = file.metadata() {
        remove_leftovers(folder, &own);
    }
}

/// Removes what programs of this user have left there that are no more. What cannot be
/// removed stays: it is no fault of who comes now.
fn remove_leftovers(folder: &Path, own: &Metadata) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(is_file) = name.to_str().and_then(ours) else { continue };
        // Of the entry itself: a link is neither.
        let Ok(meta) = entry.metadata() else { continue };
        let fits = if is_file { meta.is_file() } else { meta.is_dir() };
        if !fits || meta.uid() != own.uid() {
            continue;
        }
        let path = entry.path();
        let Ok(file) = File::open(&path) else { continue };
        if file.try_lock().is_err() {
            continue;
        }
        let _ = if is_file { std::fs::remove_file(&path) } else { std::fs::remove_dir_all(&path) };
    }
}

/// Whether it is the name of a file or of a folder of ours, if of either.
fn ours(name: &str) -> Option<bool> {
    let rest = name.strip_prefix(PREFIX)?;
    let (tag, is_file) = match rest.strip_suffix(SPOOL) {
        Some(tag) => (tag, true),
        None => (rest, false),
    };
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    (tag.len() == DIGITS && tag.bytes().all(hex)).then_some(is_file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::base::scratch::Scratch;

    #[test]
    fn what_nobody_has_locked_is_removed_and_nothing_else() {
        let folder = Scratch::folder("leftovers");
        if !is_local(&folder) {
            return;
        }
        let dead = [format!("{PREFIX}0123456789abcdef"), format!("{PREFIX}00112233445566aa.spool")];
        std::fs::create_dir(folder.join(&dead[0])).unwrap();
        std::fs::write(folder.join(&dead[0]).join("keys"), "x").unwrap();
        std::fs::write(folder.join(&dead[1]), "x").unwrap();
        // Others' names; what is no folder or no file; a link.
        let strange = ["framescope-0123.spool", "framescope-0123456789ABCDEF", "other"];
        for name in strange {
            std::fs::write(folder.join(name), "x").unwrap();
        }
        let link = folder.join("framescope-0123456789abcde0");
        std::os::unix::fs::symlink(folder.join("other"), &link).unwrap();
        let file = folder.join("framescope-0123456789abcde1");
        std::fs::write(&file, "x").unwrap();

        let (first, lock) = spool(&folder).unwrap();
        assert_eq!(first.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(dead.iter().all(|d| !folder.join(d).exists()));
        assert!(strange.iter().all(|s| folder.join(s).exists()));
        assert!(link.symlink_metadata().is_ok() && file.exists());
        // The first is in use; then it is not, and is still there: it was looked once.
        let (second, other) = spool(&folder).unwrap();
        assert!(first.exists());
        drop(lock);
        let (third, _lock) = spool(&folder).unwrap();
        assert!(first.exists());
        remove_leftovers(&folder, &other.metadata().unwrap());
        assert!(!first.exists() && second.exists() && third.exists());
    }

    #[test]
    fn a_folder_is_for_us_alone_and_goes() {
        let folder = Folder::create().unwrap();
        let path = folder.path().to_path_buf();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        drop(folder);
        assert!(!path.exists());
    }
}
