//! The text form: base64 of the frames.
//!
//! A sender encodes what it has and goes on, so padding may stand anywhere, at the end
//! of a group of four; groups and frames begin and end where they like.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Characters of a group.
pub(super) const GROUP: usize = 4;
/// Bytes that a whole group stands for.
pub(super) const BYTES: usize = 3;

static BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Where decoded bytes lie in the text: from `bytes` on, three bytes are four characters
/// from `chars` on, up to the next stretch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) bytes: u64,
    pub(super) chars: u64,
}

/// What text was decoded to.
#[derive(Clone, Debug, Default)]
pub(super) struct Decoded {
    pub(super) data: Vec<u8>,
    pub(super) stretches: Vec<Stretch>,
    /// Characters that were used: whole groups, unless it was the last of the text.
    pub(super) used: usize,
    /// Behind them there is a group that is no base64.
    pub(super) bad: bool,
    /// The last group was cut short.
    pub(super) unpadded: bool,
}

impl Decoded {
    /// Decodes the groups at the front of `text`. `bytes` and `chars` are the offsets of
    /// its beginning. `last`: no more will come, and a rest of two or three characters
    /// counts as a group.
    pub(super) fn decode(&mut self, text: &[u8], bytes: u64, chars: u64, last: bool) {
        self.data.clear();
        self.stretches.clear();
        self.used = 0;
        self.bad = false;
        self.unpadded = false;
        let whole = text.len() - text.len() % GROUP;
        while self.used < whole && !self.bad {
            let rest = text.get(self.used..whole).unwrap_or_default();
            // Up to and with the group that has padding.
            let len = match memchr::memchr(b'=', rest) {
                Some(at) => at / GROUP * GROUP + GROUP,
                None => rest.len(),
            };
            self.stretch(bytes, chars);
            let stretch = rest.get(..len).unwrap_or_default();
            if BASE64.decode_vec(stretch, &mut self.data).is_ok() {
                self.used += len;
                continue;
            }
            // The good groups before the bad one. What a failed attempt left is cut.
            let from = self.stretches.last().map_or(0, |s| s.bytes - bytes) as usize;
            self.data.truncate(from);
            for group in stretch.chunks(GROUP) {
                let before = self.data.len();
                if BASE64.decode_vec(group, &mut self.data).is_err() {
                    self.data.truncate(before);
                    self.bad = true;
                    break;
                }
                self.used += GROUP;
            }
        }
        let rest = text.get(whole..).unwrap_or_default();
        if last && !self.bad && !rest.is_empty() {
            self.unpadded = true;
            self.stretch(bytes, chars);
            let before = self.data.len();
            if BASE64.decode_vec(rest, &mut self.data).is_err() {
                self.data.truncate(before);
            }
            self.used = text.len();
        }
    }

    fn stretch(&mut self, bytes: u64, chars: u64) {
        self.stretches.push(Stretch {
            bytes: bytes.saturating_add(self.data.len() as u64),
            chars: chars.saturating_add(self.used as u64),
        });
    }

    pub(super) fn memory(&self) -> usize {
        self.data.capacity() + self.stretches.capacity() * size_of::<Stretch>()
    }
}

/// The first character of the group that the byte at `offset` is of, and the first byte
/// of that group.
pub(super) fn group_of(stretches: &[Stretch], offset: u64) -> Stretch {
    let at = stretches.partition_point(|s| s.bytes <= offset).saturating_sub(1);
    let s = stretches.get(at).copied().unwrap_or_default();
    let groups = offset.saturating_sub(s.bytes) / BYTES as u64;
    Stretch {
        bytes: s.bytes.saturating_add(groups.saturating_mul(BYTES as u64)),
        chars: s.chars.saturating_add(groups.saturating_mul(GROUP as u64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_may_stand_between_groups() {
        let mut d = Decoded::default();
        d.decode(b"AAEC/w==AQ==AgMEBQYHCAk", 100, 1000, false);
        assert_eq!(d.data, [0, 1, 2, 255, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!((d.used, d.bad, d.unpadded), (20, false, false));
        let of = |o| (group_of(&d.stretches, o).bytes, group_of(&d.stretches, o).chars);
        assert_eq!(of(100), (100, 1000));
        assert_eq!(of(102), (100, 1000));
        assert_eq!(of(103), (103, 1004));
        assert_eq!(of(104), (104, 1008));
        assert_eq!(of(105), (105, 1012));
        assert_eq!(of(110), (108, 1016));
    }

    #[test]
    fn the_end_may_lack_padding() {
        let mut d = Decoded::default();
        d.decode(b"AAEC/w", 0, 0, true);
        assert_eq!((d.data.as_slice(), d.used, d.unpadded), (&[0, 1, 2, 255][..], 6, true));
    }

    #[test]
    fn what_is_before_a_bad_group_counts() {
        let mut d = Decoded::default();
        d.decode(b"AAECAAEC{\"a\":1}!", 0, 0, false);
        assert_eq!((d.data.len(), d.used, d.bad), (6, 8, true));
        d.decode(b"AA==AAECA=EC", 0, 0, false);
        assert_eq!((d.data.len(), d.used, d.bad), (4, 8, true));
        d.decode(b"{\"a\"", 0, 0, false);
        assert_eq!((d.data.len(), d.used, d.bad), (0, 0, true));
    }
}
