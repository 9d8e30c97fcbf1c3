//! What people stumble over who use the program for the first time, or come from tshark:
//! silence, names that are not known, numbers that are missing.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use framescope::base::CaptureTime;
use framescope::event::Level;
use serde_json::Value;

use crate::support::{self, Segment};
use crate::{framescope, print};

const WEBSOCKET: &str = "fixtures/ws-tungstenite/capture.pcap";
const GRPC: &str = "fixtures/grpc-tonic/capture.pcap";

fn run(args: &[&str]) -> Output {
    framescope().args(args).output().unwrap()
}

fn stdout(out: &Output) -> String {
    String::from_utf8(out.stdout.clone()).unwrap()
}

fn stderr(out: &Output) -> String {
    String::from_utf8(out.stderr.clone()).unwrap()
}

/// A path of this test's own, which is gone in the end.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let own = format!("framescope-newcomer-{}-{name}", std::process::id());
        Self(std::env::temp_dir().join(own))
    }

    fn text(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// An empty slice is a capture, and not a silent one.
#[test]
fn a_slice_of_nothing_says_so_and_what_to_try() {
    let file = Place::new("nothing.pcapng");
    for (picked, hint) in [
        (&["-Y", "grpc.status_code == 999"][..], "print -l exchange -Y 'grpc.status_code == 999'"),
        (&["--protocol", "grpc"], "framescope stats"),
        (&["-f", "tcp port 1", "--packet", "100000"], "capture filter"),
        (&["-f", "tcp port 1"], "capture filter"),
    ] {
        let out = run(&[&["slice", WEBSOCKET, "-w", file.text()], picked].concat());
        let text = stderr(&out);
        assert_eq!(out.status.code(), Some(0), "{picked:?}: {text}");
        assert_eq!(text.lines().count(), 1, "{picked:?}: {text}");
        assert!(text.contains(hint), "{picked:?}: {text}");
        assert_eq!(print(&file.0, &["-l", "packet"]), "", "{picked:?}");
    }
    // A number that there is not is a slip.
    for (picked, hint) in [
        (["--event", "100000"], "`framescope print CAPTURE` lists them"),
        (["--conversation", "99"], "`framescope stats CAPTURE` lists them"),
        (["--packet", "100000"], "`framescope print -l packet CAPTURE` lists them"),
    ] {
        let out = run(&[&["slice", WEBSOCKET, "-w", file.text()], &picked[..]].concat());
        let text = stderr(&out);
        assert_eq!(out.status.code(), Some(2), "{picked:?}: {text}");
        assert_eq!(text.lines().count(), 1, "{picked:?}: {text}");
        assert!(text.contains(hint) && text.contains("the last is "), "{picked:?}: {text}");
    }
    let out = run(&["slice", WEBSOCKET, "-w", file.text(), "--packet", "1"]);
    assert_eq!((out.status.code(), stderr(&out).as_str()), (Some(0), ""));
}

#[test]
fn files_that_are_not_there_are_told_with_their_option() {
    for (args, begin) in [
        (&["--proto", "nope.proto"][..], "framescope: --proto nope.proto: "),
        (&["--proto", "fixtures/proto", "-I", "nope"], "framescope: -I nope: "),
        (&["-I", "nope"], "framescope: -I nope: "),
        (
            &["--proto", "fixtures/proto", "-I", "README.md"],
            "framescope: -I README.md: is no folder",
        ),
        (&["--descriptors", "nope.pb"], "framescope: --descriptors nope.pb: "),
        (&["--proto", "src/view"], "framescope: --proto src/view: no .proto file"),
    ] {
        for command in ["print", "stats", "check"] {
            let out = run(&[&[command, GRPC], args].concat());
            let text = stderr(&out);
            assert_eq!(out.status.code(), Some(2), "{args:?}: {text}");
            assert!(text.starts_with(begin) && text.lines().count() == 1, "{args:?}: {text}");
        }
    }
}

/// Every command has a page with everything that a page has to have.
#[test]
fn manual_pages_of_all_commands() {
    let folder = Place::new("man");
    let out = run(&["man", "--out", folder.text()]);
    assert!(out.status.success(), "{}", stderr(&out));
    let mut commands =
        vec!["print", "stats", "check", "slice", "schema", "explain", "completions", "man"];
    if cfg!(all(feature = "live", unix)) {
        commands.push("live");
    }
    let pages: Vec<String> = commands.iter().map(|c| format!("framescope-{c}")).collect();
    for name in pages.iter().map(String::as_str).chain(["framescope"]) {
        let path = folder.0.join(format!("{name}.1"));
        let page = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(stdout(&out).contains(path.to_str().unwrap()), "{name} is not told");
        assert!(page.contains(&format!(".TH {name} 1 ")), "{name}: {page}");
        for part in ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "EXAMPLES"] {
            let heading = [format!(".SH {part}\n"), format!(".SH \"{part}\"\n")];
            assert!(heading.iter().any(|h| page.contains(h)), "{name} has no {part}: {page}");
        }
        let also = page.split(".SH \"SEE ALSO\"").nth(1).unwrap();
        for other in pages.iter().filter(|p| *p != name) {
            assert!(also.contains(&other.replace('-', "\\-")), "{name} does not name {other}");
        }
        if Command::new("man").arg("--version").output().is_ok_and(|o| o.status.success()) {
            let shown = Command::new("man").args(["--warnings", "-l"]).arg(&path).output().unwrap();
            assert!(shown.status.success() && stderr(&shown).is_empty(), "{}", stderr(&shown));
        }
    }
    assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), pages.len() + 1);
    let one = run(&["man", "print"]);
    assert_eq!(one.stdout, std::fs::read(folder.0.join("framescope-print.1")).unwrap());
    let none = run(&["man", "prnt"]);
    assert_eq!(none.status.code(), Some(2));
    assert!(stderr(&none).contains("no command `prnt`; there are print, "), "{}", stderr(&none));
}

