//! What is selected, and what is where other levels are shown.

use std::sync::PoisonError;

use crate::event::Level;
use crate::index::{Index, Row, RowId};
use crate::tui::app::App;
use crate::tui::rows::{Filter, Item, Rows};

impl App {
    pub(super) fn set_selected(&mut self, item: Option<Item>) {
        if self.selected != item {
            self.selected = item;
            self.timeline.follow();
        }
    }

    /// Selects the item at a place of the list.
    pub(super) fn select_at(&mut self, at: usize) {
        self.reach = None;
        self.at = at.min(self.rows.len().saturating_sub(1));
        // Whoever goes to the end wants to see what comes.
        self.following = self.live && self.at + 1 >= self.rows.len();
        self.set_selected(self.rows.get(self.at));
    }

    /// Moves the selection of the list.
    pub(super) fn step(&mut self, by: isize) {
        self.select_at(self.at.saturating_add_signed(by));
    }

    /// Selects an item, shown or not: its level is shown from now on.
    pub(super) fn select(&mut self, item: Item) {
        let level = match item {
            Item::Packet(_) => Some(Level::Packet),
            Item::Row(r) => {
                let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
                index.row(r).map(Row::level)
            }
        };
        let Some(level) = level else { return };
        if !self.rows.filter().has(level) {
            self.set_filter(self.rows.filter().with(level));
        }
        if self.rows.is_past(item) {
            self.select_at(self.rows.place(item));
        } else {
            self.reach = Some(item);
            self.following = false;
            self.grow();
        }
    }

    /// Shows other levels; what is selected stays, or what is next to it.
    pub(super) fn set_filter(&mut self, filter: Filter) {
        if filter == self.rows.filter() {
            return;
        }
        self.reach = self.reach.or(self.selected).map(|item| self.beside(item, filter));
        self.rows = Rows::new(filter);
        self.top = 0;
        self.behind = true;
        if let Some(f) = &mut self.found {
            f.finished = true;
        }
        self.grow();
    }

    /// An item of the same kind as the list will hold: a packet for an event and
    /// the other way round, where only those are shown.
    fn beside(&self, item: Item, filter: Filter) -> Item {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        let packets_only = filter == Filter::of(&[Level::Packet]);
        match item {
            Item::Row(r) if packets_only => {
                index.row(r).map_or(item, |r| Item::Packet(r.last_packet))
            }
            Item::Row(r) => {
                let kin = index.row(r).filter(|row| !filter.has(row.level()));
                kin.and_then(|row| kin_of(&index, r, row, filter)).map_or(item, Item::Row)
            }
            Item::Packet(p) if !filter.has(Level::Packet) => {
                let (mut low, mut high) = (0, u32::try_from(index.len()).unwrap_or(u32::MAX));
                while low < high {
                    let middle = low + (high - low) / 2;
                    match index.row(RowId(middle)) {
                        Some(r) if r.last_packet < p => low = middle + 1,
                        _ => high = middle,
                    }
                }
                match index.row(RowId(low)) {
                    Some(r) if !index.is_replaced(RowId(low), r) => Item::Row(RowId(low)),
                    _ if index.again().is_empty() => Item::Row(RowId(low)),
                    _ => {
                        let again = index.again();
                        let at = again.partition_point(|r| r.last_packet < p);
                        let at = at.min(again.len().saturating_sub(1));
                        Item::Row(RowId::again(u32::try_from(at).unwrap_or(0)))
                    }
                }
            }
            _ => item,
        }
    }
}

/// Rows of a lane that are looked at on either side: a key waits for it.
const KIN: usize = 1 << 16;

/// The event among the levels shown that stands for one whose level is not: of the
/// same conversation and stream, the first that ends with it or later (its call or
/// session), or else the last before it.
fn kin_of(index: &Index, id: RowId, row: &Row, filter: Filter) -> Option<RowId> {
    let lane = index.lane_of(row)?;
    let at = lane.partition_point(|r| *r < id.0);
    let shown = |r: &&u32| index.row(RowId(**r)).is_some_and(|row| filter.has(row.level()));
    let covers =
        |r: &&u32| index.row(RowId(**r)).is_some_and(|other| other.first_packet <= row.last_packet);
    let near = lane.range(at..at.saturating_add(KIN));
    let behind = near.filter(shown).find(covers);
    let before = lane.range(at.saturating_sub(KIN)..at).rev().find(shown);
    // A frame of this event was told just before it; what belongs together, behind.
    let near = before.filter(|b| {
        index.row(RowId(**b)).is_some_and(|b| b.last_packet == row.last_packet)
            && row.level() > index.row(RowId(**b)).map_or(Level::Packet, Row::level)
    });
    near.or(behind).or(before).map(|r| RowId(*r))
}
