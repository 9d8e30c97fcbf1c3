//! Secrets of encrypted sessions, as key logs have them: what opens their records.
//!
//! One store serves all conversations of a run. It takes lines of a key log (the format
//! that `SSLKEYLOGFILE` gives, draft-ietf-tls-keylogfile) in any order and at any time.
//! Secrets never leave it but to the protocol that opens records with them; it has no
//! text of them to print.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use hashbrown::{HashMap, HashSet};

use crate::base::limits::{MAX_KEYLOG_SECRETS, MAX_SECRET_BYTES};

pub use super::trials::{Asked, Came, Fit, RecordTag, Tried};

/// What a secret is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Label {
    /// The master secret of a session of TLS 1.2 or before.
    Master,
    /// What a client sends before it has heard the server.
    ClientEarly,
    /// The client's part of the handshake.
    ClientHandshake,
    /// The server's part of the handshake.
    ServerHandshake,
    /// What the client sends from then on.
    ClientTraffic,
    /// What the server sends from then on.
    ServerTraffic,
}

impl Label {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Master,
        Self::ClientEarly,
        Self::ClientHandshake,
        Self::ServerHandshake,
        Self::ClientTraffic,
        Self::ServerTraffic,
    ];

    /// As in a key log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Master => "CLIENT_RANDOM",
            Self::ClientEarly => "CLIENT_EARLY_TRAFFIC_SECRET",
            Self::ClientHandshake => "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
            Self::ServerHandshake => "SERVER_HANDSHAKE_TRAFFIC_SECRET",
            Self::ClientTraffic => "CLIENT_TRAFFIC_SECRET_0",
            Self::ServerTraffic => "SERVER_TRAFFIC_SECRET_0",
        }
    }
}

/// The random of a client's hello, by which a session is known.
pub type ClientRandom = [u8; 32];

/// A secret. It is not to be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<[u8]>);

impl Secret {
    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} bytes)", self.0.len())
    }
}

#[derive(Default)]
struct Inner {
    /// By client random, then by [`Label`].
    sessions: HashMap<ClientRandom, [Option<Secret>; 6]>,
    /// Client randoms in the order in which they came.
    order: Vec<ClientRandom>,
    /// Master secrets by session id.
    ids: HashMap<Box<[u8]>, Secret>,
    count: usize,
}

/// The store.
#[derive(Default)]
pub struct Secrets {
    inner: RwLock<Inner>,
    /// How often something was added.
    version: AtomicU64,
    /// More may come.
    grows: AtomicBool,
    full: AtomicBool,
    /// Looks whether more has come.
    refresh: RwLock<Option<Refresh>>,
    watched: AtomicBool,
    /// Sessions that were opened with what is here, in the order in which they were.
    used: RwLock<(HashSet<ClientRandom>, Vec<ClientRandom>)>,
    pub(super) trials: super::trials::Trials,
}

type Refresh = Box<dyn Fn(&Secrets, Urgency) + Send + Sync>;

/// How much it matters that all that has come is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// It will be looked again: where that was done a moment ago, it need not be now.
    Now,
    /// Once more, before it is too late.
    Sure,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets(version {})", self.version())
    }
}

static NONE: LazyLock<Secrets> = LazyLock::new(Secrets::default);

