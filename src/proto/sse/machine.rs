//! One event stream: its lines as they come.
//!
//! A line is judged when its end is there. Comments and reconnection times are events of
//! their own, at once: they mean what they mean without the empty line that an event
//! needs.
//!
//! A CR may be a line's end or half of one. It is taken for the end of an event at once
//! where the line before ended with a CR alone; else the next byte is waited for, so that
//! what is shown of a stream does not depend on how it was cut.

use crate::base::limits::SSE_LINE_BYTES;
use crate::base::{BufferId, Side};
use crate::field::{In, NoSink};
use crate::finding::Finding;
use crate::proto::sse::block::Block;
use crate::proto::sse::findings as g;
use crate::proto::sse::habits::Habits;
use crate::proto::sse::session::{EndedBy, Session};
use crate::proto::sse::utf8::Utf8;
use crate::proto::sse::wire::{self, About};
use crate::proto::{Chunk, EndCause, Input, Machine, Out, Progress, missing};

/// The machine.
#[derive(Clone, Debug, Default)]
pub struct Sse {
    session: Session,
    block: Block,
    /// The front of the stream was looked at for a byte order mark.
    begun: bool,
    /// Bytes of the line in hand that hold no end.
    scanned: usize,
    /// The line that is taken in pieces.
    long: Option<About>,
    utf8: Utf8,
    /// The last line ended with a CR alone.
    cr: bool,
    /// Behind a gap: skipped up to the next empty line.
    lost: Lost,
    habits: Habits,
    /// Right behind a gap: the fields by which an event may be known to begin there.
    begins: u8,
    over: bool,
}

/// Where behind a gap the stream is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Lost {
    #[default]
    No,
    /// Within a line.
    Line,
    /// At the front of a line.
    Block,
}

impl Machine for Sse {
    fn feed(&mut self, input: Input<'_>, out: &mut dyn Out) -> Progress {
        match input {
            Input::Bytes(c) if c.side == Side::Server && !self.over => {
                return self.bytes(&c, out);
            }
            Input::Bytes(c) => return Progress::took(c.data.len()),
            Input::Head(h) => self.session.head(&h),
            Input::Trailers(h) => self.session.trailers(&h),
            Input::Gap { side: Side::Server, len, .. } if !self.over => self.gap(len, out),
            Input::Reset { side, code } => self.end(EndedBy::Reset(side, code), out),
            Input::End { side: Side::Server, cause } => {
                let by = match cause {
                    EndCause::Finished => EndedBy::Response,
                    EndCause::Cut => EndedBy::Connection,
                    EndCause::CaptureEnded => EndedBy::Capture,
                    EndCause::Evicted => EndedBy::Evicted,
                };
                self.end(by, out);
            }
            Input::Gap { .. } | Input::End { .. } | Input::Datagram { .. } => {}
        }
        Progress::took(0)
    }

    fn fork(&self) -> Option<Box<dyn Machine>> {
        Some(Box::new(self.clone()))
    }

    fn memory(&self) -> usize {
        size_of::<Self>() + self.block.memory() + self.session.memory()
    }
}

impl Sse {
    fn bytes(&mut self, c: &Chunk<'_>, out: &mut dyn Out) -> Progress {
        let mut took = 0;
        loop {
            let rest = c.data.get(took..).unwrap_or_default();
            if rest.is_empty() {
                return Progress::took(took);
            }
            let at = c.offset + took as u64;
            if !self.begun {
                if wire::BOM.starts_with(rest) && rest.len() < wire::BOM.len() && !c.last {
                    return Progress::need(took, wire::BOM.len() - rest.len());
                }
                self.begun = true;
                if rest.starts_with(wire::BOM) {
                    self.block.bom(at, rest, out);
                    self.session.bytes(wire::BOM.len());
                    took += wire::BOM.len();
                    continue;
                }
            }
            let (len, mut end) = wire::measure(rest, std::mem::take(&mut self.scanned));
            let blank = len == 0 && self.long.is_none();
            let ends_in_cr = end > 0 && rest.get(len) == Some(&b'\r');
            if ends_in_cr && blank && self.cr {
                // See above: what follows, an LF perhaps, is a line of its own.
                end = 1;
            } else if ends_in_cr && end == 1 && len + 1 == rest.len() && !c.last {
                if self.long.is_none() {
                    self.scanned = len;
                    return Progress::need(took, 1);
                }
                // The line's bytes are taken; its end is seen again.
                self.part(at, rest.get(..len).unwrap_or_default(), out);
                return Progress::need(took + len, 1);
            }
            if end == 0 && len < SSE_LINE_BYTES && self.long.is_none() && !c.last {
                self.scanned = len;
                return Progress::need(took, 1);
            }
            self.part(at, rest.get(..len).unwrap_or_default(), out);
            if end > 0 {
                let bytes = rest.get(len..len + end).unwrap_or_default();
                self.line_ends(at + len as u64, bytes, out);
            }
            took += len + end;
        }
    }

