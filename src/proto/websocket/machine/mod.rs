//! The state of one WebSocket connection: frames to messages, both directions.

use self::heads::opcode_finding;
use crate::base::{BufferId, Moment, PacketId, Side};
use crate::event::Level;
use crate::field::{In, NoSink};
use crate::finding::{Finding, FindingSpec};
use crate::proto::websocket::content::Content;
use crate::proto::websocket::findings::{
    BAD_STATUS, BEGINNING_MISSING, INTERLEAVED_MESSAGE, ORPHAN_CONTINUATION, RESERVED_OPCODE,
    TRUNCATED, UNFINISHED_MESSAGE,
};
use crate::proto::websocket::frame::{OpenFrame, Role};
use crate::proto::websocket::handshake::{Extensions, Handshake};
use crate::proto::websocket::inflate::Inflater;
use crate::proto::websocket::mask::unmask;
use crate::proto::websocket::message::{Coding, OpenMessage};
use crate::proto::websocket::resync::{Habits, Judged, Search, Trial};
use crate::proto::websocket::session::{Session, fault_of};
use crate::proto::websocket::wire::{self, FrameHead, RSV1_BIT, opcode};
use crate::proto::{Chunk, EndCause, Input, Look, Machine, Out, Progress};

mod heads;
mod lost;

/// Bytes unmasked at a time: small enough for the first-level cache.
const STEP: usize = 8 << 10;

/// A fresh machine.
pub(super) fn start() -> Box<dyn Machine> {
    Box::new(WebSocket::new())
}

/// One connection.
#[derive(Debug)]
struct WebSocket {
    handshake: Handshake,
    session: Session,
    client: Half,
    server: Half,
    scratch: Vec<u8>,
    content: Content,
    /// The status by which the server declined; there is no session then, unless frames
    /// follow all the same.
    declined: Option<(Box<str>, Moment)>,
}

/// One direction.
#[derive(Debug)]
struct Half {
    side: Side,
    frame: Option<OpenFrame>,
    /// A data message is open, in `data`.
    open: bool,
    data: OpenMessage,
    control: OpenMessage,
    inflater: Option<Inflater>,
    habits: Habits,
    /// Where the next frame begins is not known: it is looked for.
    search: Option<Search>,
    /// What was found is judged further: it is given up where it turns out to be wrong.
    trial: Option<Trial>,
    /// Something of it has been seen: a byte, or a hole.
    begun: bool,
    /// A message may be open whose beginning was not captured.
    maybe_open: bool,
    /// Where frames begin was inferred.
    inferred: bool,
    /// The packet in which the last frame ended.
    last: Option<PacketId>,
}

/// What both directions share, while one of them is worked on.
struct Shared<'a> {
    extensions: Extensions,
    session: &'a mut Session,
    scratch: &'a mut Vec<u8>,
    content: &'a mut Content,
    handshake: &'a Handshake,
}

impl WebSocket {
    fn new() -> Self {
        Self {
            handshake: Handshake::default(),
            session: Session::default(),
            client: Half::new(Side::Client),
            server: Half::new(Side::Server),
            scratch: Vec::new(),
            content: Content::default(),
            declined: None,
        }
    }

    fn half(&mut self, side: Side) -> (&mut Half, Shared<'_>) {
        let shared = Shared {
            extensions: self.handshake.extensions,
            session: &mut self.session,
            scratch: &mut self.scratch,
            content: &mut self.content,
            handshake: &self.handshake,
        };
        match side {
            Side::Client => (&mut self.client, shared),
            Side::Server => (&mut self.server, shared),
        }
    }

    /// The first of a direction, where nobody saw the handshake: the capture begins
    /// within the connection, and may begin within a frame.
    fn joined(&mut self, side: Side) {
        let unseen = self.handshake.is_unseen();
        let asked = self.handshake.is_asked();
        let half = self.half(side).0;
        let first = !std::mem::replace(&mut half.begun, true);
        if first && !unseen && !asked && side == Side::Client {
            // The answer was seen alone: frames may have gone the way of the request.
            half.trial = Some(Trial::default());
        }
        if first && unseen {
            half.search = Some(Search::joined());
            half.inferred = true;
            half.maybe_open = true;
        }
    }