/// The slowest event of a method is named by the number that `explain` takes.
#[test]
fn the_slowest_event_of_a_method_can_be_looked_at() {
    let out = run(&["stats", "--format", "json", GRPC]);
    let all: Value = serde_json::from_slice(&out.stdout).unwrap();
    let calls =
        support::json_lines(&print(Path::new(GRPC), &["-l", "exchange", "--format", "json"]));
    let mut several = 0;
    for method in all["calls"].as_array().unwrap() {
        let (name, times) = (method["method"].as_str().unwrap(), &method["duration_ns"]);
        let of_it: Vec<&Value> = calls
            .iter()
            .filter(|c| c["fields"]["grpc.path"].as_str() == Some(&format!("/{name}")))
            .collect();
        let slowest =
            of_it.iter().max_by_key(|c| c["fields"]["duration_ns"].as_u64().unwrap()).unwrap();
        assert_eq!(times["max_event"], slowest["event"], "{name}");
        assert_eq!(times["max"], slowest["fields"]["duration_ns"], "{name}");
        several += usize::from(of_it.len() > 1);
        let number = times["max_event"].to_string();
        let shown = run(&["explain", GRPC, &number]);
        assert!(stdout(&shown).contains(&format!("event {number}: grpc call")), "{number}");
    }
    assert!(several > 0);
}

/// A name that people make up leads to the one that there is.
#[test]
fn unknown_fields_lead_to_known_ones() {
    for (asked, expected) in [
        ("websocket.close.status_code", "websocket.payload.close.status_code"),
        ("grpc.status.code", "grpc.status_code"),
        ("http.status_code", "http"),
        ("tcp.flags.rst", "tcp.flags.reset"),
        ("tcp.sequence_number", ""),
    ] {
        for option in ["-Y", "-e"] {
            let out = run(&["print", WEBSOCKET, option, asked]);
            let text = stderr(&out);
            assert_eq!(out.status.code(), Some(2), "{text}");
            let said = text.split("did you mean").nth(1).unwrap_or_default();
            assert!(said.contains(expected), "{option} {asked}: {text}");
        }
    }
    // Words that have nothing in common with any name suggest nothing.
    let text = stderr(&run(&["print", WEBSOCKET, "-Y", "quux.frobnicate"]));
    assert!(text.contains("docs/FIELDS.md") && !text.contains("did you mean"), "{text}");
}

