//! The static and the dynamic table (RFC 7541 §2.3, Appendix A).

use std::collections::VecDeque;

use crate::base::limits::MAX_HPACK_TABLE;

/// Appendix A, from index 1.
#[rustfmt::skip]
pub(crate) static STATIC: [(&[u8], &[u8]); 61] = [
    (b":authority", b""), (b":method", b"GET"), (b":method", b"POST"), (b":path", b"/"),
    (b":path", b"/index.html"), (b":scheme", b"http"), (b":scheme", b"https"),
    (b":status", b"200"), (b":status", b"204"), (b":status", b"206"), (b":status", b"304"),
    (b":status", b"400"), (b":status", b"404"), (b":status", b"500"),
    (b"accept-charset", b""), (b"accept-encoding", b"gzip, deflate"), (b"accept-language", b""),
    (b"accept-ranges", b""), (b"accept", b""), (b"access-control-allow-origin", b""),
    (b"age", b""), (b"allow", b""), (b"authorization", b""), (b"cache-control", b""),
    (b"content-disposition", b""), (b"content-encoding", b""), (b"content-language", b""),
    (b"content-length", b""), (b"content-location", b""), (b"content-range", b""),
    (b"content-type", b""), (b"cookie", b""), (b"date", b""), (b"etag", b""), (b"expect", b""),
    (b"expires", b""), (b"from", b""), (b"host", b""), (b"if-match", b""),
    (b"if-modified-since", b""), (b"if-none-match", b""), (b"if-range", b""),
    (b"if-unmodified-since", b""), (b"last-modified", b""), (b"link", b""), (b"location", b""),
    (b"max-forwards", b""), (b"proxy-authenticate", b""), (b"proxy-authorization", b""),
    (b"range", b""), (b"referer", b""), (b"refresh", b""), (b"retry-after", b""),
    (b"server", b""), (b"set-cookie", b""), (b"strict-transport-security", b""),
    (b"transfer-encoding", b""), (b"user-agent", b""), (b"vary", b""), (b"via", b""),
    (b"www-authenticate", b""),
];

/// What every entry costs beside its octets (§4.1).
const ENTRY_OVERHEAD: usize = 32;
/// The size that both ends start with (RFC 9113 §6.5.2).
pub(crate) const DEFAULT_SIZE: u32 = 4096;

/// An entry of the dynamic table: where its octets lie in the arena.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Counted from the first octet that was ever stored.
    start: u64,
    name: u32,
    value: u32,
    name_known: bool,
    value_known: bool,
}

impl Entry {
    const fn size(&self) -> usize {
        self.name as usize + self.value as usize + ENTRY_OVERHEAD
    }
}

/// A field of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) value: &'a [u8],
    /// `false`: the name came in a way that could not be read.
    pub(crate) name_known: bool,
    /// The same for the value.
    pub(crate) value_known: bool,
}

/// What an index stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lookup<'a> {
    /// A field.
    Found(Found<'a>),
    /// An entry whose insertion was not seen.
    Lost,
    /// Nothing: the index is 0 or beyond the tables (§2.3.3).
    Invalid,
}

/// The dynamic table of one direction, as its decoder has it.
///
/// Entries are numbered by their insertion, and an index counts from the
/// newest: so what was inserted since is known even where older entries are
/// not, because the stream was joined in the middle or a block was lost
/// ([`Table::lose`]). The octets lie in one arena in the order of insertion;
/// eviction moves its front, and the front is cut off now and then.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    data: Vec<u8>,
    /// Number of the first octet in `data`, counted as `Entry::start` is.
    base: u64,
    /// The oldest first.
    entries: VecDeque<Entry>,
    size: usize,
    max: usize,
    /// The maximum that the peer has; more than `max` where that is cut.
    peer_max: usize,
    /// Entries ever inserted; the newest has this number.
    inserted: u64,
    /// There may be entries that are older than those known.
    foggy: bool,
    /// Changes so far: what an index stands for is what it was while this is.
    changes: u64,
}

impl Default for Table {
    fn default() -> Self {
        Self {
            data: Vec::new(),
            base: 0,
            entries: VecDeque::new(),
            size: 0,
            max: DEFAULT_SIZE as usize,
            peer_max: DEFAULT_SIZE as usize,
            inserted: 0,
            foggy: false,
            changes: 0,
        }
    }
}

