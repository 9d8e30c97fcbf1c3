//! Header blocks (RFC 7541 §3.2, §6).

use crate::base::limits::{MAX_HEADER_BYTES, MAX_HEADER_FIELDS};
use crate::base::{Buffer, BufferId, PieceSource, Span};
use crate::field::{In, NoSink, Sink, Value};
use crate::finding::{Finding, FindingSpec};
use crate::proto::Headers;
use crate::proto::http2::hpack::huffman;
use crate::proto::http2::hpack::table::{DEFAULT_SIZE, Lookup, Table};
use crate::proto::http2::hpack::wire::{self, Coded, Fault, Read};
use crate::proto::http2::{fields, findings};

/// The decoder of one direction's blocks.
#[derive(Clone, Debug)]
pub(crate) struct Decoder {
    table: Table,
    /// The largest table that the peer has ever allowed.
    limit: u32,
    scratch: Scratch,
    /// Octets that sections may still come to: see [`CREDIT`].
    credit: usize,
}

/// Octets that the sections of one direction may come to, beyond [`EARNED`] for each of
/// their blocks. A reference of one byte stands for up to a table's worth of octets, so
/// that of a bomb of 24 MB copies of 90 GB would be made. Who has used up this much is shown
/// sections of [`SMALL_SECTION`].
const CREDIT: usize = 64 << 20;
/// Octets for each octet of a block: cookies that are sent with each request are 50 to 200
/// times as long as their references, and most requests have others as well.
const EARNED: usize = 32;
/// The largest section once the credit is used up: no server takes more by default.
const SMALL_SECTION: usize = 16 << 10;
/// Findings of one block: a joined connection has up to one for each field of a section.
const MAX_FINDINGS: usize = 32;

/// What a block came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    /// Of the section as RFC 9113 §6.5.2 counts it, with what was cut of it.
    pub(crate) octets: u64,
    /// Nothing was cut, and the block was read to its end.
    pub(crate) whole_read: bool,
    /// The largest table that it announced beyond what its receiver has allowed.
    pub(crate) table: Option<u32>,
}

/// Huffman-decoded strings of the representation at hand.
#[derive(Clone, Debug, Default)]
struct Scratch {
    name: Vec<u8>,
    value: Vec<u8>,
}

impl Default for Decoder {
    fn default() -> Self {
        Self {
            table: Table::default(),
            limit: DEFAULT_SIZE,
            scratch: Scratch::default(),
            credit: CREDIT,
        }
    }
}

/// The decoded names and values as a buffer, where somebody looks: each piece
/// leads to the octets of the block that it was made from.
#[derive(Debug)]
pub(crate) struct FieldList {
    /// The number that the buffer will have.
    pub(crate) id: BufferId,
    /// The buffer.
    pub(crate) buffer: Buffer,
}

/// The five representations (§6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Repr {
    /// §6.1.
    Indexed,
    /// §6.2.1.
    Incremental,
    /// §6.2.2.
    Without,
    /// §6.2.3.
    Never,
    /// §6.3.
    SizeUpdate,
}

impl Repr {
    const fn of(first: u8) -> Self {
        match first {
            0x80..=0xff => Self::Indexed,
            0x40..=0x7f => Self::Incremental,
            0x20..=0x3f => Self::SizeUpdate,
            0x10..=0x1f => Self::Never,
            0x00..=0x0f => Self::Without,
        }
    }

    /// Bits of the integer in the first byte; the rest says which it is.
    const fn prefix(self) -> u8 {
        match self {
            Self::Indexed => 7,
            Self::Incremental => 6,
            Self::SizeUpdate => 5,
            Self::Without | Self::Never => 4,
        }
    }

    /// As Wireshark says it.
    const fn name(self, new_name: bool) -> &'static str {
        match (self, new_name) {
            (Self::Indexed, _) => "Indexed Header Field",
            (Self::Incremental, false) => {
                "Literal Header Field with Incremental Indexing - Indexed Name"
            }
            (Self::Incremental, true) => {
                "Literal Header Field with Incremental Indexing - New Name"
            }
            (Self::Without, false) => "Literal Header Field without Indexing - Indexed Name",
            (Self::Without, true) => "Literal Header Field without Indexing - New Name",
            (Self::Never, false) => "Literal Header Field never Indexed - Indexed Name",
            (Self::Never, true) => "Literal Header Field never Indexed - New Name",
            (Self::SizeUpdate, _) => "Dynamic Table Size Update",
        }
    }
}

/// Where a name or a value came from, and whether that could be read.
#[derive(Clone, Copy)]
struct Part<'a> {
    octets: &'a [u8],
    /// In the block.
    span: Span,
    exact: bool,
    known: bool,
}

impl<'a> Part<'a> {
    const fn told(&self) -> Option<&'a [u8]> {
        if self.known { Some(self.octets) } else { None }
    }
}