    /// There are frames: if the server declined them, that is told.
    fn answered_otherwise(&mut self, out: &mut dyn Out) {
        if let Some((status, at)) = self.declined.take() {
            self.session.fault(Side::Server, &BAD_STATUS, at);
            out.finding(Finding::new(&BAD_STATUS).with(status));
        }
    }

    /// Tells the session, once, where it is over.
    fn settle(&mut self, out: &mut dyn Out) {
        if self.declined.is_none() && self.session.is_over() {
            self.session.emit(&self.handshake, out);
        }
    }
}

impl Machine for WebSocket {
    fn feed(&mut self, input: Input<'_>, out: &mut dyn Out) -> Progress {
        match input {
            Input::Bytes(chunk) => {
                self.joined(chunk.side);
                self.answered_otherwise(out);
                let (half, mut shared) = self.half(chunk.side);
                return half.bytes(chunk, &mut shared, out);
            }
            Input::Head(head) => {
                self.session.begin(head.start);
                let mut fault = None;
                let found = &mut |f: Finding| {
                    fault = fault.or_else(|| fault_of(std::slice::from_ref(&f)));
                    out.finding(f);
                };
                self.session.head(&head, found);
                match head.side {
                    Side::Client => self.handshake.request(&head, found),
                    Side::Server => {
                        let declined = self.handshake.response(&head, found);
                        self.declined = declined.map(|status| (status, head.ready));
                        if let Extensions::Agreed { deflate: Some(d), .. } =
                            self.handshake.extensions
                        {
                            for side in Side::BOTH {
                                let holes = self.session.has_holes(side);
                                let half = self.half(side).0;
                                let whole = !holes && !half.inferred && !half.maybe_open;
                                let takeover = d.takeover(side);
                                let mut inflater = match half.inflater.take() {
                                    // Where the answer is late it has what came before.
                                    Some(mut guess) => {
                                        guess.agree(takeover, whole);
                                        guess
                                    }
                                    None => {
                                        let mut fresh = Inflater::new(takeover);
                                        if holes {
                                            fresh.lose();
                                        }
                                        fresh
                                    }
                                };
                                inflater = inflater.limited(d.window_bits(side));
                                if out.reopens() {
                                    inflater.keep();
                                }
                                half.inflater = Some(inflater);
                            }
                            out.mark();
                        }
                    }
                }
                if let Some(spec) = fault {
                    self.session.fault(head.side, spec, head.ready);
                }
                if self.client.begun || self.server.begun {
                    self.answered_otherwise(out);
                }
            }
            Input::Gap { side, offset, len } => {
                // Joined behind the handshake, as far as anybody saw: what comes
                // next is the first that is known of.
                self.joined(side);
                if offset == 0 && self.handshake.is_unseen() {
                    return Progress::took(0);
                }
                let (half, mut shared) = self.half(side);
                shared.session.gap(side);
                half.gap(len, &mut shared, out);
                if offset == 0 && half.search.is_some() {
                    half.search = Some(Search::behind_handshake());
                    half.maybe_open = false;
                }
            }
            Input::End { side, cause } => {
                let (half, mut shared) = self.half(side);
                half.flush(&TRUNCATED, &mut shared, out);
                let at = match cause {
                    EndCause::Finished | EndCause::Cut => out.aborted_at(),
                    EndCause::CaptureEnded | EndCause::Evicted => out.now(),
                };
                self.session.end(side, cause, out.abort(), at);
                self.settle(out);
            }
            Input::Reset { side, code } => {
                let (half, mut shared) = self.half(side);
                half.flush(&TRUNCATED, &mut shared, out);
                self.session.reset(side, code, out.abort(), out.aborted_at());
                self.settle(out);
            }
            // None of WebSocket's.
            Input::Trailers(_) | Input::Datagram { .. } => {}
        }
        Progress::took(0)
    }

    fn fork(&self) -> Option<Box<dyn Machine>> {
        Some(Box::new(Self {
            handshake: self.handshake.clone(),
            session: self.session.clone(),
            client: self.client.fork()?,
            server: self.server.fork()?,
            scratch: Vec::new(),
            content: self.content.clone(),
            declined: self.declined.clone(),
        }))
    }