/// Columns of a level, by line.
fn columns(path: &Path, level: &str, names: &[&str], more: &[&str]) -> Vec<Vec<String>> {
    let mut args = vec!["-l", level, "--no-header"];
    for n in names {
        args.extend(["-e", n]);
    }
    args.extend(more);
    let text = print(path, &args);
    text.lines().map(|l| l.split('\t').map(str::to_owned).collect()).collect()
}

/// What tshark users ask for first, at the level of packets and at others.
#[test]
fn names_that_tshark_users_know() {
    let names = [
        "frame.number",
        "frame.time_epoch",
        "frame.time_relative",
        "ip.src",
        "tcp.srcport",
        "tcp.stream",
        "_ws.col.Info",
        "_ws.col.Protocol",
    ];
    let path = support::root().join(WEBSOCKET);
    let packet = &columns(&path, "packet", &names, &[])[3];
    assert_eq!(
        packet[..6],
        ["4", "1795215941.222693000", "0.000286000", "127.0.0.1", "43764", "0"]
    );
    assert!(packet[6].contains("Flags [P.], seq 1:158"), "{packet:?}");
    assert_eq!(packet[7], "tcp");
    let message = &columns(&path, "message", &names, &["-Y", "http.request"])[0];
    assert_eq!(message[0], "4");
    assert_eq!(message[3..6], ["127.0.0.1", "43764", "0"]);
    let syn = columns(&path, "packet", &["frame.number"], &["-Y", "tcp.flags.syn==1"]);
    assert_eq!(syn, [["1"], ["2"]]);
    let whole = columns(&path, "packet", &["frame.number"], &["-Y", "tcp.flags == 0x012"]);
    assert_eq!(whole, [["2"]]);
}

/// The numbers of every packet of the fixtures are tshark's.
#[test]
fn numbers_of_segments_are_those_of_tshark() {
    let names = [
        "frame.number",
        "frame.len",
        "frame.cap_len",
        "tcp.seq_raw",
        "tcp.seq",
        "tcp.ack",
        "tcp.len",
        "tcp.window_size_value",
        "tcp.window_size",
        "tcp.flags",
        "ip.flags",
        "ip.dsfield",
        "ipv6.tclass",
    ];
    if Command::new("tshark").arg("--version").output().is_err() {
        eprintln!("SKIPPED: tshark is not installed");
        return;
    }
    let number = |t: &str| -> Option<i64> {
        match t.strip_prefix("0x") {
            Some(hex) => i64::from_str_radix(hex, 16).ok(),
            None => t.parse().ok(),
        }
    };
    let mut compared = 0;
    for (fixture, path) in support::fixtures() {
        let mut command = Command::new("tshark");
        // Errors of ICMP have two heads.
        command.args(["-n", "-T", "fields", "-Y", "tcp and not icmp", "-r"]).arg(&path);
        for n in names {
            command.args(["-e", n]);
        }
        let theirs = String::from_utf8(command.output().unwrap().stdout).unwrap();
        let theirs: Vec<Vec<Option<i64>>> =
            theirs.lines().map(|l| l.split('\t').map(number).collect()).collect();
        let ours: Vec<Vec<Option<i64>>> =
            columns(&path, "packet", &names, &["-Y", "protocol == tcp"])
                .iter()
                .map(|l| l.iter().map(|c| number(c)).collect())
                .collect();
        assert_eq!(ours.len(), theirs.len(), "{fixture}");
        for (o, t) in ours.iter().zip(&theirs) {
            for (i, name) in names.iter().enumerate() {
                assert_eq!(o[i], t[i], "{fixture}, packet {:?}: {name}", o[0]);
                compared += usize::from(o[i].is_some());
            }
        }
    }
    println!("compared {compared} values");
    assert!(compared > 10_000, "only {compared} values were compared");
}

