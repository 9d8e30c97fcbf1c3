//! Doors to what `benches/` measures of this protocol and nothing else needs from outside.

use aes::cipher::{Array, BlockModeDecrypt, BlockModeEncrypt, InnerIvInit, KeyInit};
use aes::{Aes128Dec, Aes128Enc};
use aes_gcm::aead::AeadInOut;
use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::{Aes128Gcm, Aes256Gcm};
use chacha20poly1305::ChaCha20Poly1305;
use hmac::{Hmac, Mac};
use sha1::Sha1;

use super::crypto::{Keys, Schedule, expand_label, key_block};
use super::machine::Tls;
use super::suites::{self, Hash};
use crate::base::Side;
use crate::proto::{Chunk, Input, Machine, Out};

/// A traffic secret, and as much of it as a hash is long.
const SECRET: [u8; 48] = [7; 48];
const HEAD: usize = 5;
const TAG: usize = 16;
const BLOCK: usize = 16;

/// What records are sealed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suite {
    /// `TLS_AES_128_GCM_SHA256`, of TLS 1.3.
    Aes128Gcm,
    /// `TLS_AES_256_GCM_SHA384`, of TLS 1.3.
    Aes256Gcm,
    /// `TLS_CHACHA20_POLY1305_SHA256`, of TLS 1.3.
    ChaCha20,
    /// `TLS_RSA_WITH_AES_128_CBC_SHA`, of TLS 1.2, MAC-then-encrypt.
    Aes128CbcSha,
}

impl Suite {
    const fn number(self) -> u16 {
        match self {
            Self::Aes128Gcm => 0x1301,
            Self::Aes256Gcm => 0x1302,
            Self::ChaCha20 => 0x1303,
            Self::Aes128CbcSha => 0x002f,
        }
    }

    /// As it is called among people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aes128Gcm => "AES-128-GCM",
            Self::Aes256Gcm => "AES-256-GCM",
            Self::ChaCha20 => "ChaCha20-Poly1305",
            Self::Aes128CbcSha => "AES-128-CBC with HMAC-SHA-1",
        }
    }
}

/// The library's cipher.
enum Cipher {
    Aes128Gcm(Box<Aes128Gcm>),
    Aes256Gcm(Box<Aes256Gcm>),
    ChaCha20(Box<ChaCha20Poly1305>),
    Cbc(Box<Aes128Dec>, Box<Hmac<Sha1>>),
}

/// Records of application data that a client sends.
pub struct Records {
    suite: Suite,
    cipher: Cipher,
    iv: [u8; 12],
    /// As sent, one behind another.
    pub sealed: Vec<u8>,
    /// Bytes of content in each, and bytes of each on the wire.
    len: usize,
    wire: usize,
    opened: Vec<u8>,
}

impl std::fmt::Debug for Records {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Records({:?}, {} bytes)", self.suite, self.sealed.len())
    }
}

impl Records {
    /// `count` records with `len` bytes of content each; `None` where that is too long.
    #[must_use]
    pub fn new(suite: Suite, count: u64, len: usize) -> Option<Self> {
        if suite == Suite::Aes128CbcSha {
            return Self::cbc(count, len);
        }
        let (hash, key_len) = match suite {
            Suite::Aes256Gcm => (Hash::Sha384, 32),
            Suite::ChaCha20 => (Hash::Sha256, 32),
            _ => (Hash::Sha256, 16),
        };
        let secret = SECRET.get(..hash.len())?;
        let key = expand_label(hash, secret, 0, "key", key_len)?;
        let iv = expand_label(hash, secret, 0, "iv", 12)?.try_into().ok()?;
        let cipher = match suite {
            Suite::Aes256Gcm => Cipher::Aes256Gcm(Box::new(Aes256Gcm::new_from_slice(&key).ok()?)),
            Suite::ChaCha20 => {
                Cipher::ChaCha20(Box::new(ChaCha20Poly1305::new_from_slice(&key).ok()?))
            }
            _ => Cipher::Aes128Gcm(Box::new(Aes128Gcm::new_from_slice(&key).ok()?)),
        };
        let mut r = Self {
            suite,
            cipher,
            iv,
            sealed: Vec::new(),
            len,
            wire: HEAD + len + 1 + TAG,
            opened: vec![0; len + 1],
        };
        for seq in 0..count {
            let [high, low] = u16::try_from(len + 1 + TAG).ok()?.to_be_bytes();
            let head = [23, 3, 3, high, low];
            let mut plain = vec![b'x'; len];
            plain.push(23);
            let mut sealed = vec![0; plain.len()];
            let nonce = nonce(&r.iv, seq);
            let tag = match &r.cipher {
                Cipher::Aes128Gcm(c) => seal(c.as_ref(), &nonce, &head, &plain, &mut sealed)?,
                Cipher::Aes256Gcm(c) => seal(c.as_ref(), &nonce, &head, &plain, &mut sealed)?,
                Cipher::ChaCha20(c) => seal(c.as_ref(), &nonce, &head, &plain, &mut sealed)?,
                Cipher::Cbc(..) => return None,
            };
            r.sealed.extend_from_slice(&head);
            r.sealed.extend_from_slice(&sealed);
            r.sealed.extend_from_slice(&tag);
        }
        Some(r)
    }

