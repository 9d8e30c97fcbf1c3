//! The walk through a message: each field's tag, length and value with their
//! places, by the schema where it knows the field.
//!
//! The same code runs with nobody listening, for its findings, and with a tree
//! and values being built.

use crate::base::Span;
use crate::base::limits::{MAX_PROTOBUF_DEPTH, MAX_PROTOBUF_FINDINGS};
use crate::field::{Datum, FieldSpec, In, NoSink, Sink, Value};
use crate::finding::{Finding, FindingSpec};
use crate::proto::protobuf::build::Build;
use crate::proto::protobuf::infer::{self, Field};
use crate::proto::protobuf::readings::{self, Budget, Cut, Raw, short};
use crate::proto::protobuf::types::{FieldType, Kind, MessageType, Types};
use crate::proto::protobuf::wire::{self, Form, Tag, zigzag};
use crate::proto::protobuf::{fields, findings};

/// One message being walked.
pub(super) struct Walk<'t> {
    pub(super) types: Option<&'t Types>,
    pub(super) findings: Vec<Finding>,
    /// What the fields of the message itself seem to be, where that was inferred.
    pub(super) inferred: &'t [Field],
    budget: Budget,
}

/// What follows in the slice; `None` where nothing in it can be read any more.
type Rest<'a, S> = Option<In<'a, S>>;

impl<'t> Walk<'t> {
    pub(super) fn new(types: Option<&'t Types>) -> Self {
        Self { types, findings: Vec::new(), inferred: &[], budget: Budget::new() }
    }

    fn found(&mut self, spec: &'static FindingSpec, span: Span, text: String) {
        match self.findings.len() {
            n if n < MAX_PROTOBUF_FINDINGS => {
                self.findings.push(Finding::new(spec).with(text).at(span));
            }
            MAX_PROTOBUF_FINDINGS => self.findings.push(Finding::new(&findings::MORE)),
            _ => {}
        }
    }