impl Secrets {
    /// A store that stays empty.
    #[must_use]
    pub fn none() -> &'static Self {
        &NONE
    }

    /// How often something was added: whether it is worth while to ask again.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Whether more may come: then a connection may wait for its secrets.
    #[must_use]
    pub fn grows(&self) -> bool {
        self.grows.load(Ordering::Acquire) && self.is_watched()
    }

    /// Whether it has taken all that it can hold.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.full.load(Ordering::Acquire)
    }

    /// As if it had.
    #[cfg(test)]
    pub(crate) fn fill(&self) {
        self.full.store(true, Ordering::Release);
    }

    /// `look` adds what has come since it was last called. It must not wait.
    pub fn watch(&self, look: impl Fn(&Self, Urgency) + Send + Sync + 'static) {
        *self.refresh.write().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(look));
        self.watched.store(true, Ordering::Release);
    }

    /// Whether there is anybody who looks for more.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        self.watched.load(Ordering::Acquire)
    }

    /// Packets come while secrets do: from now on it is looked for more where a secret is
    /// missed, and a connection may wait for its own.
    pub fn expect_more(&self) {
        self.grows.store(true, Ordering::Release);
    }

    /// Looks whether more has come; gives whether it has.
    pub fn look(&self) -> bool {
        self.look_with(Urgency::Sure)
    }

    fn look_with(&self, urgency: Urgency) -> bool {
        let before = self.version();
        if let Some(look) = &*self.refresh.read().unwrap_or_else(PoisonError::into_inner) {
            look(self, urgency);
        }
        self.version() != before
    }

    /// The secret of a session. Where it is missing, it is looked whether more has come.
    #[must_use]
    pub fn get(&self, label: Label, random: &ClientRandom) -> Option<Secret> {
        self.known(label, random).or_else(|| {
            if self.grows() && self.look_with(Urgency::Now) {
                self.known(label, random)
            } else {
                None
            }
        })
    }

    fn known(&self, label: Label, random: &ClientRandom) -> Option<Secret> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        inner.sessions.get(random)?.get(label as usize)?.clone()
    }

    /// Whether anything is known of a session.
    #[must_use]
    pub fn has(&self, random: &ClientRandom) -> bool {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        inner.sessions.contains_key(random)
    }

    /// The master secret of a session that is resumed by its id.
    #[must_use]
    pub fn by_id(&self, id: &[u8]) -> Option<Secret> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner).ids.get(id).cloned()
    }

    /// Whether no session is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.inner.read().unwrap_or_else(PoisonError::into_inner).order.is_empty()
    }

    /// The client randoms of all sessions, in the order in which they came.
    #[must_use]
    pub fn randoms(&self) -> Vec<ClientRandom> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner).order.clone()
    }

    /// A session's secrets were of use.
    pub fn note_used(&self, whose: &ClientRandom) {
        let mut used = self.used.write().unwrap_or_else(PoisonError::into_inner);
        let (known, order) = &mut *used;
        if order.len() < MAX_KEYLOG_SECRETS && known.insert(*whose) {
            order.push(*whose);
        }
    }

    /// Sessions whose secrets were of use, in whatever conversation.
    #[must_use]
    pub fn used(&self) -> Vec<ClientRandom> {
        self.used.read().unwrap_or_else(PoisonError::into_inner).1.clone()
    }

    /// Takes the lines of a key log: whole lines, of any content. Those that say nothing
    /// here are passed over. Gives how many secrets there were.
    pub fn add(&self, text: &[u8]) -> usize {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        let mut taken = 0;
        for line in text.split(|b| matches!(b, b'\n' | b'\r')) {
            if inner.count >= MAX_KEYLOG_SECRETS {
                self.full.store(true, Ordering::Release);
                break;
            }
            taken += usize::from(inner.line(line));
        }
        if taken > 0 {
            self.version.fetch_add(1, Ordering::AcqRel);
        }
        taken
    }

    /// A session that is resumed by its id has this master secret.
    pub fn learn(&self, random: &ClientRandom, master: &Secret) {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        let inner = &mut *inner;
        if inner.count < MAX_KEYLOG_SECRETS {
            let all = inner.sessions.entry(*random).or_default();
            if let Some(place) = all.get_mut(Label::Master as usize) {
                place.get_or_insert_with(|| {
                    inner.count += 1;
                    master.clone()
                });
            }
        }
    }

    /// The lines of a key log that open these sessions, and no others.
    #[must_use]
    pub fn lines(&self, randoms: &[ClientRandom]) -> String {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        let mut out = String::new();
        for random in randoms {
            let Some(all) = inner.sessions.get(random) else { continue };
            for (label, secret) in Label::ALL.into_iter().zip(all) {
                if let Some(s) = secret {
                    out.push_str(label.name());
                    out.push(' ');
                    hex(&mut out, random);
                    out.push(' ');
                    hex(&mut out, &s.0);
                    out.push('\n');
                }
            }
        }
        out
    }
}

