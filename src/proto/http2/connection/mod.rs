//! What a connection knows beyond its bytes: settings, header blocks under way,
//! and the streams with their children (RFC 9113 §5, §6).

mod blocks;
mod tunnels;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use self::blocks::{Pending, Section};
use self::tunnels::Tunnels;
use crate::base::{Moment, Side};
use crate::event::Detail;
use crate::finding::{Finding, FindingSpec};
use crate::proto::http2::chain::Hints;
use crate::proto::http2::codes::{self, frame, settings};
use crate::proto::http2::findings;
use crate::proto::http2::hpack::Decoder;
use crate::proto::http2::streams::{Past, Stream, Streams, initiator};
use crate::proto::http2::summary;
use crate::proto::http2::wire::{
    ACK, Body, BodyFault, Content, END_STREAM, FrameHead, HEAD_LEN, Settings,
};
use crate::proto::{Abort, Carries, Child, EndCause, Head, Headers, Input, Out};

/// What both ends start with (§6.5.2).
const DEFAULT_MAX_FRAME: u32 = 16_384;
/// Streams that are used before they are opened, and are remembered for that.
const MAX_EARLY: usize = 64;
/// The largest that SETTINGS_MAX_FRAME_SIZE may allow (§6.5.2).
const LARGEST_MAX_FRAME: u32 = 0x00ff_ffff;

/// One end: what it sends and what it has allowed its peer.
#[derive(Clone, Debug)]
struct End {
    /// Decodes the blocks that it sends.
    hpack: Decoder,
    /// The block that it is sending.
    block: Option<Box<Pending>>,
    /// A frame of it has been read.
    seen: bool,
    /// A header block of it has begun.
    begun: bool,
    /// Nothing more comes of it.
    over: bool,
    /// Bytes of it are missing: what it did is not known any more.
    lost: bool,
    /// Its frames were found again behind missing bytes.
    found_again: bool,
    /// The largest payload that it has ever allowed its peer.
    max_frame: u32,
    /// The last stream that it will act on, and why (§6.8).
    goaway: Option<(u32, u32)>,
    /// Whether it allows pushing.
    push: bool,
    /// Whether it has allowed extended CONNECT (RFC 8441 §3).
    connect: bool,
}

impl Default for End {
    fn default() -> Self {
        Self {
            hpack: Decoder::default(),
            block: None,
            seen: false,
            begun: false,
            over: false,
            lost: false,
            found_again: false,
            max_frame: DEFAULT_MAX_FRAME,
            goaway: None,
            push: true,
            connect: false,
        }
    }
}

/// What a frame does beyond its own event, done once that is emitted.
#[derive(Default)]
pub(super) struct Effect {
    section: Option<Section>,
    /// A section that could not be read was to end the stream.
    ends: bool,
    /// RST_STREAM: the code.
    reset: Option<u32>,
    /// GOAWAY: the last stream and the code.
    goaway: Option<(u32, u32)>,
}

impl Effect {
    /// The header section that the frame completed.
    pub(super) fn headers(&self) -> Option<&Headers> {
        self.section.as_ref().map(|s| &s.headers)
    }

    /// Its tree and buffers: the block, then the fields; a copy where messages are
    /// built of it as well.
    pub(super) fn detail(&mut self, shared: bool) -> Option<Box<Detail>> {
        let detail = &mut self.section.as_mut()?.detail;
        if shared { detail.clone() } else { detail.take() }
    }
}

/// The connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Connection {
    ends: [End; 2],
    streams: Streams,
    tunnels: Tunnels,
    /// Memory of the last section, for the next.
    spare: Headers,
    too_many_told: bool,
    /// Frames on streams that their end had not opened, and may have: a capture lacks
    /// bytes, or has the two directions the wrong way round. Decided at the end.
    early: Vec<(u32, Moment)>,
    /// Its beginning was not captured.
    joined: bool,
    /// It began as an upgrade from HTTP/1.1, so its beginning was captured.
    upgraded: bool,
}

fn find(findings: &mut Vec<Finding>, spec: &'static FindingSpec, detail: String) {
    let f = Finding::new(spec);
    findings.push(if detail.is_empty() { f } else { f.with(detail) });
}

impl Connection {
    /// The beginning was not captured: what the ends had agreed on is unknown,
    /// and any stream may have been open before.
    pub(super) fn join(&mut self, out: &mut dyn Out) {
        if std::mem::replace(&mut self.joined, true) {
            return;
        }
        for end in &mut self.ends {
            end.hpack.join();
            end.max_frame = LARGEST_MAX_FRAME;
        }
        out.finding(Finding::new(&findings::JOINED));
    }

