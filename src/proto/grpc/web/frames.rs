//! The state of one call in the form of gRPC-Web: cuts the body into frames.

use crate::base::limits::MAX_WEB_TRAILERS_BYTES;
use crate::base::{Buffer, BufferId, Side, Span};
use crate::event::{Detail, Level};
use crate::field::{In, NoSink, Tree, TreeSink};
use crate::finding::Finding;
use crate::proto::codings::Codings;
use crate::proto::grpc::encoding::{Inflated, inflate};
use crate::proto::grpc::machine::Current;
use crate::proto::grpc::web::coded::{Coded, CodedOut};
use crate::proto::grpc::web::out::WebOut;
use crate::proto::grpc::web::text::{self, BYTES, Decoded, GROUP};
use crate::proto::grpc::web::{Form, by_text, message_in_text};
use crate::proto::grpc::wire::{self, PREFIX_LEN};
use crate::proto::grpc::{Call, findings};
use crate::proto::{
    Chunk, EndCause, Head, Headers, Input, Machine, Out, Progress, Trace, Verdict, Want,
};

/// One call.
#[derive(Debug, Default)]
pub struct Web {
    call: Call,
    sides: [Lane; 2],
    /// Directions whose body has a content coding.
    coded: [Option<Box<Coded>>; 2],
    /// 10, 11 or 20.
    version: u8,
    /// Text that was decoded, reused from chunk to chunk.
    decoded: Decoded,
}

/// One direction.
#[derive(Clone, Debug, Default)]
struct Lane {
    /// What its content type says; `None` where it says something else.
    form: Option<Form>,
    has_head: bool,
    /// There was a content type.
    told: bool,
    /// Bytes are missing before the first that came, and its head perhaps.
    holed: bool,
    /// Bytes of the frame in hand that the call has not been fed.
    left: u64,
    /// Text: bytes decoded before the group that comes next.
    bytes: u64,
    /// Text: bytes of that group that have been used.
    skip: usize,
    /// Text: characters of a last group that is not whole.
    rest: usize,
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Frames,
    /// Behind the trailers.
    Trailed,
    /// Behind the trailers, and bytes came: it has been said.
    Said,
    /// Bytes are missing where a frame begins or ends: the call looks for the next one.
    Sought,
    /// Text of which bytes are missing: where groups of four begin is not known, but behind
    /// padding, and where the missing bytes end if a message begins there. Whether what comes
    /// next stands in such a place.
    Regroup(bool),
    /// What follows cannot be told apart.
    Lost,
}