/// What one block comes to.
struct Block<'l> {
    headers: &'l mut Headers,
    list: Option<&'l mut FieldList>,
    findings: &'l mut Vec<Finding>,
    /// Findings of it.
    told: usize,
    /// Octets that the section may have.
    room: usize,
    /// A field has been read: a size update may no longer follow (§4.2).
    begun: bool,
    /// The section has reached a limit.
    full: bool,
    /// Bytes as Wireshark counts them: 8 a field beside its octets.
    length: u64,
    count: u64,
    /// See [`Size::table`].
    table: Option<u32>,
}

impl Block<'_> {
    fn find(&mut self, spec: &'static FindingSpec, span: Span, detail: String) {
        self.told += 1;
        if self.told > MAX_FINDINGS {
            return;
        }
        let f = Finding::new(spec).at(Span { buffer: fields::BLOCK_BUFFER, ..span });
        self.findings.push(if detail.is_empty() { f } else { f.with(detail) });
    }

    /// A decoded field: into the section, and told to the sink.
    fn field<S: Sink>(&mut self, sink: &S, name: Part<'_>, value: Part<'_>, at: Span) {
        self.begun = true;
        let octets = name.octets.len() + value.octets.len();
        self.count += 1;
        self.length += octets as u64 + 8;
        if self.headers.byte_len() + octets > self.room || self.headers.len() >= MAX_HEADER_FIELDS {
            if !self.full {
                let n = self.headers.len();
                self.find(&findings::SECTION_TOO_LARGE, at, format!("cut after {n} fields"));
            }
            self.full = true;
            return;
        }
        let known = name.known && value.known;
        let field = self.headers.push(name.octets, value.octets);
        field.known = known;
        let Some(list) = self.list.as_deref_mut() else { return };
        let start = list.buffer.len;
        let place_name = list.push(name);
        let place_value = list.push(value);
        field.span = Some(Span::bytes(list.id, start, list.buffer.len - start));
        let rows = [
            (&fields::NAME_LENGTH, &fields::NAME, name, place_name),
            (&fields::VALUE_LENGTH, &fields::VALUE, value, place_value),
        ];
        for (length, spec, part, place) in rows {
            sink.computed(length, Value::U64(part.octets.len() as u64));
            sink.field(spec, place, Value::text(part.octets));
            if !part.known {
                sink.note("unknown");
            }
        }
    }
}

impl FieldList {
    /// An empty list that will be buffer `id`.
    pub(crate) const fn new(id: BufferId) -> Self {
        Self { id, buffer: Buffer::new("header fields") }
    }

    fn push(&mut self, part: Part<'_>) -> Span {
        let start = self.buffer.len;
        // Sections end at `MAX_HEADER_BYTES`.
        let len = part.octets.len() as u32;
        self.buffer.bytes.extend_from_slice(part.octets);
        if len > 0 {
            self.buffer.push(len, PieceSource::Buffer(part.span), part.exact);
        }
        Span::bytes(self.id, start, len)
    }
}

impl Decoder {
    /// The peer allows a table of this size (SETTINGS_HEADER_TABLE_SIZE).
    ///
    /// When the encoder learns of it cannot be seen, so the largest size that
    /// was ever allowed is what updates are held against.
    pub(crate) fn allow(&mut self, size: u32) {
        self.limit = self.limit.max(size);
    }

    /// The blocks before were not captured, nor was what the peer has allowed:
    /// no older entry is known, and any size may hold.
    pub(crate) fn join(&mut self) {
        self.limit = u32::MAX;
        self.table.lose();
    }

    /// A block, or part of one, was not read: see [`Table::lose`].
    pub(crate) fn lose(&mut self) {
        self.table.lose();
    }

    /// The table, for tests.
    #[cfg(test)]
    pub(crate) const fn table(&self) -> &Table {
        &self.table
    }

    /// Memory held, in bytes.
    pub(crate) fn memory(&self) -> usize {
        self.table.memory() + self.scratch.name.capacity() + self.scratch.value.capacity()
    }

    /// What indices stand for: the same while this number is.
    pub(crate) const fn state(&self) -> u64 {
        self.table.changes()
    }

    const fn is_poor(&self) -> bool {
        self.credit < MAX_HEADER_BYTES
    }

    fn earn(&mut self, block: usize) {
        self.credit = self.credit.saturating_add(EARNED * block).min(CREDIT);
    }

    /// A block that needs no decoding comes to so many octets; `false`, and nothing is spent,
    /// where the credit is used up.
    pub(crate) fn spend(&mut self, block: usize, section: usize) -> bool {
        if self.is_poor() {
            return false;
        }
        self.earn(block);
        self.credit = self.credit.saturating_sub(section);
        true
    }

