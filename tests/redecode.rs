//! Every conversation of every fixture, read again as what it was found to be,
//! gives the same rows, details, findings and lanes; others keep theirs.

mod support;

use std::path::Path;
use std::sync::{Arc, RwLock};

use framescope::base::ConversationId;
use framescope::capture::{Batch, CaptureError, OpenOptions, PacketStore, Polled, Source, open};
use framescope::engine::DecodeAs;
use framescope::index::{Index, Progress, Reader, Redecode, Reloader, RowId, Step};

struct Read {
    index: Arc<RwLock<Index>>,
    store: Arc<PacketStore>,
}

fn read(path: &Path) -> Read {
    let index = Arc::new(RwLock::new(Index::new()));
    let source = open(path, OpenOptions { reload: true }).unwrap();
    let store = source.store().unwrap();
    let mut reader = Reader::new(source, support::options(&[]), Arc::clone(&index));
    while reader.step().unwrap() != Progress::Ended {}
    Read { index, store }
}

impl Read {
    /// What is known of the events of a conversation, opened.
    fn events(&self, conversation: usize) -> Vec<String> {
        let ids: Vec<RowId> = {
            let index = self.index.read().unwrap();
            let c = index.conversations().get(conversation).unwrap();
            c.rows.iter().map(|r| RowId(*r)).collect()
        };
        let (index, store) = (Arc::clone(&self.index), Arc::clone(&self.store));
        let mut reloader = Reloader::new(index, store, support::options(&[]));
        let opened = reloader.open_all(&ids);
        assert_eq!(opened.len(), ids.len(), "each can be opened");
        let index = self.index.read().unwrap();
        let mut out = Vec::new();
        for o in opened {
            let row = *index.row(o.row).unwrap();
            assert_eq!(row.last_packet, u32::try_from(o.event.draft.end.packet.0).unwrap());
            out.push(format!("{:?} {:?}", index.kind(&row), o.event.draft));
        }
        out
    }

    fn findings(&self) -> Vec<String> {
        let index = self.index.read().unwrap();
        let mut all: Vec<String> = index
            .findings()
            .iter()
            .map(|(f, row)| {
                // The row must be that of the event, whatever its number.
                let row = row.map(|r| {
                    let r = index.row(RowId(r)).unwrap();
                    let at = (r.first_packet, r.last_packet, r.conversation, r.stream());
                    (at, r.length, r.severity(), index.kind(r))
                });
                format!("{} {:?} {:?} {row:?}", f.finding.spec.code, f.at, f.packets)
            })
            .collect();
        all.sort();
        all
    }

    fn lanes(&self) -> Vec<(u32, Option<u32>, usize)> {
        let index = self.index.read().unwrap();
        let of = |l: &framescope::index::Lane| (l.conversation, l.stream, l.rows.len());
        let mut all: Vec<_> = index.lanes().iter().map(of).collect();
        all.sort_unstable();
        all
    }

    fn again(&self, conversation: usize, read: DecodeAs) {
        let id = ConversationId(u32::try_from(conversation).unwrap() + 1);
        let mut redecode = Redecode::new(id, read);
        while redecode.step(&self.index, &self.store, &support::options(&[])) != Step::Done {}
        assert_eq!(self.index.read().unwrap().read_as(id), Some(read));
    }
}

#[test]
fn what_is_read_again_as_found_is_the_same() {
    for (name, path) in support::fixtures() {
        let r = read(&path);
        let all = r.index.read().unwrap().conversations().len().min(8);
        let before: Vec<_> = (0..all).map(|c| r.events(c)).collect();
        let (findings, lanes) = (r.findings(), r.lanes());
        // The last first: its rows move when those of earlier ones come before them.
        for c in (0..all).rev() {
            r.again(c, DecodeAs::Found);
            for (other, events) in before.iter().enumerate() {
                assert!(&r.events(other) == events, "{name}: #{} after #{}", other + 1, c + 1);
            }
            assert_eq!(r.findings(), findings, "{name}: #{}", c + 1);
            assert_eq!(r.lanes(), lanes, "{name}: #{}", c + 1);
        }
    }
}

