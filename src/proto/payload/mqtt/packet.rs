//! One control packet after another.

use super::fields as f;
use super::words::{self, Form};
use crate::base::limits::MAX_HELD_PACKET;
use crate::field::{FieldSpec, Value};
use crate::proto::payload::common::{Sheet, json, short};
use crate::proto::payload::names::JSON;

/// Where in a message one is.
pub(super) struct Reader<'a, 'd> {
    pub(super) data: &'a [u8],
    pub(super) at: usize,
    /// The end of the packet, or of its properties.
    pub(super) end: usize,
    /// 3, 4 or 5; 0 where no CONNECT was seen.
    pub(super) version: u8,
    pub(super) sheet: Sheet<'d>,
}

/// What is wrong with a packet; what was read before it is shown.
type Read<T> = Result<T, String>;

/// How a packet goes on that its message does not end.
pub(super) enum Split {
    /// Its bytes are held for the next message.
    Held,
    /// So many bytes are to come; they will not be read.
    Large(u32),
    /// It is none.
    Broken,
}

/// Whether bytes are whole packets with the flags that their types have.
pub(super) fn is_whole(data: &[u8]) -> bool {
    let mut rest = data;
    while let Some((first, tail)) = rest.split_first() {
        let good = match first >> 4 {
            0 => false,
            3 => first >> 1 & 3 != 3,
            6 | 8 | 10 => first & 15 == 2,
            _ => first & 15 == 0,
        };
        let next = varint(tail).and_then(|(len, n)| tail.get(n.checked_add(len as usize)?..));
        match next {
            Some(next) if good => rest = next,
            _ => return false,
        }
    }
    true
}