/// A segment between two ends.
fn segment(at: i64, up: bool, seq: u32, ack: u32, flags: u8, data: &[u8]) -> Segment {
    let ends: [(std::net::IpAddr, u16); 2] =
        [([10, 0, 0, 1].into(), 40_000), ([10, 0, 0, 2].into(), 8080)];
    let [a, b] = ends;
    let (from, to) = if up { (a, b) } else { (b, a) };
    let time = CaptureTime(1_700_000_000_000_000_000 + at * 1_000_000);
    Segment { time, from, to, seq, ack, flags, window: 1000, scale: None, data: data.to_vec() }
}

/// A capture file of segments, raw IP.
fn file(name: &str, all: &[Segment]) -> Place {
    let mut bytes = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 101] {
        bytes.extend(word.to_le_bytes());
    }
    for (p, s) in support::pack(all).iter().zip(all) {
        let len = u32::try_from(p.data.len()).unwrap();
        let second = u32::try_from(s.time.0 / 1_000_000_000).unwrap();
        let micros = u32::try_from(s.time.0 % 1_000_000_000 / 1000).unwrap();
        for word in [second, micros, len, len] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(&p.data);
    }
    let place = Place::new(name);
    std::fs::write(&place.0, bytes).unwrap();
    place
}

/// A packet that comes when its connection has long been closed is still its packet.
#[test]
fn late_packets_belong_to_their_conversation() {
    let (fin, ack, syn) = (1, 0x10, 2);
    let place = file(
        "late.pcap",
        &[
            segment(0, true, 1000, 0, syn, b""),
            segment(1, false, 5000, 1001, syn | ack, b""),
            segment(2, true, 1001, 5001, ack, b""),
            segment(3, true, 1001, 5001, fin | ack, b""),
            segment(4, false, 5001, 1002, fin | ack, b""),
            segment(5, true, 1002, 5002, ack, b""),
            // Another connection's packet passes, so that the first is let go.
            Segment { from: ([10, 0, 0, 3].into(), 1), ..segment(5000, true, 1, 0, syn, b"") },
            segment(9000, false, 5002, 1002, 4, b""),
            segment(9001, true, 1002, 5002, ack, b""),
        ],
    );
    let all = support::json_lines(&print(&place.0, &["-l", "packet", "--format", "json"]));
    let late = &all[7];
    assert_eq!(late["conversation"], 1, "{late}");
    assert_eq!(
        (late["sender"].as_str(), late["from"].as_str()),
        (Some("server"), Some("10.0.0.2:8080"))
    );
    assert_eq!(late["fields"]["tcp.stream"], 0);
    assert_eq!(late["fields"]["tcp.seq"], 2, "{late}");
    assert_eq!(all[8]["fields"]["tcp.ack"], 2, "{}", all[8]);
    assert_eq!(all[8]["sender"], "client");
    assert!(all[8]["summary"].as_str().unwrap().contains("ack 2,"), "{}", all[8]);
    assert_eq!(all[6]["conversation"], 2);
    // Nothing else changes by it: it ends with its second FIN.
    let exchanges = support::json_lines(&print(&place.0, &["-l", "exchange", "--format", "json"]));
    assert_eq!(exchanges[0]["fields"]["tcp.connection.packets"], 5, "{}", exchanges[0]);
}

