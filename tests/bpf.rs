//! Capture filters against tcpdump: of generated expressions over the packets of all
//! captures, and over odd ones, the same packets must match; and what is no filter to
//! one must be none to the other.

#[path = "bpf/expressions.rs"]
mod expressions;
#[path = "bpf/packets.rs"]
mod packets;
mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use framescope::base::CaptureTime;
use framescope::capture::write::{PcapVariant, PcapWriter};
use framescope::capture::{ByteOrder, LinkType, bpf};

use expressions::{Dice, Maker};
use packets::{ByLink, KEPT, Raw, captured, made, seen};

/// Expressions that are compared.
const EXPRESSIONS: usize = 450;
/// Those with a word out of place.
const DAMAGED: usize = 300;

/// Shorter packets may end before what a filter of words alone asks for.
const SHORT: usize = 34;

/// Whether tcpdump is there; says so where it is not.
fn is_installed() -> bool {
    if Command::new("tcpdump").arg("--version").output().is_ok_and(|o| o.status.success()) {
        return true;
    }
    assert!(
        std::env::var_os("FRAMESCOPE_REQUIRE_TCPDUMP").is_none(),
        "FRAMESCOPE_REQUIRE_TCPDUMP is set, and tcpdump is not installed"
    );
    eprintln!("SKIPPED: tcpdump is not installed");
    false
}

/// Packets in a file for tcpdump. The time of each, in seconds, is its number.
struct Pile {
    link: u16,
    packets: Vec<Raw>,
    file: PathBuf,
}

impl Pile {
    fn write(link: u16, packets: Vec<Raw>, name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let file = folder.join(format!("bpf-{name}-{link}.pcap"));
        let out = std::io::BufWriter::new(std::fs::File::create(&file).unwrap());
        let order = ByteOrder::Little;
        let mut w = PcapWriter::new(out, LinkType(link), order, PcapVariant::Micros).unwrap();
        for (i, p) in packets.iter().enumerate() {
            let time = CaptureTime::from_parts(i64::try_from(i).unwrap(), 0);
            w.packet(time, p.original_len, &p.data).unwrap();
        }
        w.finish().unwrap();
        Self { link, packets, file }
    }

    /// What tcpdump lets through, or its complaint.
    fn tcpdump(&self, expression: &str, more: &[&str]) -> Result<Vec<usize>, String> {
        let out = Command::new("tcpdump")
            .args(more)
            .arg("-r")
            .arg(&self.file)
            .args(["-w", "-", "--", expression])
            .output()
            .unwrap();
        if !out.status.success() {
            let said = String::from_utf8_lossy(&out.stderr);
            let said = said.lines().last().unwrap_or_default().to_owned();
            // The optimiser found that nothing can match.
            return if said.contains("rejects all packets") { Ok(Vec::new()) } else { Err(said) };
        }
        let mut numbers = Vec::new();
        let mut rest = &out.stdout[24..];
        while let [a, b, c, d, _, _, _, _, e, f, g, h, ..] = *rest {
            numbers.push(u32::from_le_bytes([a, b, c, d]) as usize);
            rest = &rest[16 + u32::from_le_bytes([e, f, g, h]) as usize..];
        }
        Ok(numbers)
    }

    fn ours(&self, expression: &str) -> Result<Vec<usize>, String> {
        let f = bpf::compile(expression).map_err(|e| e.to_string())?;
        f.check(self.link).map_err(|e| e.to_string())?;
        let found = self.packets.iter().enumerate();
        Ok(found
            .filter(|(_, p)| f.matches(self.link, &p.data, p.original_len))
            .map(|(i, _)| i)
            .collect())
    }
}

/// All piles, those of the link types that tcpdump cannot be asked about left out.
fn piles(all: ByLink, name: &str) -> Vec<Pile> {
    all.into_iter()
        .filter(|(link, _)| bpf::compile("ip").unwrap().check(*link).is_ok())
        .map(|(link, packets)| Pile::write(link, packets, name))
        .collect()
}

