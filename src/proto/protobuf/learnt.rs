//! What a capture itself says of its schemas: files that servers gave to those who asked
//! them by reflection, and types inferred from the messages of each method.
//!
//! Reflection is `grpc.reflection.v1.ServerReflection` (or `v1alpha`), whose responses carry
//! whole file descriptors:
//!
//! ```text
//! ServerReflectionResponse { 4: FileDescriptorResponse { 1: repeated bytes file_descriptor_proto } }
//! ```
//!
//! One pass learns, and everybody may look at what is known by then. What comes off the wire
//! is bounded, and checked before it is used.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashbrown::{HashMap, HashSet};

use crate::base::Side;
use crate::base::limits::{
    MAX_INFERRED_FIELDS, MAX_INFERRED_METHODS, MAX_LEARNT_BYTES, MAX_LEARNT_FILES,
    MAX_PROTOBUF_DEPTH,
};
use crate::proto::PayloadHint;
use crate::proto::protobuf::files::{self, SchemaFile};
use crate::proto::protobuf::infer::{self, Inferred, Shape};
use crate::proto::protobuf::print::Printer;
use crate::proto::protobuf::readings::{self, Raw};
use crate::proto::protobuf::types::Types;
use crate::proto::protobuf::{Schema, is_protobuf};

/// Beginnings of the paths of reflection.
const REFLECTION: [&str; 2] =
    ["/grpc.reflection.v1.ServerReflection/", "/grpc.reflection.v1alpha.ServerReflection/"];
/// So often tables are made anew as soon as there is a new file; then only where an eighth
/// has come on top, so that a flood of files costs no more than a few times their sum.
const EAGER: u32 = 64;
/// What could not be used is told so often.
const MAX_COMPLAINTS: usize = 32;

/// See the module.
pub struct Learnt {
    given: Option<Schema>,
    infers: bool,
    state: Mutex<State>,
    /// How many files there are: looked at without the lock.
    files: AtomicU64,
}

#[derive(Default)]
struct State {
    files: Vec<SchemaFile>,
    names: HashSet<String>,
    bytes: usize,
    complaints: Vec<String>,
    /// Made of `files`, when there were so many bytes.
    types: Arc<Types>,
    made_of: usize,
    made: u32,
    methods: HashMap<String, [Half; 2]>,
    /// Fields that may still be told apart.
    room: usize,
    methods_left_out: bool,
}

/// One direction of a method.
#[derive(Default)]
struct Half {
    shape: Shape,
    reading: Option<Arc<Reading>>,
}

/// How the messages of a method are read that no schema knows.
pub(super) struct Reading {
    pub(super) inferred: Inferred,
    /// The first is the message's type.
    pub(super) types: Types,
}

/// A schema that was learnt, as text.
#[derive(Clone, Debug)]
pub struct LearntFile {
    /// As imports call it.
    pub name: String,
    /// .proto text; where it cannot be written as such, why not.
    pub text: Result<String, String>,
    /// The FileDescriptorProto.
    pub descriptor: Vec<u8>,
    /// Inferred from messages, not told by a server.
    pub inferred: bool,
    /// One that everybody has: of google/protobuf.
    pub well_known: bool,
}

/// All that was learnt.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Imports before those who import them.
    pub files: Vec<LearntFile>,
    /// What could not be used, or was left out: one sentence each.
    pub complaints: Vec<String>,
}

impl fmt::Debug for Learnt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files = self.files.load(Ordering::Relaxed);
        f.debug_struct("Learnt").field("infers", &self.infers).field("files", &files).finish()
    }
}

impl Learnt {
    /// Nothing yet. With `infers`, types are inferred for methods that neither `given` nor
    /// a server's reflection knows.
    #[must_use]
    pub fn new(given: Option<Schema>, infers: bool) -> Arc<Self> {
        let state = State { room: MAX_INFERRED_FIELDS, ..State::default() };
        Arc::new(Self { given, infers, state: Mutex::new(state), files: AtomicU64::new(0) })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many files servers have told so far.
    #[must_use]
    pub fn file_count(&self) -> u64 {
        self.files.load(Ordering::Relaxed)
    }

    /// Knows nothing again: what was learnt was learnt in no particular order.
    pub fn forget(&self) {
        let mut state = self.lock();
        *state = State { room: MAX_INFERRED_FIELDS, ..State::default() };
        self.files.store(0, Ordering::Relaxed);
    }

    /// Whether there is anything that changes how messages are read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.file_count() == 0 && self.lock().methods.is_empty()
    }