#[test]
fn nobodys_bytes_and_back() {
    for (name, path) in support::fixtures() {
        let r = read(&path);
        if r.index.read().unwrap().conversations().is_empty() {
            continue;
        }
        let (before, findings) = (r.events(0), r.findings());
        r.again(0, DecodeAs::Opaque);
        let opaque = r.events(0);
        assert!(opaque.iter().all(|e| e.starts_with("(\"tcp\"")), "{name}: {opaque:#?}");
        r.again(0, DecodeAs::Found);
        assert!(r.events(0) == before, "{name}");
        assert_eq!(r.findings(), findings, "{name}");
    }
}

/// A capture that comes a few packets at a time, as a live one does.
struct Drip {
    source: Box<dyn Source>,
    batch: Option<Batch>,
    next: usize,
    by: usize,
}

impl Source for Drip {
    fn poll(&mut self) -> Result<Polled, CaptureError> {
        loop {
            if let Some(batch) = &self.batch {
                let some: Vec<_> = batch.packets().skip(self.next).take(self.by).collect();
                if !some.is_empty() {
                    self.next += some.len();
                    let (mut bytes, mut packets) = (Vec::new(), Vec::new());
                    for p in some {
                        packets.push((p.meta, u32::try_from(bytes.len()).unwrap()));
                        bytes.extend_from_slice(p.data);
                    }
                    return Ok(Polled::Batch(Batch::new(bytes, packets)));
                }
            }
            match self.source.poll()? {
                Polled::Batch(b) => (self.batch, self.next) = (Some(b), 0),
                other => return Ok(other),
            }
        }
    }

    fn store(&self) -> Option<Arc<PacketStore>> {
        self.source.store()
    }
}

/// Read as something else while it goes on, a conversation ends up as it does where
/// that is asked for at the end; what other conversations have is not touched.
#[test]
fn what_is_read_again_goes_on_while_the_capture_does() {
    let mut followed = 0;
    for (name, path) in support::fixtures() {
        for read_as in [DecodeAs::Found, DecodeAs::Opaque] {
            let whole = read(&path);
            if whole.index.read().unwrap().conversations().is_empty() {
                continue;
            }
            let others: Vec<_> = {
                let all = whole.index.read().unwrap().conversations().len().min(4);
                (1..all).map(|c| whole.events(c)).collect()
            };
            whole.again(0, read_as);
            for after in [2, 9] {
                let source = open(&path, OpenOptions { reload: true }).unwrap();
                let store = source.store().unwrap();
                let source = Drip { source, batch: None, next: 0, by: 3 };
                let index = Arc::new(RwLock::new(Index::new()));
                let live = Read { index: Arc::clone(&index), store };
                let mut reader =
                    Reader::new(Box::new(source), support::options(&[]), Arc::clone(&index));
                let mut steps = 0;
                while reader.step().unwrap() != Progress::Ended {
                    steps += 1;
                    if steps == after && !index.read().unwrap().conversations().is_empty() {
                        live.again(0, read_as);
                        followed += 1;
                    }
                }
                if index.read().unwrap().read_as(ConversationId(1)).is_none() {
                    continue;
                }
                assert!(live.events(0) == whole.events(0), "{name}: {read_as:?} after {after}");
                for (c, before) in (1..).zip(&others) {
                    assert!(&live.events(c) == before, "{name}: #{}", c + 1);
                }
                let mut found = [live.findings(), whole.findings()];
                found.iter_mut().for_each(|f| f.sort());
                assert_eq!(found[0], found[1], "{name}: {read_as:?} after {after}");
                assert_eq!(live.lanes(), whole.lanes(), "{name}: {read_as:?} after {after}");
            }
        }
    }
    assert!(followed > 50, "{followed}");
}
