//! CBC with an HMAC: MAC-then-encrypt (RFC 5246 §6.2.3.2) and encrypt-then-MAC
//! (RFC 7366).
//!
//! ```text
//! MtE:  [IV]  AES-CBC( data | MAC(seq, type, version, data) | padding | padding length )
//! EtM:  [IV]  AES-CBC( data | padding | padding length )  MAC(seq, type, version, [IV], sealed)
//! ```

use aes::cipher::{Array, BlockCipherDecrypt, BlockModeDecrypt, InnerIvInit, KeyInit};
use aes::{Aes128Dec, Aes256Dec, Block};

use super::{Keyed, Sealed, same};
use crate::proto::tls::suites::Hash;

/// Bytes of a block.
pub(super) const BLOCK: usize = 16;

/// The cipher with its key, expanded once.
#[derive(Clone)]
enum Aes {
    Of128(Box<Aes128Dec>),
    Of256(Box<Aes256Dec>),
}

/// The keys of one direction.
#[derive(Clone)]
pub(super) struct Cbc {
    cipher: Aes,
    mac: Keyed,
    mac_len: usize,
    /// Encrypt-then-MAC was agreed.
    pub(super) etm: bool,
}

impl Cbc {
    /// `None` for a key that AES does not have.
    pub(super) fn new(key: &[u8], hash: Hash, mac_key: &[u8], etm: bool) -> Option<Self> {
        let cipher = match key.len() {
            16 => Aes::Of128(Box::new(Aes128Dec::new_from_slice(key).ok()?)),
            _ => Aes::Of256(Box::new(Aes256Dec::new_from_slice(key).ok()?)),
        };
        let mac = Keyed::new(hash, mac_key)?;
        Some(Self { cipher, mac, mac_len: hash.len(), etm })
    }

    /// Opens a record whose body is `iv` (where `explicit`) and what is sealed; gives
    /// the length of the data, which lies at the front of `out`.
    pub(super) fn open(
        &self,
        record: &Sealed<'_>,
        seq: u64,
        iv: &[u8],
        explicit: bool,
        out: &mut Vec<u8>,
    ) -> Option<usize> {
        let mut body = record.body;
        if self.etm {
            let (sealed, mac) = body.split_at_checked(body.len().checked_sub(self.mac_len)?)?;
            if !same(self.mac_of(record, seq, sealed)?.as_slice(), mac) {
                return None;
            }
            body = sealed;
        }
        let (iv, sealed) = if explicit { body.split_at_checked(BLOCK)? } else { (iv, body) };
        if sealed.is_empty() || !sealed.len().is_multiple_of(BLOCK) {
            return None;
        }
        out.resize(sealed.len(), 0);
        match &self.cipher {
            Aes::Of128(c) => decrypt(c.as_ref(), iv, sealed, out)?,
            Aes::Of256(c) => decrypt(c.as_ref(), iv, sealed, out)?,
        }
        // The padding: so many bytes of the same value, and that value once more.
        let padding = usize::from(*out.last()?).checked_add(1)?;
        let plain = out.len().checked_sub(padding)?;
        let value = *out.last()?;
        if out.get(plain..)?.iter().any(|b| *b != value) {
            return None;
        }
        if self.etm {
            return Some(plain);
        }
        let data = plain.checked_sub(self.mac_len)?;
        let mac = out.get(data..plain)?;
        same(self.mac_of(record, seq, out.get(..data)?)?.as_slice(), mac).then_some(data)
    }

    fn mac_of(&self, record: &Sealed<'_>, seq: u64, data: &[u8]) -> Option<super::Digest> {
        let [major, minor] = record.version;
        let [high, low] = u16::try_from(data.len()).ok()?.to_be_bytes();
        let head = [record.content_type, major, minor, high, low];
        Some(self.mac.mac(&[&seq.to_be_bytes(), &head, data]))
    }
}

/// From where it lies into `out`, which is as long.
fn decrypt<C>(cipher: &C, iv: &[u8], sealed: &[u8], out: &mut [u8]) -> Option<()>
where
    C: BlockCipherDecrypt<BlockSize = <Aes128Dec as aes::cipher::BlockSizeUser>::BlockSize>,
{
    let iv: &Block = iv.try_into().ok()?;
    let (from, _) = Array::slice_as_chunks(sealed);
    let (to, _) = Array::slice_as_chunks_mut(out);
    cbc::Decryptor::inner_iv_init(cipher, iv).decrypt_blocks_b2b(from, to).ok()
}
