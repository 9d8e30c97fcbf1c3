//! From a session's secrets to opened records: the key schedules, and the ciphers.
//!
//! Ciphers and hashes are RustCrypto's (`docs/decisions/0007-ciphers.md`); what TLS
//! makes of them is here.

mod aead;
mod cbc;
mod keys;
mod schedule;

pub(super) use keys::{Keys, Opened, Sealed};
pub(super) use schedule::{Schedule, expand_label, key_block};

use hmac::{Hmac, KeyInit, Mac};

use super::suites::Hash;

/// The longest output of a hash here.
const MAX_HASH: usize = 48;

/// The output of a hash or an HMAC.
#[derive(Clone, Copy)]
pub(super) struct Digest {
    bytes: [u8; MAX_HASH],
    len: usize,
}

impl Digest {
    fn of(output: &[u8]) -> Self {
        let mut d = Self { bytes: [0; MAX_HASH], len: output.len().min(MAX_HASH) };
        for (to, from) in d.bytes.iter_mut().zip(output) {
            *to = *from;
        }
        d
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// An HMAC with its key.
#[derive(Clone)]
enum Keyed {
    Md5(Box<Hmac<md5::Md5>>),
    Sha1(Box<Hmac<sha1::Sha1>>),
    Sha256(Box<Hmac<sha2::Sha256>>),
    Sha384(Box<Hmac<sha2::Sha384>>),
}

impl Keyed {
    /// Keys of any length are taken; `None` never comes of it.
    fn new(hash: Hash, key: &[u8]) -> Option<Self> {
        Some(match hash {
            Hash::Md5 => Self::Md5(Box::new(Hmac::new_from_slice(key).ok()?)),
            Hash::Sha1 => Self::Sha1(Box::new(Hmac::new_from_slice(key).ok()?)),
            Hash::Sha256 => Self::Sha256(Box::new(Hmac::new_from_slice(key).ok()?)),
            Hash::Sha384 => Self::Sha384(Box::new(Hmac::new_from_slice(key).ok()?)),
        })
    }

    /// The HMAC of these parts, one after another.
    fn mac(&self, parts: &[&[u8]]) -> Digest {
        fn run<M: Mac + Clone>(keyed: &M, parts: &[&[u8]]) -> Digest {
            let mut m = keyed.clone();
            for p in parts {
                m.update(p);
            }
            Digest::of(&m.finalize().into_bytes())
        }
        match self {
            Self::Md5(k) => run(k.as_ref(), parts),
            Self::Sha1(k) => run(k.as_ref(), parts),
            Self::Sha256(k) => run(k.as_ref(), parts),
            Self::Sha384(k) => run(k.as_ref(), parts),
        }
    }
}

/// Whether two are equal. What is compared here is no secret of ours, and nobody waits
/// for the answer.
fn same(a: &[u8], b: &[u8]) -> bool {
    !a.is_empty() && a == b
}
