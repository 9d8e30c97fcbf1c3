use proptest::prelude::*;

use super::{Filter, compile};

fn filter(text: &str) -> Filter {
    compile(text).unwrap_or_else(|e| panic!("{e}"))
}

/// An IPv4 packet from 10.0.0.1 to 10.1.2.3.
fn ip4(protocol: u8, fragment: u16, payload: &[u8]) -> Vec<u8> {
    let [a, b] = fragment.to_be_bytes();
    let total = u8::try_from(20 + payload.len()).unwrap();
    let mut p = vec![0x45, 0, 0, total, 0, 1, a, b, 64, protocol, 0, 0];
    p.extend([10, 0, 0, 1, 10, 1, 2, 3]);
    p.extend(payload);
    p
}

/// An IPv6 packet from 2001:db8::1 to ff02::1.
fn ip6(next: u8, payload: &[u8]) -> Vec<u8> {
    let mut p = vec![0x60, 0, 0, 0, 0, u8::try_from(payload.len()).unwrap(), next, 64];
    p.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    p.extend([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    p.extend(payload);
    p
}

/// From port 40000.
fn tcp(to: u16, flags: u8) -> Vec<u8> {
    let [a, b] = to.to_be_bytes();
    vec![0x9c, 0x40, a, b, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, flags, 1, 0, 0, 0, 0, 0]
}

fn ether(ty: u16, payload: &[u8]) -> Vec<u8> {
    let mut p = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
    p.extend(ty.to_be_bytes());
    p.extend(payload);
    p
}

/// Whether an Ethernet packet that was captured whole passes.
fn passes(text: &str, data: &[u8]) -> bool {
    filter(text).matches(1, data, u32::try_from(data.len()).unwrap())
}

fn web() -> Vec<u8> {
    ether(0x0800, &ip4(6, 0, &tcp(80, 0x12)))
}

/// All of these let the packet through, and none of them does.
fn check(data: &[u8], yes: &[&str], no: &[&str]) {
    for t in yes {
        assert!(passes(t, data), "`{t}` does not match");
        assert!(!passes(&format!("not ({t})"), data), "`not ({t})` matches");
    }
    for t in no {
        assert!(!passes(t, data), "`{t}` matches");
    }
}

#[test]
fn hosts_and_nets() {
    check(
        &web(),
        &[
            "host 10.0.0.1",
            "src 10.0.0.1",
            "dst host 10.1.2.3",
            "ip src or dst 10.1.2.3",
            "net 10",
            "src net 10.0",
            "net 10.1.2",
            "dst net 10.1.0.0/16",
            "net 10.1.2.0 mask 255.255.255.0",
            "net 0.0.0.0/0",
            "ether host 02:00:00:00:00:01",
            "ether dst 2:0:0:0:0:2",
        ],
        &[
            "dst 10.0.0.1",
            "src and dst net 10.1",
            "net 11",
            "arp host 10.0.0.1",
            "ether src 02:00:00:00:00:02",
            "host 2001:db8::1",
        ],
    );
    check(
        &ether(0x86dd, &ip6(6, &tcp(443, 2))),
        &["host 2001:db8::1", "src 2001:db8::1", "dst net ff00::/8", "ip6 net 2001:db8::/32"],
        &["dst host 2001:db8::1", "net 2001:db9::/32", "host 10.0.0.1"],
    );
}

#[test]
fn arp_has_addresses_too() {
    let mut arp = vec![0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    arp.extend([10, 0, 0, 2]);
    check(
        &ether(0x0806, &arp),
        &["arp", "host 10.0.0.2", "arp src 10.0.0.1", "net 10", "ether proto \\arp", "arp[7] = 1"],
        &["ip", "ip host 10.0.0.2", "rarp", "port 80"],
    );
}

#[test]
fn ports_and_protocols() {
    check(
        &web(),
        &[
            "tcp",
            "tcp port 80",
            "port http",
            "dst port 0x50",
            "src port 40000",
            "portrange 70-90",
            "tcp portrange 90-70",
            "ip proto 6",
            "proto \\tcp",
            "ether proto 0x800",
        ],
        &["udp", "udp port 80", "src port 80", "src and dst port 80", "portrange 81-90", "icmp"],
    );
    check(
        &ether(0x86dd, &ip6(6, &tcp(443, 2))),
        &["ip6", "tcp", "port https", "ip6 proto 6", "tcp dst port 443"],
        &["ip", "udp", "ip proto 6"],
    );
}

#[test]
fn a_later_fragment_has_no_ports() {
    let later = ether(0x0800, &ip4(6, 0x00b9, &tcp(80, 2)));
    check(&later, &["tcp", "ip[6:2] & 0x1fff != 0"], &["port 80", "tcp[13] = 2"]);
    let first = ether(0x0800, &ip4(6, 0x2000, &tcp(80, 2)));
    check(&first, &["port 80", "tcp[13] = 2"], &["ip[6:2] & 0x1fff != 0"]);
}

#[test]
fn of_ip6_only_the_fragment_header_is_gone_through() {
    let behind = |next: u8, head: &[u8]| ether(0x86dd, &ip6(next, &[head, &tcp(80, 2)].concat()));
    let fragment = behind(44, &[6, 0, 0, 0, 0, 0, 0, 9]);
    check(&fragment, &["tcp", "ip6 proto 44"], &["tcp port 80"]);
    check(&behind(0, &[6, 0, 1, 4, 0, 0, 0, 0]), &["ip6"], &["tcp", "port 80"]);
}

#[test]
fn bytes_and_sums() {
    check(
        &web(),
        &[
            "tcp[13] & 2 != 0",
            "tcp[tcpflags] & (tcp-syn|tcp-ack) != 0",
            "tcp[tcpflags] == tcp-syn|tcp-ack",
            "ip[6:2] & 0x1fff = 0",
            "ether[0] & 1 = 0",
            "ip[16:4] = 0x0a010203",
            "tcp[2:2] / 8 = 10",
            "1 + 2 * 3 = 7",
            "1 << 4 >> 2 = 4",
            "2 - 1 - 1 = 0",
            "1 | 6 & 3 = 3",
            "(1 | 6) & 3 = 3",
            "0 - 1 = 0xffffffff",
            "- 1 > 5",
            "len = 54",
            "length >= 54 and len <= 54",
            "less 54",
            "greater 54",
            "(ip[2:2] - ((ip[0]&0xf)<<2)) - ((tcp[12]&0xf0)>>2) = 0",
            "tcp[ip[0] - 0x45 + 3] = 80",
        ],
        &["tcp[13] & 4 != 0", "udp[0] = 0x9c", "len != 54", "less 53", "greater 55", "ip6[0] = 0"],
    );
    let ping = ether(0x0800, &ip4(1, 0, &[8, 0, 0, 0]));
    check(&ping, &["icmp", "icmp[icmptype] = icmp-echo"], &["icmp[icmptype] = icmp-echoreply"]);
    let ping = ether(0x86dd, &ip6(58, &[128, 0, 0, 0]));
    check(&ping, &["icmp6", "icmp6[icmp6type] = icmp6-echo"], &["icmp"]);
}

#[test]
fn broadcast_and_multicast() {
    let mut p = web();
    check(&p, &["ip"], &["broadcast", "multicast", "ip multicast"]);
    p[..6].fill(0xff);
    check(&p, &["broadcast", "ether broadcast", "multicast", "ether multicast"], &[]);
    p[30] = 224;
    check(&p, &["ip multicast"], &[]);
    check(&ether(0x86dd, &ip6(17, &[0; 8])), &["ip6 multicast"], &["ip multicast"]);
}

#[test]
fn vlan_moves_what_follows() {
    let inner = [&[0x00, 6, 8, 0][..], &ip4(6, 0, &tcp(80, 2))].concat();
    let outer = [&[0x60, 5, 0x81, 0][..], &inner].concat();
    let (one, two) = (ether(0x8100, &inner), ether(0x88a8, &outer));
    check(&one, &["vlan", "vlan 6", "vlan and tcp port 80", "vlan 6 and host 10.0.0.1"], &["tcp"]);
    check(&two, &["vlan 5 and vlan 6 and port 80", "vlan and vlan"], &["vlan and tcp", "vlan 6"]);
    // Whatever stands between: it is moved from there on.
    check(&web(), &["tcp and not vlan"], &["not vlan and tcp", "vlan or tcp"]);
}

#[test]
fn and_and_or_are_equally_strong_and_values_take_over_words() {
    for (text, meant) in [
        ("tcp or udp and port 53", "(tcp or udp) and port 53"),
        ("not tcp or udp", "(not tcp) or udp"),
        ("port 80 or 443", "port 80 or port 443"),
        (
            "tcp dst port 80 or 443 or not 22",
            "tcp dst port 80 or tcp dst port 443 or not tcp dst port 22",
        ),
        ("src host 1.2.3.4 or 4.3.2.1", "src host 1.2.3.4 or src host 4.3.2.1"),
        ("src 1.2.3.4 and not 4.3.2.1", "src 1.2.3.4 and not src 4.3.2.1"),
        ("port (80 or 443)", "(port 80 or port 443)"),
        ("port not 80", "not port 80"),
        ("host 1.2.3.4 and (port 80) or 4.3.2.1", "host 1.2.3.4 and port 80 or host 4.3.2.1"),
        ("tcp && ! port 80 || arp", "tcp and not port 80 or arp"),
        ("tcp[0] == 1", "tcp[0] = 1"),
    ] {
        assert_eq!(filter(text), filter(meant), "{text}");
        let again = filter(text).to_string();
        assert_eq!(filter(&again).to_string(), again, "{text}");
    }
    assert_ne!(filter("tcp or udp and port 53"), filter("tcp or (udp and port 53)"));
}

#[test]
fn link_types() {
    let whole = |link: u16, head: &[u8], network: &[u8], text: &str| {
        let p = [head, network].concat();
        filter(text).matches(link, &p, u32::try_from(p.len()).unwrap())
    };
    let four = ip4(6, 0, &tcp(80, 2));
    let six = ip6(6, &tcp(80, 2));
    let sll = [0, 4, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0];
    let sll2 = [0x86, 0xdd, 0, 0, 0, 0, 0, 2, 0, 1, 4, 6, 2, 0, 0, 0, 0, 1, 0, 0];
    for (link, head, network, other) in [
        (113, &sll[..], &four, "ip6"),
        (276, &sll2[..], &six, "ip"),
        (0, &[2, 0, 0, 0], &four, "ip6"),
        (0, &[0, 0, 0, 30], &six, "ip"),
        (108, &[0, 0, 0, 2], &four, "ip6"),
        (101, &[], &four, "ip6"),
        (12, &[], &six, "ip"),
        (228, &[], &four, "ip6"),
        (229, &[], &six, "ip"),
    ] {
        for text in ["tcp port 80", "ip or ip6", "port 40000", "not udp"] {
            assert!(whole(link, head, network, text), "link type {link}: {text}");
        }
        for text in [other, "udp", "arp", "port 443"] {
            assert!(!whole(link, head, network, text), "link type {link}: {text}");
        }
        assert!(filter("vlan").check(link).is_err());
        assert!(filter("tcp").check(link).is_ok());
    }
    // One that is not known: nothing passes, whatever is asked, and it is said.
    assert!(!filter("not tcp").matches(147, &four, 40));
    assert!(filter("not tcp").check(147).unwrap_err().message.contains("link type 147"));
    assert!(filter("").matches(147, &four, 40));
    assert!(filter("").check(147).is_ok());
}

#[test]
fn what_is_too_short_does_not_match() {
    let p = web();
    let cut = &p[..30];
    for text in ["tcp port 80", "not tcp port 80", "tcp port 80 or ip", "tcp[13] = 0 or ip"] {
        assert!(!filter(text).matches(1, cut, 54), "{text}");
    }
    for text in ["tcp", "ip or tcp port 80", "ip src 10.0.0.1", "len = 54"] {
        assert!(filter(text).matches(1, cut, 54), "{text}");
    }
}

#[test]
fn mistakes_name_the_word_and_its_column() {
    for (text, column, what) in [
        ("tcp and hsot 1.2.3.4", 9, "`hsot`"),
        ("tcp port", 9, "ends"),
        ("tcp and", 8, "ends"),
        ("port 80 443", 9, "`443`"),
        ("host example.org", 6, "names are not looked up"),
        ("net home", 5, "names are not looked up"),
        ("port gopher", 6, "`gopher`"),
        ("udp port http", 10, "TCP"),
        ("port 99999", 6, "65535"),
        ("port 08", 6, "octal"),
        ("host 300.1.1.1", 6, "IPv4"),
        ("net 10.1.0.0/8", 5, "not of its net"),
        ("net 10.0.0.0/33", 5, "32"),
        ("net 2001:db8::1/32", 5, "not of its net"),
        ("host 10.0.0.0/8", 6, "`net` only"),
        ("tcp host 1.2.3.4", 10, "`tcp`"),
        ("ip6 host 1.2.3.4", 10, "`ip6`"),
        ("icmp port 80", 11, "`icmp`"),
        ("host 00:11:22:33:44:55", 6, "`ether`"),
        ("ether host 1.2.3.4", 12, "`ether`"),
        ("tcp or 80", 8, "`80`"),
        ("(port 80) or 443", 14, "`443`"),
        ("80", 3, "ends"),
        ("tcp[0:3] = 1", 7, "1, 2 or 4"),
        ("tcp[0 = 1", 7, "`]`"),
        ("tcp[0]", 7, "comparison"),
        ("1/0 = 1", 3, "zero"),
        ("1 << 32 = 1", 6, "31"),
        ("5 % 3 = 2", 3, "%"),
        ("(tcp", 5, "`)`"),
        ("tcp)", 4, "`)`"),
        ("vlan 4096", 1, "4095"),
        ("ip broadcast", 1, "mask"),
        ("tcp and mpls", 9, "`mpls`"),
        ("len-4 = 0", 1, "`len-4`"),
        ("ether", 6, "ends"),
        ("ip proto tcp", 10, "`tcp`"),
        ("ah[0] = 1", 1, "`ah`"),
        ("tcp; udp", 4, "';'"),
        ("tcp\u{202e} and ärger", 4, "no meaning"),
    ] {
        let e = compile(text).expect_err(text);
        assert_eq!(e.column, column, "{text}: {e}");
        assert!(e.message.contains(what), "{text}: {e}");
    }
    let e = compile("tcp and hsot 1.2.3.4").unwrap_err();
    assert!(e.to_string().ends_with("\n  tcp and hsot 1.2.3.4\n          ^"), "{e}");
    assert!(!compile("tcp\x1b[2J").unwrap_err().to_string().contains('\x1b'));
}

#[test]
fn nothing_runs_away() {
    assert!(compile(&"(".repeat(60_000)).is_err());
    assert!(compile(&"not ".repeat(10_000)).is_err());
    assert!(compile(&format!("{}1 = 1", "1+".repeat(20_000))).is_err());
    assert!(compile(&format!("{}1 = 1", "- ".repeat(20_000))).is_err());
    assert!(compile(&"x".repeat(100_000)).is_err());
    let many = (0..8000).map(|i| format!("{i}")).collect::<Vec<_>>().join(" or ");
    let f = filter(&format!("port {many}"));
    assert!(f.matches(1, &web(), 54));
    assert!(filter(&format!("{}tcp{}", "(".repeat(40), ")".repeat(40))).matches(1, &web(), 54));
}

/// Words of the language, in any order.
fn salad() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "tcp",
        "ip",
        "ip6",
        "ether",
        "port",
        "host",
        "net",
        "proto",
        "portrange",
        "src",
        "dst",
        "and",
        "or",
        "not",
        "(",
        ")",
        "[",
        "]",
        "[13]",
        "&",
        "|",
        "+",
        "-",
        "*",
        "/",
        "<<",
        "=",
        "!=",
        "<",
        ">=",
        "80",
        "0x50",
        "1.2.3.4",
        "10/8",
        "::1",
        "vlan",
        "len",
        "less",
        "mask",
        "multicast",
        "tcpflags",
        "00:11:22:33:44:55",
        "80-90",
        "\\tcp",
        "http",
        ":",
        "2",
        "!",
    ]);
    prop::collection::vec(words, 0..14).prop_map(|w| w.join(" "))
}

proptest! {
    #[test]
    fn no_text_and_no_bytes_make_it_panic(
        text in prop_oneof![salad(), ".{0,40}"],
        link in prop::sample::select(vec![0_u16, 1, 12, 101, 108, 113, 147, 228, 229, 276]),
        data in prop::collection::vec(any::<u8>(), 0..80),
        original_len in any::<u32>(),
    ) {
        match compile(&text) {
            Ok(f) => {
                let passes = f.matches(link, &data, original_len);
                prop_assert!(!passes || f.check(link).is_ok());
                // What is shown is the same filter.
                let again = compile(&f.to_string());
                prop_assert!(again.is_ok(), "{text}: {f}: {again:?}");
                prop_assert_eq!(again.unwrap().matches(link, &data, original_len), passes);
            }
            Err(e) => {
                prop_assert!(e.column >= 1 && e.column <= text.chars().count() + 1);
                prop_assert!(!e.to_string().is_empty());
            }
        }
    }
}