impl Web {
    /// Before its first head.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    const fn lane(&mut self, side: Side) -> &mut Lane {
        let [client, server] = &mut self.sides;
        match side {
            Side::Client => client,
            Side::Server => server,
        }
    }

    /// How the call is carried: as its response is, else as its request is.
    fn form(&self) -> Form {
        let [client, server] = &self.sides;
        server.form.or(client.form).unwrap_or_default()
    }

    fn head(&mut self, h: &Head<'_>, out: &mut dyn Out) {
        let content_type = h.headers.get("content-type");
        let request = self.sides.first().and_then(|l| l.form);
        let informational =
            h.headers.get(":status").is_some_and(|v| v.len() == 3 && v.starts_with(b"1"));
        self.version = h.version;
        let lane = self.lane(h.side);
        let first = !lane.has_head && !informational;
        if first {
            (lane.has_head, lane.holed) = (true, false);
            lane.told = content_type.is_some();
            lane.form = match content_type {
                Some(v) => Form::of(v),
                None => request,
            };
            let codings = Codings::of(h.headers.all("content-encoding"));
            match (&codings, codings.decoder()) {
                _ if lane.form.is_none() => {}
                (Codings::Unknown(name), _) => {
                    lane.form = None;
                    let finding = Finding::new(&findings::WEB_CODING).with(name.as_str());
                    self.call.findings.push(finding);
                }
                (_, Some(decoder)) => {
                    if let Some(coded) = self.coded.get_mut(h.side.index()) {
                        *coded = Some(Box::new(Coded::new(decoder)));
                    }
                }
                (_, None) => {}
            }
        }
        let form = self.form();
        let mut out = WebOut { inner: out, form, text: None, prefix: None, cut: false };
        self.call.feed(Input::Head(*h), &mut out);
    }

    /// A chunk of a body, which may have a content coding.
    fn body(&mut self, c: &Chunk<'_>, out: &mut dyn Out) -> Progress {
        let Some(mut coded) = self.coded.get_mut(c.side.index()).and_then(Option::take) else {
            return self.bytes(c, out);
        };
        let went = coded.feed(c, out);
        self.made(c.side, &mut coded, went.is_err(), out);
        match went {
            Ok(()) => {
                if let Some(place) = self.coded.get_mut(c.side.index()) {
                    *place = Some(coded);
                }
            }
            Err(why) => {
                let finding = Finding::new(&findings::WEB_BAD_CODING).with(why.to_string());
                self.lose(c.side, finding, out);
            }
        }
        Progress::took(c.data.len())
    }

    /// Bytes came out of a coding.
    fn made(&mut self, side: Side, coded: &mut Coded, last: bool, out: &mut dyn Out) {
        if coded.data.is_empty() && !last {
            return;
        }
        let chunk = Chunk { side, offset: coded.at, data: &coded.data, last };
        let mut to = CodedOut { inner: out, side, coded };
        let took = self.bytes(&chunk, &mut to).took;
        coded.used(took);
    }

    /// A content type that was not captured: the bytes tell.
    fn guess(&mut self, c: &Chunk<'_>) -> Option<Progress> {
        let other = self.sides.get(c.side.peer().index()).and_then(|l| l.form);
        let lane = self.lane(c.side);
        if lane.form.is_some() || lane.told || lane.state != State::Frames {
            return None;
        }
        if other.is_some() && !lane.holed {
            lane.form = other;
            return None;
        }
        lane.form = match (by_text(c.data, c.last), other) {
            (Verdict::More | Verdict::Secrets, _) => return Some(Progress::need(0, 1)),
            (Verdict::Yes { .. }, _) => Some(Form::Text),
            // It begins anywhere in a group, or in a message.
            (Verdict::No, Some(Form::Text)) => {
                lane.state = State::Lost;
                other
            }
            (Verdict::No, _) => Some(Form::Binary),
        };
        None
    }

    fn bytes(&mut self, c: &Chunk<'_>, out: &mut dyn Out) -> Progress {
        if let Some(wait) = self.guess(c) {
            return wait;
        }
        let lane = self.lane(c.side);
        if lane.form == Some(Form::Binary) && std::mem::take(&mut lane.holed) {
            lane.state = State::Sought;
            let mut out =
                WebOut { inner: out, form: Form::Binary, text: None, prefix: None, cut: false };
            self.call.feed(Input::Gap { side: c.side, offset: c.offset, len: 0 }, &mut out);
        }
        let lane = self.lane(c.side);
        match (lane.form, lane.state) {
            // A body of another sort: an error page of a proxy, for one.
            (None, _) | (_, State::Lost) => Progress::took(c.data.len()),
            (Some(Form::Binary), _) => {
                let mut out =
                    WebOut { inner: out, form: self.form(), text: None, prefix: None, cut: false };
                let (took, more) = self.frames(c, &mut out);
                Progress::need(took, more)
            }
            (Some(Form::Text), State::Regroup(fresh)) => self.regroup(c, fresh, out),
            (Some(Form::Text), _) => self.text(c, out),
        }
    }

    /// Looks for a message behind missing text.
    fn regroup(&mut self, c: &Chunk<'_>, mut fresh: bool, out: &mut dyn Out) -> Progress {
        let mut at = 0;
        loop {
            let rest = c.data.get(at..).unwrap_or_default();
            if fresh && !rest.is_empty() {
                match message_in_text(rest, c.last) {
                    Some(true) => {
                        let lane = self.lane(c.side);
                        (lane.state, lane.left, lane.skip) = (State::Frames, 0, 0);
                        let offset = c.offset.saturating_add(at as u64);
                        let p = self.text(&Chunk { offset, data: rest, ..*c }, out);
                        return Progress { took: at.saturating_add(p.took), want: p.want };
                    }
                    None => {
                        self.lane(c.side).state = State::Regroup(true);
                        return Progress::need(at, 1);
                    }
                    Some(false) => {}
                }
            }
            let Some(padding) = memchr::memchr(b'=', rest) else { break };
            at += padding + 1;
            fresh = true;
        }
        self.lane(c.side).state = State::Regroup(c.data.last() == Some(&b'='));
        Progress::took(c.data.len())
    }

    /// A chunk of base64. Whole groups are decoded; those whose bytes are waiting for
    /// more are not taken, and come again.
    fn text(&mut self, c: &Chunk<'_>, out: &mut dyn Out) -> Progress {
        let mut decoded = std::mem::take(&mut self.decoded);
        let lane = self.lane(c.side);
        let (first, skip) = (lane.bytes, lane.skip);
        decoded.decode(c.data, first, c.offset, c.last);
        let data = decoded.data.get(skip..).unwrap_or_default();
        // What ends here ends for the frames as well.
        let last = c.last || decoded.bad;
        let chunk = Chunk { side: c.side, offset: first + skip as u64, data, last };
        let stretches = decoded.stretches.as_slice();
        let form = self.form();
        let mut to =
            WebOut { inner: out, form, text: Some((c.side, stretches)), prefix: None, cut: false };
        let (used, more) = if data.is_empty() { (0, 0) } else { self.frames(&chunk, &mut to) };
        let progress = if decoded.bad {
            let at = c.data.get(decoded.used..).unwrap_or_default();
            let group = String::from_utf8_lossy(at.get(..GROUP).unwrap_or(at)).into_owned();
            self.lose(c.side, Finding::new(&findings::WEB_BASE64).with(format!("{group:?}")), out);
            Progress::took(c.data.len())
        } else if used == data.len() {
            let lane = self.lane(c.side);
            lane.bytes = first + decoded.data.len() as u64;
            lane.skip = 0;
            if decoded.unpadded {
                lane.rest = c.data.len() % GROUP;
            }
            let rest = c.data.len() - decoded.used;
            Progress::need(decoded.used, if rest == 0 { 1 } else { GROUP - rest })
        } else {
            let at = first + (skip + used) as u64;
            let group = text::group_of(stretches, at);
            let took = usize::try_from(group.chars.saturating_sub(c.offset)).unwrap_or(0);
            let lane = self.lane(c.side);
            lane.bytes = group.bytes;
            lane.skip = usize::try_from(at.saturating_sub(group.bytes)).unwrap_or(0);
            // The characters for as many bytes more, less those that are there already.
            let there = c.data.len() - decoded.used;
            Progress::need(took, (more.div_ceil(BYTES) * GROUP).saturating_sub(there))
        };
        self.decoded = decoded;
        progress
    }

    /// Cuts frames; gives what was used, and how many bytes more the next step needs.
    fn frames(&mut self, c: &Chunk<'_>, out: &mut WebOut<'_>) -> (usize, usize) {
        let mut at = 0;
        loop {
            let rest = c.data.get(at..).unwrap_or_default();
            let offset = c.offset.saturating_add(at as u64);
            let lane = self.lane(c.side);
            match lane.state {
                State::Frames => {}
                State::Trailed if !rest.is_empty() => {
                    lane.state = State::Said;
                    self.call.found(Finding::new(&findings::WEB_AFTER_TRAILERS), out);
                    return (c.data.len(), 1);
                }
                State::Sought => {
                    let chunk = Chunk { offset, data: rest, ..*c };
                    let p = self.call.feed(Input::Bytes(chunk), out);
                    let more = if let Want::More(n) = p.want { n } else { 1 };
                    return (at + p.took, more);
                }
                State::Trailed | State::Said | State::Lost | State::Regroup(_) => {
                    return (c.data.len(), 1);
                }
            }
            if lane.left > 0 {
                let take = usize::try_from(lane.left).unwrap_or(usize::MAX).min(rest.len());
                let data = rest.get(..take).unwrap_or_default();
                if data.is_empty() {
                    return (at, 1);
                }
                lane.left = lane.left.saturating_sub(take as u64);
                let last = c.last && take == rest.len();
                self.call.feed(Input::Bytes(Chunk { side: c.side, offset, data, last }), out);
                at += take;
                continue;
            }
            if rest.is_empty() {
                return (at, 1);
            }
            let Ok((_, prefix)) = wire::web_prefix(In::new(rest, BufferId(0), 0, &NoSink)) else {
                if c.last {
                    let chunk = Chunk { side: c.side, offset, data: rest, last: true };
                    self.call.feed(Input::Bytes(chunk), out);
                    return (c.data.len(), 1);
                }
                return (at, PREFIX_LEN.saturating_sub(rest.len()));
            };
            if !prefix.trailers {
                lane.left = u64::from(prefix.length).saturating_add(PREFIX_LEN as u64);
                continue;
            }
            if prefix.length as usize > MAX_WEB_TRAILERS_BYTES {
                let text = format!("{} bytes, {MAX_WEB_TRAILERS_BYTES} read", prefix.length);
                let finding = Finding::new(&findings::WEB_TRAILERS_LIMIT).with(text);
                self.lose(c.side, finding, out);
                return (c.data.len(), 1);
            }
            let len = (prefix.length as usize).saturating_add(PREFIX_LEN);
            match rest.get(..len) {
                Some(frame) => {
                    self.trailers(c.side, offset, frame, prefix, out);
                    at += len;
                }
                None if c.last => {
                    self.trailers(c.side, offset, rest, prefix, out);
                    return (c.data.len(), 1);
                }
                None => return (at, len.saturating_sub(rest.len())),
            }
        }
    }

    /// A frame of trailers, or as much as there is of one.
    fn trailers(
        &mut self,
        side: Side,
        offset: u64,
        frame: &[u8],
        prefix: wire::WebPrefix,
        out: &mut WebOut<'_>,
    ) {
        self.lane(side).state = State::Trailed;
        let wanted = out.wants(Level::Message);
        let end = offset.saturating_add(frame.len() as u64);
        let mut trace = Trace::new(wanted, "DATA");
        trace.add(out, side, offset..end);
        let ready = out.ready(side, end.saturating_sub(1));
        let start = trace.start(ready);

        let lines = frame.get(PREFIX_LEN..).unwrap_or_default();
        let mut list = Vec::new();
        let cut = (prefix.length as usize).saturating_sub(lines.len());
        if cut > 0 {
            let text = format!("{} of {} bytes of trailers", lines.len(), prefix.length);
            list.push(Finding::new(&findings::TRUNCATED).with(text));
        }
        let mut inflated = Vec::new();
        let mut in_place = true;
        if prefix.flags & 1 == 1 {
            in_place = false;
            let encoding = self.call.sides.get(side.index()).map(|d| d.encoding.clone());
            let how = inflate(
                &encoding.unwrap_or_default(),
                lines,
                &mut inflated,
                MAX_WEB_TRAILERS_BYTES,
            );
            out.inflated(inflated.len() as u64);
            if how != Inflated::Whole {
                list.push(Finding::new(&findings::BAD_COMPRESSION).with("the trailers"));
            }
        }
        let mut headers = Headers::new();
        let source: &[u8] = if in_place { lines } else { &inflated };
        if let Some(bad) = read(source, cut > 0, in_place, &mut headers) {
            let text = String::from_utf8_lossy(bad.get(..80).unwrap_or(bad));
            list.push(Finding::new(&findings::WEB_BAD_TRAILERS).with(text));
        }
        if side == Side::Client {
            list.push(Finding::new(&findings::WEB_CLIENT_TRAILERS));
        }
        for f in list {
            self.call.found(f, out);
        }

        let detail = trace.take().map(|mut b: Buffer| {
            b.bytes.extend_from_slice(frame);
            let sink = TreeSink::on(Tree::new());
            // Five bytes are a prefix.
            let _ = wire::web_prefix(In::new(frame, BufferId(0), 0, &sink));
            out.prefix = Some(sink.into_tree());
            let mut detail = Detail::default();
            detail.origins.add(b);
            detail
        });
        let head = Head {
            side,
            headers: &headers,
            version: self.version,
            end: true,
            start,
            ready,
            wire_len: frame.len() as u64,
            detail: detail.as_ref(),
        };
        out.cut = cut > 0;
        self.call.feed(Input::Trailers(head), out);
        out.cut = false;
        out.prefix = None;
    }

    /// What follows in a direction cannot be read.
    fn lose(&mut self, side: Side, finding: Finding, out: &mut dyn Out) {
        self.lane(side).state = State::Lost;
        self.call.found(finding, out);
    }

    fn end(&mut self, side: Side, cause: EndCause, out: &mut dyn Out) {
        if let Some(mut coded) = self.coded.get_mut(side.index()).and_then(Option::take) {
            let ended = coded.finish(out);
            self.made(side, &mut coded, true, out);
            // What is cut off with the connection says so itself.
            if let (Err(why), EndCause::Finished) = (ended, cause) {
                let finding = Finding::new(&findings::WEB_BAD_CODING).with(why.to_string());
                self.lose(side, finding, out);
            }
        }
        // Of a body that was captured to its end: else the rest may have been sent.
        let rest = std::mem::take(&mut self.lane(side).rest);
        if rest > 0 && cause == EndCause::Finished && out.path().gaps == [0; 2] {
            let text = format!("{rest} of {GROUP} characters");
            self.call.found(Finding::new(&findings::WEB_PADDING).with(text), out);
        }
        let mut out =
            WebOut { inner: out, form: self.form(), text: None, prefix: None, cut: false };
        self.call.feed(Input::End { side, cause }, &mut out);
    }
}