    /// Whether it was joined in the middle.
    pub(super) const fn is_joined(&self) -> bool {
        self.joined
    }

    /// Whether where frames of this side lie was found, and is not known for certain.
    pub(super) fn is_inferred(&self, side: Side) -> bool {
        self.joined || self.ends.get(side.index()).is_some_and(|e| e.found_again)
    }

    /// Whether a frame of this side may belong to what was not captured.
    fn is_blind(&self, side: Side) -> bool {
        self.joined || self.ends.get(side.index()).is_some_and(|e| e.lost)
    }

    /// Whether it was upgraded from HTTP/1.1.
    pub(super) const fn is_upgraded(&self) -> bool {
        self.upgraded
    }

    /// Whether frames may refer to what was not captured.
    fn is_unsure(&self) -> bool {
        self.joined || self.ends.iter().any(|e| e.lost)
    }

    fn end_of(&mut self, side: Side) -> &mut End {
        let [client, server] = &mut self.ends;
        match side {
            Side::Client => client,
            Side::Server => server,
        }
    }

    /// What can be said of a frame by its header alone.
    fn check(&mut self, side: Side, head: &FrameHead, now: Moment, findings: &mut Vec<Finding>) {
        let max = self.end_of(side.peer()).max_frame;
        if head.length > max {
            let detail = format!("{} bytes where {max} are allowed", head.length);
            find(findings, &findings::FRAME_TOO_LARGE, detail);
        }
        let joined = self.joined;
        let end = self.end_of(side);
        let silent = joined || end.seen || end.lost;
        if !silent && (head.kind != frame::SETTINGS || head.has(ACK)) {
            find(findings, &findings::FIRST_NOT_SETTINGS, String::new());
        }
        end.seen = true;
        let interrupts = match &end.block {
            Some(b) => head.kind != frame::CONTINUATION || head.stream != b.stream,
            None => false,
        };
        if interrupts {
            find(findings, &findings::BLOCK_INTERRUPTED, String::new());
        }
        match head.kind {
            frame::DATA
            | frame::HEADERS
            | frame::PRIORITY
            | frame::RST_STREAM
            | frame::PUSH_PROMISE
            | frame::CONTINUATION
                if head.stream == 0 =>
            {
                find(findings, &findings::STREAM_ZERO, String::new());
            }
            frame::SETTINGS
            | frame::PING
            | frame::GOAWAY
            | frame::ORIGIN
            | frame::PRIORITY_UPDATE
                if head.stream != 0 =>
            {
                find(findings, &findings::STREAM_NOT_ZERO, format!("stream {}", head.stream));
            }
            frame::DATA | frame::RST_STREAM | frame::WINDOW_UPDATE if head.stream != 0 => {
                self.check_open(side, head, now, findings);
            }
            _ => {}
        }
    }

    /// A frame that needs a stream which is open in its direction (§5.1).
    fn check_open(
        &mut self,
        side: Side,
        head: &FrameHead,
        now: Moment,
        findings: &mut Vec<Finding>,
    ) {
        let unsure = self.is_unsure();
        let open = self.streams.get(head.stream).map(|s| s.half(side).ended);
        let past = match open {
            Some(false) => return,
            Some(true) => Past::Closed { by_sender: true },
            None => self.streams.past(head.stream, side),
        };
        // Window updates and resets may still cross an end of stream.
        let strict = head.kind == frame::DATA;
        match past {
            Past::Idle if initiator(head.stream) != side => {
                self.before_it_is_open(head.stream, now);
            }
            Past::Idle if !unsure && self.ends.iter().all(|e| e.seen) => {
                find(findings, &findings::STREAM_IDLE, format!("stream {}", head.stream));
            }
            Past::Closed { by_sender: true } if strict => {
                find(findings, &findings::STREAM_CLOSED, format!("stream {}", head.stream));
            }
            _ => {}
        }
    }

    /// A frame on a stream that its initiator, the sender's peer, has not opened yet.
    fn before_it_is_open(&mut self, id: u32, now: Moment) {
        let is_told = self.early.iter().any(|(known, _)| *known == id);
        if !self.is_unsure() && !is_told && self.early.len() < MAX_EARLY {
            self.early.push((id, now));
        }
    }