/// What a comparison came to.
#[derive(Default)]
struct Tally {
    compared: usize,
    refused: usize,
    /// Packets that matched, over all expressions.
    matched: usize,
    /// Expressions where some packets matched, and some did not.
    telling: usize,
    /// Packets that the optimiser alone judges otherwise, and comparisons with such.
    optimised: usize,
    unlike: usize,
    wrong: Vec<String>,
}

fn compare(pile: &Pile, expression: &str, tally: &mut Tally) {
    let (theirs, ours) = (pile.tcpdump(expression, &[]), pile.ours(expression));
    tally.compared += 1;
    match (theirs, ours) {
        (Err(_), Err(_)) => tally.refused += 1,
        (Ok(t), Ok(o)) => {
            tally.matched += o.len();
            tally.telling += usize::from(!o.is_empty() && o.len() < pile.packets.len());
            if t == o {
                return;
            }
            // What the optimiser leaves out is not read, so a packet that ends
            // before it is not rejected: the language itself is what `-O` runs.
            let plain = pile.tcpdump(expression, &["-O"]).unwrap();
            let odd = |n: &usize| o.contains(n) != t.contains(n);
            let odd: Vec<usize> = (0..pile.packets.len()).filter(odd).collect();
            tally.optimised += odd.len();
            tally.unlike += 1;
            let is_whole = |n: &usize| {
                let p = &pile.packets[*n];
                let len = p.data.len();
                len >= SHORT && (len == p.original_len as usize || len == KEPT)
            };
            // Else only what was asked for by its place lies behind a packet's end.
            if !expression.contains('[') && odd.iter().any(is_whole) {
                tally.wrong.push(format!(
                    "link type {}: `{expression}`: {odd:?}, first {:02x?}",
                    pile.link, pile.packets[odd[0]]
                ));
            }
            if plain != o {
                let first =
                    (0..pile.packets.len()).find(|i| plain.contains(i) != o.contains(i)).unwrap();
                tally.wrong.push(format!(
                    "link type {}: `{expression}`: tcpdump {} packets, ours {}; first at {first}: {:02x?}",
                    pile.link,
                    plain.len(),
                    o.len(),
                    pile.packets[first].data
                ));
            }
        }
        (t, o) => tally.wrong.push(format!(
            "link type {}: `{expression}`: tcpdump {:?}, ours {:?}",
            pile.link,
            t.map(|n| n.len()),
            o.map(|n| n.len())
        )),
    }
}

/// Compares on two threads.
fn compare_all(piles: &[Pile], expressions: &[String]) -> Tally {
    let half = expressions.len().div_ceil(2);
    std::thread::scope(|s| {
        let parts: Vec<_> = expressions
            .chunks(half)
            .map(|some| {
                s.spawn(move || {
                    let mut tally = Tally::default();
                    for e in some {
                        for p in piles {
                            compare(p, e, &mut tally);
                        }
                    }
                    tally
                })
            })
            .collect();
        parts.into_iter().map(|p| p.join().unwrap()).fold(Tally::default(), |mut all, t| {
            all.compared += t.compared;
            all.refused += t.refused;
            all.matched += t.matched;
            all.telling += t.telling;
            all.optimised += t.optimised;
            all.unlike += t.unlike;
            all.wrong.extend(t.wrong);
            all
        })
    })
}

fn finish(what: &str, t: &Tally) {
    println!(
        "{what}: {} comparisons, {} refused by both, {} packets matched, {} telling, {} packets in {} comparisons of the optimiser's, {} wrong",
        t.compared,
        t.refused,
        t.matched,
        t.telling,
        t.optimised,
        t.unlike,
        t.wrong.len()
    );
    for w in t.wrong.iter().take(40) {
        println!("{w}");
    }
    assert!(t.wrong.is_empty(), "{} differences", t.wrong.len());
}

/// Whether the system knows services by name, and over the same transports: tcpdump
/// asks the system, and ours a table.
fn has_services() -> bool {
    let takes = |e: &str| {
        let out = Command::new("tcpdump").args(["-y", "EN10MB", "-d", "--", e]).output().unwrap();
        out.status.success()
    };
    let all = ["port http", "tcp port ssh", "udp port https", "tcp port https", "udp port domain"];
    let has = all.iter().all(|e| takes(e)) && !takes("udp port http");
    if !has {
        eprintln!("SKIPPED: names of services: the system's table is another");
    }
    has
}

