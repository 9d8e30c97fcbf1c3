//! For the tests of machines: a world that records what a machine does, and a
//! driver that cuts bytes into chunks of any size and keeps what is not taken,
//! as the engine does.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::base::{BufferId, CaptureTime, Moment, PacketId, Piece, Side, StreamMap};
use crate::event::{Detail, Draft, Level};
use crate::finding::Finding;
use crate::proto::{
    Abort, Child, Chunk, EndCause, Input, Machine, Out, Path, PayloadHint, Stall, Want,
};

/// What a child stream was told, in order; bytes that follow one another in one
/// direction are joined, so that chunking does not show.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Told {
    Bytes(Side, Vec<u8>),
    Head(Side, Vec<(String, String)>, bool),
    Trailers(Side, Vec<(String, String)>),
    Reset(Side, u32),
    Gap(Side, u64),
    End(Side, EndCause),
    Closed,
}

/// Records everything.
pub(crate) struct Recorder {
    pub events: Vec<Draft>,
    pub findings: Vec<Finding>,
    /// By key: how it was opened (`bytes`, `exchange` or the token; stream) and what it was told.
    pub children: BTreeMap<u64, (String, Option<u64>, Vec<Told>)>,
    pub inflated: u64,
    pub wants: fn(Level) -> bool,
    pub payload_cap: usize,
    /// Decodes payloads, as the engine's decoders do.
    pub decoder: Option<Box<dyn crate::proto::PayloadDecoder>>,
    /// What `Out::abort` says.
    pub abort: Abort,
    /// What `Out::aborted_at` says, where that is not now.
    pub aborted_at: Option<Moment>,
    /// What it said when a child was told of an abort.
    pub told_aborts: Vec<(u64, Moment)>,
    /// What `Out::path` says.
    pub path: Path,
    /// What `Out::stalls` says.
    pub stalls: [Option<Stall>; 2],
    /// What it said when a child was told of an end or an abort, where it said anything.
    pub told_stalls: Vec<(u64, [Option<Stall>; 2])>,
    /// What opens encrypted sessions.
    pub secrets: crate::proto::Secrets,
    maps: [StreamMap; 2],
    pub now: Moment,
    held: [Vec<u8>; 2],
    offsets: [u64; 2],
    need: [usize; 2],
    waits: [bool; 2],
    done: [bool; 2],
    /// Bytes that were offered to the machine, by direction, and not taken.
    pub refused: [usize; 2],
}

impl Recorder {
    pub(crate) fn new() -> Self {
        Self {
            events: Vec::new(),
            findings: Vec::new(),
            children: BTreeMap::new(),
            inflated: 0,
            wants: |_| true,
            payload_cap: 1 << 20,
            decoder: None,
            secrets: crate::proto::Secrets::default(),
            abort: Abort::Stream,
            aborted_at: None,
            told_aborts: Vec::new(),
            path: Path::default(),
            stalls: [None; 2],
            told_stalls: Vec::new(),
            maps: Default::default(),
            now: Moment { packet: PacketId(0), time: CaptureTime(0) },
            held: Default::default(),
            offsets: [0; 2],
            need: [1; 2],
            waits: [false; 2],
            done: [false; 2],
            refused: [0; 2],
        }
    }

    /// Bytes of one direction, cut into chunks of `size`; each chunk is a packet
    /// of its own, whose payload begins at byte 54, one microsecond after the last.
    pub(crate) fn bytes(&mut self, m: &mut dyn Machine, side: Side, data: &[u8], size: usize) {
        for piece in data.chunks(size.max(1)) {
            self.tick();
            let i = side.index();
            let at = self.offsets[i] + self.held[i].len() as u64;
            self.maps[i].push(at, piece.len() as u32, self.now, 54);
            self.held[i].extend_from_slice(piece);
            self.pump(m, side, false);
            self.waits[side.peer().index()] = false;
            self.pump(m, side.peer(), false);
        }
    }

    /// Any other input, as a packet of its own.
    pub(crate) fn input(&mut self, m: &mut dyn Machine, input: Input<'_>) {
        self.tick();
        m.feed(input, self);
        for side in Side::BOTH {
            self.waits[side.index()] = false;
            self.pump(m, side, false);
        }
    }

    /// `len` bytes of a direction are missing.
    pub(crate) fn gap(&mut self, m: &mut dyn Machine, side: Side, len: u64) {
        self.flush(m, side);
        let i = side.index();
        let offset = self.offsets[i];
        self.offsets[i] += len;
        self.need[i] = 1;
        self.input(m, Input::Gap { side, offset, len });
    }

