//! Exact events of exact bytes, every finding, every size of chunks, hostile bytes.

use proptest::prelude::*;

use super::bench_support::{Records, Suite};
use super::machine::Tls;
use super::wire::RETRY;
use crate::base::Side;
use crate::event::Level;
use crate::proto::harness::{Recorder, Told};
use crate::proto::{EndCause, Machine, Probe, Verdict};

/// Sizes of chunks that must make no difference.
const SIZES: [usize; 6] = [1, 2, 3, 7, 1460, 1 << 20];

fn record(content_type: u8, body: &[u8]) -> Vec<u8> {
    let mut r = vec![content_type, 3, 3];
    r.extend((body.len() as u16).to_be_bytes());
    r.extend(body);
    r
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut m = vec![kind];
    m.extend(&(body.len() as u32).to_be_bytes()[1..]);
    m.extend(body);
    m
}

fn vector16(body: &[u8]) -> Vec<u8> {
    [&(body.len() as u16).to_be_bytes(), body].concat()
}

fn extension(kind: u16, data: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes(), vector16(data).as_slice()].concat()
}

fn client_hello() -> Vec<u8> {
    let name = vector16(&[&[0][..], &vector16(b"echo.example")].concat());
    let alpn = vector16(b"\x02h2\x08http/1.1");
    let extensions = [
        extension(0, &name),
        extension(16, &alpn),
        extension(10, &vector16(&[0, 29, 0, 23])),
        extension(13, &vector16(&[4, 3, 8, 4])),
        extension(43, &[4, 3, 4, 3, 3]),
        extension(51, &vector16(&[&[0, 29][..], &vector16(&[9; 32])].concat())),
    ]
    .concat();
    let body = [
        &[3, 3][..],
        &[5; 32],
        &[0],
        &vector16(&[0x13, 1, 0x13, 2, 0xc0, 0x2b]),
        &[1, 0],
        &vector16(&extensions),
    ]
    .concat();
    message(1, &body)
}

fn server_hello(version: [u8; 2], suite: [u8; 2], compression: u8, extensions: &[u8]) -> Vec<u8> {
    let mut body = [&version[..], &[6; 32], &[0], &suite, &[compression]].concat();
    if !extensions.is_empty() {
        body.extend(vector16(extensions));
    }
    message(2, &body)
}

fn v13() -> Vec<u8> {
    extension(43, &[3, 4])
}

/// Runs both sides' bytes through a machine, and ends it.
fn run(bytes: &[(Side, &[u8])], size: usize) -> Recorder {
    let mut out = Recorder::new();
    let mut m = Tls::default();
    for (side, data) in bytes {
        out.bytes(&mut m, *side, data, size);
    }
    for side in Side::BOTH {
        out.end(&mut m, side, EndCause::Finished);
    }
    out
}

use Side::{Client, Server};

#[test]
fn hellos_are_read_in_full() {
    let c = record(22, &client_hello());
    let s = record(22, &server_hello([3, 3], [0x13, 1], 0, &v13()));
    let whole = run(&[(Client, &c), (Server, &s)], 1 << 20);
    assert_eq!(whole.kinds(Level::Frame), ["record", "record"]);
    assert_eq!(whole.kinds(Level::Message), ["client_hello", "server_hello"]);
    let d = whole.events[1].detail.as_ref().unwrap();
    assert_eq!(d.summary, "echo.example, up to TLS 1.3, 3 suites, ALPN h2 http/1.1");
    for (name, value) in [
        ("tls.handshake.type", 1),
        ("tls.handshake.version", 0x0303),
        ("tls.handshake.ciphersuite", 0x1301),
        ("tls.handshake.extensions_supported_group", 29),
        ("tls.handshake.sig_hash_alg", 0x0403),
        ("tls.handshake.extensions.supported_version", 0x0304),
        ("tls.handshake.extensions_key_share_group", 29),
    ] {
        assert_eq!(d.tree.number(name), Some(value), "{name}");
    }
    let ja4 = &d.tree.find("tls.handshake.ja4").unwrap().value;
    assert!(format!("{ja4:?}").contains("t13d0306h2_"), "{ja4:?}");
    // Every field lies within the message, and each of its bytes is in one.
    let len = client_hello().len() as u32;
    let mut covered = vec![false; len as usize];
    for n in d.tree.leaves().filter_map(|n| n.span) {
        for at in n.start..n.end() {
            covered[at as usize] = true;
        }
    }
    assert!(covered.iter().all(|c| *c), "{covered:?}");
    let session = whole.events.last().unwrap();
    assert_eq!((session.level, session.kind), (Level::Exchange, "session"));
    for size in SIZES {
        assert_eq!(run(&[(Client, &c), (Server, &s)], size).gist(), whole.gist(), "{size}");
    }
}