/// The capture begins between the request for an upgrade and the 101: what the client sends
/// behind it is WebSocket all the same, and everything is told when it comes.
#[test]
fn a_capture_may_begin_with_the_answer_to_an_upgrade() {
    for name in ["ws-tungstenite", "ws-websockets", "ws-subprotocol"] {
        let path = support::root().join(format!("fixtures/{name}/capture.pcap"));
        let all = support::packets(&path);
        let is_answer = |p: &support::Owned| p.data.windows(12).any(|w| w == b"HTTP/1.1 101");
        let answer = all.iter().position(is_answer).unwrap();
        let run = |packets| support::run(packets, support::options(&[Level::Message]));
        let (whole, joined) = (run(&all), run(&all[answer..]));
        let websocket = |r: &support::Run, ends: Option<[SocketAddr; 2]>| -> Vec<_> {
            let of = r.events.iter().filter(|(e, _)| e.draft.protocol == "websocket");
            let of = of.filter(|(_, i)| ends.is_none_or(|ends| i.ends == ends));
            of.map(|(e, i)| (i.ends, e.draft.sender, e.draft.end.time, e.draft.length)).collect()
        };
        let (ends, ..) = websocket(&whole, None)[0];
        let expected = websocket(&whole, Some(ends));
        assert!(expected.len() > 3, "{name}");
        assert_eq!(websocket(&joined, Some(ends)), expected, "{name}");
    }
}

/// What is no preface is shown where it stands, not where it was clear that it is none.
#[test]
fn a_bad_preface_is_shown_at_its_bytes() {
    let args = ["-l", "finding", "--format", "json", "-d", "conversation==1,http2"];
    let all = support::json_lines(&print(Path::new(WEBSOCKET), &args));
    let bad = all.iter().find(|f| f["code"] == "http2.bad-preface").unwrap();
    // The request of the handshake is in packet 4.
    assert_eq!(bad["packets"], serde_json::json!([4]), "{bad}");
    assert_eq!(bad["time"], "2026-11-20T23:05:41.222693000Z");
}

/// So does one that cannot be read any further.
#[test]
fn a_capture_with_a_broken_record_says_so_once() {
    let mut bytes = std::fs::read(support::root().join(WEBSOCKET)).unwrap();
    let file = Place::new("broken.pcap");
    // The third record's captured length, behind two whole ones.
    let length = |bytes: &[u8], at: usize| {
        u32::from_le_bytes(bytes[at + 8..at + 12].try_into().unwrap()) as usize
    };
    let second = 24 + 16 + length(&bytes, 24);
    let third = second + 16 + length(&bytes, second);
    bytes[third + 8..third + 12].copy_from_slice(&u32::MAX.to_le_bytes());
    std::fs::write(&file.0, &bytes).unwrap();
    for args in [&["print", "-l", "exchange"][..], &["stats"], &["slice", "-w", "/dev/null"]] {
        let out = run(&[args, &[file.text()]].concat());
        let text = stderr(&out);
        assert!(text.contains("the rest behind packet 2 cannot be read"), "{args:?}: {text}");
        assert_eq!(text.lines().count(), 1, "{args:?}: {text}");
    }
    let out = run(&["check", file.text()]);
    assert_eq!(stderr(&out), "");
    assert!(stdout(&out).contains("capture.bad-record"));
}

/// A capture that breaks off says so wherever its findings are not shown.
#[test]
fn a_capture_that_is_cut_short_says_so_once() {
    let whole = std::fs::read(support::root().join(WEBSOCKET)).unwrap();
    let file = Place::new("trunc.pcap");
    std::fs::write(&file.0, &whole[..901]).unwrap();
    let packets = {
        let out = run(&["print", "-l", "packet", file.text()]);
        stdout(&out).lines().filter(|l| l.trim_start().starts_with('p')).count()
    };
    let line = format!(
        "framescope: the capture ends within a packet or block, behind packet {packets}: the \
         rest was never written\n"
    );
    for args in [
        &["print", "-l", "exchange"][..],
        &["print", "--format", "json"],
        &["stats"],
        &["stats", "--transports"],
        &["slice", "-w", "/dev/null"],
        &["slice", "--packet", "1", "-w", "/dev/null"],
    ] {
        let out = run(&[args, &[file.text()]].concat());
        assert_eq!((out.status.code(), stderr(&out)), (Some(0), line.clone()), "{args:?}");
    }
    // There it is a finding.
    for args in [&["print", "-l", "finding"][..], &["check"]] {
        let out = run(&[args, &[file.text()]].concat());
        assert_eq!(stderr(&out), "", "{args:?}");
        assert!(stdout(&out).contains("capture.cut-short"), "{args:?}");
    }
    // Compressed, it is the same.
    let packed = Place::new("trunc.pcap.gz");
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gz, &whole).unwrap();
    let gz = gz.finish().unwrap();
    std::fs::write(&packed.0, &gz[..gz.len() / 2]).unwrap();
    let text = stderr(&run(&["print", packed.text()]));
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains("the capture ends within a packet"), "{text}");
}

