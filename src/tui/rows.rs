//! What the list shows: the rows and packets that pass the level filter, in order.
//!
//! The list grows with the index, a bounded number of rows at a time, so that
//! neither a large file nor another filter keeps the screen waiting.

use crate::event::Level;
use crate::index::{Chunks, Index, RowId};

/// A line of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Item {
    /// An event.
    Row(RowId),
    /// A packet, by its number.
    Packet(u32),
}

/// Which levels are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Filter(u8);

impl Filter {
    /// Messages and exchanges.
    pub(super) const DEFAULT: Self = Self::of(&[Level::Message, Level::Exchange]);

    /// These levels.
    pub(super) const fn of(levels: &[Level]) -> Self {
        let (mut bits, mut i) = (0, 0);
        while i < levels.len() {
            bits |= 1 << levels[i] as u8;
            i += 1;
        }
        Self(bits)
    }

    /// Whether events of this level are shown.
    pub(super) const fn has(self, level: Level) -> bool {
        self.0 & 1 << level as u8 != 0
    }

    /// The same with this level the other way.
    pub(super) const fn toggled(self, level: Level) -> Self {
        Self(self.0 ^ 1 << level as u8)
    }

    /// The same with this level.
    pub(super) const fn with(self, level: Level) -> Self {
        Self(self.0 | 1 << level as u8)
    }

    /// The levels of events that are not shown; packets are no events.
    pub(super) fn hidden_events(self) -> Option<Self> {
        let events = Self::of(&[Level::Frame, Level::Message, Level::Exchange]);
        let hidden = Self(events.0 & !self.0);
        (hidden.0 != 0).then_some(hidden)
    }

    /// The next of a few useful filters.
    pub(super) fn next(self) -> Self {
        const CYCLE: [Filter; 5] = [
            Filter::DEFAULT,
            Filter::of(&[Level::Frame]),
            Filter::of(&[Level::Exchange]),
            Filter::of(&[Level::Frame, Level::Message, Level::Exchange]),
            Filter::of(&[Level::Packet]),
        ];
        let at = CYCLE.iter().position(|f| *f == self).map_or(0, |i| (i + 1) % CYCLE.len());
        CYCLE.get(at).copied().unwrap_or(Self::DEFAULT)
    }

    /// For the list's title: `messages, exchanges`.
    pub(super) fn describe(self) -> String {
        let names = [
            (Level::Packet, "packets"),
            (Level::Frame, "frames"),
            (Level::Message, "messages"),
            (Level::Exchange, "exchanges"),
        ];
        let shown: Vec<&str> = names.iter().filter(|n| self.has(n.0)).map(|n| n.1).collect();
        if shown.is_empty() { "nothing: press 1 to 4".to_owned() } else { shown.join(", ") }
    }
}

/// Goes through an index that may still grow.
///
/// A packet comes before the events that it completed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Walk {
    filter: Filter,
    row: u32,
    /// The next of the rows that came of decode-as.
    again: u32,
    packet: u32,
}

impl Walk {
    /// From the beginning.
    pub(super) const fn new(filter: Filter) -> Self {
        Self { filter, row: 0, again: 0, packet: 1 }
    }

    /// The next item; `None` where there is none yet, or `budget` rows were passed.
    pub(super) fn next(&mut self, index: &Index, budget: &mut usize) -> Option<Item> {
        let packets = index.last_packet();
        while *budget > 0 {
            *budget -= 1;
            let first = index.row(RowId(self.row));
            if first.is_some_and(|r| index.is_replaced(RowId(self.row), r)) {
                self.row += 1;
                continue;
            }
            let again = index.again().get(self.again as usize);
            let again = again.filter(|a| first.is_none_or(|r| a.last_packet < r.last_packet));
            let row = again.or(first);
            let upto = row.map_or(packets, |r| r.last_packet.min(packets));
            // A capture filter leaves holes between the numbers.
            if self.filter.has(Level::Packet)
                && self.packet <= upto
                && let Some(p) = index.packet_from(self.packet).filter(|p| *p <= upto)
            {
                self.packet = p + 1;
                return Some(Item::Packet(p));
            }
            let row = row?;
            let id = if again.is_some() {
                self.again += 1;
                RowId::again(self.again - 1)
            } else {
                self.row += 1;
                RowId(self.row - 1)
            };
            if self.filter.has(row.level()) {
                return Some(Item::Row(id));
            }
        }
        None
    }

    /// Whether it has gone past this item, shown or not.
    pub(super) const fn is_past(&self, item: Item) -> bool {
        match item {
            Item::Row(r) => match r.place_again() {
                Some(at) => at < self.again,
                None => r.0 < self.row,
            },
            Item::Packet(p) => p < self.packet,
        }
    }

    /// Rows passed.
    pub(super) const fn passed(&self) -> u32 {
        self.row + self.again
    }
}

/// Items between two marks.
const MARK_EVERY: usize = 1024;
/// Set in the code of a packet. Two billion rows are 48 GB of index.
const PACKET: u32 = 1 << 31;

/// The list's items.
pub(super) struct Rows {
    walk: Walk,
    items: Chunks<u32>,
    /// Where the walk was before every 1024th item: finds an item's place.
    marks: Vec<Walk>,
}

impl Rows {
    /// None yet.
    pub(super) fn new(filter: Filter) -> Self {
        Self { walk: Walk::new(filter), items: Chunks::default(), marks: Vec::new() }
    }

    /// What is shown.
    pub(super) const fn filter(&self) -> Filter {
        self.walk.filter
    }

    /// How many there are so far.
    pub(super) const fn len(&self) -> usize {
        self.items.len()
    }

    /// The item at a place.
    pub(super) fn get(&self, at: usize) -> Option<Item> {
        let code = *self.items.get(at)?;
        Some(if code & PACKET == 0 { Item::Row(RowId(code)) } else { Item::Packet(code & !PACKET) })
    }

    /// Takes up what is new, passing `budget` rows at most; `true` where there
    /// is more.
    pub(super) fn extend(&mut self, index: &Index, mut budget: usize) -> bool {
        loop {
            let before = self.walk;
            let Some(item) = self.walk.next(index, &mut budget) else { return budget == 0 };
            if self.items.len().is_multiple_of(MARK_EVERY) {
                self.marks.push(before);
            }
            self.items.push(match item {
                Item::Row(r) => r.0 & !PACKET,
                Item::Packet(p) => p | PACKET,
            });
        }
    }

    /// Whether an item has its place by now, or has none.
    pub(super) const fn is_past(&self, item: Item) -> bool {
        self.walk.is_past(item)
    }

    /// The place of an item, or of what comes after it where it is not shown.
    pub(super) fn place(&self, item: Item) -> usize {
        let mark = self.marks.partition_point(|m| !m.is_past(item)).saturating_sub(1);
        let first = mark * MARK_EVERY;
        let reached = |at: usize| match (self.get(at), item) {
            (Some(Item::Row(r)), Item::Row(wanted)) => {
                r >= wanted && r.place_again().is_some() == wanted.place_again().is_some()
            }
            (Some(Item::Packet(p)), Item::Packet(wanted)) => p >= wanted,
            _ => false,
        };
        (first..self.len().min(first + MARK_EVERY))
            .find(|at| reached(*at))
            .unwrap_or_else(|| (first + MARK_EVERY).min(self.len().saturating_sub(1)))
    }
}