    fn cbc(count: u64, len: usize) -> Option<Self> {
        let randoms = [&[0; 32], &[0; 32]];
        let block = key_block(Schedule::Prf(Hash::Sha256), &SECRET, randoms, 2 * (20 + 16))?;
        let (mac, keys) = (block.get(..20)?, block.get(40..56)?);
        let mac = Hmac::<Sha1>::new_from_slice(mac).ok()?;
        let padded = (len + 20 + 1).next_multiple_of(BLOCK);
        let encrypt = Aes128Enc::new_from_slice(keys).ok()?;
        let mut sealed = Vec::new();
        for seq in 0..count {
            let [high, low] = u16::try_from(BLOCK + padded).ok()?.to_be_bytes();
            let mut plain = vec![b'x'; len];
            let mut m = mac.clone();
            m.update(&mac_head(seq, len)?);
            m.update(&plain);
            plain.extend_from_slice(&m.finalize().into_bytes());
            let padding = u8::try_from(padded - plain.len() - 1).ok()?;
            plain.resize(padded, padding);
            let iv: aes::Block = [u8::try_from(seq & 0xff).ok()?; BLOCK].into();
            let (blocks, _) = Array::slice_as_chunks_mut(&mut plain);
            cbc::Encryptor::inner_iv_init(&encrypt, &iv).encrypt_blocks(blocks);
            sealed.extend_from_slice(&[23, 3, 3, high, low]);
            sealed.extend_from_slice(&iv);
            sealed.extend_from_slice(&plain);
        }
        Some(Self {
            suite: Suite::Aes128CbcSha,
            cipher: Cipher::Cbc(Box::new(Aes128Dec::new_from_slice(keys).ok()?), Box::new(mac)),
            iv: [0; 12],
            sealed,
            len,
            wire: HEAD + BLOCK + padded,
            opened: vec![0; padded],
        })
    }

    /// Opens all with the cipher library alone; gives how many bytes came out.
    pub fn alone(&mut self) -> u64 {
        let mut sum = 0;
        for (seq, record) in (0..).zip(self.sealed.chunks_exact(self.wire)) {
            let nonce = nonce(&self.iv, seq);
            let to = self.opened.as_mut_slice();
            let opened = match &self.cipher {
                Cipher::Aes128Gcm(c) => open(c.as_ref(), &nonce, record, to),
                Cipher::Aes256Gcm(c) => open(c.as_ref(), &nonce, record, to),
                Cipher::ChaCha20(c) => open(c.as_ref(), &nonce, record, to),
                Cipher::Cbc(c, mac) => open_cbc(c, mac, seq, record, self.len, to),
            };
            sum += if opened.is_some() { self.len as u64 } else { 0 };
        }
        sum
    }

    /// The same through the machine, in chunks of this size; gives how many bytes came out.
    pub fn machine(&self, chunk: usize, out: &mut dyn Out) -> u64 {
        let Some(mut tls) = primed(self.suite) else { return 0 };
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

/// In the middle of a session whose client has these keys.
fn primed(suite: Suite) -> Option<Tls> {
    let number = suite.number();
    let of = suites::of(number)?;
    if suite == Suite::Aes128CbcSha {
        let randoms = [&[0; 32], &[0; 32]];
        let keys = Keys::of_master(of, 0x0303, false, &SECRET, randoms, Side::Client)?;
        return Some(Tls::primed_by(number, 0x0303, Some(keys)));
    }
    Some(Tls::primed(SECRET.get(..of.hash.len())?, number))
}

fn nonce(iv: &[u8; 12], seq: u64) -> [u8; 12] {
    let mut nonce = *iv;
    for (n, s) in nonce.iter_mut().skip(4).zip(seq.to_be_bytes()) {
        *n ^= s;
    }
    nonce
}

fn mac_head(seq: u64, len: usize) -> Option<Vec<u8>> {
    let len = u16::try_from(len).ok()?.to_be_bytes();
    Some([seq.to_be_bytes().as_slice(), &[23, 3, 3], &len].concat())
}

fn seal<C: AeadInOut>(
    c: &C,
    nonce: &[u8; 12],
    head: &[u8],
    plain: &[u8],
    to: &mut [u8],
) -> Option<Vec<u8>> {
    let buffer = InOutBuf::new(plain, to).ok()?;
    let nonce = nonce.as_slice().try_into().ok()?;
    Some(c.encrypt_inout_detached(nonce, head, buffer).ok()?.to_vec())
}

fn open<C: AeadInOut>(c: &C, nonce: &[u8; 12], record: &[u8], to: &mut [u8]) -> Option<()> {
    let (head, rest) = record.split_at_checked(HEAD)?;
    let (sealed, tag) = rest.split_at_checked(to.len())?;
    let buffer = InOutBuf::new(sealed, to).ok()?;
    let nonce = nonce.as_slice().try_into().ok()?;
    c.decrypt_inout_detached(nonce, head, buffer, tag.try_into().ok()?).ok()
}

fn open_cbc(
    c: &Aes128Dec,
    mac: &Hmac<Sha1>,
    seq: u64,
    record: &[u8],
    len: usize,
    to: &mut [u8],
) -> Option<()> {
    let (iv, sealed) = record.get(HEAD..)?.split_at_checked(BLOCK)?;
    let iv: &aes::Block = iv.try_into().ok()?;
    let (from, _) = Array::slice_as_chunks(sealed);
    let (blocks, _) = Array::slice_as_chunks_mut(to);
    cbc::Decryptor::inner_iv_init(c, iv).decrypt_blocks_b2b(from, blocks).ok()?;
    let mut m = mac.clone();
    let [high, low] = u16::try_from(len).ok()?.to_be_bytes();
    m.update(&seq.to_be_bytes());
    m.update(&[23, 3, 3, high, low]);
    m.update(to.get(..len)?);
    (m.finalize().into_bytes().as_slice() == to.get(len..len + 20)?).then_some(())
}