fn generated(seed: u64, count: usize, seen: &packets::Seen) -> Vec<String> {
    let mut maker = Maker { dice: Dice(seed), seen, names: has_services() };
    (0..count).map(|_| maker.expression()).collect()
}

/// Over the packets of all fixtures, and of the corpus where it is given.
#[test]
fn tcpdump_selects_the_same_packets_of_captures() {
    if !is_installed() {
        return;
    }
    let all = captured();
    let seen = seen(&all);
    let expressions = generated(1, EXPRESSIONS, &seen);
    let t = compare_all(&piles(all, "captured"), &expressions);
    finish("captures", &t);
    // The fixtures alone are all of a kind: TCP on a loopback.
    let enough = if std::env::var_os("FRAMESCOPE_CORPUS").is_some() { 2 } else { 4 };
    assert!(t.telling > EXPRESSIONS / enough, "only {} expressions told packets apart", t.telling);
}

/// Over packets of every kind and link type, cut off everywhere.
#[test]
fn tcpdump_selects_the_same_packets_of_odd_ones() {
    if !is_installed() {
        return;
    }
    let seen = seen(&made());
    let expressions = generated(2, EXPRESSIONS / 2, &seen);
    let t = compare_all(&piles(made(), "made"), &expressions);
    finish("odd packets", &t);
    assert!(t.telling > EXPRESSIONS / 2, "only {} comparisons told packets apart", t.telling);
}

/// What is damaged is mostly no filter: then neither takes it.
#[test]
fn tcpdump_refuses_the_same_expressions() {
    if !is_installed() {
        return;
    }
    let all = made();
    let seen = seen(&all);
    let mut maker = Maker { dice: Dice(3), seen: &seen, names: has_services() };
    let expressions: Vec<String> = (0..DAMAGED)
        .map(|_| {
            let e = maker.expression();
            maker.damaged(&e)
        })
        .collect();
    let ethernet: BTreeMap<_, _> = all.into_iter().filter(|(l, _)| *l == 1).collect();
    let t = compare_all(&piles(ethernet, "damaged"), &expressions);
    finish("damaged", &t);
    assert!(t.refused > DAMAGED / 5, "only {} were refused", t.refused);
}

/// What only one of the two takes, each with its reason.
const DIFFERENCES: [(&str, Taker, &str); 13] = [
    ("ip broadcast", Taker::Tcpdump, "a file does not say the mask of its network"),
    ("5 % 3 = 2", Taker::Tcpdump, "has no rank among libpcap's operators"),
    ("7 ^ 2 = 5", Taker::Tcpdump, "has no rank among libpcap's operators"),
    ("mpls", Taker::Tcpdump, "is not dissected either"),
    ("pppoed", Taker::Tcpdump, "is not dissected either"),
    ("pppoes", Taker::Tcpdump, "is not dissected either"),
    ("geneve", Taker::Tcpdump, "is not dissected either"),
    ("llc", Taker::Tcpdump, "carries no IP"),
    ("ether proto \\ipx", Taker::Tcpdump, "carries no IP"),
    ("vrrp", Taker::Tcpdump, "is nothing that this program shows"),
    (
        "ip6 protochain 6",
        Taker::Tcpdump,
        "goes round in a loop; all else are fields at fixed places",
    ),
    ("byte 0 = 1", Taker::Tcpdump, "is `ether[0] = 1`, and on no manual page"),
    ("port 80 or ((443 or 22) and 25)", Taker::Ours, "means one thing only"),
];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Taker {
    Tcpdump,
    Ours,
}

#[test]
fn differences_are_as_listed() {
    if !is_installed() {
        return;
    }
    let pile = Pile::write(1, made().remove(&1).unwrap(), "differences");
    for (expression, taker, reason) in DIFFERENCES {
        let (theirs, ours) = (pile.tcpdump(expression, &[]), pile.ours(expression));
        assert_eq!(theirs.is_ok(), taker == Taker::Tcpdump, "{expression} ({reason}): {theirs:?}");
        assert_eq!(ours.is_ok(), taker == Taker::Ours, "{expression} ({reason}): {ours:?}");
    }
}