#[test]
fn messages_and_records_need_not_agree() {
    let hello = client_hello();
    let many: Vec<u8> = hello.chunks(5).flat_map(|c| record(22, c)).collect();
    let out = run(&[(Client, &many)], 1 << 20);
    assert_eq!(out.kinds(Level::Message), ["client_hello"]);
    let d = out.events.iter().find(|e| e.level == Level::Message).unwrap().detail.as_ref().unwrap();
    assert_eq!(d.origins.buffers()[0].bytes, hello);
    let two = [server_hello([3, 3], [0xc0, 0x2b], 0, &[]), message(14, &[])].concat();
    let one = record(22, &two);
    for size in SIZES {
        let out = run(&[(Client, &record(22, &hello)), (Server, &one)], size);
        let kinds = out.kinds(Level::Message);
        assert_eq!(kinds, ["client_hello", "server_hello", "server_hello_done"], "{size}");
    }
}

#[test]
fn a_retry_request_is_no_server_hello() {
    let body = [&[3, 3][..], &RETRY, &[0], &[0x13, 1], &[0], &vector16(&v13())].concat();
    let c = record(22, &client_hello());
    let out = run(&[(Client, &c), (Server, &record(22, &message(2, &body))), (Client, &c)], 9);
    let kinds = out.kinds(Level::Message);
    assert_eq!(kinds, ["client_hello", "hello_retry_request", "client_hello"]);
}

/// Under known keys, plain text goes to the child, whatever the chunks.
#[test]
fn records_are_opened_and_handed_on() {
    let records = Records::new(Suite::Aes128Gcm, 5, 100).unwrap();
    for size in SIZES {
        let mut out = Recorder::new();
        let mut m = Tls::primed(&[7; 32], 0x1301);
        out.bytes(&mut m, Client, &records.sealed, size);
        out.end(&mut m, Client, EndCause::Finished);
        out.end(&mut m, Server, EndCause::Finished);
        let (how, _, told) = &out.children[&1];
        assert_eq!(how, "bytes");
        assert_eq!(told[0], Told::Bytes(Client, vec![b'x'; 500]), "{size}");
        let d = out.events[3].detail.as_ref().unwrap();
        assert_eq!(d.tree.number("tls.record.sequence"), Some(3));
        assert_eq!(d.tree.number("tls.record.opaque_type"), Some(23));
        assert_eq!(d.origins.buffers()[1].bytes.len(), 101);
    }
}

/// What was lost is found again by the number, and told as missing.
#[test]
fn behind_a_hole_the_number_is_found() {
    let records = Records::new(Suite::Aes128Gcm, 9, 100).unwrap().sealed;
    let each = records.len() / 9;
    // The hole begins and ends in the middle of records.
    let (from, to) = (each + 40, 4 * each + 11);
    for size in SIZES {
        let mut out = Recorder::new();
        let mut m = Tls::primed(&[7; 32], 0x1301);
        out.bytes(&mut m, Client, &records[..from], size);
        out.gap(&mut m, Client, (to - from) as u64);
        out.bytes(&mut m, Client, &records[to..], size);
        out.end(&mut m, Client, EndCause::Finished);
        let told = &out.children[&1].2;
        // Records 1 to 4: 400 bytes of content, exactly.
        assert_eq!(told[0], Told::Bytes(Client, vec![b'x'; 100]), "{size}");
        assert_eq!(told[1], Told::Gap(Client, 400), "{size}");
        assert_eq!(told[2], Told::Bytes(Client, vec![b'x'; 400]), "{size}");
        assert_eq!(out.codes(), ["tls.sequence-found"], "{size}");
    }
}

#[test]
fn a_record_that_was_changed_is_not_shown() {
    let mut records = Records::new(Suite::Aes128Gcm, 3, 100).unwrap().sealed;
    let each = records.len() / 3;
    records[each + 50] ^= 1;
    let mut out = Recorder::new();
    let mut m = Tls::primed(&[7; 32], 0x1301);
    out.bytes(&mut m, Client, &records, 1460);
    assert_eq!(out.codes(), ["tls.record-not-verified"]);
    let told = &out.children[&1].2;
    assert_eq!(told[1], Told::Gap(Client, 100));
    assert_eq!(told.len(), 3);
}

/// The codes of what a client and a server say.
fn codes(client: &[u8], server: &[u8]) -> Vec<&'static str> {
    run(&[(Client, client), (Server, server)], 1460).codes()
}

