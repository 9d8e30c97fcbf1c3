//! The exchange: what a request and its response come to.

use crate::base::time::human;
use crate::event::{Detail, Draft, Level};
use crate::facts::Facts;
use crate::field::Value;
use crate::finding::Finding;
use crate::proto::Out;
use crate::proto::http::hops;
use crate::proto::http::left::{Aborted, Left};
use crate::proto::http::machine::Http;
use crate::proto::http::message::{About, Ended};
use crate::proto::http::{fields as f, findings as g, text};

impl Http {
    /// The last event: what request and response come to.
    pub(super) fn exchange(&mut self, out: &mut dyn Out) {
        let (q, a) = (&self.request, &self.response);
        if !q.seen && !a.seen {
            return;
        }
        let start = if q.seen { q.start } else { a.start };
        let end = if a.seen { q.last.max(a.last) } else { q.last };
        let mut d = Draft::new(Level::Exchange, "http", "exchange", start, end);
        d.length = q.length.saturating_add(a.length);
        d.complete = q.is_whole() && a.is_whole();
        d.inferred = q.inferred;
        let reset = [q.ended, a.ended].contains(&Some(Ended::Reset));
        let aborted = self.aborted.filter(|_| reset);
        let left = if d.complete { None } else { self.left(out) };
        if let Some(left) = left {
            d.findings.push(self.left_finding(&left));
        } else if let Some(x) = aborted {
            d.findings.push(x.finding(a));
        } else if !a.seen && !a.gap {
            d.findings.push(Finding::new(&g::NO_RESPONSE));
        }
        if !q.seen {
            d.findings.push(Finding::new(&g::NO_REQUEST));
        }
        if a.seen {
            let spec = match a.status {
                500..=599 => Some(&g::SERVER_ERROR),
                429 => Some(&g::TOO_MANY_REQUESTS),
                _ => None,
            };
            d.findings.extend(spec.map(|s| {
                let code = format!("{} {}", a.status, text::reason(a.status));
                Finding::new(s).with(code.trim_end()).proved_by([a.start.packet])
            }));
        }
        // An abort is said above already.
        self.late.retain(|f| f.spec.code != g::RESET.code);
        d.findings.append(&mut self.late);
        if out.wants(Level::Exchange) {
            d.detail = Some(Box::new(self.exchange_detail(aborted, left)));
        }
        let mut facts = std::mem::take(&mut self.facts);
        let (q, a) = (&self.request, &self.response);
        facts.request = q.seen.then_some([q.start, q.last]);
        facts.response = a.seen.then_some([a.start, a.last]);
        facts.holed = a.gap;
        facts.body_hash = self.hash.value();
        facts.empty_list = a.small.is_empty_list();
        facts.timeless = a.small.timeless();
        d.facts = Some(Facts::Http(facts));
        out.emit(d);
    }

    fn exchange_detail(&self, aborted: Option<Aborted>, left: Option<Left>) -> Detail {
        let (q, a) = (&self.request, &self.response);
        let none = About::default();
        let about = self.about.as_deref().unwrap_or(&none);
        let mut d = Detail::default();
        let mut add = |spec, value| {
            d.tree.add(spec, None, value);
        };
        if q.seen {
            add(&f::METHOD, Value::Text(about.method.as_str().into()));
            add(&f::URI, Value::Text(about.path.as_str().into()));
            if !about.host.is_empty() {
                add(&f::HOST, Value::Text(about.host.as_str().into()));
            }
        }
        let version = text::version(if q.seen { q.version } else { a.version });
        add(&f::VERSION, Value::Text(version.into()));
        if a.seen {
            add(&f::CODE, Value::U64(u64::from(a.status)));
            if !about.media_type.is_empty() {
                add(&f::CONTENT_TYPE, Value::Text(about.media_type.as_str().into()));
            }
        }
        // Of a body with a hole nobody knows how long it is.
        if q.seen && !q.gap {
            add(&f::REQUEST_BYTES, Value::U64(q.length));
        }
        if a.seen && !a.gap {
            add(&f::RESPONSE_BYTES, Value::U64(a.length));
        }
        let mut what = if q.seen {
            text::short(&format!("{} {}", about.method, about.path))
        } else {
            "(request not seen)".to_owned()
        };
        if a.seen {
            what.push_str(&format!(" → {}, {}", a.status, a.amount()));
        } else if a.gap {
            what.push_str(" → (response not captured)");
        } else if aborted.is_none() || left.is_some() {
            what.push_str(" → no response");
        }
        if let Some(left) = left {
            let after = left.at.time.since(q.start.time);
            what.push_str(&format!(", the client left after {}", human(after)));
        } else if let Some(x) = aborted {
            let early = x.is_early_answer(a);
            what.push_str(if early { ", before the end of the request" } else { ", aborted" });
        }
        if q.seen && a.seen {
            let duration = a.last.time.since(q.start.time);
            add(&f::DURATION, Value::U64(duration));
            add(&f::FIRST_BYTE, Value::U64(a.start.time.since(q.start.time)));
            // Nanoseconds of centuries are more than an f64 counts; of hours they are not.
            let since = a.last.time.since(q.last.time) as f64 / 1e9;
            add(&f::TIME, Value::F64(since));
            what.push_str(&format!(", {}", human(duration)));
        }
        if q.seen && q.length > 0 {
            let upload = q.last.time.since(q.start.time);
            d.tree.add(&f::UPLOAD, None, Value::U64(upload));
        }
        hops::state(&about.hops, &mut d.tree);
        d.summary = what;
        d
    }
}
