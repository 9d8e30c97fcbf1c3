//! A body with a content coding of HTTP: undone before its frames are cut.
//!
//! "Full-body compression is supported and expected for all unary requests/responses"
//! (gRPC-Web, Other features): a browser's or a proxy's, whatever the messages do.

use std::ops::Range;

use crate::base::limits::MAX_INFLATE_RATIO;
use crate::base::{BufferId, Moment, Piece, PieceSource, Side};
use crate::event::{Detail, Draft, Level};
use crate::finding::Finding;
use crate::proto::codings::{Decoder, Failure};
use crate::proto::{Child, Chunk, Input, Look, Out, PayloadHint};

/// One direction.
#[derive(Debug)]
pub(super) struct Coded {
    decoder: Decoder,
    /// What came out and has not been used: incomplete heads and groups.
    pub(super) data: Vec<u8>,
    /// Bytes that came out before those.
    pub(super) at: u64,
    runs: Vec<Run>,
}

/// What came out of one run of bytes.
#[derive(Debug)]
struct Run {
    /// The first byte that came out; they go on to the next run.
    start: u64,
    first: Moment,
    ready: Moment,
    /// Where the bytes that went in lie.
    sources: Vec<PieceSource>,
}

impl Coded {
    pub(super) fn new(decoder: Decoder) -> Self {
        Self { decoder, data: Vec::new(), at: 0, runs: Vec::new() }
    }

    /// More of the body.
    ///
    /// # Errors
    /// As of the decoder; what came out before is there.
    pub(super) fn feed(&mut self, c: &Chunk<'_>, out: &mut dyn Out) -> Result<(), Failure> {
        let end = c.offset.saturating_add(c.data.len() as u64);
        if !c.data.is_empty() {
            let mut sources = Vec::new();
            out.pieces(c.side, c.offset..end, &mut |p| sources.push(p.source));
            self.runs.push(Run {
                start: self.end(),
                first: out.moment(c.side, c.offset),
                ready: out.ready(c.side, end.saturating_sub(1)),
                sources,
            });
        }
        let before = self.data.len();
        self.decoder.allow(c.data.len(), MAX_INFLATE_RATIO);
        let data = &mut self.data;
        let mut keep = |made: &[u8]| data.extend_from_slice(made);
        let went = self.decoder.feed(c.data, &mut keep);
        out.inflated(self.data.len().saturating_sub(before) as u64);
        went
    }

    /// No more will come: what the decoder holds back.
    ///
    /// # Errors
    /// As of the decoder; also where the coding has not ended.
    pub(super) fn finish(&mut self, out: &mut dyn Out) -> Result<(), Failure> {
        let before = self.data.len();
        let data = &mut self.data;
        let ended = self.decoder.finish(&mut |made| data.extend_from_slice(made));
        out.inflated(self.data.len().saturating_sub(before) as u64);
        ended
    }

    /// So many bytes have been used.
    pub(super) fn used(&mut self, n: usize) {
        let n = n.min(self.data.len());
        self.data.drain(..n);
        self.at = self.at.saturating_add(n as u64);
        // The last run that begins here or before is still in use.
        let keep = self.runs.partition_point(|r| r.start <= self.at).saturating_sub(1);
        self.runs.drain(..keep);
    }

    fn end(&self) -> u64 {
        self.at.saturating_add(self.data.len() as u64)
    }

    pub(super) fn memory(&self) -> usize {
        let sources: usize = self.runs.iter().map(|r| r.sources.capacity()).sum();
        self.decoder.memory()
            + self.data.capacity()
            + self.runs.capacity() * size_of::<Run>()
            + sources * size_of::<PieceSource>()
    }
}

/// The world as frames see it: offsets are those of what came out.
pub(super) struct CodedOut<'a> {
    pub(super) inner: &'a mut dyn Out,
    pub(super) side: Side,
    pub(super) coded: &'a Coded,
}

impl CodedOut<'_> {
    /// The run that the byte at `offset` came out of.
    fn run(&self, side: Side, offset: u64) -> Option<&Run> {
        let runs = self.coded.runs.as_slice();
        let at = runs.partition_point(|r| r.start <= offset).saturating_sub(1);
        runs.get(at).filter(|_| side == self.side)
    }
}

impl Out for CodedOut<'_> {
    fn moment(&self, side: Side, offset: u64) -> Moment {
        match self.run(side, offset) {
            Some(run) => run.first,
            None => self.inner.moment(side, offset),
        }
    }

    fn ready(&self, side: Side, offset: u64) -> Moment {
        match self.run(side, offset) {
            Some(run) => run.ready,
            None => self.inner.ready(side, offset),
        }
    }

    fn pieces(&self, side: Side, range: Range<u64>, each: &mut dyn FnMut(Piece)) {
        if side != self.side {
            return self.inner.pieces(side, range, each);
        }
        let runs = self.coded.runs.as_slice();
        for (i, run) in runs.iter().enumerate() {
            let next = runs.get(i + 1).map_or(u64::MAX, |r| r.start);
            let (from, to) = (run.start.max(range.start), next.min(range.end));
            if from >= to {
                continue;
            }
            let start = u32::try_from(from.saturating_sub(range.start)).unwrap_or(u32::MAX);
            let mut len = u32::try_from(to.saturating_sub(from)).unwrap_or(u32::MAX);
            for source in &run.sources {
                // The first piece stands for the bytes, others for their packets.
                each(Piece { start, len, source: *source, exact: false });
                len = 0;
            }
        }
    }

    fn wants(&self, level: Level) -> bool {
        self.inner.wants(level)
    }

    fn look(&self, level: Level) -> Look {
        self.inner.look(level)
    }

    fn reopens(&self) -> bool {
        self.inner.reopens()
    }

    fn mark(&mut self) {
        self.inner.mark();
    }

    fn payload_cap(&self) -> usize {
        self.inner.payload_cap()
    }

    fn now(&self) -> Moment {
        self.inner.now()
    }

    fn emit(&mut self, draft: Draft) {
        self.inner.emit(draft);
    }

    fn finding(&mut self, finding: Finding) {
        self.inner.finding(finding);
    }

    fn finding_at(&mut self, finding: Finding, at: Moment) {
        self.inner.finding_at(finding, at);
    }

    fn inflated(&mut self, bytes: u64) {
        self.inner.inflated(bytes);
    }

    fn open(&mut self, child: Child<'_>) -> bool {
        self.inner.open(child)
    }

    fn pass(&mut self, key: u64, side: Side, offset: u64, data: &[u8]) {
        self.inner.pass(key, side, offset, data);
    }

    fn pass_made(&mut self, key: u64, side: Side, source: Range<u64>, data: &[u8], exact: bool) {
        self.inner.pass_made(key, side, source, data, exact);
    }

    fn tell(&mut self, key: u64, input: Input<'_>) {
        self.inner.tell(key, input);
    }

    fn close(&mut self, key: u64) {
        self.inner.close(key);
    }

    fn decode(
        &mut self,
        hint: &PayloadHint<'_>,
        data: &[u8],
        detail: Option<(&mut Detail, BufferId)>,
    ) -> Option<Vec<Finding>> {
        self.inner.decode(hint, data, detail)
    }

    fn demands(&self, hint: &PayloadHint<'_>) -> bool {
        self.inner.demands(hint)
    }

    fn method_pattern(&self, path: &str) -> Option<&'static str> {
        self.inner.method_pattern(path)
    }
}
