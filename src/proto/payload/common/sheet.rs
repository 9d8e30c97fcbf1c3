//! What a decoder writes on: fields with their places, findings, and the line
//! for people. Where nobody looks it takes findings alone.

use crate::base::{BufferId, Span};
use crate::event::Detail;
use crate::field::{FieldSpec, Kind, NodeId, Value};
use crate::finding::{Finding, FindingSpec};
use crate::proto::PayloadHint;

use super::doc::{At, Doc, FaultKind, Item};

/// Findings of one message that are kept: hostile text could give one per byte.
const MAX_FINDINGS: usize = 16;
/// Characters of a value that stand beside a folded group.
const NOTE_CHARS: usize = 60;

/// The fields that the parts of a value are told as.
#[derive(Debug)]
pub struct Names {
    /// A member: a group.
    pub member: &'static FieldSpec,
    /// Its key.
    pub key: &'static FieldSpec,
    /// Path and value of a member or element, worked out.
    pub path: &'static FieldSpec,
    /// Text.
    pub text: &'static FieldSpec,
    /// A number.
    pub number: &'static FieldSpec,
    /// True.
    pub yes: &'static FieldSpec,
    /// False.
    pub no: &'static FieldSpec,
    /// Nothing.
    pub null: &'static FieldSpec,
    /// Bytes.
    pub bytes: &'static FieldSpec,
    /// A list: a group.
    pub list: &'static FieldSpec,
    /// A map: a group.
    pub map: &'static FieldSpec,
    /// What could not be read.
    pub rest: &'static FieldSpec,
    /// The findings of faults, by [`FaultKind`].
    pub fault: fn(FaultKind) -> &'static FindingSpec,
}

/// What a decoder writes on.
#[derive(Debug)]
pub struct Sheet<'d> {
    detail: Option<&'d mut Detail>,
    buffer: BufferId,
    /// Findings are told, since what it is does not rest on a guess.
    told: bool,
    /// Bytes that lie in earlier messages: places count from there.
    before: u32,
    findings: Vec<Finding>,
}