    fn memory(&self) -> usize {
        size_of::<Self>()
            + self.handshake.memory()
            + self.session.memory()
            + self.client.memory()
            + self.server.memory()
            + self.scratch.capacity()
            + self.content.memory()
    }
}

impl Half {
    fn new(side: Side) -> Self {
        Self {
            side,
            frame: None,
            open: false,
            data: OpenMessage::default(),
            control: OpenMessage::default(),
            inflater: None,
            habits: Habits::default(),
            search: None,
            trial: None,
            begun: false,
            maybe_open: false,
            inferred: false,
            last: None,
        }
    }

    fn fork(&self) -> Option<Self> {
        let inflater = match &self.inflater {
            Some(i) => Some(i.fork()?),
            None => None,
        };
        Some(Self {
            side: self.side,
            frame: self.frame.clone(),
            open: self.open,
            data: self.data.clone(),
            control: self.control.clone(),
            inflater,
            habits: self.habits,
            search: self.search,
            trial: self.trial,
            begun: self.begun,
            maybe_open: self.maybe_open,
            inferred: self.inferred,
            last: self.last,
        })
    }

    fn memory(&self) -> usize {
        self.frame.as_ref().map_or(0, OpenFrame::memory)
            + self.data.memory()
            + self.control.memory()
            + self.inflater.as_ref().map_or(0, Inflater::memory)
    }

    fn bytes(&mut self, chunk: Chunk<'_>, shared: &mut Shared<'_>, out: &mut dyn Out) -> Progress {
        if self.frame.as_ref().is_some_and(|f| f.head_cut) {
            return Progress::nothing(0);
        }
        let mut rest = chunk.data;
        loop {
            let mut took = chunk.data.len() - rest.len();
            if self.search.is_some() {
                match self.search(chunk, took, shared, out) {
                    Ok(n) => took = n,
                    Err(progress) => return progress,
                }
                rest = chunk.data.get(took..).unwrap_or_default();
            }
            let at = chunk.offset.saturating_add(took as u64);
            if self.frame.is_some() {
                let n = self.payload(rest, at, shared, out);
                rest = rest.get(n..).unwrap_or_default();
                if self.frame.is_some() {
                    return Progress::took(chunk.data.len());
                }
                continue;
            }
            if rest.is_empty() {
                return Progress::took(took);
            }
            if let Some(mut trial) = self.trial {
                let open = (!self.maybe_open).then_some(self.open);
                let judged = trial.judge(rest, chunk.last, &self.style(shared.extensions), open);
                match judged {
                    Judged::Need(more) => return Progress::need(took, more),
                    Judged::Fits => self.trial = Some(trial),
                    Judged::Trusted => self.trial = None,
                    Judged::Refuted => {
                        self.refuted(shared, out);
                        continue;
                    }
                }
            }
            match wire::head(In::new(rest, BufferId(0), 0, &NoSink)) {
                Ok((i, head)) => {
                    let (bytes, after) =
                        rest.split_at_checked(usize::from(head.wire_len())).unwrap_or((rest, &[]));
                    debug_assert_eq!(i.data().len(), after.len());
                    self.begin(head, bytes, at, shared, out);
                    rest = after;
                }
                Err(nom::Err::Incomplete(nom::Needed::Size(n))) if !chunk.last => {
                    return Progress::need(took, n.get());
                }
                Err(_) => {
                    self.cut_head(rest, at, shared, out);
                    return Progress::took(chunk.data.len());
                }
            }
        }
    }

    /// A head of which no more will come: what it is cut by is told next.
    fn cut_head(&mut self, bytes: &[u8], at: u64, shared: &mut Shared<'_>, out: &mut dyn Out) {
        let first = bytes.first().copied().unwrap_or_default();
        let head = FrameHead {
            fin: first & 0x80 != 0,
            rsv: first >> 4 & 0b111,
            opcode: first & 0x0f,
            ..FrameHead::default()
        };
        let mut frame = OpenFrame::new(head, Role::Stray, bytes, self.side, at, out);
        frame.head_cut = true;
        frame.end = out.ready(self.side, at.saturating_add(bytes.len() as u64).saturating_sub(1));
        shared.session.begin(frame.start);
        self.frame = Some(frame);
    }

