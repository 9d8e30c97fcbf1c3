//! The event in hand, and the lines that are events of their own.

use crate::base::limits::{MAX_SSE_EVENT_BYTES, MAX_SSE_VALUE_BYTES};
use crate::base::{Buffer, BufferId, Moment, PieceSource, Side, Span};
use crate::event::{Detail, Draft, Level, Payload};
use crate::field::{In, TreeSink, Value};
use crate::finding::{Finding, FindingSpec, Severity};
use crate::proto::sse::session::Session;
use crate::proto::sse::wire::{self, About};
use crate::proto::sse::{fields as f, findings as g};
use crate::proto::{Out, PayloadHint, Trace};

/// Characters of data in a summary.
const SUMMARY_CHARS: usize = 200;

/// Bytes of something that is looked at.
#[derive(Clone, Debug, Default)]
struct Raw {
    trace: Trace,
    bytes: Vec<u8>,
    len: u64,
    last: Moment,
}

impl Raw {
    fn begin(&mut self, wanted: bool) {
        self.trace = Trace::new(wanted, "event stream");
        self.bytes.clear();
        self.len = 0;
    }

    fn add(&mut self, at: u64, data: &[u8], out: &dyn Out) {
        let Some(last) = (data.len() as u64).checked_sub(1) else { return };
        self.trace.add(out, Side::Server, at..at + data.len() as u64);
        self.last = out.ready(Side::Server, at + last);
        self.len += data.len() as u64;
        if self.trace.is_kept() {
            let most = out.payload_cap().min(MAX_SSE_EVENT_BYTES);
            let room = most.saturating_sub(self.bytes.len()).min(data.len());
            self.bytes.extend_from_slice(data.get(..room).unwrap_or_default());
        }
    }

    /// The tree and the buffer, where it is looked at; hands on where the data lies.
    fn detail(&mut self, data: &mut dyn FnMut(u32, &[u8])) -> Option<Detail> {
        let mut wire = self.trace.take()?;
        let sink = TreeSink::new();
        // All lines are read: the parser wants no more than there is.
        let _ = wire::block(In::new(&self.bytes, BufferId(0), 0, &sink), data);
        let mut detail = Detail { tree: sink.into_tree(), ..Detail::default() };
        wire.bytes = std::mem::take(&mut self.bytes);
        detail.origins.add(wire);
        Some(detail)
    }
}

/// The event in hand.
#[derive(Clone, Debug, Default)]
pub(super) struct Block {
    /// A line of it has begun; a comment is no part of it before.
    open: bool,
    raw: Raw,
    /// A comment or reconnection time: an event of its own.
    note: Raw,
    /// Of a byte order mark.
    bom: bool,
    /// Lines of data that have begun, and the bytes that they come to.
    data_lines: u64,
    data_len: u64,
    /// A field that is not `retry`.
    fields: bool,
    id: Option<Vec<u8>>,
    event: Vec<u8>,
    /// The value of the line in hand, where it is not data.
    value: Vec<u8>,
    cut_value: bool,
    nul: bool,
    /// Where it begins was inferred.
    inferred: bool,
    findings: Vec<Finding>,
}

impl Block {
    pub(super) const fn is_open(&self) -> bool {
        self.open
    }

    /// Nothing came since the last event.
    pub(super) const fn is_fresh(&self) -> bool {
        !self.open
    }

    pub(super) fn memory(&self) -> usize {
        self.raw.bytes.capacity()
            + self.raw.trace.memory()
            + self.note.bytes.capacity()
            + self.note.trace.memory()
            + self.event.capacity()
            + self.value.capacity()
            + self.id.as_ref().map_or(0, Vec::capacity)
    }

    /// Nobody saw where the event begins that comes next.
    pub(super) const fn infer(&mut self) {
        self.inferred = true;
    }

    /// The byte order mark at the front: a part of the first event.
    pub(super) fn bom(&mut self, at: u64, data: &[u8], out: &dyn Out) {
        self.bom = true;
        self.raw.begin(out.wants(Level::Message));
        self.raw.add(at, data.get(..wire::BOM.len()).unwrap_or_default(), out);
    }

    /// A line begins with these bytes.
    pub(super) fn begin(&mut self, about: About, at: u64, data: &[u8], out: &dyn Out) {
        self.value.clear();
        self.cut_value = false;
        self.nul = false;
        if about != About::Comment && !self.open {
            self.open = true;
            if !std::mem::take(&mut self.bom) {
                self.raw.begin(out.wants(Level::Message));
            }
        }
        if self.open {
            self.raw.add(at, data, out);
        }
        if matches!(about, About::Comment | About::Retry) {
            self.note.begin(out.wants(Level::Message));
            self.note.add(at, data, out);
        }
        self.fields |= !matches!(about, About::Comment | About::Retry);
        if about == About::Data {
            // The line feed between two lines of data.
            self.data_len += u64::from(self.data_lines > 0);
            self.data_lines += 1;
        }
    }

