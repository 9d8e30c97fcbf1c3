//! Doors to what `benches/` measures of this protocol and nothing else needs from outside.

use aes_gcm::Aes128Gcm;
use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::aead::{AeadInOut, KeyInit};

use super::crypto::expand_label;
use super::machine::Tls;
use super::suites::Hash;
use crate::base::Side;
use crate::proto::{Chunk, Input, Machine, Out};

/// A traffic secret.
const SECRET: [u8; 32] = [7; 32];
const HEAD: usize = 5;
const TAG: usize = 16;

/// Records of application data that a client sends under TLS_AES_128_GCM_SHA256.
pub struct Records {
    cipher: Aes128Gcm,
    iv: [u8; 12],
    /// As sent, one behind another.
    pub sealed: Vec<u8>,
    len: usize,
    opened: Vec<u8>,
}

impl std::fmt::Debug for Records {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Records({} bytes)", self.sealed.len())
    }
}

impl Records {
    /// `count` records with `len` bytes of content each; `None` where that is too long.
    #[must_use]
    pub fn new(count: u64, len: usize) -> Option<Self> {
        let key = expand_label(Hash::Sha256, &SECRET, 0, "key", 16)?;
        let iv: [u8; 12] = expand_label(Hash::Sha256, &SECRET, 0, "iv", 12)?.try_into().ok()?;
        let cipher = Aes128Gcm::new_from_slice(&key).ok()?;
        let mut r = Self { cipher, iv, sealed: Vec::new(), len, opened: vec![0; len + 1] };
        for seq in 0..count {
            let [high, low] = u16::try_from(len + 1 + TAG).ok()?.to_be_bytes();
            let head = [23, 3, 3, high, low];
            let mut plain = vec![b'x'; len];
            plain.push(23);
            let mut sealed = vec![0; plain.len()];
            let buffer = InOutBuf::new(&plain, &mut sealed).ok()?;
            let nonce = r.nonce(seq);
            let nonce = nonce.as_slice().try_into().ok()?;
            let tag = r.cipher.encrypt_inout_detached(nonce, &head, buffer).ok()?;
            r.sealed.extend_from_slice(&head);
            r.sealed.extend_from_slice(&sealed);
            r.sealed.extend_from_slice(&tag);
        }
        Some(r)
    }

    fn nonce(&self, seq: u64) -> [u8; 12] {
        let mut nonce = self.iv;
        for (n, s) in nonce.iter_mut().skip(4).zip(seq.to_be_bytes()) {
            *n ^= s;
        }
        nonce
    }

    /// Opens all with the cipher library alone; gives how many bytes came out.
    pub fn alone(&mut self) -> u64 {
        let mut sum = 0;
        for (seq, record) in (0..).zip(self.sealed.chunks_exact(HEAD + self.len + 1 + TAG)) {
            let nonce = self.nonce(seq);
            let opened = (|| {
                let (head, rest) = record.split_at_checked(HEAD)?;
                let (sealed, tag) = rest.split_at_checked(self.len + 1)?;
                let buffer = InOutBuf::new(sealed, &mut self.opened).ok()?;
                let nonce = nonce.as_slice().try_into().ok()?;
                let tag = tag.try_into().ok()?;
                self.cipher.decrypt_inout_detached(nonce, head, buffer, tag).ok()
            })();
            sum += if opened.is_some() { self.len as u64 } else { 0 };
        }
        sum
    }

    /// The same through the machine, in chunks of this size; gives how many bytes came out.
    pub fn machine(&self, chunk: usize, out: &mut dyn Out) -> u64 {
        let mut tls = Tls::primed(&SECRET, 0x1301);
        let mut at = 0;
        let mut until = 0;
        while until < self.sealed.len() {
            until = self.sealed.len().min(until + chunk.max(1));
            let data = self.sealed.get(at..until).unwrap_or_default();
            let offset = at as u64;
            let c = Chunk { side: Side::Client, offset, data, last: false };
            at += tls.feed(Input::Bytes(c), out).took;
        }
        let [client, _] = tls.dirs();
        client.plain
    }
}