impl Table {
    /// What stands at `index`, the static table first (§2.3.3).
    pub(crate) fn get(&self, index: u32) -> Lookup<'_> {
        let Some(nth) = (index as usize).checked_sub(1) else { return Lookup::Invalid };
        if let Some((name, value)) = STATIC.get(nth) {
            return Lookup::Found(Found { name, value, name_known: true, value_known: true });
        }
        let back = nth - STATIC.len();
        let entry = self.entries.len().checked_sub(back + 1).and_then(|i| self.entries.get(i));
        match entry {
            Some(e) => {
                let start = e.start.saturating_sub(self.base) as usize;
                let octets = self.data.get(start..).unwrap_or_default();
                let (name, rest) = octets.split_at_checked(e.name as usize).unwrap_or_default();
                let value = rest.get(..e.value as usize).unwrap_or_default();
                Lookup::Found(Found {
                    name,
                    value,
                    name_known: e.name_known,
                    value_known: e.value_known,
                })
            }
            // No table holds more entries than fit empty ones.
            None if self.foggy && back < self.peer_max / ENTRY_OVERHEAD => Lookup::Lost,
            None => Lookup::Invalid,
        }
    }

    /// Inserts a field; `None` is a name or value that could not be read.
    ///
    /// What is unknown counts nothing, so entries may stay here longer than at
    /// the peer, and never shorter.
    pub(crate) fn insert(&mut self, name: Option<&[u8]>, value: Option<&[u8]>) {
        let (n, v) = (name.unwrap_or_default(), value.unwrap_or_default());
        if !self.make_room(n.len() + v.len() + ENTRY_OVERHEAD) {
            return;
        }
        let start = self.end();
        self.data.extend_from_slice(n);
        self.data.extend_from_slice(v);
        self.entries.push_back(Entry {
            start,
            // Below `max`, which is a u32.
            name: n.len() as u32,
            value: v.len() as u32,
            name_known: name.is_some(),
            value_known: value.is_some(),
        });
        self.inserted += 1;
        self.trim();
    }

    /// Inserts a field with the name of entry `index`, which may be evicted by
    /// it (§4.4).
    pub(crate) fn insert_named(&mut self, index: u32, value: Option<&[u8]>) {
        // The static table needs no copy, and the arena keeps what is evicted
        // until it is trimmed; a name of the arena is copied within it.
        let Some(nth) = (index as usize).checked_sub(1 + STATIC.len()) else {
            return match self.get_static(index) {
                Some(name) => self.insert(Some(name), value),
                None => self.insert(None, value),
            };
        };
        let entry = self.entries.len().checked_sub(nth + 1).and_then(|i| self.entries.get(i));
        let Some(entry) = entry.copied().filter(|e| e.name_known) else {
            return self.insert(None, value);
        };
        let v = value.unwrap_or_default();
        if !self.make_room(entry.name as usize + v.len() + ENTRY_OVERHEAD) {
            return;
        }
        let start = self.end();
        let from = entry.start.saturating_sub(self.base) as usize;
        let to = from.saturating_add(entry.name as usize);
        if to <= self.data.len() {
            self.data.extend_from_within(from..to);
        }
        self.data.extend_from_slice(v);
        self.entries.push_back(Entry {
            start,
            name: entry.name,
            value: v.len() as u32,
            name_known: true,
            value_known: value.is_some(),
        });
        self.inserted += 1;
        self.trim();
    }

    fn get_static(&self, index: u32) -> Option<&'static [u8]> {
        STATIC.get((index as usize).checked_sub(1)?).map(|(name, _)| *name)
    }

    /// Evicts until an entry of `size` fits and counts it; `false` where it
    /// never will: the table is then empty (§4.4).
    fn make_room(&mut self, size: usize) -> bool {
        self.changes += 1;
        self.evict_to(self.max.saturating_sub(size));
        if size > self.max {
            self.foggy = size <= self.peer_max;
            self.trim();
            return false;
        }
        self.size += size;
        true
    }

    fn evict_to(&mut self, size: usize) {
        while self.size > size
            && let Some(e) = self.entries.pop_front()
        {
            self.size -= e.size();
            // What is older than an evicted entry is gone at the peer too,
            // unless its table is larger than ours.
            self.foggy = self.max < self.peer_max;
        }
    }

    /// Sets the maximum size (§4.3, §6.3). Sizes beyond [`MAX_HPACK_TABLE`] are
    /// cut to it, and what is evicted early for that is shown as unknown.
    pub(crate) fn resize(&mut self, max: u32) {
        self.changes += 1;
        self.peer_max = max as usize;
        self.max = self.peer_max.min(MAX_HPACK_TABLE);
        self.evict_to(self.max);
        if max == 0 {
            self.foggy = false;
        }
        self.trim();
    }

    /// A block, or a part of one, could not be read: how many entries it
    /// inserted is unknown, so no older index means what it did.
    ///
    /// It may have set any size, too. A table that is taken for larger than it is
    /// keeps entries that no index reaches any more; one that is taken for smaller
    /// would refuse an entry that the encoder counts, and every index behind it would
    /// be wrong.
    pub(crate) fn lose(&mut self) {
        self.changes += 1;
        self.peer_max = u32::MAX as usize;
        self.max = MAX_HPACK_TABLE;
        self.entries.clear();
        self.size = 0;
        self.foggy = true;
        self.trim();
    }

    /// Changes so far.
    pub(crate) const fn changes(&self) -> u64 {
        self.changes
    }

    /// Number of the next octet.
    fn end(&self) -> u64 {
        self.base + self.data.len() as u64
    }

    /// Cuts off the arena's front when most of it is dead.
    fn trim(&mut self) {
        let first = self.entries.front().map_or(self.end(), |e| e.start);
        let dead = first.saturating_sub(self.base) as usize;
        if dead > 4096 && dead > self.data.len() / 2 || dead == self.data.len() {
            self.data.drain(..dead.min(self.data.len()));
            self.base = first;
        }
    }

    /// Entries ever inserted.
    #[cfg(test)]
    pub(crate) const fn inserted(&self) -> u64 {
        self.inserted
    }

    /// Its size as §4.1 counts it.
    #[cfg(test)]
    pub(crate) const fn size(&self) -> usize {
        self.size
    }

    /// Memory held, in bytes.
    pub(crate) fn memory(&self) -> usize {
        self.data.capacity() + self.entries.capacity() * size_of::<Entry>()
    }
}
