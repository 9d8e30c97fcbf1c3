//! Expressions made by the grammar, always the same ones.

use crate::packets::Seen;

/// Pseudo-random numbers.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, below: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % below.max(1)
    }

    pub(crate) fn pick<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.roll(of.len())]
    }
}

pub(crate) struct Maker<'a> {
    pub(crate) dice: Dice,
    pub(crate) seen: &'a Seen,
    /// Whether services go by name.
    pub(crate) names: bool,
}

impl Maker<'_> {
    pub(crate) fn expression(&mut self) -> String {
        let depth = self.dice.roll(4);
        self.expr(depth)
    }

    fn expr(&mut self, depth: usize) -> String {
        if depth == 0 {
            return self.term();
        }
        let mut out = self.element(depth);
        for _ in 0..self.dice.roll(3) {
            out.push_str(self.dice.pick(&[" and ", " or ", " && ", " || "]));
            out.push_str(&self.element(depth));
        }
        out
    }

    fn element(&mut self, depth: usize) -> String {
        match self.dice.roll(7) {
            0 => format!("not {}", self.element(depth - 1 + usize::from(depth == 1))),
            1 => format!("!({})", self.expr(depth - 1)),
            2 | 3 => format!("({})", self.expr(depth - 1)),
            _ => self.term(),
        }
    }

    fn direction(&mut self) -> &'static str {
        self.dice.pick(&["", "", "src ", "dst ", "src or dst ", "src and dst ", "dst or src "])
    }

    fn port(&mut self) -> String {
        match self.dice.roll(6) {
            0 => self.dice.pick(&["80", "443", "53", "0x50", "0120", "9"]).to_owned(),
            1 if self.names => {
                self.dice.pick(&["http", "https", "domain", "ssh", "\\http"]).to_owned()
            }
            _ => self.seen.ports[self.dice.roll(self.seen.ports.len())].to_string(),
        }
    }

    fn v4(&mut self) -> String {
        match self.dice.roll(4) {
            0 => self.dice.pick(&["10.0.0.1", "224.0.0.5", "10.0.0.2", "127.0.0.1"]).to_owned(),
            _ => self.seen.v4[self.dice.roll(self.seen.v4.len())].clone(),
        }
    }

    fn v6(&mut self) -> String {
        match self.dice.roll(3) {
            0 => self.dice.pick(&["2001:db8::1", "ff02::1", "::1", "::ffff:10.0.0.1"]).to_owned(),
            _ => self.seen.v6[self.dice.roll(self.seen.v6.len())].clone(),
        }
    }

    fn net(&mut self) -> String {
        let v4 = self.v4();
        let parts: Vec<&str> = v4.split('.').collect();
        match self.dice.roll(8) {
            0 => parts[0].to_owned(),
            1 => parts[..2].join("."),
            2 => parts[..3].join("."),
            3 => format!("{}.{}.0.0/16", parts[0], parts[1]),
            4 => format!("{}.0.0.0 mask 255.0.0.0", parts[0]),
            5 => format!("{}.{}/16", parts[0], parts[1]),
            6 => self.dice.pick(&["2001:db8::/32", "::/0", "fe80::/10", "ff00::/8"]).to_owned(),
            _ => format!("{v4}/32"),
        }
    }

    fn mac(&mut self) -> &'static str {
        self.dice.pick(&[
            "02:00:00:00:00:01",
            "2:0:0:0:0:2",
            "ff-ff-ff-ff-ff-ff",
            "00:00:00:00:00:00",
            "0100.5e00.0005",
        ])
    }

    /// A list of values of which the later ones take over the words of the first.
    fn list(&mut self, words: &str, mut value: impl FnMut(&mut Self) -> String) -> String {
        let mut out = format!("{words} {}", value(self));
        if self.dice.roll(3) == 0 {
            for _ in 0..=self.dice.roll(2) {
                out.push_str(self.dice.pick(&[" or ", " and ", " or not ", " || "]));
                out.push_str(&value(self));
            }
        } else if self.dice.roll(6) == 0 {
            let (a, b) = (value(self), value(self));
            out = format!("{words} ({a} or {b})");
        }
        out
    }

    fn term(&mut self) -> String {
        let d = self.direction();
        match self.dice.roll(24) {
            0..=3 => {
                let p = self.dice.pick(&["", "", "tcp ", "udp ", "sctp "]);
                let by_name = p == "udp " || p == "sctp ";
                self.list(&format!("{p}{d}port"), |m| {
                    let port = m.port();
                    let is_name = port.contains(|c: char| c.is_ascii_alphabetic());
                    if by_name && is_name && !port.starts_with("0x") { "53".into() } else { port }
                })
            }
            4 => {
                let p = self.dice.pick(&["", "tcp ", "udp "]);
                let (a, b) = (self.dice.roll(65536), self.dice.roll(65536));
                format!("{p}{d}portrange {}-{}", a.min(b), a.max(b))
            }
            5 | 6 => {
                let p = self.dice.pick(&["", "", "ip ", "arp ", "rarp "]);
                self.list(&format!("{p}{d}host"), Self::v4)
            }
            7 => {
                let p = self.dice.pick(&["", "ip6 "]);
                self.list(&format!("{p}{d}host"), Self::v6)
            }
            8 | 9 => self.list(&format!("{d}net"), Self::net),
            10 if !d.is_empty() => self.list(d.trim(), Self::v4),
            11 | 12 => self
                .dice
                .pick(&[
                    "ip", "ip6", "arp", "rarp", "tcp", "udp", "sctp", "icmp", "icmp6", "igmp",
                    "pim", "ah", "esp",
                ])
                .to_owned(),
            13 => {
                let p = self.dice.pick(&["", "ip ", "ip6 "]);
                self.list(&format!("{p}proto"), |m| {
                    m.dice.pick(&["6", "17", "1", "58", "\\tcp", "\\udp", "44", "132"]).to_owned()
                })
            }
            14 => self.list("ether proto", |m| {
                let all = ["0x0800", "\\ip6", "\\arp", "0x88cc", "0x42", "6", "0xfe", "0x8100"];
                m.dice.pick(&all).to_owned()
            }),
            15 => {
                let mac = self.mac();
                let word = if d.is_empty() { "host " } else { "" };
                format!("ether {d}{word}{mac}")
            }
            16 => self
                .dice
                .pick(&["vlan", "vlan 5", "vlan 6", "vlan (7)", "vlan and tcp", "not vlan"])
                .to_owned(),
            17 => self
                .dice
                .pick(&["broadcast", "ether broadcast", "multicast", "ip multicast"])
                .to_owned(),
            18 => self.dice.pick(&["ip6 multicast", "ether multicast", "less 60"]).to_owned(),
            19 => format!("{} {}", self.dice.pick(&["less", "greater"]), self.dice.roll(200)),
            _ => self.relation(),
        }
    }

    fn relation(&mut self) -> String {
        let a = self.number(2);
        let r = self.dice.pick(&["=", "==", "!=", "<", "<=", ">", ">="]);
        match self.dice.roll(4) {
            0 => format!("{a} {r} {}", self.number(1)),
            1 => self
                .dice
                .pick(&[
                    "tcp[tcpflags] & (tcp-syn|tcp-ack) != 0",
                    "tcp[13] & 2 != 0",
                    "ip[6:2] & 0x1fff = 0",
                    "icmp[icmptype] = icmp-echo",
                    "icmp6[icmp6type] == icmp6-echo",
                    "(ip[2:2] - ((ip[0]&0xf)<<2)) - ((tcp[12]&0xf0)>>2) != 0",
                    "tcp[((tcp[12] & 0xf0) >> 2):2] = 0x6869",
                    "ip[0] & 0xf != 5",
                    "ether[0] & 1 = 1",
                    "ip[16] >= 224",
                ])
                .to_owned(),
            _ => format!("{a} {r} {}", self.dice.pick(&["0", "1", "2", "80", "0x800", "0xff"])),
        }
    }

    fn number(&mut self, depth: usize) -> String {
        if depth == 0 || self.dice.roll(3) == 0 {
            return self.load();
        }
        let a = self.number(depth - 1);
        let op = self.dice.pick(&["+", "-", "*", "/", "&", "|", "<<", ">>"]);
        match self.dice.roll(5) {
            0 => format!("({a})"),
            1 => format!("{a} {op} {} + 1", self.dice.pick(&["1", "2", "4", "0xf", "10"])),
            // Of what stands to the right, libpcap forgets to check that it is there.
            2 => format!("{a} {op} len"),
            _ => format!("{a} {op} {}", self.dice.pick(&["1", "2", "7", "0x0f", "16"])),
        }
    }

    fn load(&mut self) -> String {
        let p =
            self.dice.pick(&["ip", "ip6", "tcp", "udp", "icmp", "arp", "ether", "icmp6", "len"]);
        if p == "len" {
            return p.to_owned();
        }
        let at = self.dice.roll(24);
        match self.dice.roll(4) {
            0 => format!("{p}[{at}:2]"),
            1 => format!("{p}[{at}:4]"),
            2 => format!("{p}[{at} + 1]"),
            _ => format!("{p}[{at}]"),
        }
    }

    /// The expression with one of its words taken away, doubled, swapped with its
    /// neighbour or put in another's place: often nonsense.
    pub(crate) fn damaged(&mut self, expression: &str) -> String {
        let mut words: Vec<&str> = expression.split(' ').collect();
        let at = self.dice.roll(words.len());
        match self.dice.roll(4) {
            0 => drop(words.remove(at)),
            1 => words.insert(at, words[at]),
            2 if at > 0 => words.swap(at - 1, at),
            _ => words[at] = words[self.dice.roll(words.len())],
        }
        words.join(" ")
    }
}
