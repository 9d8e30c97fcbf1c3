//! Every conversation of every fixture, read again as what it was found to be,
//! gives the same rows, details, findings and lanes; others keep theirs.

mod support;

use std::path::Path;
use std::sync::{Arc, RwLock};

use framescope::base::ConversationId;
use framescope::capture::{OpenOptions, PacketStore, open};
use framescope::engine::{DecodeAs, Options};
use framescope::index::{Index, Progress, Reader, Redecode, Reloader, RowId, Step};

struct Read {
    index: Arc<RwLock<Index>>,
    store: Arc<PacketStore>,
}

fn read(path: &Path) -> Read {
    let index = Arc::new(RwLock::new(Index::new()));
    let source = open(path, OpenOptions { reload: true }).unwrap();
    let store = source.store().unwrap();
    let mut reader = Reader::new(source, Options::default(), Arc::clone(&index));
    while reader.step().unwrap() != Progress::Ended {}
    Read { index, store }
}

/// The findings of `engine/across`.
const ACROSS: [&str; 4] =
    ["sse.resumed", "sse.resume-gap", "sse.no-last-event-id", "sse.too-many-streams"];

impl Read {
    /// What is known of the events of a conversation, opened.
    fn events(&self, conversation: usize) -> Vec<String> {
        let ids: Vec<RowId> = {
            let index = self.index.read().unwrap();
            index.conversations()[conversation].rows.iter().map(|r| RowId(*r)).collect()
        };
        let (index, store) = (Arc::clone(&self.index), Arc::clone(&self.store));
        let mut reloader = Reloader::new(index, store, Options::default());
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
            // What was found beside other conversations is not asked again of one that is
            // read again alone (`engine/across`).
            .filter(|(f, _)| !ACROSS.contains(&f.finding.spec.code))
            .map(|(f, row)| {
                // The row must be that of the event, whatever its number.
                let row = row.map(|r| *index.row(RowId(r)).unwrap());
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
        while redecode.step(&self.index, &self.store, &Options::default()) != Step::Done {}
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