/// Reads `name: value` lines, each with CR LF behind it. Gives the first that is none.
fn read<'a>(data: &'a [u8], cut: bool, in_place: bool, into: &mut Headers) -> Option<&'a [u8]> {
    let mut bad = None;
    let mut at = 0;
    while let Some(rest) = data.get(at..).filter(|r| !r.is_empty()) {
        let (line, whole) = match memchr::memchr(b'\n', rest) {
            Some(lf) => (rest.get(..lf).unwrap_or_default(), true),
            None => (rest, false),
        };
        let next = at + line.len() + usize::from(whole);
        let text = line.strip_suffix(b"\r").unwrap_or(line);
        // The last line of a frame that was cut may be half of one.
        if !whole && cut {
            break;
        }
        match memchr::memchr(b':', text).filter(|colon| *colon > 0) {
            Some(colon) => {
                let (name, value) = text.split_at(colon);
                let raw = value.get(1..).unwrap_or_default();
                let value = raw.trim_ascii();
                let lead = raw.len() - raw.trim_ascii_start().len();
                let start = PREFIX_LEN + at + colon + 1 + lead;
                let field = into.push(&name.trim_ascii().to_ascii_lowercase(), value);
                if in_place {
                    field.span = Some(Span::bytes(BufferId(0), start as u32, value.len() as u32));
                }
            }
            None if text.is_empty() => {}
            None => bad = bad.or(Some(text)),
        }
        at = next;
    }
    bad
}