    /// A frame begins.
    fn begin(
        &mut self,
        head: FrameHead,
        bytes: &[u8],
        at: u64,
        shared: &mut Shared<'_>,
        out: &mut dyn Out,
    ) {
        let last = at.saturating_add(bytes.len() as u64).saturating_sub(1);
        let mut frame = OpenFrame::new(head, Role::Stray, bytes, self.side, at, out);
        frame.end = out.ready(self.side, last);
        frame.inferred = self.inferred;
        self.habits.saw(&head);
        if let Some(last) = self.last {
            self.habits.began(last != frame.start.packet);
        }
        shared.session.begin(frame.start);
        shared.session.frame_begins(self.side, &head, frame.start);
        self.judge(&head, shared, &mut frame.findings);
        match head.opcode {
            opcode::TEXT | opcode::BINARY => {
                if self.open {
                    frame.findings.push(opcode_finding(&INTERLEAVED_MESSAGE));
                    self.data.findings.push(Finding::new(&UNFINISHED_MESSAGE));
                    self.abandon(frame.start, shared, out);
                }
                self.begin_message(&head, &frame, shared.extensions, out);
                self.data.watch = shared.session.watch(self.side, head.opcode);
                let interest = shared.content.begin(self.side, head.opcode, shared.handshake, out);
                self.data.interest(interest, out);
                frame.role = Role::Data;
            }
            opcode::CONTINUATION if self.open => frame.role = Role::Data,
            opcode::CONTINUATION if self.maybe_open => {
                self.begin_end(&head, &frame, shared.extensions, out);
                frame.role = Role::Data;
            }
            opcode::CONTINUATION => frame.findings.push(opcode_finding(&ORPHAN_CONTINUATION)),
            opcode::CLOSE | opcode::PING | opcode::PONG => {
                self.control.begin(&head, Coding::Plain, frame.start, out);
                self.control.inferred = self.inferred;
                frame.role = Role::Control;
            }
            _ => frame.findings.push(opcode_finding(&RESERVED_OPCODE)),
        }
        match frame.role {
            Role::Data => self.data.frame(&head, bytes, self.side, at, out),
            Role::Control => self.control.frame(&head, bytes, self.side, at, out),
            Role::Stray => {}
        }
        self.frame = Some(frame);
    }

    /// A data message begins (RFC 7692 §7.2.3: RSV1 of the first frame says
    /// whether it is compressed).
    fn begin_message(
        &mut self,
        head: &FrameHead,
        frame: &OpenFrame,
        extensions: Extensions,
        out: &mut dyn Out,
    ) {
        let rsv1 = head.rsv & RSV1_BIT != 0;
        let coding = match (rsv1, &mut self.inflater, extensions) {
            (false, ..) => Coding::Plain,
            // The frame says what is wrong. A late answer may have ended a guess.
            (true, i, Extensions::Agreed { deflate: None, .. }) => {
                *i = None;
                Coding::Undecoded
            }
            (true, None, Extensions::Agreed { .. }) => Coding::Undecoded,
            (true, i, _) => {
                let i = i.get_or_insert_with(Inflater::guess);
                if out.reopens() {
                    i.keep();
                }
                i.begin(out.look(Level::Message) != Look::Every);
                Coding::Deflated
            }
        };
        self.data.begin(head, coding, frame.start, out);
        self.data.inferred = self.inferred;
        self.open = true;
        self.maybe_open = false;
    }

    /// The first frame that was captured of a message that had begun before: whether
    /// it is compressed, the first of all would say.
    fn begin_end(
        &mut self,
        head: &FrameHead,
        frame: &OpenFrame,
        extensions: Extensions,
        out: &mut dyn Out,
    ) {
        let coding = match extensions {
            Extensions::Agreed { deflate: None, .. } => Coding::Plain,
            _ => Coding::Undecoded,
        };
        self.data.begin(head, coding, frame.start, out);
        self.data.inferred = self.inferred;
        self.data.hole();
        self.data.findings.push(Finding::new(&BEGINNING_MISSING));
        self.open = true;
        self.maybe_open = false;
    }