    /// Decodes a whole block. What can be read is in `headers`; what cannot is a finding.
    pub(crate) fn block<S: Sink>(
        &mut self,
        i: In<'_, S>,
        headers: &mut Headers,
        list: Option<&mut FieldList>,
        findings: &mut Vec<Finding>,
    ) -> Size {
        self.earn(i.data().len());
        let room = if self.is_poor() { SMALL_SECTION } else { MAX_HEADER_BYTES };
        let (sink, whole) = (i.sink(), Span::bytes(i.buffer(), i.at(), i.data().len() as u32));
        let mut block = Block {
            headers,
            list,
            room,
            told: 0,
            findings,
            begun: false,
            full: false,
            length: 0,
            count: 0,
            table: None,
        };
        let mut whole_read = true;
        if S::ON {
            sink.open(&fields::HEADER_BLOCK, whole);
        }
        let mut i = i;
        while !i.data().is_empty() && !block.full {
            match self.representation(i, &mut block) {
                Ok((rest, ())) => i = rest,
                Err(stop) => {
                    let rest = stop.at;
                    let span = Span::bytes(rest.buffer(), rest.at(), rest.data().len() as u32);
                    if S::ON {
                        if span.len > 0 {
                            let bytes = Value::Bytes(rest.data().into());
                            sink.field(&fields::UNKNOWN, span, bytes);
                        }
                        sink.close(span.end());
                    }
                    self.stopped(stop.fault, span, &mut block);
                    whole_read = false;
                    i = In::new(&[], rest.buffer(), span.end(), sink);
                }
            }
        }
        if block.full {
            whole_read = false;
            if S::ON && !i.data().is_empty() {
                let span = Span::bytes(i.buffer(), i.at(), i.data().len() as u32);
                sink.field(&fields::UNKNOWN, span, Value::Bytes(i.data().into()));
                sink.note("beyond the limit");
            }
            self.skim(In::new(i.data(), i.buffer(), i.at(), &NoSink), &mut block);
        }
        self.credit = self.credit.saturating_sub(block.headers.byte_len());
        if S::ON {
            sink.computed(&fields::HEADER_LENGTH, Value::U64(block.length));
            sink.computed(&fields::HEADER_COUNT, Value::U64(block.count));
            sink.close(whole.end());
        }
        let octets = block.length.saturating_add(block.count.saturating_mul(24));
        Size { octets, whole_read, table: block.table }
    }

    /// What is beyond the limit of a section: the table must know of it, and nobody else.
    fn skim(&mut self, mut i: In<'_, NoSink>, block: &mut Block<'_>) {
        while let Some(first) = i.data().first().copied() {
            // One reference, any number of times: that is what a bomb is made of.
            if matches!(first, 0x81..=0xfe)
                && let Lookup::Found(f) = self.table.get(u32::from(first & 0x7f))
            {
                let same = i.data().iter().take_while(|b| **b == first).count();
                let length = (f.name.len() + f.value.len()) as u64 + 8;
                block.count = block.count.saturating_add(same as u64);
                block.length = block.length.saturating_add(length.saturating_mul(same as u64));
                let Ok((rest, _)) = i.split(same) else { return };
                i = rest;
                continue;
            }
            match self.representation(i, block) {
                Ok((rest, ())) => i = rest,
                Err(stop) => {
                    let rest = stop.at;
                    let span = Span::bytes(rest.buffer(), rest.at(), rest.data().len() as u32);
                    return self.stopped(stop.fault, span, block);
                }
            }
        }
    }

    /// The rest of a block cannot be read, and may have inserted anything.
    fn stopped(&mut self, fault: Fault, at: Span, block: &mut Block<'_>) {
        let spec = match fault {
            Fault::Truncated => &findings::HPACK_TRUNCATED,
            Fault::Overflow => &findings::HPACK_INTEGER,
        };
        block.find(spec, at, String::new());
        self.table.lose();
    }