#[test]
fn every_finding_is_raised() {
    let c = record(22, &client_hello());
    let v12 = |suite, compression| record(22, &server_hello([3, 3], suite, compression, &[]));
    let ccs = record(20, &[1]);
    let sealed = record(22, &[0x80; 40]);
    let tail = [ccs.as_slice(), &sealed].concat();
    let after = |s: Vec<u8>| [s.as_slice(), &tail].concat();
    assert_eq!(codes(&c, &after(v12([0xc0, 0x2b], 0))), ["tls.no-secret"]);
    assert_eq!(codes(&c, &after(v12([0, 5], 0))), ["tls.unsupported-suite"]);
    assert_eq!(codes(&c, &after(v12([0xc0, 0x2b], 1))), ["tls.compression"]);
    let old = record(22, &server_hello([3, 1], [0xc0, 0x09], 0, &[]));
    assert_eq!(codes(&c, &old), ["tls.old-version"]);
    assert_eq!(codes(&c, &record(21, &[2, 40])), ["tls.fatal-alert"]);
    assert_eq!(codes(&c, &record(21, &[1, 0])), [] as [&str; 0]);
    assert_eq!(codes(&c, &record(24, &[1, 0, 4])), ["tls.heartbeat"]);
    assert_eq!(codes(&c, &[b'x'; 9]), ["tls.not-a-record"]);
    let mut lies = client_hello();
    lies[38] = 200;
    assert_eq!(codes(&record(22, &lies), &[]), ["tls.malformed"]);
    let long = record(22, &[&[11, 0x20, 0, 0][..], &[0; 60]].concat());
    let long = [v12([0xc0, 0x2b], 0), long].concat();
    assert_eq!(codes(&c, &long), ["tls.handshake-too-long"]);
    assert_eq!(codes(&c, &record(22, &[0; 16_500])).first(), Some(&"tls.record-too-long"));
    // Under a secret that is another's.
    let mut out = Recorder::new();
    let random = "05".repeat(32);
    out.secrets.add(format!("CLIENT_RANDOM {random} {}", "11".repeat(48)).as_bytes());
    let mut m = Tls::default();
    out.bytes(&mut m, Client, &c, 1460);
    out.bytes(&mut m, Server, &after(v12([0xc0, 0x2b], 0)), 1460);
    assert_eq!(out.codes(), ["tls.wrong-secret"]);
    // A key log that is larger than what is kept.
    let mut out = Recorder::new();
    out.secrets.fill();
    let mut m = Tls::default();
    out.bytes(&mut m, Client, &c, 1460);
    out.bytes(&mut m, Server, &after(v12([0xc0, 0x2b], 0)), 1460);
    assert_eq!(out.codes(), ["tls.no-secret", "tls.key-log-full"]);
    // A hole that nothing gets over.
    let records = Records::new(Suite::Aes128Gcm, 3, 100).unwrap().sealed;
    let mut out = Recorder::new();
    let mut m = Tls::primed(&[8; 32], 0x1301);
    out.gap(&mut m, Client, 5000);
    out.bytes(&mut m, Client, &records, 1460);
    assert_eq!(out.codes().first(), Some(&"tls.sequence-lost"));
    // The end without close_notify.
    let mut out = Recorder::new();
    let mut m = Tls::primed(&[7; 32], 0x1301);
    out.bytes(&mut m, Client, &records, 1460);
    out.end(&mut m, Client, EndCause::Finished);
    out.end(&mut m, Server, EndCause::Finished);
    assert_eq!(out.codes(), ["tls.no-close-notify"]);
    // Of both, it is one thing.
    let mut out = Recorder::new();
    let mut m = Tls::primed(&[7; 32], 0x1301);
    *m.dir(Server) = m.dir(Client).clone();
    out.bytes(&mut m, Client, &records, 1460);
    out.bytes(&mut m, Server, &records, 1460);
    out.end(&mut m, Client, EndCause::Finished);
    out.end(&mut m, Server, EndCause::Finished);
    assert_eq!(out.codes(), ["tls.no-close-notify"]);
    let [f] = &out.events.last().unwrap().findings[..] else { panic!("one") };
    assert_eq!(f.detail.as_deref(), Some("the client and the server"));
}

