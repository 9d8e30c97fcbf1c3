//! What a connection knows beyond its bytes: settings, header blocks under way,
//! and the streams with their children (RFC 9113 §5, §6).

mod account;
mod again;
mod blocks;
mod checks;
mod life;
mod lost;
mod rules;
mod shape;
mod stalls;
mod tunnels;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

pub(super) use self::account::{Answer, Left};

use self::account::Account;
use self::again::Again;
use self::blocks::{Pending, Section};
use self::tunnels::Tunnels;
use crate::base::{Moment, PacketId, Side};
use crate::event::Detail;
use crate::finding::{Finding, FindingSpec};
use crate::proto::http2::codes::{self, frame, settings};
use crate::proto::http2::hpack::Decoder;
use crate::proto::http2::streams::{Past, Stream, Streams};
use crate::proto::http2::summary;
use crate::proto::http2::wire::{ACK, Body, BodyFault, Content, END_STREAM, FrameHead, Settings};
use crate::proto::http2::{findings, priority};
use crate::proto::{Head, Headers, Input, Out};

/// What both ends start with (§6.5.2).
const DEFAULT_MAX_FRAME: u32 = 16_384;
/// The largest that SETTINGS_MAX_FRAME_SIZE may allow (§6.5.2).
const LARGEST_MAX_FRAME: u32 = 0x00ff_ffff;

/// One end: what it sends and what it has allowed its peer.
#[derive(Clone, Debug)]
struct End {
    /// Decodes the blocks that it sends.
    hpack: Decoder,
    /// Blocks that were read before.
    again: Again,
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
    /// Whether it allows values of `-bin` fields as they are, behind a zero.
    binary: bool,
    /// Whether it allows pushing.
    push: bool,
    /// The largest section that it wants.
    max_list: Option<u32>,
    /// Whether it has allowed extended CONNECT (RFC 8441 §3).
    connect: bool,
}

