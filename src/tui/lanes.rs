//! What is on a lane of the timeline: from rows to columns.

use crate::base::{CaptureTime, Side};
use crate::event::Level;
use crate::index::{Index, Lane, Row, RowId};
use crate::tui::rows::Filter;
use crate::tui::scale::View;

/// Rows of a lane that are looked at one by one; of more, one a column.
const ROWS: usize = 4096;
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

/// Works out what is seen of a lane in `width` columns of time.
pub(super) fn on_screen(
    index: &Index,
    number: u32,
    lane: &Lane,
    view: View,
    width: u16,
    filter: Filter,
    wide: bool,
) -> Drawn {
    let row = |r: &u32| index.row(RowId(*r));
    let end = |r: &u32| row(r).map_or(CaptureTime(0), |x| index.end_time(x));
    let rows = &lane.rows;
    let first = rows.partition_point(|r| view.column(end(r), width) < 0);
    let last = rows.partition_point(|r| view.column(end(r), width) < i64::from(width));
    let mut bars = Vec::new();
    let mut ticks: Vec<Tick> = Vec::new();
    let mut add = |r: u32, x: &Row| {
        let (from, to) =
            (view.column(index.start_time(x), width), view.column(index.end_time(x), width));
        if x.level() == Level::Exchange {
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
            ticks.push(Tick { column, row: RowId(r), sender: x.sender(), frame });
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
        for c in 0..width {
            let from = rows.partition_point(|r| view.column(end(r), width) < i64::from(c));
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
    // Messages above their frames.
    ticks.sort_by_key(|t| (t.column, !t.frame, t.row));
    ticks.dedup();
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

/// Whether events of this level are marked: those of the list, or messages where
/// the list has neither.
const fn has_tick(level: Level, filter: Filter) -> bool {
    match level {
        Level::Frame => filter.has(Level::Frame),
        Level::Message => filter.has(Level::Message) || !filter.has(Level::Frame),
        _ => false,
    }
}