    /// The name of the line in hand is not known.
    pub(super) fn unknown(&mut self, name: &[u8]) {
        let name = name.get(..40).unwrap_or(name).escape_ascii().to_string();
        if self.findings.iter().all(|f| f.spec.code != g::UNKNOWN_FIELD.code) {
            self.findings.push(Finding::new(&g::UNKNOWN_FIELD).with(name));
        }
    }

    /// More of the line in hand: bytes of it that were not seen, and of its value.
    pub(super) fn more(&mut self, about: About, at: u64, data: &[u8], value: &[u8], out: &dyn Out) {
        if self.open {
            self.raw.add(at, data, out);
        }
        match about {
            About::Comment => self.note.add(at, data, out),
            About::Data => self.data_len += value.len() as u64,
            About::Id | About::Event | About::Retry => {
                if about == About::Retry {
                    self.note.add(at, data, out);
                }
                self.nul |= memchr::memchr(0, value).is_some();
                let room = MAX_SSE_VALUE_BYTES.saturating_sub(self.value.len());
                self.cut_value |= room < value.len();
                self.value.extend_from_slice(value.get(..room.min(value.len())).unwrap_or(&[]));
            }
            About::Other | About::Nothing => {}
        }
    }

    /// A line that is not empty ends.
    pub(super) fn line_ends(
        &mut self,
        about: About,
        at: u64,
        end: &[u8],
        bad_text: Option<&'static FindingSpec>,
        session: &mut Session,
        out: &mut dyn Out,
    ) {
        if self.open {
            self.raw.add(at, end, out);
        }
        let mut found: Vec<Finding> = Vec::new();
        found.extend(bad_text.map(Finding::new));
        if self.cut_value {
            let what = match about {
                About::Id => "id",
                About::Event => "event",
                _ => "retry",
            };
            found.push(Finding::new(&g::VALUE_LIMIT).with(what));
        }
        match about {
            About::Comment => {
                self.note.add(at, end, out);
                return self.comment(found, true, session, out);
            }
            About::Retry => {
                self.note.add(at, end, out);
                return self.retry(found, true, session, out);
            }
            About::Id if self.nul => found.push(Finding::new(&g::NUL_IN_ID)),
            About::Id => self.id = Some(std::mem::take(&mut self.value)),
            About::Event => std::mem::swap(&mut self.event, &mut self.value),
            _ => {}
        }
        for f in found {
            if self.findings.iter().all(|o| o.spec.code != f.spec.code) {
                self.findings.push(f);
            }
        }
    }

    /// The stream stops within a line that is an event of its own.
    pub(super) fn cut_note(&mut self, about: About, session: &mut Session, out: &mut dyn Out) {
        match about {
            About::Comment => self.comment(Vec::new(), false, session, out),
            About::Retry => self.retry(Vec::new(), false, session, out),
            _ => {}
        }
    }

    fn comment(
        &mut self,
        found: Vec<Finding>,
        complete: bool,
        session: &mut Session,
        out: &mut dyn Out,
    ) {
        session.comment(self.note.last);
        let mut d = self.note_draft("comment");
        d.findings = found;
        d.complete = complete;
        if let Some(mut detail) = self.note.detail(&mut |_, _| {}) {
            let text = match detail.tree.find(f::COMMENT.name).map(|n| &n.value) {
                Some(Value::Text(t)) => line(t),
                _ => String::new(),
            };
            detail.summary = format!(": {text}").trim_end().to_owned();
            d.detail = Some(Box::new(detail));
        }
        out.emit(d);
    }

    fn retry(
        &mut self,
        mut found: Vec<Finding>,
        complete: bool,
        session: &mut Session,
        out: &mut dyn Out,
    ) {
        let ms = wire::retry(&self.value).filter(|_| !self.cut_value);
        session.retry(ms.filter(|_| complete), self.note.last);
        if ms.is_none() && !self.cut_value && complete {
            let shown = self.value.get(..40).unwrap_or(&self.value).escape_ascii().to_string();
            found.push(Finding::new(&g::BAD_RETRY).with(shown));
        }
        let mut d = self.note_draft("retry");
        d.findings = found;
        d.complete = complete;
        if let Some(mut detail) = self.note.detail(&mut |_, _| {}) {
            detail.summary = match ms {
                _ if !complete => "reconnection time that is cut off".to_owned(),
                Some(ms) => format!("reconnect after {ms} ms"),
                None => "reconnection time that is ignored".to_owned(),
            };
            d.detail = Some(Box::new(detail));
        }
        out.emit(d);
    }

    fn note_draft(&self, kind: &'static str) -> Draft {
        let end = self.note.last;
        let mut d = Draft::new(Level::Message, "sse", kind, self.note.trace.start(end), end);
        d.sender = Some(Side::Server);
        d.length = self.note.len;
        d
    }

    /// An empty line: what came before it is an event, if there is one.
    pub(super) fn dispatch(
        &mut self,
        at: u64,
        end: &[u8],
        session: &mut Session,
        out: &mut dyn Out,
    ) {
        if !self.open {
            return;
        }
        self.raw.add(at, end, out);
        // The reconnection time was told already.
        if self.fields {
            self.emit(None, true, session, out);
        }
        self.reset();
    }