    /// Takes what belongs to the open frame from the front of `data`; finishes
    /// the frame if that is all of it.
    fn payload(
        &mut self,
        data: &[u8],
        at: u64,
        shared: &mut Shared<'_>,
        out: &mut dyn Out,
    ) -> usize {
        let Some(frame) = &mut self.frame else {
            return 0;
        };
        let n = usize::try_from(frame.remaining()).unwrap_or(usize::MAX).min(data.len());
        let data = data.get(..n).unwrap_or_default();
        if n > 0 {
            frame.wire(data, self.side, at, out);
            let mut message = match frame.role {
                Role::Data => Some(&mut self.data),
                Role::Control => Some(&mut self.control),
                Role::Stray => None,
            };
            if let Some(m) = &mut message {
                m.wire(data, self.side, at, out);
            }
            let mut plain = |frame: &mut OpenFrame, part: &[u8], out: &mut dyn Out| {
                frame.plain(part, out);
                if let Some(m) = &mut message {
                    m.plain(part, self.inflater.as_mut(), out);
                }
            };
            match frame.head.key {
                None => plain(frame, data, out),
                Some(key) => {
                    for (i, part) in data.chunks(STEP).enumerate() {
                        let phase = frame.passed.wrapping_add((i * STEP) as u64);
                        unmask(key, phase, part, shared.scratch);
                        plain(frame, shared.scratch, out);
                    }
                }
            }
            frame.passed += n as u64;
            frame.end = out.ready(self.side, at.saturating_add(n as u64).saturating_sub(1));
        }
        if frame.remaining() == 0 {
            self.finish(shared, out);
        }
        n
    }

    /// The open frame is whole.
    fn finish(&mut self, shared: &mut Shared<'_>, out: &mut dyn Out) {
        let Some(frame) = self.frame.take() else {
            return;
        };
        let (side, role, head, end) = (self.side, frame.role, frame.head, frame.end);
        self.last = Some(end.packet);
        let complete = !frame.holed;
        shared.session.frame_over(side, frame.sent(), end, true, &frame.findings);
        frame.emit(side, complete, out);
        match role {
            Role::Data if head.fin => {
                self.open = false;
                self.data.finish(self.inflater.as_mut(), out);
                tell(&mut self.data, side, end, true, shared, out);
            }
            Role::Control => tell(&mut self.control, side, end, true, shared, out),
            Role::Data | Role::Stray => {}
        }
    }

    /// The open data message will not be finished.
    fn abandon(&mut self, end: Moment, shared: &mut Shared<'_>, out: &mut dyn Out) {
        if std::mem::take(&mut self.open) {
            if self.data.coding == Coding::Deflated
                && let Some(i) = &mut self.inflater
            {
                i.lose();
            }
            tell(&mut self.data, self.side, end, false, shared, out);
        }
    }

    /// No more comes: what is open is told as it is.
    fn flush(&mut self, why: &'static FindingSpec, shared: &mut Shared<'_>, out: &mut dyn Out) {
        let mut end = out.now();
        if let Some(mut frame) = self.frame.take() {
            end = frame.end;
            let missing = frame.remaining();
            let finding = Finding::new(why);
            frame.findings.push(if frame.head_cut {
                finding
            } else {
                finding.with(format!("{missing} bytes are missing"))
            });
            let role = frame.role;
            shared.session.frame_over(self.side, frame.sent(), end, false, &frame.findings);
            frame.emit(self.side, false, out);
            if role == Role::Control {
                self.control.findings.push(Finding::new(why));
                tell(&mut self.control, self.side, end, false, shared, out);
            }
        }
        if self.open {
            self.data.findings.push(Finding::new(why));
            self.abandon(end, shared, out);
        }
    }
}

/// Emits a message and counts it.
fn tell(
    message: &mut OpenMessage,
    side: Side,
    end: Moment,
    complete: bool,
    shared: &mut Shared<'_>,
    out: &mut dyn Out,
) {
    let opcode = message.opcode;
    let about = shared.content.about(shared.handshake);
    let session = &mut *shared.session;
    message.emit(side, end, complete, &about, out, &mut |told| {
        session.message(side, opcode, &told, end);
        if let Some(bytes) = told.compressed {
            session.inflated(bytes, told.length);
        }
    });
}