    /// A direction ends.
    pub(crate) fn end(&mut self, m: &mut dyn Machine, side: Side, cause: EndCause) {
        self.flush(m, side);
        self.input(m, Input::End { side, cause });
    }

    fn tick(&mut self) {
        self.now.packet.0 += 1;
        self.now.time.0 += 1000;
    }

    fn flush(&mut self, m: &mut dyn Machine, side: Side) {
        let i = side.index();
        if !self.held[i].is_empty() {
            self.pump(m, side, true);
        }
        let left = self.held[i].len();
        self.refused[i] += left;
        self.offsets[i] += left as u64;
        self.held[i].clear();
    }

    fn pump(&mut self, m: &mut dyn Machine, side: Side, last: bool) {
        let i = side.index();
        loop {
            if self.done[i] {
                self.refused[i] += self.held[i].len();
                self.offsets[i] += self.held[i].len() as u64;
                self.held[i].clear();
                return;
            }
            let ready = !self.held[i].is_empty() && self.held[i].len() >= self.need[i];
            let go = ready && !self.waits[i] || last && !self.held[i].is_empty();
            if !go {
                return;
            }
            let data = std::mem::take(&mut self.held[i]);
            let chunk = Chunk { side, offset: self.offsets[i], data: &data, last };
            let p = m.feed(Input::Bytes(chunk), self);
            assert!(p.took <= data.len(), "took more than there was");
            let left = data.len() - p.took;
            self.held[i] = data[p.took..].to_vec();
            self.offsets[i] += p.took as u64;
            self.maps[i].trim(self.offsets[i]);
            match p.want {
                Want::More(n) => self.need[i] = left + n.max(1),
                Want::Peer => {
                    self.need[i] = 1;
                    self.waits[i] = true;
                }
                Want::Nothing => self.done[i] = true,
            }
            if last || p.took == 0 && p.want != Want::Nothing {
                return;
            }
        }
    }

    fn child(&mut self, key: u64) -> &mut Vec<Told> {
        &mut self.children.get_mut(&key).expect("a child that was opened").2
    }

    /// Events without what depends on chunking (packets and times): level,
    /// kind, sender, stream, length, summary, tree, findings.
    pub(crate) fn gist(&self) -> Vec<String> {
        self.events
            .iter()
            .map(|e| {
                format!(
                    "{:?} {} {} {:?} {:?} {} {} {:?} {:?} {:?}",
                    e.level,
                    e.protocol,
                    e.kind,
                    e.sender,
                    e.stream,
                    e.length,
                    e.complete,
                    e.detail.as_ref().map(|d| (&d.summary, lasting(d))),
                    e.detail.as_ref().map(|d| &d.payload),
                    e.findings,
                )
            })
            .collect()
    }

    /// Events of one level as `kind`.
    pub(crate) fn kinds(&self, level: Level) -> Vec<&'static str> {
        self.events.iter().filter(|e| e.level == level).map(|e| e.kind).collect()
    }

    /// The codes of all findings, those of events first.
    pub(crate) fn codes(&self) -> Vec<&'static str> {
        self.events
            .iter()
            .flat_map(|e| &e.findings)
            .chain(&self.findings)
            .map(|f| f.spec.code)
            .collect()
    }
}

/// The fields of an event that do not depend on how its bytes came: all but times and
/// packets.
fn lasting(d: &Detail) -> Vec<&crate::field::Node> {
    let is_moment = |name: &str| name.ends_with("_ns") || name.ends_with("_packet");
    d.tree.nodes().iter().filter(|n| !is_moment(n.spec.name)).collect()
}

fn owned(h: &crate::proto::Headers) -> Vec<(String, String)> {
    h.iter()
        .map(|(n, v, _)| {
            (String::from_utf8_lossy(n).into_owned(), String::from_utf8_lossy(v).into_owned())
        })
        .collect()
}

impl Out for Recorder {
    fn wants(&self, level: Level) -> bool {
        (self.wants)(level)
    }

    fn payload_cap(&self) -> usize {
        self.payload_cap
    }

    fn now(&self) -> Moment {
        self.now
    }

    fn moment(&self, side: Side, offset: u64) -> Moment {
        self.maps[side.index()].moment(offset).unwrap_or(self.now)
    }

