//! AEAD ciphers behind one face.

use aead::inout::InOutBuf;
use aes::{Aes128, Aes256};
use aes_gcm::aead::{self, AeadInOut, KeyInit};
use aes_gcm::{Aes128Gcm, Aes256Gcm};
use ccm::Ccm;
use ccm::consts::{U8, U12, U16};
use chacha20poly1305::ChaCha20Poly1305;

use crate::proto::tls::suites::Cipher;

/// A cipher with its key.
#[derive(Clone)]
pub(super) enum Aead {
    Aes128Gcm(Box<Aes128Gcm>),
    Aes256Gcm(Box<Aes256Gcm>),
    ChaCha20(Box<ChaCha20Poly1305>),
    Aes128Ccm(Box<Ccm<Aes128, U16, U12>>),
    Aes128Ccm8(Box<Ccm<Aes128, U8, U12>>),
    Aes256Ccm(Box<Ccm<Aes256, U16, U12>>),
    Aes256Ccm8(Box<Ccm<Aes256, U8, U12>>),
}

impl Aead {
    /// `None` for a key of another length than the cipher has, and for CBC.
    pub(super) fn new(cipher: Cipher, key: &[u8]) -> Option<Self> {
        Some(match cipher {
            Cipher::Gcm(16) => Self::Aes128Gcm(keyed(key)?),
            Cipher::Gcm(_) => Self::Aes256Gcm(keyed(key)?),
            Cipher::ChaCha20 => Self::ChaCha20(keyed(key)?),
            Cipher::Ccm(16, 16) => Self::Aes128Ccm(keyed(key)?),
            Cipher::Ccm(16, _) => Self::Aes128Ccm8(keyed(key)?),
            Cipher::Ccm(_, 16) => Self::Aes256Ccm(keyed(key)?),
            Cipher::Ccm(..) => Self::Aes256Ccm8(keyed(key)?),
            Cipher::Cbc(..) => return None,
        })
    }

    /// Opens `sealed` into `out`, which is then as long; `false` where the tag does
    /// not verify, and `out` is of no use.
    pub(super) fn open(
        &self,
        nonce: &[u8; 12],
        aad: &[u8],
        sealed: &[u8],
        tag: &[u8],
        out: &mut Vec<u8>,
    ) -> bool {
        out.resize(sealed.len(), 0);
        match self {
            Self::Aes128Gcm(c) => run(c.as_ref(), nonce, aad, sealed, tag, out),
            Self::Aes256Gcm(c) => run(c.as_ref(), nonce, aad, sealed, tag, out),
            Self::ChaCha20(c) => run(c.as_ref(), nonce, aad, sealed, tag, out),
            Self::Aes128Ccm(c) => run(c.as_ref(), nonce, aad, sealed, tag, out),
            Self::Aes128Ccm8(c) => run(c.as_ref(), nonce, aad, sealed, tag, out),
            Self::Aes256Ccm(c) => run(c.as_ref(), nonce, aad, sealed, tag, out),
            Self::Aes256Ccm8(c) => run(c.as_ref(), nonce, aad, sealed, tag, out),
        }
        .is_some()
    }
}

fn keyed<C: KeyInit>(key: &[u8]) -> Option<Box<C>> {
    C::new_from_slice(key).ok().map(Box::new)
}

fn run<C: AeadInOut>(
    cipher: &C,
    nonce: &[u8; 12],
    aad: &[u8],
    sealed: &[u8],
    tag: &[u8],
    out: &mut [u8],
) -> Option<()> {
    let nonce = nonce.as_slice().try_into().ok()?;
    let tag = tag.try_into().ok()?;
    let buffer = InOutBuf::new(sealed, out).ok()?;
    cipher.decrypt_inout_detached(nonce, aad, buffer, tag).ok()
}
