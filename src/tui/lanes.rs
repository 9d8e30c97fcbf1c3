//! What is on a lane of the timeline: from rows to columns.

use crate::base::{PacketId, Side};
use crate::event::Level;
use crate::index::{Index, Lane, Row, RowId};
use crate::tui::rows::Filter;
use crate::tui::scale::View;

/// Rows of a lane that are looked at one by one; of more, a few a column. A picture
/// of many lanes waits for this.
const ROWS: usize = 2048;
/// Rows looked at behind the view, for bars that reach into it.
const AHEAD: usize = 512;

/// A bar: an exchange from its first to its last column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bar {
    /// Column of its first byte; negative before the view.
    pub(super) from: i64,
    /// Column of its end, included; `width` or more behind the view.
    pub(super) to: i64,
    /// The exchange.
    pub(super) row: RowId,
    /// It was not cut off.
    pub(super) complete: bool,
    /// It is a connection.
    pub(super) thin: bool,
}

/// A mark: a message or frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tick {
    /// Column of its end.
    pub(super) column: u16,
    /// The event.
    pub(super) row: RowId,
    /// Who sent it.
    pub(super) sender: Option<Side>,
    /// A frame, rather than a message.
    pub(super) frame: bool,
    /// In its column are messages of both sides.
    pub(super) both: bool,
}

/// A lane as drawn.
#[derive(Clone, Debug)]
pub(super) struct Drawn {
    /// Which of [`Index::lanes`].
    pub(super) lane: u32,
    /// Its conversation or stream.
    pub(super) label: String,
    /// The call whose summary names the lane.
    pub(super) name: Option<RowId>,
    /// What is spoken on it.
    pub(super) protocol: &'static str,
    /// Its bars, longest first.
    pub(super) bars: Vec<Bar>,
    /// Its marks, by column.
    pub(super) ticks: Vec<Tick>,
}