impl<'d> Sheet<'d> {
    /// A sheet. Without `told` nothing is found wrong: the format is a guess, and
    /// nobody promised to keep to it.
    #[must_use]
    pub fn new(detail: Option<(&'d mut Detail, BufferId)>, told: bool) -> Self {
        let (detail, buffer) = match detail {
            Some((d, b)) => (Some(d), b),
            None => (None, BufferId(0)),
        };
        Self { detail, buffer, told, before: 0, findings: Vec::new() }
    }

    /// The first so many bytes lie in earlier messages: fields in them have no place.
    #[must_use]
    pub fn behind(self, before: usize) -> Self {
        Self { before: u32::try_from(before).unwrap_or(u32::MAX), ..self }
    }

    /// The first byte that lies in this message.
    #[must_use]
    pub const fn first_here(&self) -> usize {
        self.before as usize
    }

    /// Where a byte lies in this message.
    const fn here(&self, at: u32) -> u32 {
        at.saturating_sub(self.before)
    }

    /// Whether somebody looks.
    #[must_use]
    pub const fn is_seen(&self) -> bool {
        self.detail.is_some()
    }

    /// The buffer in which the payload lies.
    #[must_use]
    pub const fn buffer(&self) -> BufferId {
        self.buffer
    }

    /// What is built, where somebody looks.
    pub fn detail(&mut self) -> Option<&mut Detail> {
        self.detail.as_deref_mut()
    }

    /// A field that lies at `start..end`; of no bytes it is left out.
    pub fn field(
        &mut self,
        spec: &'static FieldSpec,
        start: u32,
        end: u32,
        value: Value,
    ) -> Option<NodeId> {
        if end <= start {
            return None;
        }
        let (from, to) = (self.here(start), self.here(end));
        let span = (to > from).then(|| Span::bytes(self.buffer, from, to - from));
        self.detail.as_mut().map(|d| d.tree.add(spec, span, value))
    }

    /// A field of some bits, from the most significant one of byte `start`.
    pub fn bits(&mut self, spec: &'static FieldSpec, start: u32, first: u8, value: u64) {
        let bits = u8::try_from(spec.bits).unwrap_or(8);
        let span = (start >= self.before)
            .then(|| Span::bit_field(self.buffer, self.here(start), first.into(), bits));
        let flag = spec.kind == Kind::Flag;
        let value = if flag { Value::Bool(value != 0) } else { Value::U64(value) };
        if let Some(d) = &mut self.detail {
            d.tree.add(spec, span, value);
        }
    }

    /// Text that lies at `start..end`; bytes that are no UTF-8 are replaced.
    pub fn text(
        &mut self,
        spec: &'static FieldSpec,
        start: u32,
        end: u32,
        text: &[u8],
    ) -> Option<NodeId> {
        if !self.is_seen() {
            return None;
        }
        self.field(spec, start, end, Value::Text(String::from_utf8_lossy(text).into()))
    }

    /// A field that is worked out, and lies nowhere.
    pub fn computed(&mut self, spec: &'static FieldSpec, value: Value) {
        if let Some(d) = &mut self.detail {
            d.tree.add(spec, None, value);
        }
    }

    /// Opens a group that begins at `start`.
    pub fn open(&mut self, spec: &'static FieldSpec, start: u32) -> Option<NodeId> {
        let span = Span::bytes(self.buffer, self.here(start), 0);
        self.detail.as_mut().map(|d| d.tree.open(spec, Some(span)))
    }

    /// Ends the group that was opened last before byte `end`.
    pub fn close(&mut self, end: u32) {
        let end = self.here(end);
        if let Some(d) = &mut self.detail {
            d.tree.close_at(end);
        }
    }

    /// Names a node.
    pub fn name(&mut self, node: Option<NodeId>, name: &str) {
        if let (Some(d), Some(id)) = (&mut self.detail, node)
            && let Some(n) = d.tree.get_mut(id)
        {
            n.name = Some(name.into());
        }
    }

    /// Says something beside a node.
    pub fn note(&mut self, node: Option<NodeId>, note: &str) {
        if let (Some(d), Some(id)) = (&mut self.detail, node)
            && let Some(n) = d.tree.get_mut(id)
        {
            n.note = Some(note.into());
        }
    }

    /// Something is wrong at `start..end`.
    pub fn found(
        &mut self,
        spec: &'static FindingSpec,
        what: impl Into<Box<str>>,
        start: u32,
        end: u32,
    ) {
        if !self.told || self.findings.len() >= MAX_FINDINGS {
            return;
        }
        let mut f = Finding::new(spec);
        let what = what.into();
        if !what.is_empty() {
            f = f.with(what);
        }
        // Places are known where there are buffers.
        if self.is_seen() {
            let (from, to) = (self.here(start), self.here(end));
            f = f.at(Span::bytes(self.buffer, from, to.saturating_sub(from)));
        }
        self.findings.push(f);
    }

    /// The line for people: instead of the first characters of a message, behind
    /// what is said of a body.
    pub fn say(&mut self, hint: &PayloadHint<'_>, line: &str) {
        let Some(d) = &mut self.detail else { return };
        if hint.message.is_some() {
            line.clone_into(&mut d.summary);
        } else if !line.is_empty() {
            d.summary.push_str(": ");
            d.summary.push_str(line);
        }
    }

    /// A value with its parts as fields, and its faults as findings.
    pub fn value(&mut self, doc: &Doc, names: &Names) {
        for f in &doc.faults {
            self.found((names.fault)(f.kind), f.what.as_str(), f.start, f.end);
        }
        if self.is_seen()
            && let Some(root) = doc.root()
        {
            let mut path = String::new();
            self.part(root, names, &mut path);
        }
    }

    /// A part of a value under a name of its own; of another kind than the field
    /// it is left out.
    pub fn copy(&mut self, spec: &'static FieldSpec, at: At<'_>) {
        let value = match spec.kind {
            Kind::Unsigned | Kind::Enumerated => at.number().map(Value::U64),
            Kind::Signed => at.integer().map(Value::I64),
            Kind::Flag => at.flag().map(Value::Bool),
            _ => Some(Value::Text(at.plain().unwrap_or_else(|| at.line(1000)).into())),
        };
        if let Some(value) = value {
            self.field(spec, at.part().start, at.part().end, value);
        }
    }

    /// What is behind the place at which reading a value ended.
    pub fn rest(&mut self, doc: &Doc, names: &Names, data: &[u8], at: u32) {
        if !doc.is_broken() {
            return;
        }
        let start = doc.parts.first().map_or(at, |_| doc.end);
        let from = start.saturating_sub(at) as usize;
        let rest = data.get(from..).unwrap_or_default();
        let end = at.saturating_add(u32::try_from(data.len()).unwrap_or(u32::MAX));
        let node = if names.rest.kind == Kind::Bytes {
            self.field(names.rest, start, end, Value::Bytes(rest.into()))
        } else {
            self.text(names.rest, start, end, rest)
        };
        let fault =
            doc.faults.iter().find(|f| matches!(f.kind, FaultKind::Syntax | FaultKind::Limit));
        if let Some(f) = fault {
            self.note(node, &f.what);
        }
    }

    fn part(&mut self, at: At<'_>, names: &Names, path: &mut String) {
        let part = at.part();
        let before = path.len();
        let member = part.key.as_ref().map(|k| {
            let id = self.open(names.member, k.start);
            self.name(id, &k.text);
            self.note(id, &at.line(NOTE_CHARS));
            self.field(names.key, k.start, k.end, Value::Text(k.text.clone()));
            path.push('/');
            path.push_str(&k.text);
        });
        match &part.item {
            Item::List | Item::Map => {
                let spec = if part.item == Item::Map { names.map } else { names.list };
                self.open(spec, part.start);
                let keyed = part.item == Item::Map;
                for (i, c) in at.children().enumerate() {
                    let here = path.len();
                    if !keyed {
                        path.push_str(&format!("/{i}"));
                    }
                    self.part(c, names, path);
                    path.truncate(here);
                }
                self.close(part.end);
            }
            item => {
                let (spec, value) = match item {
                    Item::Text(t) => (names.text, Value::Text(t.clone())),
                    Item::Number(n) => (names.number, Value::Text(n.clone())),
                    Item::Bool(b) => (if *b { names.yes } else { names.no }, Value::Bool(*b)),
                    Item::Bytes(b) => (names.bytes, Value::Bytes(b.clone())),
                    _ => (names.null, Value::Bool(true)),
                };
                self.field(spec, part.start, part.end, value);
                if !path.is_empty() {
                    let value = short(&at.plain().unwrap_or_default(), 200);
                    self.computed(names.path, Value::Text(format!("{path}:{value}").into()));
                }
            }
        }
        if member.is_some() {
            self.close(part.end);
            path.truncate(before);
        }
    }

    /// What was found.
    #[must_use]
    pub fn finish(self) -> Vec<Finding> {
        self.findings
    }
}

/// At most so many characters of a text, on one line.
#[must_use]
pub fn short(text: &str, max: usize) -> String {
    let mut s: String =
        text.chars().take(max).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(max).is_some() {
        s.push('…');
    }
    s
}