    /// Whether they had been opened: no more frames come.
    fn judge_early(&mut self, out: &mut dyn Out) {
        let early = std::mem::take(&mut self.early);
        if self.is_unsure() || self.ends.iter().any(|e| !e.seen) {
            return;
        }
        for (id, at) in early {
            out.finding_at(Finding::new(&findings::STREAM_IDLE).with(format!("stream {id}")), at);
        }
    }

    /// A frame that streams through begins. `true`: its data goes to a child.
    pub(super) fn streaming(
        &mut self,
        side: Side,
        head: &FrameHead,
        findings: &mut Vec<Finding>,
        out: &mut dyn Out,
    ) -> bool {
        self.check(side, head, out.now(), findings);
        match head.kind {
            frame::DATA => {
                let id = head.stream;
                let blind = self.is_blind(side) && id != 0;
                if blind
                    && self.streams.get(id).is_none()
                    && !matches!(self.streams.past(id, side), Past::Closed { .. })
                {
                    // Its HEADERS may have been sent before the capture began.
                    self.ensure(id, out);
                }
                self.streams.get(id).is_some_and(|s| {
                    let half = s.half(side);
                    half.data = true;
                    !half.ended && (half.head || blind) && s.child
                })
            }
            // Too large to be read, so the table is not known any more.
            frame::HEADERS | frame::PUSH_PROMISE | frame::CONTINUATION => {
                find(findings, &findings::SECTION_TOO_LARGE, format!("{} bytes", head.length));
                let end = self.end_of(side);
                end.block = None;
                end.hpack.lose();
                false
            }
            _ => false,
        }
    }

    /// Data of a stream.
    pub(super) fn pass(
        &mut self,
        side: Side,
        stream: u32,
        offset: u64,
        data: &[u8],
        out: &mut dyn Out,
    ) {
        if self.streams.get(stream).is_some_and(|s| s.child) {
            let key = self.data_key(side, stream, out);
            out.pass(key, side, offset, data);
        }
    }

    /// A whole frame other than DATA. What it does to children waits in the effect.
    pub(super) fn frame(
        &mut self,
        side: Side,
        offset: u64,
        head: &FrameHead,
        body: &Body<'_>,
        findings: &mut Vec<Finding>,
        out: &mut dyn Out,
    ) -> Effect {
        self.check(side, head, out.now(), findings);
        match body.fault {
            Some(BodyFault::Size) => {
                find(findings, &findings::FRAME_SIZE, format!("{} bytes", head.length));
            }
            Some(BodyFault::Padding) => find(findings, &findings::PADDING, String::new()),
            None => {}
        }
        match body.content {
            Content::Headers { priority, fragment } => {
                if priority.is_some_and(|p| p.dependency == head.stream) {
                    find(findings, &findings::SELF_DEPENDENCY, String::new());
                }
                self.begin_block(side, offset, head, (None, fragment), findings, out)
            }
            Content::PushPromise { promised, fragment } => {
                self.check_push(side, promised, findings);
                self.begin_block(side, offset, head, (Some(promised), fragment), findings, out)
            }
            Content::Continuation(fragment) => {
                self.continue_block(side, offset, head, fragment, findings, out)
            }
            Content::Priority(p) => {
                if p.dependency == head.stream {
                    find(findings, &findings::SELF_DEPENDENCY, String::new());
                }
                Effect::default()
            }
            Content::Settings(list) => {
                if head.has(ACK) {
                    if head.length > 0 {
                        find(findings, &findings::SETTINGS_ACK, format!("{} bytes", head.length));
                    }
                } else if head.stream == 0 {
                    self.apply(side, list, findings);
                }
                Effect::default()
            }
            Content::RstStream(code) => {
                let quiet = code == 0 || code == 8;
                let spec = if quiet { &findings::RST_NOTE } else { &findings::RST_STREAM };
                find(findings, spec, summary::error(code));
                Effect { reset: Some(code), ..Effect::default() }
            }
            Content::Goaway { last, error, .. } => {
                if error != 0 {
                    find(findings, &findings::GOAWAY_ERROR, summary::error(error));
                }
                Effect { goaway: Some((last, error)), ..Effect::default() }
            }
            Content::WindowUpdate(0) => {
                find(findings, &findings::WINDOW_ZERO, String::new());
                Effect::default()
            }
            Content::Unread
                if matches!(
                    head.kind,
                    frame::HEADERS | frame::PUSH_PROMISE | frame::CONTINUATION
                ) =>
            {
                // A block that cannot be found in its frame may have filled the table.
                let end = self.end_of(side);
                end.block = None;
                end.hpack.lose();
                Effect {
                    ends: head.kind == frame::HEADERS && head.has(END_STREAM),
                    ..Effect::default()
                }
            }
            _ => Effect::default(),
        }
    }