/// The number of the first packet of each of `width` columns of time, and of what is
/// behind them: found once a picture, so that lanes are searched without looking up
/// times.
pub(super) fn edges(index: &Index, view: View, width: u16) -> Vec<u32> {
    let last = index.last_packet();
    let mut from = 1;
    let before = |number: u32, column: u16| {
        let packet = index.packet_from(number).and_then(|p| index.packet(PacketId(u64::from(p))));
        packet.is_some_and(|p| view.column(p.time, width) < i64::from(column))
    };
    let mut edge = |column: u16| {
        let (mut low, mut high) = (from, last.saturating_add(1));
        while low < high {
            let middle = low + (high - low) / 2;
            if before(middle, column) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        from = low;
        low
    };
    (0..=width).map(&mut edge).collect()
}

/// Works out what is seen of a lane in `width` columns of time.
pub(super) fn on_screen(
    index: &Index,
    number: u32,
    lane: &Lane,
    view: View,
    width: u16,
    filter: Filter,
    (wide, selected, edges): (bool, Option<RowId>, &[u32]),
) -> Drawn {
    let row = |r: &u32| index.row(RowId(*r));
    let ends = |r: &u32| row(r).map_or(0, |x| x.last_packet);
    let rows = &lane.rows;
    let edge = |column: usize| edges.get(column).copied().unwrap_or(u32::MAX);
    let first = rows.partition_point(|r| ends(r) < edge(0));
    let last = rows.partition_point(|r| ends(r) < edge(usize::from(width)));
    let mut bars = Vec::new();
    let mut ticks: Vec<Tick> = Vec::new();
    let mut add = |r: u32, x: &Row| {
        let to = view.column(index.end_time(x), width);
        if x.level() == Level::Exchange {
            let from = view.column(index.start_time(x), width);
            let thin = index.kind(x).0 == "tcp";
            if from < i64::from(width) && to >= 0 {
                bars.push(Bar {
                    from,
                    to: to.max(from),
                    row: RowId(r),
                    complete: x.is_complete(),
                    thin,
                });
            }
        } else if let Ok(column) = u16::try_from(to)
            && column < width
            && has_tick(x.level(), filter)
        {
            let frame = x.level() == Level::Frame;
            ticks.push(Tick { column, row: RowId(r), sender: x.sender(), frame, both: false });
        }
    };
    let seen = last.saturating_sub(first);
    if seen <= ROWS {
        for r in rows.range(first..last) {
            if let Some(x) = row(r) {
                add(*r, x);
            }
        }
    } else {
        // One a column is all that can be seen.
        let mut from = first;
        for c in 0..usize::from(width) {
            // Never far from where the last column began.
            from = rows.partition_point_in(from..last, |r| ends(r) < edge(c));
            let some = from + ROWS / usize::from(width) + 1;
            for r in rows.range(from..some.min(last)) {
                if let Some(x) = row(r) {
                    add(*r, x);
                }
            }
        }
    }
    // Nearest and last, where there are many.
    let near = last..last.saturating_add(AHEAD).min(rows.len());
    let far = rows.len().saturating_sub(AHEAD).max(near.end)..rows.len();
    for r in rows.range(near).chain(rows.range(far)) {
        if let Some(x) = row(r).filter(|x| x.level() == Level::Exchange) {
            add(*r, x);
        }
    }
    // The connection below what it carried.
    bars.sort_by_key(|b| (b.from.saturating_sub(b.to), !b.thin, b.row));
    bars.dedup();
    thin_out(&mut ticks, selected);
    let name =
        rows.iter().rev().take(64).find(|r| {
            row(r).is_some_and(|x| x.level() == Level::Exchange && index.kind(x).0 != "tcp")
        });
    let info = index.conversations().get(lane.conversation as usize).map(|c| &c.info);
    let number_of = lane.conversation + 1;
    let label = match (lane.stream, info) {
        (Some(s), _) => format!("#{number_of}/{s}"),
        (None, Some(i)) => {
            let [client, server] = i.ends;
            let (from, to) = (client.port(), server.port());
            // Where there is little room the ports say more than half an address.
            if wide {
                format!("#{number_of} {client}→:{to}")
            } else {
                format!("#{number_of} :{from}→:{to}")
            }
        }
        (None, None) => format!("#{number_of}"),
    };
    let protocol = name.and_then(row).map_or("tcp", |x| index.kind(x).0);
    let name = name.map(|r| RowId(*r)).filter(|_| lane.stream.is_some());
    Drawn { lane: number, label, name, protocol, bars, ticks }
}

/// Leaves one mark of a kind in a column, that of the selected event before others:
/// what is drawn is bounded by the screen, however much happened. Messages come
/// behind their frames, and so above them.
fn thin_out(ticks: &mut Vec<Tick>, selected: Option<RowId>) {
    let sender = |t: &Tick| t.sender.map(Side::index);
    ticks.sort_by_key(|t| {
        (t.column, !t.frame, sender(t), (Some(t.row) != selected).then_some(t.row))
    });
    ticks.dedup_by_key(|t| (t.column, t.frame, t.sender));
    for same in ticks.chunk_by_mut(|a, b| a.column == b.column && a.frame == b.frame) {
        let both = same.iter().any(|t| Some(t.sender) != same.first().map(|f| f.sender));
        same.iter_mut().for_each(|t| t.both = both && !t.frame);
    }
}

/// Whether events of this level are marked: those of the list, or messages where
/// the list has neither.
const fn has_tick(level: Level, filter: Filter) -> bool {
    match level {
        Level::Frame => filter.has(Level::Frame),
        Level::Message => filter.has(Level::Message) || !filter.has(Level::Frame),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However much is in a lane, what is drawn of it is bounded by its columns; the
    /// selected event is among it.
    #[test]
    fn marks_are_bounded_by_the_screen() {
        let sides = [Some(Side::Client), Some(Side::Server), None];
        let mark = |n: u32| Tick {
            column: (n / 100) as u16 % 50,
            row: RowId(n),
            sender: sides[n as usize % if n / 100 % 50 == 7 { 1 } else { 3 }],
            frame: n.is_multiple_of(5),
            both: false,
        };
        let mut ticks: Vec<Tick> = (0..20_000).map(mark).collect();
        thin_out(&mut ticks, Some(RowId(4_321)));
        assert!(ticks.len() <= 50 * 6, "{}", ticks.len());
        assert!(ticks.iter().any(|t| t.row == RowId(4_321)));
        for t in &ticks {
            assert_eq!(t.both, !t.frame && t.column != 7, "{t:?}");
        }
        assert!(ticks.is_sorted_by_key(|t| (t.column, !t.frame)));
    }
}