/// A filter that is right for another level says which.
#[test]
fn a_filter_that_nothing_passes_names_the_level_where_something_does() {
    const CLOSES: &str = "fixtures/ws-close-codes/capture.pcapng";
    for (args, says) in [
        (
            &["-Y", "websocket.close_code == 1011", CLOSES][..],
            "framescope: no message passes the filter (-Y); 2 exchanges do (-l exchange)\n",
        ),
        (
            &["-l", "exchange", "-Y", "websocket.payload.close.status_code == 1011", CLOSES],
            "framescope: no exchange passes the filter (-Y); 4 frames do (-l frame), 4 messages \
             do (-l message)\n",
        ),
        (
            &["-Y", "duration_ns > 50ms", "fixtures/grpc-tonic/capture.pcap"],
            "framescope: no message passes the filter (-Y); 2 exchanges do (-l exchange)\n",
        ),
        (
            &["-Y", "duration_ns > 1h", "--format", "json", GRPC],
            "framescope: no message passes the filter (-Y), nor does anything of another level\n",
        ),
        (&["-Y", "websocket.close_code", "-c", "1", "-l", "exchange", CLOSES], ""),
    ] {
        let out = run(&[&["print"], args].concat());
        assert_eq!((out.status.code(), stderr(&out).as_str()), (Some(0), says), "{args:?}");
    }
    let out = framescope()
        .args(["print", "-Y", "duration_ns > 50ms", "-"])
        .stdin(std::fs::File::open(support::root().join(GRPC)).unwrap())
        .output()
        .unwrap();
    assert!(stderr(&out).contains("other levels (-l) were not asked"), "{}", stderr(&out));
}

/// A rule of decode-as that fits no conversation was mistyped.
#[test]
fn a_rule_that_fits_nothing_says_so() {
    for command in [&["print"][..], &["stats"], &["check"], &["slice", "-w", "/dev/null"]] {
        let rules = ["-d", "tcp.port==1,websocket", "-d", "conversation==1,none", WEBSOCKET];
        let text = stderr(&run(&[command, &rules].concat()));
        let says = "framescope: no conversation fits the rule -d 'tcp.port==1,websocket'\n";
        assert_eq!(text, says, "{command:?}");
    }
    // What stops before the end cannot know.
    let early = run(&["print", "-c", "1", "-d", "conversation==9,opaque", WEBSOCKET]);
    assert_eq!(stderr(&early), "");
}

#[test]
fn the_synopsis_has_options_with_their_values() {
    let page = stdout(&run(&["man", "print"]));
    let synopsis = page.split(".SH SYNOPSIS").nth(1).unwrap().split(".SH").next().unwrap();
    let plain = synopsis.replace("\\fB", "").replace("\\fI", "").replace("\\fR", "");
    let plain = plain.replace('\\', "");
    for part in [
        "framescope print ",
        " [-r CAPTURE]",
        " [-l|--level LEVEL]",
        " [-x|--bytes]",
        " [CAPTURE ...]",
    ] {
        assert!(plain.contains(part), "{part}: {plain}");
    }
    let slice = stdout(&run(&["man", "slice"])).replace("\\fB", "").replace("\\fI", "");
    assert!(slice.replace("\\fR", "").contains(" \\-w FILE "), "it is required");
}