    /// What is left of the slice cannot be read: a finding, and an unknown leaf.
    fn bad<'a, S: Sink>(&mut self, i: In<'a, S>, spec: &'static FindingSpec, what: &str) {
        let span = Span::bytes(i.buffer(), i.at(), len(i.data()));
        self.found(spec, span, format!("at byte {}: {what}", i.at()));
        if S::ON && !i.data().is_empty() {
            i.sink().field(&fields::UNKNOWN, span, Value::Bytes(i.data().into()));
        }
    }

    fn overlong<S: Sink>(&mut self, from: In<'_, S>, to: In<'_, S>, form: Form) {
        match form {
            Form::Overlong => {
                let text = format!("at byte {}", from.at());
                self.found(&findings::OVERLONG, from.span_to(&to), text);
            }
            Form::Overflow => {
                let text = format!("at byte {}: more than 64 bits", from.at());
                self.found(&findings::BAD_VARINT, from.span_to(&to), text);
            }
            _ => {}
        }
    }

    /// Walks a message to the end of its slice, or, as the group of that number,
    /// to its end tag. Gives what follows the group and what was built.
    pub(super) fn message<'a, S: Sink>(
        &mut self,
        mut i: In<'a, S>,
        ty: Option<&'t MessageType>,
        group: Option<u64>,
        depth: usize,
    ) -> (Rest<'a, S>, Build) {
        let mut build = Build::default();
        let any = ty.filter(|t| t.name == "google.protobuf.Any").and_then(|_| self.any(i.data()));
        loop {
            if i.data().is_empty() {
                if let Some(n) = group {
                    let text = format!("at byte {}: group {n} has no end", i.at());
                    self.found(&findings::BAD_GROUP, i.span_to(&i), text);
                }
                return (group.is_none().then_some(i), build);
            }
            let Ok((behind, tag)) = wire::tag(In::new(i.data(), i.buffer(), i.at(), &NoSink))
            else {
                self.bad(i, &findings::TRUNCATED, "a tag has no end");
                return (None, build);
            };
            if !tag.is_sound() {
                let what = format!("field number {}, wire type {}", tag.number, tag.wire_type);
                self.bad(i, &findings::BAD_TAG, &what);
                return (None, build);
            }
            if tag.wire_type == 4 {
                if group != Some(tag.number) {
                    self.bad(i, &findings::BAD_GROUP, "the end of a group that did not start");
                    return (None, build);
                }
                return (wire::tag(i).ok().map(|(rest, _)| rest), build);
            }
            let number = u32::try_from(tag.number).unwrap_or(u32::MAX);
            let field = ty.and_then(|t| t.fields.get(&number));
            if S::ON {
                i.sink().open(&fields::FIELD, Span::bytes(i.buffer(), i.at(), 0));
                match field {
                    Some(f) => i.sink().name(&f.name),
                    None => i.sink().name(&number.to_string()),
                }
                if depth == 0
                    && let Some(f) = self.inferred.iter().find(|f| f.number == number)
                {
                    let (kind, said) = (f.guess.name(), infer::said(f));
                    i.sink().note(&format!("inferred: field_{number}, {kind}: {said}"));
                }
            }
            // Read again only for those who listen.
            let value = if S::ON {
                wire::tag(i).map(|(rest, _)| rest)
            } else {
                i.split(i.data().len() - behind.data().len()).map(|(rest, _)| rest)
            };
            let Ok(value) = value else { return (None, build) };
            self.overlong(i, value, tag.form);
            let end = i.at().saturating_add(len(i.data()));
            let opened = any.filter(|_| number == 2);
            let (rest, datum) = self.value(value, tag, field, opened, depth);
            if S::ON {
                i.sink().close(rest.map_or(end, |r| r.at()));
                match (field, datum) {
                    (Some(f), Some((known, d))) if known => build.set(number, f, d),
                    (_, Some((_, d))) => build.unknown(number, d),
                    (_, None) => {}
                }
            }
            match rest {
                Some(r) => i = r,
                None => return (None, build),
            }
        }
    }

    /// The type that an Any carries, by the last part of its URL.
    fn any(&self, mut data: &[u8]) -> Option<&'t MessageType> {
        let types = self.types?;
        let mut url = None;
        while let Some((field, rest)) = readings::cut(data, 1) {
            if let (1, Raw::Bytes(b)) = (field.number, &field.value) {
                url = std::str::from_utf8(b).ok();
            }
            data = rest;
        }
        let name = url?.rsplit('/').next()?;
        types.message(*types.by_name.get(name)?)
    }

    /// A value with its length. The datum comes with whether the schema's field
    /// took it.
    fn value<'a, S: Sink>(
        &mut self,
        i: In<'a, S>,
        tag: Tag,
        field: Option<&'t FieldType>,
        opened: Option<&'t MessageType>,
        depth: usize,
    ) -> (Rest<'a, S>, Option<(bool, Datum)>) {
        let numeric =
            |f: &&FieldType| !matches!(f.kind, Kind::String | Kind::Bytes | Kind::Message(_));
        let fits = field.filter(|f| match tag.wire_type {
            2 => f.kind.wire_type() == 2 || f.list && numeric(f),
            3 => matches!(f.kind, Kind::Message(_)),
            w => f.kind.wire_type() == w,
        });
        if let (Some(f), None) = (field, fits) {
            let span = Span::bytes(i.buffer(), i.at(), 0);
            let text = format!(
                "at byte {}: {} has wire type {}, not {}",
                i.at(),
                f.name,
                tag.wire_type,
                f.kind.wire_type()
            );
            self.found(&findings::WRONG_TYPE, span, text);
        }
        match tag.wire_type {
            2 => self.delimited(i, tag, fits, opened, depth),
            3 => self.group(i, tag, fits, depth),
            _ => match self.scalar(i, tag.wire_type) {
                Some((rest, raw)) => {
                    let datum = self.number(i, rest, tag, fits, raw);
                    (Some(rest), datum.map(|d| (fits.is_some(), d)))
                }
                None => (None, None),
            },
        }
    }

    /// Reads one number of a wire type; what cannot be read is a finding.
    fn scalar<'a, S: Sink>(&mut self, i: In<'a, S>, wire_type: u8) -> Option<(In<'a, S>, u64)> {
        let result = match wire_type {
            0 => match wire::varint(i) {
                Ok((_, v)) if v.form == Form::Endless => {
                    self.bad(i, &findings::BAD_VARINT, "no end within ten bytes");
                    return None;
                }
                Ok((rest, v)) => {
                    self.overlong(i, rest, v.form);
                    Ok((rest, v.value))
                }
                Err(e) => Err(e),
            },
            w => wire::fixed(i, w == 1),
        };
        result.map_err(|_| self.bad(i, &findings::TRUNCATED, "a number is cut off")).ok()
    }

    /// Tells a number that lies between two positions, and gives its datum.
    fn number<'a, S: Sink>(
        &mut self,
        from: In<'a, S>,
        to: In<'a, S>,
        tag: Tag,
        field: Option<&FieldType>,
        raw: u64,
    ) -> Option<Datum> {
        if !S::ON {
            return None;
        }
        let span = from.span_to(&to);
        if let Some(f) = field {
            let (spec, value, datum) = self.typed(f.kind, raw);
            from.sink().field(spec, span, value);
            if let (Kind::Enum(_), Datum::Text(name)) = (f.kind, &datum) {
                from.sink().note(name);
            }
            return Some(datum);
        }
        let cut = Cut { number: tag.number, wire_type: tag.wire_type, value: Raw::Number(raw) };
        let datum = readings::one(&cut, 1, &mut self.budget);
        let spec = if tag.wire_type == 5 { &fields::UINT32 } else { &fields::UINT64 };
        from.sink().field(spec, span, Value::U64(raw));
        if let Some(r) = datum.get("readings") {
            from.sink().note(&format!("may be {}", r.line(200)));
        }
        Some(datum)
    }

    /// A number as its type has it: spec and value for the tree, and the datum.
    fn typed(&self, kind: Kind, raw: u64) -> (&'static FieldSpec, Value, Datum) {
        // An int32 is written as the int64 of the same value: the low half is it.
        let low = raw as u32;
        let signed32 = |v: i32| (&fields::INT32, Value::I64(v.into()), integer(v.into()));
        let signed64 = |v: i64| (&fields::INT64, Value::I64(v), integer(v));
        match kind {
            Kind::Double => {
                let v = f64::from_bits(raw);
                (&fields::DOUBLE, Value::F64(v), Datum::F64(v))
            }
            Kind::Float => {
                let v = short(f32::from_bits(low));
                (&fields::FLOAT, Value::F64(v), Datum::F64(v))
            }
            Kind::Int32 | Kind::Sfixed32 => signed32(low as i32),
            Kind::Sint32 => signed32(zigzag(low.into()) as i32),
            Kind::Int64 | Kind::Sfixed64 => signed64(raw as i64),
            Kind::Sint64 => signed64(zigzag(raw)),
            Kind::Uint32 | Kind::Fixed32 => {
                (&fields::UINT32, Value::U64(low.into()), Datum::U64(low.into()))
            }
            Kind::Bool => (&fields::BOOL, Value::Bool(raw != 0), Datum::Bool(raw != 0)),
            Kind::Enum(e) => {
                let v = low as i32;
                let name = self.types.and_then(|t| t.enum_name(e, v));
                let datum = name.map_or(integer(v.into()), |n| Datum::Text(n.to_owned()));
                (&fields::INT32, Value::I64(v.into()), datum)
            }
            _ => (&fields::UINT64, Value::U64(raw), Datum::U64(raw)),
        }
    }

    fn group<'a, S: Sink>(
        &mut self,
        i: In<'a, S>,
        tag: Tag,
        field: Option<&'t FieldType>,
        depth: usize,
    ) -> (Rest<'a, S>, Option<(bool, Datum)>) {
        if depth >= MAX_PROTOBUF_DEPTH {
            self.bad(i, &findings::TOO_DEEP, "a group");
            return (None, None);
        }
        let ty = match (field.map(|f| f.kind), self.types) {
            (Some(Kind::Message(m)), Some(t)) => t.message(m),
            _ => None,
        };
        let (rest, build) = self.message(i, ty, Some(tag.number), depth + 1);
        if !S::ON {
            return (rest, None);
        }
        if ty.is_some() {
            return (rest, Some((true, build.finish(ty))));
        }
        let used = i.data().len().saturating_sub(rest.map_or(0, |r| r.data().len()));
        let body = i.data().get(..used).unwrap_or_default();
        let datum = readings::group_datum(tag.number, body, &mut self.budget);
        (rest, Some((false, datum)))
    }

    fn delimited<'a, S: Sink>(
        &mut self,
        i: In<'a, S>,
        tag: Tag,
        field: Option<&'t FieldType>,
        opened: Option<&'t MessageType>,
        depth: usize,
    ) -> (Rest<'a, S>, Option<(bool, Datum)>) {
        let Some((at, length)) = self.scalar(i, 0) else { return (None, None) };
        if S::ON {
            i.sink().field(&fields::LENGTH, i.span_to(&at), Value::U64(length));
        }
        let split = usize::try_from(length).ok().and_then(|n| at.split(n).ok());
        let Some((rest, data)) = split else {
            let what = format!("{length} bytes promised, {} there", at.data().len());
            self.bad(at, &findings::TRUNCATED, &what);
            return (None, None);
        };
        let inner = In::new(data, at.buffer(), at.at(), at.sink());
        let span = at.span_to(&rest);
        let tell = |spec, value| {
            if S::ON && !data.is_empty() {
                at.sink().field(spec, span, value);
            }
        };
        let Some(f) = field else {
            let datum = S::ON.then(|| (false, self.untyped(inner, tag, depth)));
            return (Some(rest), datum);
        };
        let datum = match f.kind {
            Kind::String => match simdutf8::basic::from_utf8(data) {
                Ok(t) if S::ON => {
                    tell(&fields::STRING, Value::Text(t.into()));
                    Some(Datum::Text(t.to_owned()))
                }
                Ok(_) => None,
                Err(_) => {
                    self.found(
                        &findings::BAD_UTF8,
                        span,
                        format!("{} at byte {}", f.name, at.at()),
                    );
                    tell(&fields::STRING, Value::Text(String::from_utf8_lossy(data).into()));
                    S::ON.then(|| Datum::Bytes(data.to_vec()))
                }
            },
            Kind::Bytes if opened.is_some() && depth >= MAX_PROTOBUF_DEPTH => {
                self.bad(inner, &findings::TOO_DEEP, &f.name);
                S::ON.then(|| Datum::Bytes(data.to_vec()))
            }
            Kind::Bytes if opened.is_some() => {
                let (_, build) = self.message(inner, opened, None, depth + 1);
                S::ON.then(|| build.finish(opened))
            }
            Kind::Bytes => {
                tell(&fields::VALUE, Value::Bytes(if S::ON { data.into() } else { [].into() }));
                S::ON.then(|| Datum::Bytes(data.to_vec()))
            }
            Kind::Message(_) if depth >= MAX_PROTOBUF_DEPTH => {
                self.bad(inner, &findings::TOO_DEEP, &f.name);
                S::ON.then(|| Datum::Bytes(data.to_vec()))
            }
            Kind::Message(m) => {
                let ty = self.types.and_then(|t| t.message(m));
                let (_, build) = self.message(inner, ty, None, depth + 1);
                S::ON.then(|| build.finish(ty))
            }
            _ => self.packed(inner, f).map(Datum::List),
        };
        (Some(rest), datum.map(|d| (true, d)))
    }

    /// Numbers packed into one value.
    fn packed<S: Sink>(&mut self, mut i: In<'_, S>, f: &'t FieldType) -> Option<Vec<Datum>> {
        let mut list = Vec::new();
        let end = i.at().saturating_add(len(i.data()));
        if S::ON {
            i.sink().open(&fields::REPEATED, Span::bytes(i.buffer(), i.at(), 0));
        }
        let tag = Tag { number: 0, wire_type: f.kind.wire_type(), form: Form::Minimal };
        while !i.data().is_empty() {
            let Some((rest, raw)) = self.scalar(i, tag.wire_type) else { break };
            list.extend(self.number(i, rest, tag, Some(f), raw));
            i = rest;
        }
        if S::ON {
            i.sink().close(end);
        }
        S::ON.then_some(list)
    }

    /// A length-delimited value of a field that no schema knows.
    fn untyped<S: Sink>(&mut self, i: In<'_, S>, tag: Tag, depth: usize) -> Datum {
        let data = i.data();
        let cut = Cut { number: tag.number, wire_type: 2, value: Raw::Bytes(data) };
        let datum = readings::one(
            &cut,
            MAX_PROTOBUF_DEPTH - depth.min(MAX_PROTOBUF_DEPTH),
            &mut self.budget,
        );
        if data.is_empty() {
            return datum;
        }
        let span = Span::bytes(i.buffer(), i.at(), len(data));
        let text = readings::text(data);
        let message = depth < MAX_PROTOBUF_DEPTH && readings::is_message(data);
        match (text, message) {
            (None, true) => {
                let _ = self.message(i, None, None, depth + 1);
            }
            (Some(t), false) => {
                i.sink().field(&fields::STRING, span, Value::Text(t.into()));
                i.sink().note("may be string, bytes or packed numbers");
            }
            (_, message) => {
                i.sink().field(&fields::VALUE, span, Value::Bytes(data.into()));
                i.sink().note(if message { "may be string, message or bytes" } else { "bytes" });
            }
        }
        datum
    }
}

fn len(data: &[u8]) -> u32 {
    u32::try_from(data.len()).unwrap_or(u32::MAX)
}

/// An integer: unsigned where it is not below zero.
fn integer(v: i64) -> Datum {
    u64::try_from(v).map_or(Datum::I64(v), Datum::U64)
}
