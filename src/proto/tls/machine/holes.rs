//! Bytes that are missing, or are no records: where records go on behind them, and how
//! much plain text is missing.

use super::{CHILD, Step, Tls};
use crate::base::{BufferId, Side};
use crate::event::Level;
use crate::field::{In, NoSink};
use crate::proto::tls::records;
use crate::proto::tls::wire::{self, Head};
use crate::proto::{Chunk, Input, Out, Trace};

/// Bytes are missing, or are no records.
#[derive(Clone)]
pub(super) struct Hole {
    /// Where the first record lies that is not whole.
    pub(super) from: u64,
    /// Where the next record begins, if that is known.
    pub(super) resume: Option<u64>,
    /// What was passed over since.
    pub(super) passed: Trace,
    pub(super) passed_len: u64,
    /// Nothing was missing: the bytes were no record.
    pub(super) damage: bool,
}

enum Plausible {
    Yes,
    Perhaps(usize),
    No,
}

impl Tls {
    /// Bytes are missing in the plain text: what is missing, less what protected it. The
    /// numbers of the records around the hole tell how many there were, so that it is
    /// exact where nothing was padded and all of it was application data.
    pub(super) fn tell_hole(&mut self, side: Side, seq: Option<u64>, out: &mut dyn Out) {
        let dir = self.dir(side);
        let Some(len) = dir.missing.take() else { return };
        let records = seq.map_or(0, |s| s.saturating_sub(dir.missing_from));
        let overhead = dir.keys.as_ref().and_then(|(_, k)| k.overhead()).unwrap_or(0);
        let each = overhead.saturating_add(Head::LEN as u64);
        let len = len.saturating_sub(records.saturating_mul(each)).max(1);
        out.tell(CHILD, Input::Gap { side, offset: 0, len });
    }

    /// Records end to be whole at `from`.
    pub(super) fn lose(
        &mut self,
        side: Side,
        from: u64,
        resume: Option<u64>,
        damage: bool,
        out: &mut dyn Out,
    ) {
        let wanted = out.wants(Level::Frame);
        let dir = self.dir(side);
        if let Some(h) = &mut dir.hole {
            h.resume = resume;
            return;
        }
        dir.hole = Some(Hole {
            from,
            resume,
            passed: Trace::new(wanted, "TCP stream"),
            passed_len: 0,
            damage,
        });
    }

    pub(super) fn gap(&mut self, side: Side, offset: u64, len: u64, out: &mut dyn Out) {
        self.cut_message(side, out);
        let end = offset.saturating_add(len);
        let dir = self.dir(side);
        // The record that was cut off may end behind the hole: then its end is known.
        let resume = dir.hole.as_ref().and_then(|h| h.resume).filter(|r| *r >= end);
        self.lose(side, offset, resume, false, out);
        let dir = self.dir(side);
        if let Some(h) = &mut dir.hole {
            h.resume = resume;
            h.damage = false;
        }
    }

    /// Looks for where records go on.
    pub(super) fn search(&mut self, c: &Chunk<'_>, out: &mut dyn Out) -> Step {
        let side = c.side;
        let Some(hole) = &self.dir(side).hole else { return Step::Took(0) };
        let (from, resume) = (hole.from, hole.resume);
        if let Some(resume) = resume {
            let ahead = resume.saturating_sub(c.offset);
            let n = usize::try_from(ahead).unwrap_or(usize::MAX).min(c.data.len());
            if n > 0 {
                self.pass_over(side, c.offset, n, out);
                return Step::Took(n);
            }
            self.resume(side, from, c.offset, out);
            return Step::Took(0);
        }
        let mut at = 0;
        loop {
            let data = c.data.get(at..).unwrap_or_default();
            match self.plausible(data, c.last) {
                Plausible::Yes => {
                    if at > 0 {
                        self.pass_over(side, c.offset, at, out);
                        return Step::Took(at);
                    }
                    self.resume(side, from, c.offset, out);
                    return Step::Took(0);
                }
                Plausible::Perhaps(more) => {
                    if at > 0 {
                        self.pass_over(side, c.offset, at, out);
                        return Step::Took(at);
                    }
                    return Step::Need(more);
                }
                Plausible::No if data.is_empty() => {
                    self.pass_over(side, c.offset, at, out);
                    return Step::Took(at);
                }
                Plausible::No => at += 1,
            }
        }
    }

    /// Whether a record may begin here: a head, and another one behind it.
    fn plausible(&self, data: &[u8], last: bool) -> Plausible {
        let head = |data: &[u8]| {
            wire::head(In::new(data, BufferId(0), 0, &NoSink), false).ok().map(|(_, h)| h)
        };
        let sound = |h: &Head| h.is_sound() && matches!(h.version, 0x0301..=0x0303);
        // Most bytes begin no head: those that are there may say so.
        let begins = match data {
            [] => return Plausible::No,
            [t] => matches!(t, 20..=23),
            [t, 3, ..] => matches!(t, 20..=23) && data.get(2).is_none_or(|m| matches!(m, 1..=3)),
            _ => false,
        };
        if !begins {
            return Plausible::No;
        }
        let Some(first) = head(data) else {
            return if last { Plausible::No } else { Plausible::Perhaps(Head::LEN - data.len()) };
        };
        if !sound(&first) {
            return Plausible::No;
        }
        let Some(next) = data.get(first.wire_len()..) else {
            let more = first.wire_len() - data.len();
            return if last { Plausible::No } else { Plausible::Perhaps(more) };
        };
        // At the end of what there is, one that fits exactly is enough.
        match head(next) {
            Some(second) if sound(&second) => Plausible::Yes,
            None if next.is_empty() => Plausible::Yes,
            None if !last => Plausible::Perhaps(Head::LEN - next.len()),
            _ => Plausible::No,
        }
    }

    fn pass_over(&mut self, side: Side, at: u64, n: usize, out: &dyn Out) {
        if let Some(h) = &mut self.dir(side).hole {
            h.passed.add(out, side, at..at + n as u64);
            h.passed_len += n as u64;
        }
    }

    /// Records go on at `at`.
    fn resume(&mut self, side: Side, from: u64, at: u64, out: &mut dyn Out) {
        self.tell_passed(side, out);
        let lost = at.saturating_sub(from);
        let dir = self.dir(side);
        dir.hole = None;
        // The shortest record that is encrypted has a head, a byte and a short tag.
        dir.hole_reach = Some(dir.hole_reach.unwrap_or(0).saturating_add(lost / 14 + 1));
        dir.lack(lost.max(1), 0);
    }

    /// The event of bytes that were passed over.
    pub(super) fn tell_passed(&mut self, side: Side, out: &mut dyn Out) {
        let Some(h) = &mut self.dir(side).hole else { return };
        let len = std::mem::take(&mut h.passed_len);
        let trace = std::mem::take(&mut h.passed);
        if len > 0 {
            out.emit(records::part(side, len, None, &[], trace, out));
        }
    }
}
