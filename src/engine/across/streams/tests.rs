use super::*;
use crate::base::{Moment, PacketId};
use crate::engine::{Birth, ConversationInfo};
use crate::event::{Draft, Level};
use crate::flow::Transport;

/// A stream of `client`, open from one second to another, with these ids.
struct Stream {
    client: &'static str,
    span: [i64; 2],
    facts: StreamFacts,
}

fn stream(client: &'static str, from: i64, to: i64, ids: &[&str]) -> Stream {
    let facts = StreamFacts {
        version: 11,
        method: "GET".into(),
        host: "h".into(),
        target: "/s".into(),
        first_id: ids.first().map(|i| (*i).into()),
        last_id: ids.last().map(|i| (*i).into()),
        recent_ids: ids.iter().map(|i| id_hash(i)).collect(),
        events: ids.len() as u64,
        ..StreamFacts::default()
    };
    Stream { client, span: [from, to], facts }
}

fn resumes(mut s: Stream, id: &str) -> Stream {
    s.facts.resumed_from = Some(id.into());
    s
}

/// What is found: the stream's number, the code, and the text.
fn run(streams: &[Stream]) -> Vec<(u32, &'static str, String)> {
    let at = |s: i64| Moment {
        packet: PacketId(s.unsigned_abs() + 1),
        time: CaptureTime(s * 1_000_000_000),
    };
    let mut all = Streams::default();
    let mut found = Vec::new();
    for (n, s) in streams.iter().enumerate() {
        let n = n as u32 + 1;
        let ends = [format!("{}:{}", s.client, 40_000 + n), "10.0.9.9:80".into()];
        let ends = ends.map(|e| e.parse().unwrap());
        let birth = Birth { ends, a_is_client: true, known: true };
        let info = ConversationInfo::new(ConversationId(n), Transport::Tcp, n, birth, at(0));
        let [from, to] = s.span.map(at);
        let draft = Draft::new(Level::Exchange, "sse", "stream", from, to);
        let facts = Facts::Stream(Box::new(s.facts.clone()));
        let event = EventId(u64::from(n));
        all.exchange(&Seen { event, info: &info, draft: &draft, facts: &facts }, &mut found);
    }
    all.finish(&mut found);
    found
        .into_iter()
        .map(|f| {
            let finding = f.finding.finding;
            (f.info.id.0, finding.spec.code, finding.detail.unwrap_or_default().into())
        })
        .collect()
}

const A: &str = "10.0.0.1";
const B: &str = "10.0.0.2";

#[test]
fn each_client_resumes_its_own() {
    let all = run(&[
        stream(A, 0, 10, &["1", "2"]),
        stream(B, 0, 11, &["1", "2"]),
        resumes(stream(A, 12, 20, &["3"]), "2"),
        resumes(stream(B, 13, 20, &["3"]), "2"),
    ]);
    let of: Vec<_> = all.iter().map(|(n, code, t)| (*n, *code, &t[..11])).collect();
    assert_eq!(of, [(3, "sse.resumed", "#1, event 1"), (4, "sse.resumed", "#2, event 2")]);
    // Behind one address: each takes one that nobody has taken.
    let all = run(&[
        stream(A, 0, 10, &["1", "2"]),
        stream(A, 0, 11, &["1", "2"]),
        resumes(stream(A, 12, 20, &["3"]), "2"),
        resumes(stream(A, 13, 20, &["3"]), "2"),
    ]);
    let of: Vec<_> = all.iter().map(|(n, _, t)| (*n, &t[..11])).collect();
    assert_eq!(of, [(3, "#2, event 2"), (4, "#1, event 1")]);
    // From elsewhere, as a telephone does.
    let all = run(&[stream(A, 0, 10, &["7"]), resumes(stream(B, 12, 20, &["8"]), "7")]);
    assert_eq!(all[0].2, "#1, event 1, 2 s after it ended, from id 7, and goes on with 8");
}

#[test]
fn a_stream_is_resumed_from_any_id_that_it_sent() {
    let all = run(&[
        stream(A, 0, 10, &["1", "2", "3", "4", "5"]),
        resumes(stream(A, 12, 20, &["3", "4", "5", "6"]), "2"),
    ]);
    let text =
        "#1, event 1, 2 s after it ended, from id 2, and goes on with 3; 3 events are sent again";
    assert_eq!(all, [(2, "sse.resumed", text.to_owned())]);
    // Nobody sent it.
    let all = run(&[stream(A, 0, 10, &["1", "2"]), resumes(stream(A, 12, 20, &["10"]), "9")]);
    assert_eq!(all, []);
}

#[test]
fn only_a_get_has_lost_its_place() {
    let come_back = |method: &str| {
        let mut all = [stream(A, 0, 10, &["1"]), stream(A, 12, 20, &["1"])];
        for s in &mut all {
            s.facts.method = method.into();
        }
        run(&all).into_iter().map(|f| f.1).collect::<Vec<_>>()
    };
    assert_eq!(come_back("GET"), ["sse.no-last-event-id"]);
    assert_eq!(come_back("POST"), [""; 0]);
}

#[test]
fn streams_that_stay_open_count_and_the_most_is_told() {
    let open = |n: i64, to: i64, open| {
        let mut s = stream(A, n, to, &[]);
        s.facts.target = format!("/{n}").into();
        s.facts.open = open;
        s
    };
    // Each said something when it began, and has been silent since.
    let silent: Vec<_> = (0..10).map(|n| open(n, n, true)).collect();
    let told = |n| vec![(n, "sse.too-many-streams", format!("10 from {A} to h"))];
    assert_eq!(run(&silent), told(10));
    let closed: Vec<_> = (0..10).map(|n| open(n, 100 + n, false)).collect();
    assert_eq!(run(&closed), told(10));
    // Six, and one when another has gone.
    let mut six: Vec<_> = (0..6).map(|n| open(n, 50, false)).collect();
    six.push(open(60, 70, true));
    assert_eq!(run(&six), []);
}