impl Inner {
    /// Takes a line; gives whether it had a secret.
    fn line(&mut self, line: &[u8]) -> bool {
        let mut words = line.split(u8::is_ascii_whitespace).filter(|w| !w.is_empty());
        let (Some(label), Some(whose), Some(secret), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return false;
        };
        if label == b"RSA" {
            let id = whose.strip_prefix(b"Session-ID:").and_then(unhex);
            let master = secret.strip_prefix(b"Master-Key:").and_then(unhex);
            let (Some(id), Some(master)) = (id, master) else { return false };
            self.count += usize::from(self.ids.insert(id.into(), secret_of(master)).is_none());
            return true;
        }
        let Some(label) = Label::ALL.into_iter().find(|l| l.name().as_bytes() == label) else {
            return false;
        };
        let random = unhex(whose).and_then(|r| ClientRandom::try_from(r).ok());
        let (Some(random), Some(secret)) = (random, unhex(secret)) else { return false };
        let all = self.sessions.entry(random).or_insert_with(|| {
            self.order.push(random);
            Default::default()
        });
        // The last one counts, as a later session may have the same random in a test.
        if let Some(place) = all.get_mut(label as usize)
            && place.replace(secret_of(secret)).is_none()
        {
            self.count += 1;
        }
        true
    }
}

fn secret_of(bytes: Vec<u8>) -> Secret {
    Secret(bytes.into())
}

/// Bytes of hex digits; `None` for anything else, and for more than a secret can have.
fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    if text.is_empty() || !text.len().is_multiple_of(2) || text.len() > 2 * MAX_SECRET_BYTES {
        return None;
    }
    let digit = |b: u8| char::from(b).to_digit(16);
    text.chunks_exact(2)
        .map(|pair| match pair {
            [a, b] => u8::try_from(digit(*a)? << 4 | digit(*b)?).ok(),
            _ => None,
        })
        .collect()
}

fn hex(out: &mut String, bytes: &[u8]) {
    use fmt::Write as _;
    for b in bytes {
        let _ = write!(out, "{b:02x}");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const R: &str = "531f88d114fcf9ce9729b5458f73e1807324459029ee4bea43f8ee4ce06c77c0";

    fn random() -> ClientRandom {
        unhex(R.as_bytes()).unwrap().try_into().unwrap()
    }

    #[test]
    fn every_form_of_line_is_read_and_the_others_are_passed_over() {
        let s = Secrets::default();
        let text = format!(
            "# a comment\r\nCLIENT_RANDOM {R} 0102\nSERVER_TRAFFIC_SECRET_0 {R} AABB\n\
             EXPORTER_SECRET {R} 00\nEARLY_EXPORTER_SECRET {R} 00\nCLIENT_TRAFFIC_SECRET_1 {R} 00\n\
             RSA Session-ID:0a0b Master-Key:0c0d\nCLIENT_RANDOM {R}\nCLIENT_RANDOM {R} 0g\n\
             CLIENT_RANDOM {R} 010\nCLIENT_RANDOM 00 01\nCLIENT_EARLY_TRAFFIC_SECRET {R} 07\nnonsense"
        );
        assert_eq!(s.add(text.as_bytes()), 4);
        let get = |l| s.get(l, &random()).map(|s| s.bytes().to_vec());
        assert_eq!(get(Label::Master), Some(vec![1, 2]));
        assert_eq!(get(Label::ServerTraffic), Some(vec![0xaa, 0xbb]));
        assert_eq!(get(Label::ClientEarly), Some(vec![7]));
        assert_eq!(get(Label::ClientTraffic), None);
        assert_eq!(s.by_id(&[10, 11]).unwrap().bytes(), [12, 13]);
        assert_eq!(s.randoms(), [random()]);
        let lines = s.lines(&[random()]);
        let again = Secrets::default();
        assert_eq!(again.add(lines.as_bytes()), 3);
        assert_eq!(again.lines(&[random()]), lines);
    }

    #[test]
    fn nothing_prints_a_secret() {
        let s = Secrets::default();
        s.add(format!("CLIENT_RANDOM {R} deadbeef").as_bytes());
        let shown = format!("{s:?} {:?}", s.get(Label::Master, &random()));
        assert!(!shown.contains("deadbeef") && !shown.contains("222"), "{shown}");
    }

    #[test]
    fn what_comes_late_is_looked_for_where_it_is_missed() {
        let s = Secrets::default();
        assert!(s.get(Label::Master, &random()).is_none());
        s.watch(|s, _| {
            s.add(format!("CLIENT_RANDOM {R} 0102").as_bytes());
        });
        assert!(s.get(Label::Master, &random()).is_none());
        s.expect_more();
        assert!(s.get(Label::Master, &random()).is_some());
    }

    proptest! {
        #[test]
        fn any_text_is_taken(text in proptest::collection::vec(any::<u8>(), 0..400)) {
            Secrets::default().add(&text);
        }
    }
}
