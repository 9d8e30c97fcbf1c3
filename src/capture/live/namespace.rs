//! Network namespaces: a thread moves there, and what it opens stays there.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where `ip netns add` keeps those that have names.
const NAMED: &str = "/var/run/netns";

/// An open network namespace.
#[derive(Clone, Debug)]
pub struct Namespace(Arc<File>);

impl Namespace {
    /// By name (of `ip netns`), by path, or by the number of a process that is in it.
    ///
    /// # Errors
    /// Where there is none, or it may not be looked at: says so.
    pub fn open(name: &str) -> io::Result<Self> {
        if !cfg!(target_os = "linux") {
            return Err(io::Error::other("there are network namespaces on Linux alone"));
        }
        let path = place(name);
        let file = File::open(&path)
            .map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", path.display())))?;
        Ok(Self(Arc::new(file)))
    }

    /// Does something there, on a thread of its own, so that the others stay where they
    /// are. Sockets that are opened, and processes that are begun, belong there.
    ///
    /// # Errors
    /// Where the system refuses: it takes the right `CAP_SYS_ADMIN`.
    pub fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> io::Result<T> {
        let moved = || {
            self.enter()?;
            Ok(work())
        };
        std::thread::scope(|s| s.spawn(moved).join())
            .unwrap_or_else(|_| Err(io::Error::other("the thread failed")))
    }

    /// The calling thread moves there.
    #[cfg(target_os = "linux")]
    fn enter(&self) -> io::Result<()> {
        use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

        let kind = Some(LinkNameSpaceType::Network);
        Ok(move_into_link_name_space(std::os::fd::AsFd::as_fd(&*self.0), kind)?)
    }

    /// Nobody can have opened one.
    #[cfg(not(target_os = "linux"))]
    fn enter(&self) -> io::Result<()> {
        let Self(_file) = self;
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// The file that stands for a namespace.
fn place(name: &str) -> PathBuf {
    if !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit()) {
        return PathBuf::from(format!("/proc/{name}/ns/net"));
    }
    if name.contains('/') { PathBuf::from(name) } else { Path::new(NAMED).join(name) }
}

/// Does something in that namespace, or here where there is none.
///
/// # Errors
/// As [`Namespace::within`].
pub fn within<T: Send>(
    there: Option<&Namespace>,
    work: impl FnOnce() -> T + Send,
) -> io::Result<T> {
    match there {
        Some(n) => n.within(work),
        None => Ok(work()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn names_paths_and_processes_are_told_apart() {
        assert_eq!(place("blue"), Path::new("/var/run/netns/blue"));
        assert_eq!(place("./blue"), Path::new("./blue"));
        assert_eq!(place("417"), Path::new("/proc/417/ns/net"));
        let e = Namespace::open("no-such-namespace").unwrap_err().to_string();
        assert!(e.starts_with("/var/run/netns/no-such-namespace: "), "{e}");
    }
}