    /// Learns from the message of a call.
    pub fn message(&self, hint: &PayloadHint<'_>, data: &[u8]) {
        let reflects = REFLECTION.iter().any(|r| hint.path.starts_with(r));
        if reflects && hint.side == Side::Server && is_protobuf(hint.media_type) {
            self.reflection(data);
        }
        if !self.infers || hint.path.is_empty() || hint.message.is_some() {
            return;
        }
        // Everybody knows what these carry.
        if reflects || hint.path.starts_with("/grpc.health.v1.Health/") {
            return;
        }
        if self.given.as_ref().is_some_and(|s| s.types.method(hint.path).is_some())
            || !is_protobuf(hint.media_type)
            || !readings::is_message(data)
        {
            return;
        }
        let mut state = self.lock();
        let state = &mut *state;
        if state.types.method(hint.path).is_some() {
            return;
        }
        if !state.methods.contains_key(hint.path) {
            if state.methods.len() >= MAX_INFERRED_METHODS {
                state.methods_left_out = true;
                return;
            }
            state.methods.insert(hint.path.to_owned(), <[Half; 2]>::default());
        }
        if let Some(half) =
            state.methods.get_mut(hint.path).and_then(|m| m.get_mut(hint.side.index()))
        {
            half.shape.add(data, &mut state.room);
        }
    }

    /// Takes the files of a response.
    fn reflection(&self, response: &[u8]) {
        let mut state = self.lock();
        each(response, 4, &mut |answer| each(answer, 1, &mut |file| state.file(file)));
        self.files.store(state.files.len() as u64, Ordering::Relaxed);
    }

    /// The types of what servers have told.
    pub(super) fn types(&self) -> Option<Arc<Types>> {
        if self.file_count() == 0 {
            return None;
        }
        let mut state = self.lock();
        if state.bytes > state.made_of
            && (state.made < EAGER || state.bytes - state.made_of >= state.made_of / 8)
        {
            state.make();
        }
        Some(Arc::clone(&state.types))
    }

    /// How a message is read whose type nobody has told.
    pub(super) fn reading(&self, path: &str, side: Side) -> Option<Arc<Reading>> {
        if !self.infers {
            return None;
        }
        let mut state = self.lock();
        let half = state.methods.get_mut(path)?.get_mut(side.index())?;
        let now = half.shape.messages();
        if now == 0 {
            return None;
        }
        // Of many messages a few more say little.
        let fresh = half.reading.as_ref().filter(|r| {
            let then = r.inferred.messages;
            then == now || then >= 64 && now - then < then / 8
        });
        if fresh.is_none() {
            let inferred = infer::infer(&half.shape);
            let types = infer::tables(&inferred);
            half.reading = Some(Arc::new(Reading { inferred, types }));
        }
        half.reading.clone()
    }