    /// The stream stops in the middle of it.
    pub(super) fn cut(
        &mut self,
        finding: Option<Finding>,
        session: &mut Session,
        out: &mut dyn Out,
    ) {
        if self.fields {
            self.emit(finding, false, session, out);
        }
        self.reset();
    }

    fn reset(&mut self) {
        self.open = false;
        self.bom = false;
        self.data_lines = 0;
        self.data_len = 0;
        self.fields = false;
        self.inferred = false;
        self.id = None;
        self.event.clear();
        self.findings.clear();
    }

    fn emit(
        &mut self,
        finding: Option<Finding>,
        complete: bool,
        session: &mut Session,
        out: &mut dyn Out,
    ) {
        let end = self.raw.last;
        let dispatched = complete && self.data_lines > 0;
        if complete && let Some(id) = self.id.take() {
            session.id(&id);
        }
        let mut findings = std::mem::take(&mut self.findings);
        findings.extend(finding);
        if complete && !dispatched {
            findings.push(Finding::new(&g::NO_DATA));
        }
        if self.raw.len > MAX_SSE_EVENT_BYTES as u64 {
            let detail = format!("{} bytes", self.raw.len);
            findings.push(Finding::new(&g::EVENT_LIMIT).with(detail));
        }
        if dispatched {
            session.event(self.data_len, end);
        } else {
            session.spoke(end);
        }
        let start = self.raw.trace.start(end);
        let mut d = Draft::new(Level::Message, "sse", "event", start, end);
        d.sender = Some(Side::Server);
        d.length = self.data_len;
        d.complete = complete;
        d.inferred = self.inferred;
        if let Some(mut detail) = self.detail(dispatched, session) {
            let more = decode(&mut detail, session.path(), out);
            findings.extend(more);
            d.detail = Some(Box::new(detail));
        }
        d.findings = findings;
        out.emit(d);
    }

    fn detail(&mut self, dispatched: bool, session: &Session) -> Option<Detail> {
        let whole = self.raw.bytes.len() as u64 == self.raw.len;
        let mut data = Buffer::new("data");
        let mut lines = 0;
        // One line feed stands between two lines, and comes from the end of the first.
        let mut detail = self.raw.detail(&mut |at, value| {
            if lines > 0 {
                data.push(1, PieceSource::Nowhere, true);
                data.bytes.push(b'\n');
            }
            lines += 1;
            if !value.is_empty() {
                let len = u32::try_from(value.len()).unwrap_or(u32::MAX);
                data.push(len, PieceSource::Buffer(Span::bytes(BufferId(0), at, len)), true);
                data.bytes.extend_from_slice(value);
            }
        })?;
        let text = |v: &[u8]| Value::Text(String::from_utf8_lossy(v).into());
        let kind: &[u8] = if self.event.is_empty() { b"message" } else { &self.event };
        detail.tree.add(&f::TYPE, None, text(kind));
        if let Some(id) = session.last_id() {
            detail.tree.add(&f::LAST_EVENT_ID, None, Value::Text(id.into()));
        }
        detail.tree.add(&f::DISPATCHED, None, Value::Bool(dispatched));
        let mut summary = String::new();
        if !self.event.is_empty() {
            summary.push_str(&format!("{}: ", line(&String::from_utf8_lossy(&self.event))));
        }
        summary.push_str(&line(&String::from_utf8_lossy(&data.bytes)));
        if let Some(Value::Text(id)) = detail.tree.find(f::ID.name).map(|n| &n.value) {
            summary = format!("{summary} (id {})", line(id));
        }
        detail.summary = summary.trim().to_owned();
        detail.payload = Payload::Bytes(data.bytes.clone());
        detail.truncated = (!whole).then_some(self.data_len);
        if lines > 0 {
            detail.origins.add(data);
        }
        Some(detail)
    }
}

/// Has the data decoded as what it looks like. It is a guess: the stream does not say.
fn decode(detail: &mut Detail, path: &str, out: &mut dyn Out) -> Vec<Finding> {
    if detail.truncated.is_some() {
        return Vec::new();
    }
    let Payload::Bytes(data) = &detail.payload else { return Vec::new() };
    let looks = matches!(
        (data.trim_ascii_start().first(), data.trim_ascii_end().last()),
        (Some(b'{'), Some(b'}')) | (Some(b'['), Some(b']'))
    );
    if !looks {
        return Vec::new();
    }
    let data = data.clone();
    let hint =
        PayloadHint { media_type: "application/json", path, side: Side::Server, message: None };
    let before = detail.clone();
    match out.decode(&hint, &data, Some((detail, BufferId(1)))) {
        Some(found) if found.iter().any(|f| f.spec.severity == Severity::Error) => {
            // Not what it looked like.
            *detail = before;
            Vec::new()
        }
        found => found.unwrap_or_default(),
    }
}

/// Text on one line, cut where nobody reads on.
fn line(text: &str) -> String {
    let mut s: String = text.chars().take(SUMMARY_CHARS).collect();
    if s.len() < text.len() {
        s.push('…');
    }
    s.replace('\n', "⏎")
}
