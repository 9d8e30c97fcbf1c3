//! Key logs: `--keylog` and `SSLKEYLOGFILE`, read at once and again while they grow.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::capture::{TLS_KEY_LOG, secrets_of};
use crate::cli::Failure;
use crate::cli::args::Common;
use crate::proto::Secrets;
use crate::proto::secrets::Urgency;

/// Bytes of a key log that are read at once while it is followed.
const AT_ONCE: u64 = 16 << 20;

/// So long a look is good for those that will look again.
const BETWEEN: Duration = Duration::from_millis(5);

/// A key log and how far it has been read.
struct Tail {
    path: PathBuf,
    /// Where the first line begins that was not whole.
    at: u64,
}

/// The secrets that the command line and the environment name.
pub(super) fn secrets(common: &Common) -> Result<Arc<Secrets>, Failure> {
    let secrets = Arc::new(Secrets::default());
    let mut tails = Vec::new();
    for path in &common.keylog {
        let mut tail = Tail { path: path.clone(), at: 0 };
        tail.read(&secrets, true).map_err(|e| {
            Failure::Input(format!("--keylog {}: cannot be read: {e}", path.display()))
        })?;
        tails.push(tail);
    }
    // The variable names a file for programs to write to: it may not be there yet.
    if let Some(path) = std::env::var_os("SSLKEYLOGFILE").filter(|p| !p.is_empty()) {
        let path = PathBuf::from(path);
        if !common.keylog.contains(&path) {
            let mut tail = Tail { path, at: 0 };
            let _ = tail.read(&secrets, true);
            tails.push(tail);
        }
    }
    if !tails.is_empty() {
        let tails = Mutex::new((tails, Instant::now()));
        secrets.watch(move |secrets, urgency| {
            // Somebody is at it already.
            let Ok(mut tails) = tails.try_lock() else { return };
            let (tails, looked) = &mut *tails;
            // Each record that stays closed asks.
            if urgency == Urgency::Now && looked.elapsed() < BETWEEN {
                return;
            }
            *looked = Instant::now();
            for t in tails.iter_mut() {
                let _ = t.read(secrets, false);
            }
        });
    }
    Ok(secrets)
}

/// Adds the secrets that captures themselves bring: those behind the packets that need
/// them as well.
pub(super) fn add_of_captures<P: AsRef<Path>>(secrets: &Secrets, captures: &[P]) {
    for c in captures {
        for s in secrets_of(c.as_ref()) {
            if s.kind == TLS_KEY_LOG {
                secrets.add(&s.data);
            }
        }
    }
}

impl Tail {
    /// Adds the lines that have come; the last one also where it is not ended, `at_first`.
    fn read(&mut self, secrets: &Secrets, at_first: bool) -> std::io::Result<()> {
        let mut file = File::open(&self.path)?;
        let size = file.metadata()?;
        // A pipe has no size, and is not asked for one.
        if size.is_file() {
            if size.len() == self.at {
                return Ok(());
            }
            if size.len() < self.at {
                // Begun anew.
                self.at = 0;
            }
            file.seek(SeekFrom::Start(self.at))?;
        } else if !at_first {
            return Ok(());
        }
        let mut text = Vec::new();
        loop {
            let n = file.by_ref().take(AT_ONCE).read_to_end(&mut text)?;
            if n == 0 {
                break;
            }
            let whole = text.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
            let lines: Vec<u8> = text.drain(..whole).collect();
            secrets.add(&lines);
            self.at += whole as u64;
            // No line is so long.
            if text.len() as u64 >= AT_ONCE {
                self.at += text.len() as u64;
                text.clear();
            }
        }
        if at_first {
            secrets.add(&text);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_key_log_is_followed_by_whole_lines() {
        let dir = crate::base::scratch::Scratch::folder("keylog");
        let path = dir.join("keys");
        let line = |n: u8| format!("CLIENT_RANDOM {} 0102", format!("{n:02x}").repeat(32));
        std::fs::write(&path, format!("{}\n{}", line(1), line(2))).unwrap();
        let secrets = Secrets::default();
        let mut tail = Tail { path: path.clone(), at: 0 };
        tail.read(&secrets, true).unwrap();
        assert_eq!(secrets.randoms(), [[1; 32], [2; 32]]);
        let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
        write!(file, "\n{}", &line(3)[..40]).unwrap();
        tail.read(&secrets, false).unwrap();
        assert_eq!(secrets.randoms().len(), 2);
        writeln!(file, "{}", &line(3)[40..]).unwrap();
        tail.read(&secrets, false).unwrap();
        assert_eq!(secrets.randoms(), [[1; 32], [2; 32], [3; 32]]);
        std::fs::write(&path, format!("{}\n", line(4))).unwrap();
        tail.read(&secrets, false).unwrap();
        assert_eq!(secrets.randoms().len(), 4);
    }
}
