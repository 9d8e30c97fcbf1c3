//! The keys of one direction from one change of keys to the next, and opening a record
//! with them.

use super::aead::Aead;
use super::cbc::{BLOCK, Cbc};
use super::{Schedule, expand_label, key_block};
use crate::base::Side;
use crate::proto::tls::suites::{Cipher, Hash, Suite};

/// A record as it was sent.
#[derive(Clone, Copy, Debug)]
pub(in crate::proto::tls) struct Sealed<'a> {
    /// Its head: type, version, length.
    pub head: &'a [u8],
    pub content_type: u8,
    pub version: [u8; 2],
    /// What follows the head.
    pub body: &'a [u8],
}

/// What came of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proto::tls) struct Opened {
    /// What it really is.
    pub content_type: u8,
    /// Where in the record's body the first byte of the plain text lies sealed.
    pub at: usize,
    /// Bytes of content at the front of the buffer.
    pub len: usize,
    /// Zeros behind the content and its type (RFC 8446 §5.4).
    pub padding: usize,
}

/// How a record becomes plain.
#[derive(Clone)]
enum Form {
    /// RFC 8446 §5.2; drafts before 25 had no additional data. `draft` is 0 for the RFC.
    Tls13 { aead: Aead, iv: [u8; 12], draft: u8, hash: Hash, secret: Vec<u8> },
    /// RFC 5246 §6.2.3.3; the nonce is that of RFC 7905 where none is sent.
    Tls12 { aead: Aead, iv: [u8; 12] },
    /// The IV is sent with each record from TLS 1.1 on; before, it is the last block of
    /// the record before.
    Cbc { keys: Box<Cbc>, iv: [u8; BLOCK], explicit: bool },
}

/// See the module.
#[derive(Clone)]
pub(in crate::proto::tls) struct Keys {
    form: Form,
    cipher: Cipher,
    /// The number of the next record.
    pub seq: u64,
}

impl Keys {
    /// Of a traffic secret of TLS 1.3; `None` where it has not the length of the hash.
    pub(in crate::proto::tls) fn of_secret(suite: Suite, secret: &[u8], draft: u8) -> Option<Self> {
        if secret.len() != suite.hash.len() {
            return None;
        }
        let key = expand_label(suite.hash, secret, draft, "key", suite.cipher.key_len())?;
        let iv = expand_label(suite.hash, secret, draft, "iv", 12)?.try_into().ok()?;
        let aead = Aead::new(suite.cipher, &key)?;
        let form = Form::Tls13 { aead, iv, draft, hash: suite.hash, secret: secret.to_vec() };
        Some(Self { form, cipher: suite.cipher, seq: 0 })
    }

    /// The keys after a KeyUpdate (RFC 8446 §7.2).
    pub(in crate::proto::tls) fn updated(&self) -> Option<Self> {
        let Form::Tls13 { draft, hash, secret, .. } = &self.form else { return None };
        let next = expand_label(*hash, secret, *draft, "traffic upd", secret.len())?;
        Self::of_secret(Suite { cipher: self.cipher, hash: *hash }, &next, *draft)
    }

    /// Of a master secret of TLS 1.2 and before, for what `side` sends.
    pub(in crate::proto::tls) fn of_master(
        suite: Suite,
        version: u16,
        etm: bool,
        master: &[u8],
        randoms: [&[u8; 32]; 2],
        side: Side,
    ) -> Option<Self> {
        let schedule = if version < 0x0303 { Schedule::Old } else { Schedule::Prf(suite.hash) };
        let key = suite.cipher.key_len();
        let mac = if let Cipher::Cbc(_, h) = suite.cipher { h.len() } else { 0 };
        // ChaCha20 has the whole nonce from here, the others the half that is not sent;
        // CBC the first IV, which versions with IVs of their own do not use.
        let iv = match suite.cipher {
            Cipher::ChaCha20 => 12,
            Cipher::Gcm(_) | Cipher::Ccm(..) => 4,
            Cipher::Cbc(..) => BLOCK,
        };
        let block = key_block(schedule, master, randoms, 2 * (mac + key + iv))?;
        let mine = side.index();
        let take = |from: usize, len: usize| block.get(from + mine * len..)?.get(..len);
        let mac_key = take(0, mac)?;
        let key_bytes = take(2 * mac, key)?;
        let iv_bytes = take(2 * (mac + key), iv)?;
        let form = if let Cipher::Cbc(_, hash) = suite.cipher {
            let keys = Box::new(Cbc::new(key_bytes, hash, mac_key, etm)?);
            let explicit = version >= 0x0302;
            Form::Cbc { keys, iv: iv_bytes.try_into().ok()?, explicit }
        } else {
            let mut whole = [0; 12];
            for (to, from) in whole.iter_mut().zip(iv_bytes) {
                *to = *from;
            }
            Form::Tls12 { aead: Aead::new(suite.cipher, key_bytes)?, iv: whole }
        };
        Some(Self { form, cipher: suite.cipher, seq: 0 })
    }