    /// A line, or the next piece of one.
    fn part(&mut self, at: u64, data: &[u8], out: &mut dyn Out) {
        self.session.bytes(data.len());
        let begins = std::mem::take(&mut self.begins);
        if self.lost != Lost::No {
            if !data.is_empty() {
                self.lost = Lost::Line;
            }
            let line = wire::content(data.len())(In::new(data, BufferId(0), 0, &NoSink));
            if !line.is_ok_and(|(_, line)| Habits::is_one(line.about, begins)) {
                return;
            }
            self.lost = Lost::No;
            self.block.infer();
        }
        if data.is_empty() {
            return;
        }
        self.habits.bytes(at, self.block.is_open() || self.long.is_some(), out);
        self.utf8.feed(data);
        if let Some(about) = self.long {
            self.block.more(about, at, data, data, out);
            return;
        }
        let Ok((_, line)) = wire::content(data.len())(In::new(data, BufferId(0), 0, &NoSink))
        else {
            return;
        };
        self.habits.line(line.about, !self.block.is_open());
        self.block.begin(line.about, at, data, out);
        if line.about == About::Other {
            self.block.unknown(line.name);
        }
        self.block.more(line.about, at, &[], line.value, out);
        self.long = Some(line.about);
    }

    /// The end of the line in hand; of an empty one where there is none.
    fn line_ends(&mut self, at: u64, end: &[u8], out: &mut dyn Out) {
        self.session.bytes(end.len());
        let about = self.long.take();
        let cr_before = std::mem::replace(&mut self.cr, end == b"\r");
        match self.lost {
            Lost::No => {}
            Lost::Line => {
                self.lost = Lost::Block;
                return;
            }
            Lost::Block => {
                // The first LF behind a CR that was lost may be its other half.
                self.lost = Lost::No;
                return;
            }
        }
        // Half of a line end that was taken for a whole one.
        let half = cr_before && end == b"\n" && about.is_none() && self.block.is_fresh();
        if half {
            return;
        }
        self.habits.bytes(at, self.block.is_open() || about.is_some(), out);
        if about.is_none() && self.block.is_open() {
            self.habits.event();
        }
        let good = self.utf8.finish();
        let bad_text = (!good).then_some(&g::NOT_UTF8);
        match about {
            None => self.block.dispatch(at, end, &mut self.session, out),
            Some(about) => {
                self.block.line_ends(about, at, end, bad_text, &mut self.session, out);
            }
        }
    }

    fn gap(&mut self, len: u64, out: &mut dyn Out) {
        let begins = self.habits.behind_hole(self.block.is_open() || self.long.is_some());
        // Where nothing was under way, the hole is of whole lines perhaps; nobody knows.
        let finding = Finding::new(&g::GAP).with(missing(len));
        if let Some(about) = self.long {
            self.block.cut_note(about, &mut self.session, out);
        }
        if self.block.is_open() {
            self.block.cut(Some(finding), &mut self.session, out);
        } else {
            self.session.found(finding);
        }
        self.utf8 = Utf8::default();
        self.long = None;
        self.scanned = 0;
        self.begun = true;
        self.cr = false;
        self.lost = Lost::Line;
        self.begins = begins;
        self.session.gap();
    }

    fn end(&mut self, by: EndedBy, out: &mut dyn Out) {
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        let finding = match by {
            // More would have come.
            EndedBy::Capture | EndedBy::Evicted => None,
            _ => Some(Finding::new(&g::CUT).with(by.words())),
        };
        if let Some(about) = self.long {
            self.block.cut_note(about, &mut self.session, out);
        }
        if self.block.is_open() {
            self.block.cut(finding, &mut self.session, out);
        }
        self.session.end(by, out);
    }
}