impl Default for End {
    fn default() -> Self {
        Self {
            hpack: Decoder::default(),
            again: Again::default(),
            block: None,
            seen: false,
            begun: false,
            over: false,
            lost: false,
            found_again: false,
            max_frame: DEFAULT_MAX_FRAME,
            goaway: None,
            binary: false,
            push: true,
            max_list: None,
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
    /// What an acknowledgement answers.
    answer: Option<Answer>,
}

impl Effect {
    /// The header section that the frame completed.
    pub(super) fn headers(&self) -> Option<&Headers> {
        self.section.as_ref().map(|s| &s.headers)
    }

    /// What the frame acknowledges.
    pub(super) const fn answer(&self) -> Option<Answer> {
        self.answer
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
    account: Account,
    /// Memory of the last section, for the next.
    spare: Headers,
    too_many_told: bool,
    /// Frames on streams that their end had not opened, and may have: a capture lacks
    /// bytes, or has the two directions the wrong way round. Decided at the end.
    early: Vec<(u32, Moment)>,
    /// Aborts of streams, by whom and when, while the peer's bytes before them wait behind
    /// others that were not captured.
    late: Vec<(u32, Side, PacketId)>,
    /// Bytes of this end are missing, from this offset on, and no stream has been told.
    untold: Option<(Side, u64)>,
    /// Its beginning was not captured.
    joined: bool,
    /// Whether heads that were read are those of whom they were taken for; `None` without any.
    sides: Option<bool>,
    /// It began as an upgrade from HTTP/1.1, so its beginning was captured.
    upgraded: bool,
}

fn find(findings: &mut Vec<Finding>, spec: &'static FindingSpec, detail: String) {
    let f = Finding::new(spec);
    findings.push(if detail.is_empty() { f } else { f.with(detail) });
}

fn answered(side: Side, answer: Option<Answer>, out: &mut dyn Out) {
    if let Some(a) = answer {
        out.acknowledged(side, a.after);
    }
}

impl Connection {
    /// Whether it was joined in the middle.
    pub(super) const fn is_joined(&self) -> bool {
        self.joined
    }

    /// What is left of the windows for data of `sender`, where that can be known.
    pub(super) fn left(&mut self, sender: Side, id: u32) -> Option<Left> {
        (!self.is_unsure()).then(|| self.account.left(sender, id))
    }

    /// Whether it was upgraded from HTTP/1.1.
    pub(super) const fn is_upgraded(&self) -> bool {
        self.upgraded
    }

    fn end_of(&mut self, side: Side) -> &mut End {
        let [client, server] = &mut self.ends;
        match side {
            Side::Client => client,
            Side::Server => server,
        }
    }

    /// A frame that streams through begins. `true`: its data goes to a child.
    pub(super) fn streaming(
        &mut self,
        side: Side,
        offset: u64,
        head: &FrameHead,
        findings: &mut Vec<Finding>,
        out: &mut dyn Out,
    ) -> bool {
        let at = out.moment(side, offset);
        self.check(side, head, at, findings, out);
        match head.kind {
            frame::DATA => {
                let id = head.stream;
                if id != 0 && !self.is_unsure() {
                    self.account.data(side, id, head.length, at, findings);
                    let streams = &self.streams;
                    self.account.keep(|id| streams.is_open(id));
                }
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
        let at = out.moment(side, offset);
        self.check(side, head, at, findings, out);
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
                self.begin_block(side, (offset, at), head, (None, fragment), findings, out)
            }
            Content::PushPromise { promised, fragment } => {
                self.check_push(side, promised, findings);
                self.begin_block(
                    side,
                    (offset, at),
                    head,
                    (Some(promised), fragment),
                    findings,
                    out,
                )
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
                    let answer = self.account.settings_ack(side, at);
                    let answer = answer.filter(|_| !self.is_unsure());
                    answered(side, answer, out);
                    return Effect { answer, ..Effect::default() };
                }
                if head.stream == 0 {
                    let initial = self.apply(side, list, at, findings);
                    self.account.settings(side, initial, at, true);
                }
                Effect::default()
            }
            Content::RstStream(code) => {
                // NO_ERROR, STREAM_CLOSED and CANCEL do not say that there was fault with what came.
                let late = self.streams.was_whole(head.stream);
                let spec = match code {
                    0 | 5 | 8 if late => &findings::RST_LATE,
                    0 | 8 => &findings::RST_NOTE,
                    _ => &findings::RST_STREAM,
                };
                let by = self.whose(side, out).map(|s| format!(" by the {s}"));
                let mut text = format!("{}{}", summary::error(code), by.unwrap_or_default());
                if late && !matches!(code, 0 | 5 | 8) {
                    text.push_str(", which may not have taken what it got");
                }
                // RFC 9113 §8.1: it asks for no more of the request.
                let answered = |s: &mut Stream| s.half(Side::Server).ended && s.reset.is_none();
                if (side, code) == (Side::Server, 0)
                    && self.streams.get(head.stream).is_some_and(answered)
                {
                    text.push_str(", behind the whole of its answer");
                }
                find(findings, spec, text);
                Effect { reset: Some(code), ..Effect::default() }
            }
            Content::Ping(data) if head.has(ACK) => {
                // What it answers may be missing.
                let answer = self.account.ping_ack(side, data, at);
                answered(side, answer, out);
                Effect { answer, ..Effect::default() }
            }
            Content::Ping(data) => {
                self.account.ping(side, data, at);
                Effect::default()
            }
            Content::Goaway { last, error, debug } => {
                // A client that is done says so before it closes, and is answered so.
                let by_client = side == Side::Client || self.end_of(side.peer()).goaway.is_some();
                let done = by_client && debug.is_empty() && self.streams.is_empty();
                let end = self.end_of(side);
                let least = end.goaway.map_or(last, |(old, _)| old.min(last));
                end.goaway = Some((least, error));
                if error != 0 || !done {
                    let spec = if error == 0 { &findings::GOAWAY } else { &findings::GOAWAY_ERROR };
                    let by = self.whose(side, out);
                    find(findings, spec, summary::goaway(by, last, error, debug));
                }
                Effect { goaway: Some((last, error)), ..Effect::default() }
            }
            Content::PriorityUpdate { stream, value } => {
                if side == Side::Server || stream == 0 {
                    find(findings, &findings::PRIORITY_UPDATE, format!("for stream {stream}"));
                }
                if priority::parse(value).is_none() {
                    find(findings, &findings::PRIORITY_FIELD, summary::text(value));
                }
                Effect::default()
            }
            Content::WindowUpdate(0) => {
                find(findings, &findings::WINDOW_ZERO, String::new());
                Effect::default()
            }
            Content::WindowUpdate(n) => {
                // An idle stream has no window, a closed one none that counts.
                if !self.is_unsure() && (head.stream == 0 || self.streams.is_open(head.stream)) {
                    self.account.update(side, head.stream, n, at);
                }
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

    /// The settings of `side`, which bind its peer (§6.5.2).
    ///
    /// They hold from the peer's acknowledgement on; as it is not known what
    /// was sent before that, the most generous value that was ever announced is
    /// what frames are held against.
    ///
    /// Gives the initial window, where there is one.
    fn apply(
        &mut self,
        side: Side,
        list: Settings<'_>,
        at: Moment,
        findings: &mut Vec<Finding>,
    ) -> Option<u32> {
        let mut initial = None;
        for (id, value) in list.iter() {
            self.account.allowed(side, id, value, at);
            let bad = match id {
                settings::HEADER_TABLE_SIZE => {
                    self.end_of(side.peer()).hpack.allow(value);
                    false
                }
                settings::ENABLE_PUSH => {
                    self.end_of(side).push = value != 0;
                    value > 1 || side == Side::Server && value != 0
                }
                settings::INITIAL_WINDOW_SIZE => {
                    initial = Some(value);
                    value > 0x7fff_ffff
                }
                settings::MAX_HEADER_LIST_SIZE => {
                    let end = self.end_of(side);
                    end.max_list = Some(end.max_list.map_or(value, |v| v.max(value)));
                    false
                }
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
                settings::GRPC_TRUE_BINARY => {
                    self.end_of(side).binary |= value == 1;
                    false
                }
                settings::NO_RFC7540_PRIORITIES => value > 1,
                _ => false,
            };
            if bad {
                let name = codes::named(codes::setting(u64::from(id)), u32::from(id));
                find(findings, &findings::SETTINGS_VALUE, format!("{name} = {value}"));
            }
        }
        initial
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
        if !self.late.is_empty() {
            self.settle_late(side, ready.packet, out);
        }
        if let Some(section) = effect.section {
            self.tell_section(side, &section, ready, out);
            self.spare = section.headers;
        }
        if effect.ends {
            self.end_stream(side, head.stream, out);
        }
        if let Some(code) = effect.reset {
            self.reset_stream(side, head.stream, code, ready, out);
        }
        if let Some((last, error)) = effect.goaway {
            self.goaway(side, last, error, out);
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
                let initial = self.apply(Side::Client, Settings(&p), head.ready, &mut findings);
                self.account.settings(Side::Client, initial, head.ready, false);
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

    /// Memory held, in bytes.
    pub(super) fn memory(&self) -> usize {
        let ends: usize = self
            .ends
            .iter()
            .map(|e| {
                let block = e.block.as_ref().map_or(0, |b| b.memory());
                e.hpack.memory() + e.again.memory() + block
            })
            .sum();
        ends + self.account.memory()
            + self.early.capacity() * size_of::<(u32, Moment)>()
            + self.late.capacity() * size_of::<(u32, Side, PacketId)>()
            + self.streams.memory()
            + self.tunnels.memory()
            + self.spare.memory()
    }
}
