//! Header blocks that come again.
//!
//! A client sends the same few fields with each call, and a server the same answer and
//! the same trailers. A block whose octets were read before, with a dynamic table that is
//! what it was then, stands for the same section: it is neither decoded nor judged
//! another time.

use std::hash::BuildHasher as _;

use hashbrown::DefaultHashBuilder;

use super::rules::Given;
use crate::proto::Headers;
use crate::proto::http2::hpack::{Decoder, Size};

/// Blocks that are remembered of one end: those of a unary call's answer, and a few more.
const REMEMBERED: usize = 4;
/// Blocks that may come between one and the same again, before it is remembered.
const SEEN: usize = 8;
/// Octets of a block, and of its section, up to which it is remembered.
const MAX_BLOCK: usize = 512;
const MAX_SECTION: usize = 4096;

/// A block that was read without any finding.
#[derive(Clone, Debug)]
struct Block {
    octets: Vec<u8>,
    /// State of the table, which the block did not change.
    table: u64,
    headers: Headers,
    size: Size,
    /// As what it was judged, and nothing found.
    sound: Option<Given>,
}

/// The blocks that are remembered of one end.
#[derive(Clone, Debug, Default)]
pub(super) struct Again {
    blocks: Vec<Block>,
    /// Who makes room for the next.
    next: usize,
    /// The one that was read or remembered last.
    last: Option<usize>,
    /// Hashes of blocks that came once: most come only once.
    once: [u64; SEEN],
    hasher: DefaultHashBuilder,
    /// Where the next one goes.
    seen: usize,
}

impl Again {
    /// What a block stood for when it came before: fills `headers`.
    pub(super) fn read(
        &mut self,
        octets: &[u8],
        hpack: &mut Decoder,
        headers: &mut Headers,
    ) -> Option<Size> {
        let table = hpack.state();
        self.last = self.blocks.iter().position(|b| b.table == table && b.octets == octets);
        let block = self.blocks.get(self.last?)?;
        // A bomb is made of repetitions.
        if !hpack.spend(octets.len(), block.headers.byte_len()) {
            self.last = None;
            return None;
        }
        headers.clone_from(&block.headers);
        Some(block.size)
    }

    /// A block was read for the first time, with nothing found, and left the table as it was.
    pub(super) fn remember(&mut self, octets: &[u8], table: u64, headers: &Headers, size: Size) {
        if octets.len() > MAX_BLOCK || headers.byte_len() > MAX_SECTION {
            return;
        }
        let hash = self.hasher.hash_one(octets);
        if !self.once.contains(&hash) {
            if let Some(place) = self.once.get_mut(self.seen) {
                *place = hash;
            }
            self.seen = (self.seen + 1) % SEEN;
            return;
        }
        let block =
            Block { octets: octets.to_vec(), table, headers: headers.clone(), size, sound: None };
        self.last = Some(self.next);
        match self.blocks.get_mut(self.next) {
            Some(old) => *old = block,
            None => self.blocks.push(block),
        }
        self.next = (self.next + 1) % REMEMBERED;
    }

    /// Whether the block at hand was judged so before, and found sound.
    pub(super) fn is_sound(&self, given: Given) -> bool {
        self.last.and_then(|i| self.blocks.get(i)).is_some_and(|b| b.sound == Some(given))
    }

    /// The block at hand was judged, and nothing found.
    pub(super) fn found_sound(&mut self, given: Given) {
        if let Some(b) = self.last.and_then(|i| self.blocks.get_mut(i)) {
            b.sound = Some(given);
        }
    }

    /// The block at hand is not one that is remembered.
    pub(super) const fn pass(&mut self) {
        self.last = None;
    }

    /// Memory held, in bytes.
    pub(super) fn memory(&self) -> usize {
        let each = |b: &Block| size_of::<Block>() + b.octets.capacity() + b.headers.memory();
        self.blocks.iter().map(each).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::BufferId;
    use crate::field::{In, NoSink};
    use crate::proto::http2::connection::rules::Sort;

    fn decode(hpack: &mut Decoder, again: &mut Again, octets: &[u8]) -> (Headers, bool) {
        let (mut headers, mut findings) = (Headers::new(), Vec::new());
        if again.read(octets, hpack, &mut headers).is_some() {
            return (headers, true);
        }
        let table = hpack.state();
        let size = hpack.block(
            In::new(octets, BufferId(0), 0, &NoSink),
            &mut headers,
            None,
            &mut findings,
        );
        if hpack.state() == table && findings.is_empty() {
            again.remember(octets, table, &headers, size);
        }
        (headers, false)
    }

    #[test]
    fn the_same_octets_are_the_same_section_while_the_table_is() {
        let (mut hpack, mut again) = (Decoder::default(), Again::default());
        // `a: b`, inserted; then index 62.
        let (insert, one) = ([0x40, 1, b'a', 1, b'b'], [0xbe]);
        assert!(!decode(&mut hpack, &mut again, &insert).1);
        assert!(!decode(&mut hpack, &mut again, &insert).1, "it changes the table each time");
        let (first, known) = decode(&mut hpack, &mut again, &one);
        assert_eq!((first.get("a"), known), (Some(&b"b"[..]), false));
        assert!(!decode(&mut hpack, &mut again, &one).1, "remembered from now on");
        assert_eq!(decode(&mut hpack, &mut again, &one), (first, true));
        // `a: c`: index 62 is another field now.
        decode(&mut hpack, &mut again, &[0x40, 1, b'a', 1, b'c']);
        let (other, known) = decode(&mut hpack, &mut again, &one);
        assert_eq!((other.get("a"), known), (Some(&b"c"[..]), false));
        hpack.lose();
        assert!(
            decode(&mut hpack, &mut again, &one).0.get("a").is_none(),
            "nothing is known of it"
        );
    }

    #[test]
    fn a_verdict_belongs_to_its_block_and_to_what_was_known_beside_it() {
        let (mut hpack, mut again) = (Decoder::default(), Again::default());
        let given = Given { sort: Sort::Request, whole: true, binary: false };
        for _ in 0..2 {
            decode(&mut hpack, &mut again, &[0x82]);
        }
        again.found_sound(given);
        assert!(again.is_sound(given));
        assert!(!again.is_sound(Given { sort: Sort::Response, ..given }));
        decode(&mut hpack, &mut again, &[0x83]);
        assert!(!again.is_sound(given), "that was another one");
        decode(&mut hpack, &mut again, &[0x82]);
        assert!(again.is_sound(given));
    }

    #[test]
    fn few_are_remembered_and_no_bomb_is_made_of_them() {
        let (mut hpack, mut again) = (Decoder::default(), Again::default());
        let value = [b'v'; 3000];
        let mut insert = vec![0x40, 1, b'a', 0x7f, 0xb9, 0x16];
        insert.extend_from_slice(&value);
        decode(&mut hpack, &mut again, &insert);
        let bomb = [0xbe];
        let times = (0..100_000)
            .take_while(|_| decode(&mut hpack, &mut again, &bomb).1 || hpack.spend(0, 0));
        let times = times.count();
        assert!(
            (20_000..25_000).contains(&times),
            "{times}: 64 MiB by 3001 bytes less what is earned"
        );
        for n in 0x82..0x8e {
            for _ in 0..2 {
                decode(&mut Decoder::default(), &mut again, &[n]);
            }
        }
        assert_eq!(again.blocks.len(), REMEMBERED);
    }
}
