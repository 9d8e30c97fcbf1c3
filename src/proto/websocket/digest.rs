//! Hashes of a message, by which it is known again on the other leg of a proxied
//! session.

/// FNV-1a, 64 bits: small, and the same on every machine.
pub(super) const START: u64 = 0xcbf2_9ce4_8422_2325;

/// The hash so far, with more behind it.
pub(super) fn push(hash: &mut u64, data: &[u8]) {
    for b in data {
        *hash = (*hash ^ u64::from(*b)).wrapping_mul(0x0000_0100_0000_01b3);
    }
}

/// The hash of some bytes.
pub(super) fn of(data: &[u8]) -> u64 {
    let mut hash = START;
    push(&mut hash, data);
    hash
}

/// Of a message: its payload, unmasked and inflated; its frames as sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hashes {
    pub(super) payload: u64,
    pub(super) wire: u64,
}

impl Default for Hashes {
    fn default() -> Self {
        Self { payload: START, wire: START }
    }
}