    fn ready(&self, side: Side, offset: u64) -> Moment {
        self.maps[side.index()].ready(offset).unwrap_or(self.now)
    }

    fn pieces(&self, side: Side, range: Range<u64>, each: &mut dyn FnMut(Piece)) {
        self.maps[side.index()].pieces(range.start, range.end, |p, _| each(p));
    }

    fn emit(&mut self, draft: Draft) {
        self.events.push(draft);
    }

    fn finding(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    fn inflated(&mut self, bytes: u64) {
        self.inflated += bytes;
    }

    fn open(&mut self, child: Child<'_>) -> bool {
        let how = match child.carries {
            crate::proto::Carries::Bytes => "bytes",
            crate::proto::Carries::Middle => "middle",
            crate::proto::Carries::Named(t) => t,
            crate::proto::Carries::Exchange => "exchange",
        };
        let old = self.children.insert(child.key, (how.to_owned(), child.stream, Vec::new()));
        assert!(
            old.is_none_or(|o| o.2.last() == Some(&Told::Closed)),
            "child {} opened twice",
            child.key
        );
        true
    }

    fn pass(&mut self, key: u64, side: Side, _offset: u64, data: &[u8]) {
        // Nobody's, as where a child could not be opened.
        if key == 0 && !self.children.contains_key(&0) {
            self.refused[side.index()] += data.len();
            return;
        }
        let child = self.child(key);
        // Joined even where the other direction spoke between.
        for t in child.iter_mut().rev() {
            match t {
                Told::Bytes(s, _) if *s != side => {}
                Told::Bytes(_, b) => {
                    b.extend_from_slice(data);
                    return;
                }
                _ => break,
            }
        }
        child.push(Told::Bytes(side, data.to_vec()));
    }

    fn pass_made(&mut self, key: u64, side: Side, source: Range<u64>, data: &[u8], _exact: bool) {
        self.pass(key, side, source.start, data);
    }

    fn secrets(&self) -> &crate::proto::Secrets {
        &self.secrets
    }

    fn tell(&mut self, key: u64, input: Input<'_>) {
        if matches!(input, Input::Reset { .. }) {
            self.told_aborts.push((key, self.aborted_at.unwrap_or(self.now)));
        }
        let ends = matches!(input, Input::Reset { .. } | Input::End { .. });
        if ends && self.stalls != [None; 2] {
            self.told_stalls.push((key, self.stalls));
        }
        let told = match input {
            Input::Bytes(c) => Told::Bytes(c.side, c.data.to_vec()),
            Input::Head(h) => Told::Head(h.side, owned(h.headers), h.end),
            Input::Trailers(h) => Told::Trailers(h.side, owned(h.headers)),
            Input::Reset { side, code } => Told::Reset(side, code),
            Input::Gap { side, len, .. } => Told::Gap(side, len),
            Input::End { side, cause } => Told::End(side, cause),
            Input::Datagram { side, data, .. } => Told::Bytes(side, data.to_vec()),
        };
        self.child(key).push(told);
    }

    fn close(&mut self, key: u64) {
        self.child(key).push(Told::Closed);
    }

    fn decode(
        &mut self,
        hint: &PayloadHint<'_>,
        data: &[u8],
        detail: Option<(&mut Detail, BufferId)>,
    ) -> Option<Vec<Finding>> {
        self.decoder.as_ref()?.decode(hint, data, detail)
    }

    fn demands(&self, hint: &PayloadHint<'_>) -> bool {
        self.decoder.as_ref().is_some_and(|d| d.demands(hint))
    }

    fn abort(&self) -> Abort {
        self.abort
    }

    fn set_abort(&mut self, abort: Abort) {
        self.abort = abort;
    }

    fn aborted_at(&self) -> Moment {
        self.aborted_at.unwrap_or(self.now)
    }

    fn set_aborted_at(&mut self, at: Option<Moment>) {
        self.aborted_at = at;
    }

    fn path(&self) -> Path {
        self.path
    }

    fn acknowledged(&mut self, side: Side, ns: u64) {
        if let Some(a) = self.path.acks.get_mut(side.index()) {
            a.add(ns);
        }
    }

    fn stalls(&self) -> [Option<Stall>; 2] {
        self.stalls
    }

    fn set_stalls(&mut self, stalls: [Option<Stall>; 2]) {
        self.stalls = stalls;
    }

    fn method_pattern(&self, path: &str) -> Option<&'static str> {
        self.decoder.as_ref()?.method_pattern(path)
    }
}