    /// The fewest bytes that a record's body has.
    const fn least(&self) -> usize {
        match self.form {
            // A byte of type at least.
            Form::Tls13 { .. } => self.cipher.tag_len() + 1,
            Form::Tls12 { .. } => self.cipher.tag_len() + self.cipher.explicit_nonce(),
            Form::Cbc { .. } => BLOCK,
        }
    }

    /// Opens a record as the one of number `seq`, into `out`. Changes nothing: whether
    /// that was its number is for the caller to conclude.
    pub(in crate::proto::tls) fn open(
        &self,
        record: &Sealed<'_>,
        seq: u64,
        out: &mut Vec<u8>,
    ) -> Option<Opened> {
        if record.body.len() < self.least() {
            return None;
        }
        let tag = self.cipher.tag_len();
        match &self.form {
            Form::Tls13 { aead, iv, draft, .. } => {
                let (sealed, tag) = record.body.split_at_checked(record.body.len() - tag)?;
                let aad = if matches!(*draft, 1..25) { &[] } else { record.head };
                if !aead.open(&nonce(iv, seq), aad, sealed, tag, out) {
                    return None;
                }
                // The type is the last byte that is not zero (RFC 8446 §5.4).
                let at = out.iter().rposition(|b| *b != 0)?;
                let content_type = *out.get(at)?;
                Some(Opened { content_type, at: 0, len: at, padding: out.len() - at - 1 })
            }
            Form::Tls12 { aead, iv } => {
                let explicit = self.cipher.explicit_nonce();
                let (sent, rest) = record.body.split_at_checked(explicit)?;
                let (sealed, tag) = rest.split_at_checked(rest.len().checked_sub(tag)?)?;
                let nonce = if explicit == 0 {
                    nonce(iv, seq)
                } else {
                    let mut whole = *iv;
                    for (to, from) in whole.iter_mut().skip(4).zip(sent) {
                        *to = *from;
                    }
                    whole
                };
                let mut aad = [0; 13];
                let len = u16::try_from(sealed.len()).ok()?.to_be_bytes();
                let parts = seq.to_be_bytes().into_iter().chain([record.content_type]);
                for (to, from) in aad.iter_mut().zip(parts.chain(record.version).chain(len)) {
                    *to = from;
                }
                aead.open(&nonce, &aad, sealed, tag, out).then_some(Opened {
                    content_type: record.content_type,
                    at: explicit,
                    len: sealed.len(),
                    padding: 0,
                })
            }
            Form::Cbc { keys, iv, explicit } => {
                let len = keys.open(record, seq, iv, *explicit, out)?;
                let at = if *explicit { BLOCK } else { 0 };
                Some(Opened { content_type: record.content_type, at, len, padding: 0 })
            }
        }
    }

    /// A record has passed, opened or not: what the next one needs of it is kept.
    pub(in crate::proto::tls) fn passed(&mut self, record: &Sealed<'_>, seq: u64) {
        self.seq = seq.saturating_add(1);
        if let Form::Cbc { keys, iv, explicit: false } = &mut self.form {
            let mac = if keys.etm { self.cipher.tag_len() } else { 0 };
            let end = record.body.len().saturating_sub(mac);
            let last = record.body.get(end.saturating_sub(BLOCK)..end);
            if let Some(last) = last.and_then(|l| l.try_into().ok()) {
                *iv = last;
            }
        }
    }

    /// Bytes that protection adds to each record, where that is the same for all:
    /// of CBC it is not known.
    pub(in crate::proto::tls) const fn overhead(&self) -> Option<u64> {
        match self.form {
            Form::Tls13 { .. } => Some(self.cipher.tag_len() as u64 + 1),
            Form::Tls12 { .. } => {
                Some((self.cipher.tag_len() + self.cipher.explicit_nonce()) as u64)
            }
            Form::Cbc { .. } => None,
        }
    }

    /// Bytes at the front of a body that are a nonce or an IV, and at its end that are
    /// a tag or a MAC outside of what is sealed.
    pub(in crate::proto::tls) const fn edges(&self) -> (usize, usize) {
        match &self.form {
            Form::Tls13 { .. } | Form::Tls12 { .. } => {
                let front = match self.form {
                    Form::Tls13 { .. } => 0,
                    _ => self.cipher.explicit_nonce(),
                };
                (front, self.cipher.tag_len())
            }
            Form::Cbc { keys, explicit, .. } => (
                if *explicit { BLOCK } else { 0 },
                if keys.etm { self.cipher.tag_len() } else { 0 },
            ),
        }
    }

    /// Memory held, in bytes: a key schedule of AES-256 with GHASH's.
    pub(in crate::proto::tls) const fn memory(&self) -> usize {
        1200
    }
}

/// The nonce of a record: its number, exclusive-or the IV (RFC 8446 §5.3).
fn nonce(iv: &[u8; 12], seq: u64) -> [u8; 12] {
    let mut nonce = *iv;
    for (n, s) in nonce.iter_mut().skip(4).zip(seq.to_be_bytes()) {
        *n ^= s;
    }
    nonce
}
