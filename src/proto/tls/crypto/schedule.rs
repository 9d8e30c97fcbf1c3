//! The key schedules: HKDF-Expand-Label (RFC 8446 §7.1) and the PRF (RFC 5246 §5,
//! RFC 2246 §5).

use super::Keyed;
use crate::proto::tls::suites::Hash;

/// Which PRF a version before TLS 1.3 has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proto::tls) enum Schedule {
    /// TLS 1.2: the PRF of the suite's hash.
    Prf(Hash),
    /// TLS 1.0 and 1.1: MD5 and SHA-1 together.
    Old,
}

/// HKDF-Expand-Label with an empty context, as this draft of TLS 1.3 has it (0 for the
/// RFC); `None` for a length that it cannot give.
pub(in crate::proto::tls) fn expand_label(
    hash: Hash,
    secret: &[u8],
    draft: u8,
    label: &str,
    len: usize,
) -> Option<Vec<u8>> {
    let prefix: &[u8] = if matches!(draft, 1..20) { b"TLS 1.3, " } else { b"tls13 " };
    let mut info = Vec::with_capacity(32);
    info.extend_from_slice(&u16::try_from(len).ok()?.to_be_bytes());
    info.push(u8::try_from(label.len().checked_add(prefix.len())?).ok()?);
    info.extend_from_slice(prefix);
    info.extend_from_slice(label.as_bytes());
    info.push(0);
    let keyed = Keyed::new(hash, secret)?;
    let mut out = Vec::with_capacity(len.checked_add(super::MAX_HASH)?);
    let mut last = super::Digest::of(&[]);
    let mut n = 0_u8;
    while out.len() < len {
        n = n.checked_add(1)?;
        last = keyed.mac(&[last.as_slice(), &info, &[n]]);
        out.extend_from_slice(last.as_slice());
    }
    out.truncate(len);
    Some(out)
}

/// The key block of TLS 1.2 and before: `PRF(master, "key expansion", server random +
/// client random)` (RFC 5246 §6.3).
pub(in crate::proto::tls) fn key_block(
    schedule: Schedule,
    master: &[u8],
    [client, server]: [&[u8; 32]; 2],
    len: usize,
) -> Option<Vec<u8>> {
    let seed = [b"key expansion".as_slice(), server, client].concat();
    match schedule {
        Schedule::Prf(hash) => p_hash(hash, master, &seed, len),
        Schedule::Old => {
            // Each gets half of the secret; the middle byte of an odd one is in both.
            let half = master.len().div_ceil(2);
            let first = master.get(..half)?;
            let second = master.get(master.len().checked_sub(half)?..)?;
            let mut out = p_hash(Hash::Md5, first, &seed, len)?;
            let other = p_hash(Hash::Sha1, second, &seed, len)?;
            for (a, b) in out.iter_mut().zip(other) {
                *a ^= b;
            }
            Some(out)
        }
    }
}

/// `P_hash` (RFC 5246 §5).
fn p_hash(hash: Hash, secret: &[u8], seed: &[u8], len: usize) -> Option<Vec<u8>> {
    let keyed = Keyed::new(hash, secret)?;
    let mut out = Vec::with_capacity(len.checked_add(super::MAX_HASH)?);
    let mut a = keyed.mac(&[seed]);
    while out.len() < len {
        out.extend_from_slice(keyed.mac(&[a.as_slice(), seed]).as_slice());
        a = keyed.mac(&[a.as_slice()]);
    }
    out.truncate(len);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(s: &str) -> Vec<u8> {
        (0..s.len()).step_by(2).map(|i| u8::from_str_radix(&s[i..i + 2], 16).unwrap()).collect()
    }

    /// RFC 8448 §3: the server's handshake traffic keys.
    #[test]
    fn hkdf_as_in_rfc_8448() {
        let secret = hex("b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38");
        let key = expand_label(Hash::Sha256, &secret, 0, "key", 16).unwrap();
        let iv = expand_label(Hash::Sha256, &secret, 0, "iv", 12).unwrap();
        assert_eq!(key, hex("3fce516009c21727d0f2e4e86ee403bc"));
        assert_eq!(iv, hex("5d313eb2671276ee13000b30"));
    }

    #[test]
    fn any_secret_gives_something() {
        for len in [0, 1, 13, 48, 300] {
            let secret = vec![7; len];
            for hash in [Hash::Sha256, Hash::Sha384] {
                assert_eq!(expand_label(hash, &secret, 0, "key", 32).unwrap().len(), 32);
                let r = [0; 32];
                assert_eq!(
                    key_block(Schedule::Prf(hash), &secret, [&r, &r], 104).unwrap().len(),
                    104
                );
            }
            let r = [0; 32];
            assert_eq!(key_block(Schedule::Old, &secret, [&r, &r], 104).unwrap().len(), 104);
        }
    }
}
