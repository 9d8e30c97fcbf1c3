//! What a cipher suite means for records: cipher, MAC, and the hash of the key schedule.
//!
//! The name says it (`TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256`), so nothing is written twice.

use super::names;

/// How records are protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cipher {
    /// AES-GCM (RFC 5288), with this length of key.
    Gcm(usize),
    /// AES-CCM (RFC 6655), with these lengths of key and tag.
    Ccm(usize, usize),
    /// ChaCha20-Poly1305 (RFC 7905).
    ChaCha20,
    /// AES-CBC (RFC 3268), with this length of key, and an HMAC.
    Cbc(usize, Hash),
}

impl Cipher {
    /// Bytes of the key.
    pub(super) const fn key_len(self) -> usize {
        match self {
            Self::Gcm(k) | Self::Ccm(k, _) | Self::Cbc(k, _) => k,
            Self::ChaCha20 => 32,
        }
    }

    /// Bytes of the tag or MAC at the end of a record.
    pub(super) const fn tag_len(self) -> usize {
        match self {
            Self::Ccm(_, t) => t,
            Self::Gcm(_) | Self::ChaCha20 => 16,
            Self::Cbc(_, h) => h.len(),
        }
    }

    /// Bytes of the nonce that a record of TLS 1.2 carries (RFC 5288 §3).
    pub(super) const fn explicit_nonce(self) -> usize {
        match self {
            Self::Gcm(_) | Self::Ccm(..) => 8,
            Self::ChaCha20 | Self::Cbc(..) => 0,
        }
    }
}

/// A hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hash {
    Md5,
    Sha1,
    Sha256,
    Sha384,
}

impl Hash {
    /// Bytes of its output.
    pub(super) const fn len(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
        }
    }
}

/// What a suite comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Suite {
    pub(super) cipher: Cipher,
    /// Of the key schedule, from TLS 1.2 on (RFC 5246 §5).
    pub(super) hash: Hash,
}

/// The suite of that number, where its records can be opened here.
pub(super) fn of(number: u16) -> Option<Suite> {
    let name = names::suite(number.into())?;
    let rest =
        name.split_once("_WITH_").map_or_else(|| name.strip_prefix("TLS_"), |(_, r)| Some(r));
    let (cipher, mac) = rest?.split_once(['_'])?;
    let (cipher, mac) = match cipher {
        "AES" => {
            let (bits, mode) = mac.split_once('_')?;
            let key = match bits {
                "128" => 16,
                "256" => 32,
                _ => return None,
            };
            let (mode, mac) = mode.split_once('_').unwrap_or((mode, ""));
            match mode {
                "GCM" => (Cipher::Gcm(key), mac),
                "CCM" if mac == "8" || mac.starts_with("8_") => (Cipher::Ccm(key, 8), mac),
                "CCM" => (Cipher::Ccm(key, 16), mac),
                "CBC" => {
                    let hash = match mac {
                        "SHA" => Hash::Sha1,
                        "SHA256" => Hash::Sha256,
                        "SHA384" => Hash::Sha384,
                        _ => return None,
                    };
                    (Cipher::Cbc(key, hash), mac)
                }
                _ => return None,
            }
        }
        "CHACHA20" => (Cipher::ChaCha20, mac),
        _ => return None,
    };
    let hash = if mac.ends_with("SHA384") { Hash::Sha384 } else { Hash::Sha256 };
    Some(Suite { cipher, hash })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_suites_are() {
        let is = |n: u16, cipher, hash| assert_eq!(of(n), Some(Suite { cipher, hash }), "{n:04x}");
        is(0x1301, Cipher::Gcm(16), Hash::Sha256);
        is(0x1302, Cipher::Gcm(32), Hash::Sha384);
        is(0x1303, Cipher::ChaCha20, Hash::Sha256);
        is(0x1304, Cipher::Ccm(16, 16), Hash::Sha256);
        is(0x1305, Cipher::Ccm(16, 8), Hash::Sha256);
        is(0xc02b, Cipher::Gcm(16), Hash::Sha256);
        is(0xc030, Cipher::Gcm(32), Hash::Sha384);
        is(0xcca8, Cipher::ChaCha20, Hash::Sha256);
        is(0xc09c, Cipher::Ccm(16, 16), Hash::Sha256);
        is(0xc0a3, Cipher::Ccm(32, 8), Hash::Sha256);
        is(0x002f, Cipher::Cbc(16, Hash::Sha1), Hash::Sha256);
        is(0x0039, Cipher::Cbc(32, Hash::Sha1), Hash::Sha256);
        is(0xc027, Cipher::Cbc(16, Hash::Sha256), Hash::Sha256);
        is(0xc028, Cipher::Cbc(32, Hash::Sha384), Hash::Sha384);
        for other in [0x0000, 0x0005, 0x000a, 0x0041, 0x00ff, 0x0a0a] {
            assert_eq!(of(other), None, "{other:04x}");
        }
    }
}
