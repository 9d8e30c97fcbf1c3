//! One Modbus connection, both directions, sans-io.

use std::collections::VecDeque;

use framescope::base::{BufferId, Moment, Origins, Side, Span};
use framescope::event::{Detail, Draft, Level, Payload};
use framescope::field::{In, NoSink, Tree, TreeSink, Value};
use framescope::finding::Finding;
use framescope::proto::{Chunk, Input, Machine, Out, Progress, Trace};

use super::wire::{self, HEAD_LEN, Head};
use super::{fields, findings};

/// Requests of one connection that wait: a server has at most 16 transactions open
/// (MODBUS on TCP/IP V1.0b §4.2.2).
const MAX_WAITING: usize = 16;

/// A request without its response.
#[derive(Clone, Debug)]
struct Request {
    head: Head,
    start: Moment,
    end: Moment,
}

#[derive(Clone, Debug, Default)]
pub struct Modbus {
    waiting: VecDeque<Request>,
    ended: [bool; 2],
}

impl Modbus {
    /// Takes as many whole units as there are.
    fn bytes(&mut self, c: &Chunk<'_>, out: &mut dyn Out) -> Progress {
        let mut took = 0;
        loop {
            let data = c.data.get(took..).unwrap_or_default();
            if data.is_empty() {
                return Progress::took(took);
            }
            let missing = match wire::head(In::new(data, BufferId(0), 0, &NoSink)) {
                Ok((_, head)) if !head.is_sound() => {
                    out.finding(Finding::new(&findings::BAD_HEAD).with(c.side.name()));
                    return Progress::nothing(took);
                }
                Ok((_, head)) => match data.get(..head.wire_len()) {
                    Some(unit) => {
                        self.unit(c.side, c.offset + took as u64, unit, out);
                        took += unit.len();
                        continue;
                    }
                    None => head.wire_len() - data.len(),
                },
                Err(_) => HEAD_LEN - data.len(),
            };
            if c.last {
                out.finding(Finding::new(&findings::CUT).with(c.side.name()));
                return Progress::nothing(took);
            }
            return Progress::need(took, missing);
        }
    }

    /// A whole unit: its frame, and with a response its exchange.
    fn unit(&mut self, side: Side, offset: u64, unit: &[u8], out: &mut dyn Out) {
        let Ok((_, (head, data))) = wire::unit(In::new(unit, BufferId(0), 0, &NoSink)) else {
            return;
        };
        let end = offset + unit.len() as u64;
        let start = out.moment(side, offset);
        let ready = out.ready(side, end.saturating_sub(1));
        let kind = if side == Side::Client { "request" } else { "response" };
        let mut draft = Draft::new(Level::Frame, "modbus", kind, start, ready);
        draft.sender = Some(side);
        draft.length = data.len() as u64;
        if head.exception {
            let code = data.first().copied().unwrap_or(0);
            let why = fields::exception_name(code.into()).unwrap_or("unknown exception");
            let place = Span::bytes(BufferId(0), HEAD_LEN as u32, 1);
            draft.findings.push(Finding::new(&findings::EXCEPTION).with(why).at(place));
        }
        if out.wants(Level::Frame) {
            let mut trace = Trace::new(true, "TCP stream");
            trace.add(out, side, offset..end);
            draft.detail = Some(Box::new(detail(&head, unit, data, trace)));
        }
        out.emit(draft);
        match side {
            Side::Client => self.request(Request { head, start, end: ready }, out),
            Side::Server => self.response(&head, ready, out),
        }
    }

    fn request(&mut self, request: Request, out: &mut dyn Out) {
        if self.waiting.len() >= MAX_WAITING
            && let Some(oldest) = self.waiting.pop_front()
        {
            let found = Finding::new(&findings::TOO_MANY);
            exchange(&oldest, None, Some(found), out);
        }
        self.waiting.push_back(request);
    }