    /// What was learnt. `streams` says of a path whether its requests and its responses
    /// were seen to be streams.
    #[must_use]
    pub fn report(&self, streams: &dyn Fn(&str) -> [bool; 2]) -> Report {
        let mut state = self.lock();
        state.make();
        let mut all = state.files.clone();
        let own: HashSet<String> = all.iter().map(|f| f.name().to_owned()).collect();
        let mut report = Report { complaints: state.complaints.clone(), ..Report::default() };
        report.complaints.extend(files::complete(&mut all).into_iter().map(|n| {
            format!("{n} is imported, and no server has told it: what is in it is missing")
        }));
        let mut taken: std::collections::HashSet<String> =
            state.types.by_name.keys().cloned().collect();
        let mut inferred: BTreeMap<&str, Vec<infer::Side>> = BTreeMap::new();
        let mut paths: Vec<_> = state.methods.iter().collect();
        paths.sort_unstable_by_key(|p| p.0);
        for (path, [request, response]) in paths {
            if state.types.method(path).is_some() {
                continue;
            }
            let parts = path.strip_prefix('/').and_then(|p| p.split_once('/'));
            let sound = parts
                .filter(|(s, m)| infer::is_identifier(m) && s.split('.').all(infer::is_identifier));
            let Some((service, method)) = sound else {
                report
                    .complaints
                    .push(format!("{path}: no service of a .proto file has such a path"));
                continue;
            };
            if state.types.paths().any(|p| {
                p.strip_prefix('/').and_then(|p| p.split_once('/')).is_some_and(|p| p.0 == service)
            }) {
                report
                    .complaints
                    .push(format!("{path}: its service is known, and has no such method"));
                continue;
            }
            let [up, down] = streams(path);
            let half = |h: &Half, stream| infer::SideOf { message: infer::infer(&h.shape), stream };
            inferred.entry(service).or_default().push(infer::Side {
                method: method.to_owned(),
                request: half(request, up),
                response: half(response, down),
            });
        }
        for (service, methods) in &inferred {
            all.push(SchemaFile::made(infer::file(service, methods, &mut taken)));
        }
        if state.methods_left_out {
            report.complaints.push(format!(
                "there are more than {MAX_INFERRED_METHODS} methods without a schema; the rest was left out"
            ));
        }
        files::complete(&mut all);
        let all = files::sort(all);
        let printer = Printer::new(&all);
        report.files = all
            .iter()
            .map(|f| LearntFile {
                name: f.name().to_owned(),
                text: printer.text(f),
                descriptor: f.bytes.clone(),
                inferred: f.name().starts_with("inferred/") && !own.contains(f.name()),
                well_known: files::is_well_known(f.name()),
            })
            .collect();
        report
    }
}

impl State {
    /// Takes a file that a server has told.
    fn file(&mut self, bytes: &[u8]) {
        let file = match SchemaFile::read(bytes) {
            Ok(file) => file,
            Err(why) => return self.complain(format!("reflection gave {why}")),
        };
        if self.names.contains(file.name()) {
            let differs = self.files.iter().any(|f| f.name() == file.name() && f.bytes != bytes);
            if differs {
                let name = file.name();
                self.complain(format!("{name} came in two versions; the first is used"));
            }
            return;
        }
        if self.files.len() >= MAX_LEARNT_FILES || self.bytes + bytes.len() > MAX_LEARNT_BYTES {
            return self.complain("reflection gave more files than are kept".to_owned());
        }
        self.bytes += bytes.len();
        self.names.insert(file.name().to_owned());
        self.files.push(file);
    }

    fn complain(&mut self, what: String) {
        if self.complaints.len() < MAX_COMPLAINTS && !self.complaints.contains(&what) {
            self.complaints.push(what);
        }
    }

    /// Makes the tables of all files.
    fn make(&mut self) {
        if self.made_of == self.bytes {
            return;
        }
        self.made_of = self.bytes;
        self.made = self.made.saturating_add(1);
        let mut all = self.files.clone();
        files::complete(&mut all);
        self.types = Arc::new(files::tables(&all).0);
    }
}