#[test]
fn tls_is_known_by_its_hellos_or_by_a_chain() {
    let c = record(22, &client_hello());
    let s = record(22, &server_hello([3, 3], [0x13, 1], 0, &v13()));
    let ask = |data: [&[u8]; 2], last, beginning| {
        super::probe::probe(&Probe {
            data,
            last,
            beginning,
            secrets: crate::proto::Secrets::none(),
            patient: false,
        })
    };
    assert_eq!(ask([&c, &[]], false, true), Verdict::Yes { client: Some(Client) });
    assert_eq!(ask([&[], &s], false, true), Verdict::Yes { client: Some(Client) });
    // Sides that were guessed wrongly.
    assert_eq!(ask([&s, &c], false, false), Verdict::Yes { client: Some(Server) });
    for len in 1..10 {
        assert_eq!(ask([&c[..len], &[]], false, true), Verdict::More, "{len}");
    }
    assert_eq!(ask([b"GET / HTTP/1.1\r\n\r\n", &[]], false, true), Verdict::No);
    assert_eq!(ask([b"PRI * HTTP/2.0\r\n\r\n", &[]], false, true), Verdict::No);
    let chain = [vec![9; 100], record(23, &[1; 60]), record(23, &[2; 60])].concat();
    assert_eq!(ask([&chain, &[]], false, false), Verdict::Yes { client: None });
    assert_eq!(ask([&[0; 3000], &[1; 3000]], true, false), Verdict::No);
}

/// A key log of one session, whose client sends what `Records` seals.
fn one_session(out: &Recorder) {
    let hex = |b: &[u8]| b.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let line = format!("CLIENT_TRAFFIC_SECRET_0 {} {}\n", hex(&[1; 32]), hex(&[7; 32]));
    out.secrets.add(line.as_bytes());
}

/// Records of these numbers: the one of `(number, length)` has so many bytes of content.
fn numbered(suite: Suite, all: &[(u64, usize)]) -> Vec<u8> {
    let one = |(seq, len): &(u64, usize)| {
        let r = Records::new(suite, seq + 1, *len).unwrap().sealed;
        r[r.len() / (*seq as usize + 1) * *seq as usize..].to_vec()
    };
    all.iter().flat_map(one).collect()
}

/// What of a session's first bytes tells who the client is tells it however many of them have
/// come: here behind early data, whose keys are not tried.
#[test]
fn who_the_client_is_does_not_depend_on_chunks() {
    let out = Recorder::new();
    one_session(&out);
    let early = [record(23, &[3; 60]), record(23, &[4; 90])].concat();
    let fits = [early.as_slice(), &numbered(Suite::Aes128Gcm, &[(2, 50), (3, 50)])].concat();
    let none: Vec<u8> = (0..9).flat_map(|n| record(23, &[n; 70])).collect();
    let ask = |data: [&[u8]; 2], last| {
        super::probe::probe(&Probe {
            data,
            last,
            beginning: false,
            secrets: &out.secrets,
            patient: false,
        })
    };
    let some = |client| Verdict::Yes { client };
    for (data, verdict) in [
        ([&fits[..], &[]], some(Some(Client))),
        ([&[], &fits[..]], some(Some(Server))),
        ([&none[..75], &fits[..]], some(Some(Server))),
        ([&fits[..], &none[..75 * 3]], some(Some(Client))),
        // One end has been heard for long enough.
        ([&none[..], &[]], some(None)),
        ([&none[..], &early[..]], some(None)),
    ] {
        assert_eq!(ask(data, true), verdict);
        let ups = (1..=data[0].len()).map(|n| (n, data[1].len()));
        let downs = (1..=data[1].len()).map(|n| (data[0].len(), n));
        for (up, down) in ups.chain(downs) {
            let said = ask([&data[0][..up], &data[1][..down]], false);
            assert!([Verdict::More, verdict].contains(&said), "{up} {down}: {said:?}");
        }
    }
    // Nothing is waited for where there is nothing to be tried.
    assert_eq!(ask([&early, &[]], false), Verdict::More);
    let none = Recorder::new();
    let probe = Probe {
        data: [&early, &[]],
        last: false,
        beginning: false,
        secrets: &none.secrets,
        patient: false,
    };
    assert_eq!(super::probe::probe(&probe), some(None));
}

/// The beginning is there, and the hellos are not: what a second reader sees is in the order of
/// the first.
#[test]
fn whoever_reads_it_again_sees_the_same_order() {
    let client = numbered(Suite::Aes128Gcm, &[(2, 50), (3, 50)]);
    let server = [record(23, &[3; 60]), record(23, &[4; 60])].concat();
    let mut out = Recorder::new();
    one_session(&out);
    let mut all = Vec::new();
    for _ in 0..2 {
        let mut m = Tls::default();
        out.gap(&mut m, Client, 500);
        out.bytes(&mut m, Client, &client[..client.len() / 2], 1460);
        out.bytes(&mut m, Server, &server, 1460);
        out.bytes(&mut m, Client, &client[client.len() / 2..], 1460);
        for side in Side::BOTH {
            out.end(&mut m, side, EndCause::CaptureEnded);
        }
        assert!(!out.children.is_empty());
        all.push(out.gist());
        let mut next = Recorder::new();
        next.secrets = out.secrets;
        out = next;
    }
    assert!(all[0] == all[1], "another order");
}