    /// One representation: a field or a size update (§6). On a stop its group is
    /// left open.
    fn representation<'a, S: Sink>(
        &mut self,
        i: In<'a, S>,
        block: &mut Block<'_>,
    ) -> Read<'a, S, ()> {
        let first = i.data().first().copied().unwrap_or_default();
        // An index of one byte, the commonest of all.
        if !S::ON
            && matches!(first, 0x81..=0xfe)
            && let Ok((rest, _)) = i.split(1)
        {
            let at = Span::bytes(i.buffer(), i.at(), 1);
            self.indexed(i.sink(), u32::from(first & 0x7f), at, block);
            return Ok((rest, ()));
        }
        let repr = Repr::of(first);
        let prefix = repr.prefix();
        let spec = if repr == Repr::SizeUpdate { &fields::TABLE_SIZE } else { &fields::INDEX };
        if S::ON {
            let group =
                if repr == Repr::SizeUpdate { &fields::SIZE_UPDATE } else { &fields::HEADER };
            i.sink().open(group, Span::bytes(i.buffer(), i.at(), 0));
        }
        let new_name = first & (0xff >> (8 - prefix)) == 0;
        let pattern = Span::bit_field(i.buffer(), i.at(), 0, 8 - prefix);
        let (rest, n) = wire::integer(i, prefix, spec, |sink| {
            sink.field(&fields::REPR, pattern, Value::Text(repr.name(new_name).into()));
        })?;
        let head = i.span_to(&rest);
        let rest = match repr {
            Repr::Indexed => {
                self.indexed(i.sink(), n, head, block);
                rest
            }
            Repr::SizeUpdate => {
                self.size_update(n, head, block);
                rest
            }
            _ => self.literal(rest, repr, n, head, block)?,
        };
        if S::ON {
            i.sink().close(rest.at());
        }
        Ok((rest, ()))
    }

    /// ```text
    /// +---+---------------------------+
    /// | 1 |        Index (7+)         |
    /// +---+---------------------------+
    /// ```
    fn indexed<S: Sink>(&self, sink: &S, index: u32, at: Span, block: &mut Block<'_>) {
        let part = |octets, known| Part { octets, span: at, exact: false, known };
        match self.table.get(index) {
            Lookup::Found(f) => {
                block.field(sink, part(f.name, f.name_known), part(f.value, f.value_known), at);
            }
            miss => {
                missed(miss, index, at, block);
                block.field(sink, part(&[], false), part(&[], false), at);
            }
        }
    }

    /// ```text
    /// +---+---+---+-------------------+
    /// | 0 | 0 | 1 |   Max size (5+)   |
    /// +---+---------------------------+
    /// ```
    fn size_update(&mut self, size: u32, at: Span, block: &mut Block<'_>) {
        if block.begun {
            block.find(&findings::HPACK_LATE_UPDATE, at, String::new());
        }
        if size > self.limit {
            let detail = format!("{size} where {} is allowed", self.limit);
            block.find(&findings::HPACK_SIZE_UPDATE, at, detail);
            block.table = block.table.max(Some(size));
        }
        self.table.resize(size);
    }

    /// ```text
    /// +---+---+-----------------------+
    /// | 0 | 1 |      Index (6+)       |   0: a new name follows
    /// +---+---+-----------------------+
    /// | H |     Value Length (7+)     |
    /// +---+---------------------------+
    /// | Value String (Length octets)  |
    /// +-------------------------------+
    /// ```
    fn literal<'a, S: Sink>(
        &mut self,
        i: In<'a, S>,
        repr: Repr,
        index: u32,
        head: Span,
        block: &mut Block<'_>,
    ) -> Result<In<'a, S>, wire::Stop<'a, S>> {
        let (i, coded_name) = if index == 0 {
            let (rest, name) = wire::string(i, &wire::NAME)?;
            (rest, Some(name))
        } else {
            (i, None)
        };
        let (rest, coded_value) = wire::string(i, &wire::VALUE)?;
        let Self { table, scratch, .. } = self;
        let value = plain(coded_value, &mut scratch.value, block);
        let sink = rest.sink();
        if let Some(coded) = coded_name {
            let name = plain(coded, &mut scratch.name, block);
            block.field(sink, name, value, head);
            if repr == Repr::Incremental {
                table.insert(name.told(), value.told());
            }
            return Ok(rest);
        }
        let part = |octets, known| Part { octets, span: head, exact: false, known };
        match table.get(index) {
            Lookup::Found(f) => block.field(sink, part(f.name, f.name_known), value, head),
            miss => {
                missed(miss, index, head, block);
                block.field(sink, part(&[], false), value, head);
            }
        }
        if repr == Repr::Incremental {
            table.insert_named(index, value.told());
        }
        Ok(rest)
    }
}

/// An index that stands for nothing that is known.
fn missed(miss: Lookup<'_>, index: u32, at: Span, block: &mut Block<'_>) {
    let spec = if miss == Lookup::Lost {
        &findings::HPACK_UNKNOWN_INDEX
    } else {
        &findings::HPACK_INVALID_INDEX
    };
    block.find(spec, at, format!("index {index}"));
}

/// The octets that a string stands for.
fn plain<'a>(coded: Coded<'a>, scratch: &'a mut Vec<u8>, block: &mut Block<'_>) -> Part<'a> {
    if !coded.huffman {
        return Part { octets: coded.octets, span: coded.span, exact: true, known: true };
    }
    scratch.clear();
    let known = match huffman::decode(coded.octets, scratch) {
        Ok(()) => true,
        Err(fault) => {
            block.find(&findings::HPACK_HUFFMAN, coded.span, fault.meaning().to_owned());
            scratch.clear();
            false
        }
    };
    Part { octets: scratch, span: coded.span, exact: false, known }
}