/// Each value of a length-delimited field.
fn each(data: &[u8], number: u64, f: &mut dyn FnMut(&[u8])) {
    let mut rest = data;
    while let Some((cut, next)) = readings::cut(rest, MAX_PROTOBUF_DEPTH) {
        if let (true, Raw::Bytes(b), 2) = (cut.number == number, &cut.value, cut.wire_type) {
            f(b);
        }
        rest = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "syntax = \"proto3\"; package p; message M { int32 a = 1; } \
                        service S { rpc Do(M) returns (stream M); }";

    fn bytes(number: u8, value: &[u8]) -> Vec<u8> {
        let mut out = vec![number << 3 | 2];
        let mut len = value.len();
        while len > 127 {
            out.push(len as u8 | 0x80);
            len >>= 7;
        }
        out.push(len as u8);
        out.extend(value);
        out
    }

    fn descriptor(name: &str, source: &str) -> Vec<u8> {
        use prost_reflect::prost::Message as _;
        let file = protox::file::File::from_source(name, source).unwrap();
        let mut file = file.file_descriptor_proto().clone();
        file.source_code_info = None;
        file.encode_to_vec()
    }

    fn tell(l: &Learnt, path: &str, side: Side, data: &[u8]) {
        let hint = PayloadHint { media_type: "application/grpc", path, side, message: None };
        l.message(&hint, data);
    }

    fn answer(l: &Learnt, files: &[&[u8]]) {
        let files: Vec<u8> = files.iter().flat_map(|f| bytes(1, f)).collect();
        let path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
        tell(l, path, Side::Server, &[bytes(1, b"host"), bytes(4, &files)].concat());
    }

    fn nothing(_: &str) -> [bool; 2] {
        [false; 2]
    }

    #[test]
    fn what_a_server_tells_is_known_from_then_on() {
        let l = Learnt::new(None, true);
        tell(&l, "/p.S/Do", Side::Client, b"\x08\x05");
        assert!(l.types().is_none() && l.reading("/p.S/Do", Side::Client).is_some());
        let file = descriptor("a/p.proto", FILE);
        // A client cannot tell the server's schema.
        let path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
        tell(&l, path, Side::Client, &bytes(4, &bytes(1, &file)));
        assert_eq!(l.file_count(), 0);
        answer(&l, &[&file]);
        answer(&l, &[&file]);
        assert_eq!(l.file_count(), 1);
        let method = l.types().unwrap().method("/p.S/Do").unwrap();
        assert_eq!(method.pattern, "server_streaming");
        // What is told counts more than what was inferred.
        let report = l.report(&nothing);
        let names: Vec<&str> = report.files.iter().map(|f| f.name.as_str()).collect();
        assert_eq!((names, report.complaints.len()), (vec!["a/p.proto"], 0));
        assert_eq!(report.files[0].descriptor, file);
        // Another file of that name is said, and not used.
        answer(&l, &[&descriptor("a/p.proto", "syntax = \"proto3\"; package q;")]);
        assert!(l.report(&nothing).complaints[0].contains("two versions"));
    }

    #[test]
    fn a_file_without_its_imports_is_used_as_far_as_it_goes() {
        let l = Learnt::new(None, false);
        let mut source = descriptor("p.proto", FILE);
        // dependency: "gone.proto"
        source.extend(bytes(3, b"gone.proto"));
        answer(&l, &[&source, b"\xff\xff", &bytes(1, b"x.proto"), &[]]);
        assert!(l.types().unwrap().method("/p.S/Do").is_some());
        let complaints = l.report(&nothing).complaints;
        assert!(complaints.iter().any(|c| c.contains("gone.proto is imported")), "{complaints:?}");
        assert!(complaints.iter().any(|c| c.contains("no file descriptor")), "{complaints:?}");
        // The syntax of years to come is refused with a word, and an edition is not.
        let edition =
            [descriptor("e.proto", "syntax = \"proto3\"; message E {}"), bytes(12, b"editions")];
        let later = [descriptor("l.proto", "syntax = \"proto3\";"), bytes(12, b"proto9")];
        answer(&l, &[&edition.concat(), &later.concat()]);
        assert!(l.types().unwrap().by_name.contains_key("E"));
        let report = l.report(&nothing);
        assert!(report.complaints.iter().any(|c| c.contains("\"proto9\"")), "{report:?}");
        let edition = report.files.iter().find(|f| f.name == "e.proto").unwrap();
        assert!(edition.text.as_ref().unwrap_err().contains("edition"));
    }

    #[test]
    fn methods_are_bounded_and_odd_paths_are_said() {
        let l = Learnt::new(None, true);
        for i in 0..MAX_INFERRED_METHODS + 5 {
            tell(&l, &format!("/s{i}/m"), Side::Client, b"\x08\x05");
        }
        tell(&l, "", Side::Client, b"\x08\x05");
        // What is no message teaches nothing.
        tell(&l, "/s1/m", Side::Server, b"\x0a\x05abc");
        assert!(l.reading("/s1/m", Side::Server).is_none());
        assert!(l.lock().methods_left_out && l.lock().methods.len() == MAX_INFERRED_METHODS);
        let l = Learnt::new(None, true);
        tell(&l, "/a b/../c", Side::Client, b"\x08\x05");
        let report = l.report(&nothing);
        assert!(report.files.is_empty() && report.complaints[0].contains("no service"));
    }

    proptest::proptest! {
        #[test]
        fn descriptors_off_the_wire_never_panic(
            at in proptest::collection::vec((0_usize..4096, proptest::num::u8::ANY), 1..6),
        ) {
            let mut file = descriptor("p.proto", FILE);
            for (at, byte) in at {
                let n = file.len();
                file[at % n] = byte;
            }
            let l = Learnt::new(None, true);
            answer(&l, &[&file]);
            l.types();
            let _ = l.report(&nothing);
        }
    }
}
