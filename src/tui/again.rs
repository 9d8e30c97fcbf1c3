//! Reading a conversation as something else, from the key to the new list.

use std::sync::PoisonError;

use crate::base::{ConversationId, PacketId};
use crate::engine::DecodeAs;
use crate::index::{Chunks, Index, Moved, RowId, Step};
use crate::tui::app::App;
use crate::tui::rows::{Item, Rows};
use crate::tui::worker::Order;

impl App {
    /// The conversation of the selected item.
    pub(super) fn conversation(&self, index: &Index) -> Option<ConversationId> {
        match self.selected? {
            Item::Row(r) => Some(ConversationId(index.row(r)?.conversation + 1)),
            Item::Packet(p) => {
                let c = index.packet(PacketId(u64::from(p)))?.conversation;
                (c > 0).then_some(ConversationId(c))
            }
        }
    }

    /// What a conversation is read as: what was chosen here, or what a rule says.
    pub(super) fn in_force(&self, index: &Index, conversation: ConversationId) -> DecodeAs {
        let chosen = index.read_as(conversation);
        let known = index.conversations().get(conversation.0.saturating_sub(1) as usize);
        let by_rule = || known.map(|c| DecodeAs::by_rules(&self.decode_rules, &c.info));
        chosen.or_else(by_rule).unwrap_or(DecodeAs::Found)
    }

    /// Has a conversation read as something else.
    pub(super) fn decode_as(&mut self, conversation: ConversationId, read: DecodeAs) {
        self.orders += 1;
        let order = Order { id: self.orders, conversation, read };
        self.decoding = Some((order, Step::Waiting));
    }

    /// More is known than when lines were opened: they are opened again, where they are
    /// looked at, and so is what is selected.
    pub(super) fn open_again(&mut self) {
        self.lines.clear();
        self.shown = None;
        self.unreadable = None;
    }

    /// The rows of a conversation were replaced: the list begins anew where it was.
    pub(super) fn start_over(&mut self, order: &Order, moved: &Moved) {
        let selected = self.reach.or(self.selected);
        let (generation, item, events) = {
            let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
            let c = index.conversations().get(order.conversation.0.saturating_sub(1) as usize);
            let none = Chunks::default();
            let rows = c.map_or(&none, |c| &c.rows);
            // What is there at the same time, of a level that is shown.
            let beside = |packet: u32| {
                let row = |r: &u32| index.row(RowId(*r));
                let shown = |r: &&u32| row(r).is_some_and(|r| self.rows.filter().has(r.level()));
                let at = rows.partition_point(|r| row(r).is_some_and(|r| r.last_packet < packet));
                let behind = rows.range(at..rows.len()).find(shown);
                behind.or_else(|| rows.range(0..at).rev().find(shown)).map(|r| Item::Row(RowId(*r)))
            };
            let opened = || self.shown.as_ref().filter(|s| Some(s.item) == selected);
            let item = match selected {
                Some(Item::Row(r)) if r.place_again().is_some() => match moved.get(&r) {
                    Some(new) => Some(Item::Row(*new)),
                    None => beside(opened().map_or(0, |s| {
                        u32::try_from(s.event.draft.end.packet.0).unwrap_or(u32::MAX)
                    })),
                },
                Some(Item::Row(r)) => match index.row(r) {
                    Some(row) if index.is_replaced(r, row) => beside(row.last_packet),
                    _ => selected,
                },
                _ => selected,
            };
            (index.generation(), item, rows.len())
        };
        self.generation = generation;
        self.rows = Rows::new(self.rows.filter());
        self.lines.clear();
        self.shown = None;
        self.unreadable = None;
        self.found = None;
        self.selected = None;
        self.reach = item;
        self.behind = true;
        self.timeline.forget();
        let what = match order.read {
            DecodeAs::Found => "as found by content".to_owned(),
            DecodeAs::Opaque => "is nobody's bytes".to_owned(),
            read => format!("as {}", read.label()),
        };
        let many = if events == 1 { "event" } else { "events" };
        self.notice = Some(format!("conversation #{} {what}: {events} {many}", order.conversation));
        self.grow();
    }
}