    fn check_push(&mut self, side: Side, promised: u32, findings: &mut Vec<Finding>) {
        if side == Side::Client {
            find(findings, &findings::PUSH_BY_CLIENT, String::new());
        } else if !self.end_of(Side::Client).push {
            find(findings, &findings::PUSH_DISABLED, String::new());
        }
        if promised == 0 || initiator(promised) != Side::Server {
            find(findings, &findings::STREAM_PARITY, format!("stream {promised} is promised"));
        } else if self.streams.get(promised).is_some()
            || self.streams.past(promised, side) != Past::Idle
        {
            find(findings, &findings::STREAM_DECREASING, format!("stream {promised} is promised"));
        }
    }

    /// The settings of `side`, which bind its peer (§6.5.2).
    ///
    /// They hold from the peer's acknowledgement on; as it is not known what
    /// was sent before that, the most generous value that was ever announced is
    /// what frames are held against.
    fn apply(&mut self, side: Side, list: Settings<'_>, findings: &mut Vec<Finding>) {
        for (id, value) in list.iter() {
            let bad = match id {
                settings::HEADER_TABLE_SIZE => {
                    self.end_of(side.peer()).hpack.allow(value);
                    false
                }
                settings::ENABLE_PUSH => {
                    self.end_of(side).push = value != 0;
                    value > 1 || side == Side::Server && value != 0
                }
                settings::INITIAL_WINDOW_SIZE => value > 0x7fff_ffff,
                settings::MAX_FRAME_SIZE => {
                    let end = self.end_of(side);
                    end.max_frame = end.max_frame.max(value.min(0x00ff_ffff));
                    !(DEFAULT_MAX_FRAME..=0x00ff_ffff).contains(&value)
                }
                settings::ENABLE_CONNECT_PROTOCOL => {
                    let allowed = &mut self.end_of(side).connect;
                    if *allowed && value == 0 {
                        find(findings, &findings::CONNECT_WITHDRAWN, String::new());
                    }
                    *allowed |= value == 1;
                    value > 1
                }
                settings::NO_RFC7540_PRIORITIES => value > 1,
                _ => false,
            };
            if bad {
                let name = codes::named(codes::setting(u64::from(id)), u32::from(id));
                find(findings, &findings::SETTINGS_VALUE, format!("{name} = {value}"));
            }
        }
    }

    /// Does what a frame does to the streams, once its event is emitted.
    pub(super) fn after(
        &mut self,
        side: Side,
        head: &FrameHead,
        effect: Effect,
        ready: Moment,
        out: &mut dyn Out,
    ) {
        if let Some(section) = effect.section {
            self.tell_section(side, &section, ready, out);
            self.spare = section.headers;
        }
        if effect.ends {
            self.end_stream(side, head.stream, out);
        }
        if let Some(code) = effect.reset {
            self.reset_stream(side, head.stream, code, out);
        }
        if let Some((last, error)) = effect.goaway {
            self.goaway(side, last, error, out);
        }
    }

    /// RST_STREAM (§6.4): both directions are over.
    fn reset_stream(&mut self, side: Side, id: u32, code: u32, out: &mut dyn Out) {
        let joined = self.joined;
        let Some(s) = self.streams.get(id) else { return };
        let peer = *s.half(side.peer());
        if !joined && initiator(id) != side && !peer.head && s.pending.is_none() {
            s.pending = Some((side, code));
            return;
        }
        let (child, again) = (s.child, s.reset.is_some());
        if child && !again {
            self.tell(id, Input::Reset { side, code }, out);
        }
        // What the peer sent before it knew is on its way; a capture may have it later
        // than that, behind bytes that are missing.
        if child && !again && !peer.ended && !self.is_tunnel(id) {
            if let Some(old) = self.streams.linger(id, side) {
                self.close_child(old, out);
                self.streams.close(old, None);
            }
            return;
        }
        if child {
            self.close_child(id, out);
        }
        self.streams.close(id, Some(side));
    }

    /// The aborts that wait for the end that opened the stream.
    fn settle_resets(&mut self, out: &mut dyn Out) {
        for id in self.streams.ids() {
            let pending = self.streams.get(id).and_then(|s| s.pending);
            if let Some((side, code)) = pending {
                self.reset_stream(side, id, code, out);
            }
        }
    }