impl Call {
    /// A whole frame of trailers in a call that began without a head that says what it is.
    /// Either a later head calls it gRPC-Web, or none was captured: nothing else has this
    /// flag, and `grpc-status` behind it.
    pub(in crate::proto::grpc) fn web_trailers(
        &self,
        side: Side,
        m: &Current,
        data: &[u8],
    ) -> Option<Headers> {
        if m.prefix.flag != 0x80 || side == Side::Client || data.len() != m.got as usize {
            return None;
        }
        let told =
            || self.sides.iter().map(|d| d.content_type.as_bytes()).filter(|t| !t.is_empty());
        let web = told().any(|t| Form::of(t).is_some());
        if !web && told().next().is_some() {
            return None;
        }
        let mut headers = Headers::new();
        let bad = read(data, false, true, &mut headers);
        (bad.is_none() && (web || headers.get("grpc-status").is_some())).then_some(headers)
    }

    /// What was taken for a message was those.
    pub(in crate::proto::grpc) fn web_trailed(
        &mut self,
        mut m: Current,
        data: &[u8],
        headers: &Headers,
        out: &mut dyn Out,
    ) {
        let side = Side::Server;
        let d = self.side(side);
        d.messages = d.messages.saturating_sub(1);
        let start = m.trace.start(m.ready);
        let mut prefix = None;
        let detail = m.trace.take().map(|mut b: Buffer| {
            b.bytes.push(m.prefix.flag);
            b.bytes.extend_from_slice(&m.prefix.length.to_be_bytes());
            b.bytes.extend_from_slice(data);
            let sink = TreeSink::on(Tree::new());
            // Five bytes are a prefix.
            let _ = wire::web_prefix(In::new(&b.bytes, BufferId(0), 0, &sink));
            prefix = Some(sink.into_tree());
            let mut detail = Detail::default();
            detail.origins.add(b);
            detail
        });
        let head = Head {
            side,
            headers,
            version: 20,
            end: true,
            start,
            ready: m.ready,
            wire_len: (PREFIX_LEN as u64).saturating_add(data.len() as u64),
            detail: detail.as_ref(),
        };
        let mut out = WebOut { inner: out, form: Form::Binary, text: None, prefix, cut: false };
        self.trailers(&head, &mut out);
    }