/// A slice has the form that its name says, and the same events.
#[test]
fn a_slice_is_pcap_where_its_name_says_so() {
    let (old, new) = (Place::new("slice.pcap"), Place::new("slice.pcapng"));
    for (place, magic) in [(&old, [0x4d, 0x3c, 0xb2, 0xa1]), (&new, [0x0a, 0x0d, 0x0d, 0x0a])] {
        let out = run(&["slice", WEBSOCKET, "-w", place.text()]);
        assert_eq!((out.status.code(), stderr(&out).as_str()), (Some(0), ""));
        assert_eq!(std::fs::read(&place.0).unwrap()[..4], magic);
    }
    let whole = print(Path::new(WEBSOCKET), &["-l", "packet", "--format", "json"]);
    assert_eq!(print(&old.0, &["-l", "packet", "--format", "json"]), whole);
    assert_eq!(print(&new.0, &["-l", "packet", "--format", "json"]), whole);
    let empty = run(&["slice", WEBSOCKET, "-w", old.text(), "-f", "tcp port 1"]);
    assert_eq!(empty.status.code(), Some(0));
    assert_eq!(print(&old.0, &["-l", "packet"]), "");
    let mixed = ["fixtures/ws-ipv6/capture.pcap", "fixtures/ws-subprotocol/capture.pcap"];
    let out = run(&[&["slice", "-w", old.text()], &mixed[..]].concat());
    assert_eq!(out.status.code(), Some(2));
    assert!(stderr(&out).contains("pcap holds packets of one link type"), "{}", stderr(&out));
    let out = run(&[&["slice", "-w", new.text()], &mixed[..]].concat());
    assert_eq!(out.status.code(), Some(0), "{}", stderr(&out));
}

/// Bytes of any dress, also none.
#[test]
fn explain_takes_bytes_as_they_are() {
    use std::io::Write;
    let explain = |input: &[u8]| {
        let mut child = framescope()
            .args(["explain", "--as", "websocket", "--hex", "-"])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        stdout(&child.wait_with_output().unwrap())
    };
    let hex = explain(b"81 85 37 fa 21 3d 7f 9f 4d 51 58");
    assert!(hex.contains("Hello"), "{hex}");
    assert_eq!(explain(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"), hex);
    assert_eq!(explain(b"00000000: 8185 37fa 213d 7f9f 4d51 58              ..7.!=..MQX\n"), hex);
}

#[test]
fn whoever_is_astray_is_led_back() {
    for (args, says) in [
        (&["-Y", "http", WEBSOCKET][..], "tip: '-Y' belongs to print, slice"),
        (&[WEBSOCKET, "--format", "json"], "tip: '--format' belongs to print, "),
        (&["print", WEBSOCKET, "-w", "out"], "tip: '-w' belongs to slice"),
        (&["print", "--colour", WEBSOCKET], "tip: colours are for a terminal alone"),
        (&["prnt", WEBSOCKET], "prnt: there is no such file or command; did you mean print?"),
        (&["frobnicate"], "frobnicate: there is no such file or command"),
    ] {
        let out = run(args);
        let text = stderr(&out);
        assert_eq!(out.status.code(), Some(2), "{args:?}: {text}");
        assert!(text.contains(says), "{args:?}: {text}");
        assert!(!text.contains("as a value") && !text.contains("similar"), "{args:?}: {text}");
    }
}

/// Times in seconds take durations as others do.
#[test]
fn a_time_in_seconds_takes_a_duration() {
    const POLLS: &str = "fixtures/http-long-polling/capture.pcap";
    let of = |filter: &str| stdout(&run(&["print", "-l", "exchange", "-Y", filter, POLLS]));
    assert_eq!(of("http.time > 100ms"), of("http.time > 0.1"));
    assert_eq!(of("http.time > 0.1").lines().filter(|l| l.contains("http exchange")).count(), 4);
    let wrong = stderr(&run(&["print", "-Y", "http.time > soon", POLLS]));
    assert!(wrong.contains("seconds, such as 2.5, or a duration such as 100ms"), "{wrong}");
}