    /// GOAWAY (§6.8): the sender will not act on streams of its peer beyond `last`.
    fn goaway(&mut self, side: Side, last: u32, error: u32, out: &mut dyn Out) {
        // REFUSED_STREAM is what such a stream comes to where nothing is wrong.
        let code = if error == 0 { 7 } else { error };
        let end = self.end_of(side);
        end.goaway = Some((end.goaway.map_or(last, |(old, _)| old.min(last)), error));
        out.set_abort(Abort::Goaway { last, error });
        for id in self.streams.ids() {
            if id > last && initiator(id) == side.peer() {
                self.reset_stream(side, id, code, out);
            }
        }
        out.set_abort(Abort::Stream);
    }

    /// How the end of a stream came about that was opened when its peer had said, or was
    /// saying, that it would not act on it.
    pub(super) fn refused(&self, id: u32) -> Option<Abort> {
        let peer = self.ends.get(initiator(id).peer().index())?;
        let (last, error) = peer.goaway.filter(|(last, _)| id > *last)?;
        Some(Abort::Goaway { last, error })
    }

    /// The stream is open, or is opened now; `false` where nobody is told of it.
    fn ensure(&mut self, id: u32, out: &mut dyn Out) -> bool {
        if let Some(s) = self.streams.get(id) {
            return s.child;
        }
        if self.streams.is_full() {
            if !self.too_many_told {
                out.finding(Finding::new(&findings::TOO_MANY_STREAMS));
            }
            self.too_many_told = true;
            self.streams.use_id(id);
            return false;
        }
        let key = u64::from(id);
        let child = out.open(Child { key, stream: Some(key), carries: Carries::Exchange });
        self.streams.open(id, child);
        child
    }

    /// END_STREAM.
    pub(super) fn end_stream(&mut self, side: Side, id: u32, out: &mut dyn Out) {
        let Some(stream) = self.streams.get(id) else { return };
        let child = stream.child;
        let half = stream.half(side);
        if half.ended {
            return;
        }
        half.ended = true;
        // The client of an exchange whose request was not captured may have ended
        // it before, too. A section says that this is the server; its data would not.
        let alone = self.joined
            && side == Side::Server
            && stream.half(side).head
            && !stream.half(Side::Client).ended
            && !stream.half(Side::Client).head
            && !stream.half(Side::Client).data;
        let over = stream.is_over() || alone;
        if child {
            self.tell(id, Input::End { side, cause: EndCause::Finished }, out);
            if alone {
                self.tell(id, Input::End { side: side.peer(), cause: EndCause::Finished }, out);
            }
            if over {
                self.close_child(id, out);
            }
        }
        if over {
            self.streams.close(id, None);
        } else if let Some((by, code)) = self.streams.get(id).and_then(|s| s.pending)
            && by != side
        {
            self.reset_stream(by, id, code, out);
        }
    }

    /// The request of an upgrade to `h2c`, or the response to it (RFC 7540 §3.2).
    ///
    /// The request becomes stream 1, half closed from the client; its
    /// HTTP2-Settings are the client's first settings.
    pub(super) fn upgraded(&mut self, head: &Head<'_>, out: &mut dyn Out) {
        self.upgraded = true;
        if head.side == Side::Server {
            return;
        }
        let mut findings = Vec::new();
        let payload =
            head.headers.get("http2-settings").and_then(|v| URL_SAFE_NO_PAD.decode(v).ok());
        match payload {
            Some(p) if p.len() % 6 == 0 => {
                self.apply(Side::Client, Settings(&p), &mut findings);
            }
            _ => find(&mut findings, &findings::BAD_UPGRADE_SETTINGS, String::new()),
        }
        for f in findings {
            out.finding(f);
        }
        let child = self.ensure(1, out);
        if let Some(s) = self.streams.get(1) {
            s.half(Side::Client).head = true;
        }
        if child {
            out.tell(1, Input::Head(Head { end: true, ..*head }));
        }
        self.end_stream(Side::Client, 1, out);
    }

    /// Bytes of `side` are missing, and frames may have been among them: they may have
    /// belonged to any stream, and have agreed to anything.
    pub(super) fn gap(&mut self, side: Side, offset: u64, out: &mut dyn Out) {
        let end = self.end_of(side);
        end.lost = true;
        end.max_frame = LARGEST_MAX_FRAME;
        end.connect = true;
        self.end_of(side.peer()).hpack.allow(u32::MAX);
        // How many bytes of each is not known.
        self.each_child(side, out, Input::Gap { side, offset, len: 0 });
    }