    /// Something is found of the call: said with its event, or by itself when that is
    /// out.
    fn found(&mut self, finding: Finding, out: &mut dyn Out) {
        if self.done { out.finding(finding) } else { self.findings.push(finding) }
    }
}

impl Machine for Web {
    fn feed(&mut self, input: Input<'_>, out: &mut dyn Out) -> Progress {
        match input {
            Input::Bytes(c) => return self.body(&c, out),
            Input::Head(h) => self.head(&h, out),
            Input::End { side, cause } => self.end(side, cause, out),
            Input::Gap { side, offset, len } => {
                let lane = self.lane(side);
                lane.holed |= !lane.has_head && lane.form.is_none();
                if let State::Regroup(fresh) = &mut lane.state {
                    *fresh = true;
                }
                if lane.form.is_none() || lane.state != State::Frames {
                    return Progress::took(0);
                }
                let is_coded = self.coded.get_mut(side.index()).and_then(Option::take).is_some();
                let lane = self.lane(side);
                // Where the frame ends is known: the call leaves out the rest of its message.
                let plain = lane.form == Some(Form::Binary) && !is_coded;
                let text = lane.form == Some(Form::Text) && !is_coded;
                let len = if plain && len > 0 && lane.left >= len {
                    lane.left = lane.left.saturating_sub(len);
                    len
                } else {
                    lane.state = match (plain, text) {
                        (true, _) => State::Sought,
                        (_, true) => State::Regroup(true),
                        _ => State::Lost,
                    };
                    // What follows is lost as well, however long the hole is.
                    0
                };
                let mut out =
                    WebOut { inner: out, form: self.form(), text: None, prefix: None, cut: false };
                self.call.feed(Input::Gap { side, offset, len }, &mut out);
            }
            Input::Trailers(_) | Input::Reset { .. } | Input::Datagram { .. } => {
                let mut out =
                    WebOut { inner: out, form: self.form(), text: None, prefix: None, cut: false };
                self.call.feed(input, &mut out);
            }
        }
        Progress::took(0)
    }

    fn fork(&self) -> Option<Box<dyn Machine>> {
        // The copy of a call says that it cannot be had, where it is too large.
        self.call.fork()?;
        if self.coded.iter().any(Option::is_some) {
            return None;
        }
        Some(Box::new(Self {
            call: self.call.clone(),
            sides: self.sides.clone(),
            coded: [None, None],
            version: self.version,
            decoded: self.decoded.clone(),
        }))
    }

    fn memory(&self) -> usize {
        size_of::<Self>().saturating_sub(size_of::<Call>())
            + self.call.memory()
            + self.decoded.memory()
            + self.coded.iter().flatten().map(|c| c.memory()).sum::<usize>()
    }
}