    fn response(&mut self, head: &Head, end: Moment, out: &mut dyn Out) {
        let found = self.waiting.iter().position(|r| r.head.transaction == head.transaction);
        // A response whose request was not captured is a frame and no exchange.
        if let Some(request) = found.and_then(|i| self.waiting.remove(i)) {
            exchange(&request, Some((head, end)), None, out);
        }
    }

    fn ended(&mut self, side: Side, out: &mut dyn Out) {
        if let Some(e) = self.ended.get_mut(side.index()) {
            *e = true;
        }
        if self.ended == [true; 2] {
            for r in std::mem::take(&mut self.waiting) {
                exchange(&r, None, Some(Finding::new(&findings::NO_RESPONSE)), out);
            }
        }
    }
}

/// The detail of a frame: the parser runs again, with somebody listening.
fn detail(head: &Head, unit: &[u8], data: &[u8], mut trace: Trace) -> Detail {
    let sink = TreeSink::new();
    // The unit is whole: the parser cannot want more.
    let _ = wire::unit(In::new(unit, BufferId(0), 0, &sink));
    let mut origins = Origins::new();
    if let Some(mut buffer) = trace.take() {
        buffer.bytes = unit.to_vec();
        origins.add(buffer);
    }
    Detail {
        summary: summary(head),
        tree: sink.into_tree(),
        origins,
        payload: if head.exception { Payload::None } else { Payload::Bytes(data.to_vec()) },
        truncated: None,
    }
}

fn exchange(
    request: &Request,
    response: Option<(&Head, Moment)>,
    finding: Option<Finding>,
    out: &mut dyn Out,
) {
    let end = response.map_or(request.end, |(_, end)| end);
    let mut draft = Draft::new(Level::Exchange, "modbus", "transaction", request.start, end);
    draft.complete = response.is_some();
    draft.findings.extend(finding);
    if out.wants(Level::Exchange) {
        let ns = u64::try_from(end.time.0.saturating_sub(request.start.time.0)).unwrap_or(0);
        let mut tree = Tree::default();
        let head = &request.head;
        tree.add(&fields::TRANSACTION, None, Value::U64(head.transaction.into()));
        tree.add(&fields::UNIT, None, Value::U64(head.unit.into()));
        tree.add(&fields::FUNCTION, None, Value::U64(head.function.into()));
        if response.is_some() {
            tree.add(&fields::DURATION, None, Value::U64(ns));
        }
        let outcome = match response {
            Some((r, _)) if r.exception => "refused",
            Some(_) => "done",
            None => "no response",
        };
        let summary = format!("{} → {outcome}", summary(head));
        draft.detail = Some(Box::new(Detail { summary, tree, ..Detail::default() }));
    }
    out.emit(draft);
}

fn summary(head: &Head) -> String {
    let name = fields::function_name(head.function.into()).unwrap_or("unknown function");
    let refused = if head.exception { ", exception" } else { "" };
    format!("{name}, unit {}, transaction {}{refused}", head.unit, head.transaction)
}

impl Machine for Modbus {
    fn feed(&mut self, input: Input<'_>, out: &mut dyn Out) -> Progress {
        match input {
            Input::Bytes(chunk) => return self.bytes(&chunk, out),
            Input::Gap { side, len, .. } => {
                let text = format!("{len} bytes from the {side}");
                out.finding(Finding::new(&findings::CUT).with(text));
                return Progress::nothing(0);
            }
            Input::Reset { .. } => Side::BOTH.into_iter().for_each(|s| self.ended(s, out)),
            Input::End { side, .. } => self.ended(side, out),
            // Of other streams than TCP's.
            Input::Head(_) | Input::Trailers(_) | Input::Datagram { .. } => {}
        }
        Progress::took(0)
    }

    fn fork(&self) -> Option<Box<dyn Machine>> {
        Some(Box::new(self.clone()))
    }

    fn memory(&self) -> usize {
        size_of::<Self>() + self.waiting.capacity() * size_of::<Request>()
    }
}