/// Large records are dear to try: they leave something for the small ones behind them.
#[test]
fn a_record_that_was_too_dear_does_not_close_those_behind_it() {
    let mut out = Recorder::new();
    one_session(&out);
    let mut m = Tls::default();
    let data = numbered(Suite::ChaCha20, &[(300, 16_000), (301, 50), (302, 16_000)]);
    out.bytes(&mut m, Client, &data, 1 << 20);
    for side in Side::BOTH {
        out.end(&mut m, side, EndCause::CaptureEnded);
    }
    // Of the first it is said what was done, and not that it is nobody's.
    let closed: Vec<_> = out.events[0].findings.iter().map(|f| (f.spec.code, &f.detail)).collect();
    assert_eq!(closed[0].0, "tls.no-secret");
    assert!(closed[0].1.as_ref().unwrap().contains("was not looked for to the end"), "{closed:?}");
    let open: Vec<_> = out.children[&1].2.iter().collect();
    assert_eq!(open[0], &Told::Bytes(Client, [b'x'; 16_050].to_vec()));
}

/// A direction whose records came before anybody knew the session is opened once it is known.
#[test]
fn a_direction_that_was_closed_is_tried_again_when_the_session_is_known() {
    let mut out = Recorder::new();
    one_session(&out);
    let hex = |b: &[u8]| b.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let line = format!("SERVER_TRAFFIC_SECRET_0 {} {}\n", hex(&[1; 32]), hex(&[7; 32]));
    out.secrets.add(line.as_bytes());
    let mut m = Tls::default();
    // More than are tried in vain; then those of both ends.
    let strange: Vec<u8> = (0..9).flat_map(|n| record(23, &[n; 70])).collect();
    out.bytes(&mut m, Client, &record(20, &[1]), 1460);
    out.bytes(&mut m, Server, &strange, 1460);
    out.bytes(&mut m, Client, &numbered(Suite::Aes128Gcm, &[(2, 50)]), 1460);
    out.bytes(&mut m, Server, &strange[..75 * 2], 1460);
    out.bytes(&mut m, Server, &numbered(Suite::Aes128Gcm, &[(7, 50)]), 1460);
    for side in Side::BOTH {
        out.end(&mut m, side, EndCause::CaptureEnded);
    }
    let heard = |side| {
        let told = out.children[&1].2.iter();
        told.filter(|t| matches!(t, Told::Bytes(s, _) if *s == side)).count()
    };
    assert_eq!([heard(Client), heard(Server)], [1, 1]);
}

/// What hostile peers send: heads that are sound, and anything behind them.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let body = proptest::collection::vec(any::<u8>(), 0..200);
    let piece =
        (0..6_u8, 18..26_u8, any::<u8>(), body).prop_map(|(form, kind, x, body)| match form {
            0 => body,
            1 => record(22, &message(x % 26, &body)),
            2 => {
                let mut hello = client_hello();
                let at = usize::from(x) % hello.len();
                hello[at] ^= body.first().copied().unwrap_or(1);
                record(22, &hello)
            }
            3 => record(22, &server_hello([3, x % 5], [0x13, x % 6], 0, &body)),
            4 => record(
                22,
                &message(11, &[&[0, 0, 0, 90, 0, 0, 87, 0x30, 0x82][..], &body].concat()),
            ),
            _ => record(kind, &body),
        });
    proptest::collection::vec(piece, 0..8).prop_map(|p| p.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn hostile_bytes_never_panic(
        c in hostile(),
        s in hostile(),
        size in 1..300_usize,
        hole in 0..400_u64,
        secret in proptest::collection::vec(any::<u8>(), 1..80),
    ) {
        let mut out = Recorder::new();
        let hex: String = secret.iter().map(|b| format!("{b:02x}")).collect();
        for label in crate::proto::secrets::Label::ALL {
            out.secrets.add(format!("{} {} {hex}", label.name(), "05".repeat(32)).as_bytes());
        }
        let mut m = Tls::default();
        out.bytes(&mut m, Client, &c, size);
        out.bytes(&mut m, Server, &s, size);
        if hole > 0 {
            out.gap(&mut m, Client, hole);
        }
        out.bytes(&mut m, Client, &s, size);
        prop_assert!(m.fork().is_some() && m.memory() > 0);
        for side in Side::BOTH {
            out.end(&mut m, side, EndCause::CaptureEnded);
        }
    }
}