    /// `len` bytes of a stream's data are missing; 0 where that is not known.
    pub(super) fn hole(&mut self, side: Side, id: u32, len: u64, out: &mut dyn Out) {
        if self.streams.get(id).is_some_and(|s| s.child && !s.half(side).ended) {
            let key = self.data_key(side, id, out);
            out.tell(key, Input::Gap { side, offset: 0, len });
        }
    }

    /// A frame was not captured to its end: a block in it is lost.
    pub(super) fn unread(&mut self, side: Side, head: &FrameHead) {
        let blocks = [frame::HEADERS, frame::PUSH_PROMISE, frame::CONTINUATION];
        let end = self.end_of(side);
        if blocks.contains(&head.kind) {
            end.block = None;
            end.hpack.lose();
        }
        if head.kind == frame::SETTINGS {
            end.max_frame = LARGEST_MAX_FRAME;
            end.connect = true;
            self.end_of(side.peer()).hpack.allow(u32::MAX);
        }
        // A window update or the like may have been in it.
        if head.kind != frame::DATA {
            self.end_of(side).lost = true;
        }
    }

    /// What is known where frames of `side` are looked for.
    pub(super) fn hints(&self, side: Side) -> Hints {
        let max_frame = self.ends.get(side.peer().index()).map_or(0, |e| e.max_frame);
        Hints { highest: self.streams.highest(), max_frame }
    }

    /// Frames of `side` have been found behind `unknown` bytes that are missing or were
    /// not understood.
    pub(super) fn found_again(&mut self, side: Side, unknown: u64) {
        let end = self.end_of(side);
        end.found_again = true;
        end.block = None;
        // The shortest frame that changes the table has one byte of payload.
        if unknown > HEAD_LEN as u64 {
            end.hpack.lose();
        }
    }

    /// One direction of the connection was aborted.
    pub(super) fn reset(&mut self, side: Side, code: u32, out: &mut dyn Out) {
        self.settle_resets(out);
        out.set_abort(Abort::Connection);
        self.each_child(side, out, Input::Reset { side, code });
        out.set_abort(Abort::Stream);
    }

    /// One direction of the connection ended.
    pub(super) fn end(&mut self, side: Side, cause: EndCause, out: &mut dyn Out) {
        if self.end_of(side).block.take().is_some() {
            let detail = "a header block without its last frame";
            out.finding(Finding::new(&findings::TRUNCATED).with(detail));
        }
        if cause == EndCause::Finished {
            let mut open = 0;
            let joined = self.joined;
            for id in self.streams.ids() {
                // Without its head it may have ended before the capture began.
                let lost = self.end_of(side).lost;
                let is_open = |s: &mut Stream| {
                    let half = *s.half(side);
                    let aborted = s.reset.is_some() || s.pending.is_some();
                    !half.ended && (half.head || !joined) && !lost && !aborted
                };
                open += usize::from(self.streams.get(id).is_some_and(is_open));
            }
            if open > 0 {
                let detail = format!("{open} from the {side}");
                out.finding(Finding::new(&findings::STREAM_UNFINISHED).with(detail));
            }
        }
        if self.ends.iter().any(|e| e.over) {
            self.settle_resets(out);
        }
        self.end_of(side).over = true;
        // The connection ended before its streams did.
        let cause = if cause == EndCause::Finished { EndCause::Cut } else { cause };
        self.each_child(side, out, Input::End { side, cause });
    }

    /// Tells every child whose direction has not ended.
    fn each_child(&mut self, side: Side, out: &mut dyn Out, input: Input<'_>) {
        for id in self.streams.ids() {
            if self.streams.get(id).is_some_and(|s| s.child && !s.half(side).ended) {
                self.tell(id, input, out);
            }
        }
    }

    /// Both directions of the connection are over.
    pub(super) fn close_all(&mut self, out: &mut dyn Out) {
        self.judge_early(out);
        for id in self.streams.ids() {
            if self.streams.get(id).is_some_and(|s| s.child) {
                self.close_child(id, out);
            }
            self.streams.close(id, None);
        }
    }

    /// Memory held, in bytes.
    pub(super) fn memory(&self) -> usize {
        let ends: usize = self
            .ends
            .iter()
            .map(|e| {
                let block = e.block.as_ref().map_or(0, |b| b.memory());
                e.hpack.memory() + block
            })
            .sum();
        ends + self.early.capacity() * size_of::<(u32, Moment)>()
            + self.streams.memory()
            + self.tunnels.memory()
            + self.spare.memory()
    }
}