pub(super) fn place(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// A variable byte integer (MQTT 5.0 §1.5.5) and its length; `None`: it goes on
/// behind the data, or is longer than four bytes.
fn varint(data: &[u8]) -> Option<(u32, usize)> {
    let n = data.iter().take(4).position(|b| *b < 0x80)?;
    let bytes = data.get(..=n)?;
    Some((bytes.iter().rev().fold(0, |v, b| v << 7 | u32::from(b & 0x7f)), n + 1))
}

impl<'a> Reader<'a, '_> {
    /// One packet, and what a line says of it. An error: the message does not end it.
    pub(super) fn packet(&mut self) -> Result<String, Split> {
        let start = self.at;
        let rest = self.data.get(start..).unwrap_or_default();
        let first = rest.first().copied().unwrap_or_default();
        let length = varint(rest.get(1..).unwrap_or_default());
        let Some((length, bytes)) = length else {
            let (from, to) = (place(start), place(self.data.len()));
            if rest.len() < 5 {
                self.rest_of(&f::PARTIAL, rest.len());
                return Err(Split::Held);
            }
            self.sheet.found(&f::MALFORMED, "the remaining length has no end", from, to);
            self.rest_of(&f::REST, rest.len());
            return Err(Split::Broken);
        };
        let body = start + 1 + bytes;
        let end = body.saturating_add(length as usize);
        let kind = first >> 4;
        let name = words::packet(kind.into()).unwrap_or("reserved type");
        if end > self.data.len() {
            let missing = place(end - self.data.len());
            let large = end.saturating_sub(start) > MAX_HELD_PACKET;
            if large {
                let (from, to) = (place(start), place(self.data.len()));
                self.sheet.found(&f::SPLIT, format!("{name}, {missing} bytes to come"), from, to);
            }
            self.rest_of(&f::PARTIAL, self.data.len().saturating_sub(start));
            return Err(if large { Split::Large(missing) } else { Split::Held });
        }
        self.sheet.open(&f::PACKET, place(start));
        self.head(start, first);
        self.sheet.field(&f::LENGTH, place(start + 1), place(body), Value::U64(length.into()));
        self.at = body;
        self.end = end;
        let mut line = name.to_owned();
        match self.body(kind, first & 15, &mut line) {
            Ok(()) if self.at < end => {
                let (from, to) = (place(self.at), place(end));
                self.sheet.found(
                    &f::MALFORMED,
                    format!("{name}: {} bytes too many", end - self.at),
                    from,
                    to,
                );
            }
            Ok(()) => {}
            Err(why) => {
                let (from, to) = (place(self.at), place(end));
                self.sheet.found(&f::MALFORMED, format!("{name}: {why}"), from, to);
            }
        }
        self.rest_of(&f::REST, end.saturating_sub(self.at));
        self.at = end;
        self.sheet.close(place(end));
        Ok(line)
    }

    /// Type and flags (§2.1).
    fn head(&mut self, start: usize, first: u8) {
        let (kind, flags) = (first >> 4, first & 15);
        let at = place(start);
        self.sheet.bits(&f::TYPE, at, 0, kind.into());
        let good = if kind == 3 {
            self.sheet.bits(&f::DUP, at, 4, (flags >> 3 & 1).into());
            self.sheet.bits(&f::QOS, at, 5, (flags >> 1 & 3).into());
            self.sheet.bits(&f::RETAIN, at, 7, (flags & 1).into());
            flags >> 1 & 3 != 3
        } else {
            self.sheet.bits(&f::RESERVED, at, 4, flags.into());
            flags == if matches!(kind, 6 | 8 | 10) { 2 } else { 0 }
        };
        if !good || kind == 0 {
            self.sheet.found(&f::BAD_FLAGS, format!("{first:#04x}"), at, at.saturating_add(1));
        }
    }

    fn take(&mut self, n: usize) -> Read<&'a [u8]> {
        let to = self.at.saturating_add(n);
        if to > self.end {
            return Err(format!(
                "{n} bytes are expected, {} are there",
                self.end.saturating_sub(self.at)
            ));
        }
        let bytes = self.data.get(self.at..to).unwrap_or_default();
        self.at = to;
        Ok(bytes)
    }

    fn left(&self) -> usize {
        self.end.saturating_sub(self.at)
    }

    /// A number of 1, 2 or 4 bytes.
    fn number(&mut self, spec: &'static FieldSpec, n: usize) -> Read<u64> {
        let from = self.at;
        let v = self.take(n)?.iter().fold(0_u64, |v, b| v << 8 | u64::from(*b));
        self.sheet.field(spec, place(from), place(self.at), Value::U64(v));
        Ok(v)
    }

    /// Bytes behind their length, which has a field of its own.
    fn string(&mut self, length: &'static FieldSpec, spec: &'static FieldSpec) -> Read<&'a [u8]> {
        let n = self.number(length, 2)?;
        let from = self.at;
        let bytes = self.take(usize::try_from(n).unwrap_or(usize::MAX))?;
        self.tell(spec, from, bytes);
        Ok(bytes)
    }

    fn tell(&mut self, spec: &'static FieldSpec, from: usize, bytes: &[u8]) {
        if spec.kind == crate::field::Kind::Bytes {
            if self.sheet.is_seen() {
                self.sheet.field(spec, place(from), place(self.at), Value::Bytes(bytes.into()));
            }
            return;
        }
        if simdutf8::basic::from_utf8(bytes).is_err() || bytes.contains(&0) {
            let what = format!("{} is no text (§1.5.4)", spec.label.to_lowercase());
            self.sheet.found(&f::MALFORMED, what, place(from), place(self.at));
        }
        self.sheet.text(spec, place(from), place(self.at), bytes);
    }

    fn reason(&mut self, spec: &'static FieldSpec, line: &mut String) -> Read<()> {
        let from = place(self.at);
        let v = self.number(spec, 1)?;
        let words = spec.value_name(v).unwrap_or("reserved");
        let bad = if spec.name == f::RETURN_CODE.name { v != 0 } else { v >= 0x80 };
        if bad {
            self.sheet.found(
                &f::REFUSED,
                format!("{v:#04x} {words}"),
                from,
                from.saturating_add(1),
            );
        }
        line.push_str(&format!(" {words}"));
        Ok(())
    }

    fn body(&mut self, kind: u8, flags: u8, line: &mut String) -> Read<()> {
        match kind {
            1 => self.connect(line),
            2 => {
                let at = place(self.at);
                let b = self.take(1)?.first().copied().unwrap_or_default();
                self.sheet.bits(&f::ACK_RESERVED, at, 0, (b >> 1).into());
                self.sheet.bits(&f::SESSION, at, 7, (b & 1).into());
                // Up to 3.1.1 it has two bytes, in 5 at least three.
                if self.version == 0 {
                    self.version = if self.left() > 1 { 5 } else { 4 };
                }
                self.reason(if self.version == 5 { &f::REASON } else { &f::RETURN_CODE }, line)?;
                if b & 1 != 0 {
                    line.push_str(", session present");
                }
                self.properties()
            }
            3 => self.publish(flags, line),
            4..=7 => {
                let id = self.number(&f::ID, 2)?;
                line.push_str(&format!(" id {id}"));
                if self.left() > 0 {
                    self.version = 5;
                    self.reason(&f::REASON, line)?;
                }
                if self.left() > 0 { self.properties() } else { Ok(()) }
            }
            8 | 10 => {
                let id = self.number(&f::ID, 2)?;
                line.push_str(&format!(" id {id}"));
                self.properties()?;
                if self.left() == 0 {
                    return Err("no topic".to_owned());
                }
                while self.left() > 0 {
                    let topic = self.string(&f::TOPIC_LENGTH, &f::TOPIC)?;
                    line.push_str(&format!(" {}", short(&String::from_utf8_lossy(topic), 80)));
                    if kind == 8 {
                        let at = place(self.at);
                        let b = self.take(1)?.first().copied().unwrap_or_default();
                        self.sheet.bits(&f::SUB_RESERVED, at, 0, (b >> 6).into());
                        self.sheet.bits(&f::SUB_RETAIN, at, 2, (b >> 4 & 3).into());
                        self.sheet.bits(&f::SUB_AS_PUBLISHED, at, 4, (b >> 3 & 1).into());
                        self.sheet.bits(&f::SUB_NO_LOCAL, at, 5, (b >> 2 & 1).into());
                        self.sheet.bits(&f::SUB_QOS, at, 6, (b & 3).into());
                        line.push_str(&format!(" QoS {}", b & 3));
                    }
                }
                Ok(())
            }
            9 | 11 => {
                let id = self.number(&f::ID, 2)?;
                line.push_str(&format!(" id {id}"));
                self.properties()?;
                let spec = if self.version == 5 { &f::REASON } else { &f::GRANTED };
                while self.left() > 0 {
                    self.reason(spec, line)?;
                }
                Ok(())
            }
            14 | 15 if self.left() > 0 => {
                self.version = 5;
                self.reason(&f::REASON, line)?;
                if self.left() > 0 { self.properties() } else { Ok(()) }
            }
            12..=15 => Ok(()),
            _ => Err("a reserved type".to_owned()),
        }
    }

    /// §3.1.
    fn connect(&mut self, line: &mut String) -> Read<()> {
        self.string(&f::NAME_LENGTH, &f::NAME)?;
        let version = self.number(&f::VERSION, 1)?;
        self.version = version as u8;
        let at = place(self.at);
        let b = self.take(1)?.first().copied().unwrap_or_default();
        for (spec, first, shift, mask) in [
            (&f::F_USER, 0, 7, 1),
            (&f::F_PASSWORD, 1, 6, 1),
            (&f::F_WILL_RETAIN, 2, 5, 1),
            (&f::F_WILL_QOS, 3, 3, 3),
            (&f::F_WILL, 5, 2, 1),
            (&f::F_CLEAN, 6, 1, 1),
            (&f::F_RESERVED, 7, 0, 1),
        ] {
            self.sheet.bits(spec, at, first, u64::from(b >> shift & mask));
        }
        let alive = self.number(&f::KEEP_ALIVE, 2)?;
        self.properties()?;
        let client = self.string(&f::CLIENT_LENGTH, &f::CLIENT)?;
        let words = words::version(version).unwrap_or("unknown version");
        line.push_str(&format!(
            " {words} client {:?}",
            short(&String::from_utf8_lossy(client), 60)
        ));
        line.push_str(&format!(" keep alive {alive} s"));
        if b & 4 != 0 {
            self.properties()?;
            let topic = self.string(&f::WILL_TOPIC_LENGTH, &f::WILL_TOPIC)?;
            self.string(&f::WILL_LENGTH, &f::WILL)?;
            line.push_str(&format!(" will {}", short(&String::from_utf8_lossy(topic), 60)));
        }
        if b & 0x80 != 0 {
            let user = self.string(&f::USER_LENGTH, &f::USER)?;
            line.push_str(&format!(" user {:?}", short(&String::from_utf8_lossy(user), 60)));
        }
        if b & 0x40 != 0 {
            // Bytes in 3.1.1 and 5; passwords are text all the same.
            let n = self.number(&f::PASSWORD_LENGTH, 2)?;
            let from = self.at;
            let bytes = self.take(usize::try_from(n).unwrap_or(usize::MAX))?;
            self.sheet.text(&f::PASSWORD, place(from), place(self.at), bytes);
        }
        Ok(())
    }

    /// §3.3.
    fn publish(&mut self, flags: u8, line: &mut String) -> Read<()> {
        let topic = self.string(&f::TOPIC_LENGTH, &f::TOPIC)?;
        line.push_str(&format!(" {}", short(&String::from_utf8_lossy(topic), 80)));
        let qos = flags >> 1 & 3;
        line.push_str(&format!(" QoS {qos}"));
        if qos > 0 {
            let id = self.number(&f::ID, 2)?;
            line.push_str(&format!(" id {id}"));
        }
        for (bit, word) in [(8, " dup"), (1, " retained")] {
            if flags & bit != 0 {
                line.push_str(word);
            }
        }
        self.properties()?;
        let from = self.at;
        let bytes = self.take(self.left())?;
        if self.sheet.is_seen() && !bytes.is_empty() {
            let (start, end) = (place(from), place(self.at));
            let text = simdutf8::basic::from_utf8(bytes)
                .ok()
                .filter(|t| !t.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')));
            match text {
                Some(text) => {
                    self.sheet.field(&f::MESSAGE_TEXT, start, end, Value::Text(text.into()));
                    line.push_str(&format!(" {}", short(text, 100)));
                }
                None => {
                    self.sheet.field(&f::MESSAGE, start, end, Value::Bytes(bytes.into()));
                    line.push_str(&format!(" {} bytes", bytes.len()));
                }
            }
            if json::looks_like(bytes) {
                let doc = json::parse(bytes, start);
                if !doc.is_broken() {
                    // A publisher owes nobody JSON: shown, and not judged.
                    let quiet = crate::proto::payload::common::Doc { faults: Vec::new(), ..doc };
                    self.sheet.value(&quiet, &JSON);
                }
            }
        }
        Ok(())
    }

    /// §2.2.2: in version 5 alone.
    fn properties(&mut self) -> Read<()> {
        if self.version != 5 {
            return Ok(());
        }
        let rest = self.data.get(self.at..self.end).unwrap_or_default();
        let (length, bytes) = varint(rest).ok_or("the property length has no end")?;
        self.sheet.open(&f::PROPERTIES, place(self.at));
        let from = place(self.at);
        self.at += bytes;
        self.sheet.field(&f::PROPERTY_LENGTH, from, place(self.at), Value::U64(length.into()));
        let to = self.at.saturating_add(length as usize);
        let outer = self.end;
        let mut result = Ok(());
        if to > outer {
            result = Err("the properties are longer than the packet".to_owned());
        } else {
            self.end = to;
            while self.at < to && result.is_ok() {
                result = self.property();
            }
        }
        self.end = outer;
        self.sheet.close(place(self.at));
        result
    }

    fn property(&mut self) -> Read<()> {
        let from = self.at;
        let rest = self.data.get(self.at..self.end).unwrap_or_default();
        let (id, bytes) = varint(rest).ok_or("a property's identifier has no end")?;
        let Some((name, form)) = words::property(id.into()) else {
            return Err(format!("there is no property {id:#04x}"));
        };
        self.at += bytes;
        self.sheet.field(&f::PROPERTY_ID, place(from), place(self.at), Value::U64(id.into()));
        let from = self.at;
        let value = match form {
            Form::Number(n) => {
                let v = self.take(n)?.iter().fold(0_u64, |v, b| v << 8 | u64::from(*b));
                Value::U64(v)
            }
            Form::Varint => {
                let rest = self.data.get(self.at..self.end).unwrap_or_default();
                let (v, n) = varint(rest).ok_or("a number has no end")?;
                self.at += n;
                Value::U64(v.into())
            }
            Form::Bytes => Value::Bytes(self.counted()?.into()),
            Form::Text => Value::Text(String::from_utf8_lossy(self.counted()?).into()),
            Form::Pair => {
                let key = String::from_utf8_lossy(self.counted()?).into_owned();
                let id = self.sheet.field(
                    &f::PROPERTY_KEY,
                    place(from),
                    place(self.at),
                    Value::Text(key.as_str().into()),
                );
                self.sheet.name(id, "Key");
                let from = self.at;
                let text = String::from_utf8_lossy(self.counted()?).into_owned();
                let id = self.sheet.field(
                    &f::PROPERTY_TEXT,
                    place(from),
                    place(self.at),
                    Value::Text(text.into()),
                );
                self.sheet.name(id, &key);
                return Ok(());
            }
        };
        let spec = match &value {
            Value::Bytes(_) => &f::PROPERTY_BYTES,
            Value::Text(_) => &f::PROPERTY_TEXT,
            _ => &f::PROPERTY_NUMBER,
        };
        let node = self.sheet.field(spec, place(from), place(self.at), value);
        self.sheet.name(node, name);
        Ok(())
    }

    /// Bytes behind two bytes of length.
    fn counted(&mut self) -> Read<&'a [u8]> {
        let from = self.at;
        let n = self.take(2)?.iter().fold(0_usize, |v, b| v << 8 | usize::from(*b));
        // Where it is cut off, its length is among what is not read.
        self.take(n).inspect_err(|_| self.at = from)
    }
}
