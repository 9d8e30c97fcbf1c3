//! From what a filter says to what is tested in packets of one link type, field by
//! field as libpcap tests them, and in its order.

use super::ast::{Arith, Direction, Expr, Join, Proto, Qualifiers, Relation, Type, Value};
use super::names::{Over, ether_type, ip_protocol, service};
use super::program::{Base, Check, Number};

const IP: u32 = 0x0800;
const ARP: u32 = 0x0806;
const RARP: u32 = 0x8035;
const IP6: u32 = 0x86dd;
const TCP: u32 = 6;
const UDP: u32 = 17;
const ICMP6: u32 = 58;
const FRAGMENT: u32 = 44;
const SCTP: u32 = 132;

/// Largest length of an IEEE 802.3 frame; a larger number there is a type.
const LONGEST_8023: u32 = 1500;

/// Why a filter cannot be applied, with the column of what is at fault.
pub(super) struct Fault {
    pub(super) column: usize,
    pub(super) what: String,
}

fn fault<T>(column: usize, what: impl Into<String>) -> Result<T, Fault> {
    Err(Fault { column, what: what.into() })
}

/// Where the type of the network layer stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Ethernet,
    Sll,
    Sll2,
    /// An address family, in either byte order.
    Family,
    /// The version is the first half-byte.
    Raw,
    /// IPv4 alone, IPv6 alone.
    Only(u32),
}

/// The link types that a filter can be applied to.
pub(super) const LINK_TYPES: [u16; 10] = [1, 0, 12, 14, 101, 108, 113, 228, 229, 276];

/// A link type, and how far its `vlan`s have moved what follows.
struct Generator {
    kind: Kind,
    name: &'static str,
    /// Where its type stands.
    type_at: u32,
    /// Where the network layer begins.
    network: u32,
}

/// The filter for packets of a link type, one of [`LINK_TYPES`].
pub(super) fn generate(expr: &Expr, link_type: u16) -> Result<Check, Fault> {
    let (kind, name, type_at, network) = match link_type {
        0 | 108 => (Kind::Family, "BSD loopback", 0, 4),
        1 => (Kind::Ethernet, "Ethernet", 12, 14),
        113 => (Kind::Sll, "Linux cooked", 14, 16),
        276 => (Kind::Sll2, "Linux cooked v2", 0, 20),
        228 => (Kind::Only(IP), "raw IPv4", 0, 0),
        229 => (Kind::Only(IP6), "raw IPv6", 0, 0),
        _ => (Kind::Raw, "raw IP", 0, 0),
    };
    Generator { kind, name, type_at, network }.expr(expr)
}

/// These bits of a field are these.
const fn masked(at: u32, size: u32, mask: u32, value: u32) -> Check {
    Check::Field { base: Base::Packet, at, size, mask, relation: Relation::Eq, value }
}

impl Generator {
    fn expr(&mut self, e: &Expr) -> Result<Check, Fault> {
        Ok(match e {
            Expr::All => Check::Always(true),
            Expr::Chain(first, rest) => {
                let first = Box::new(self.expr(first)?);
                let rest: Result<Vec<(Join, Check)>, Fault> =
                    rest.iter().map(|(j, e)| Ok((*j, self.expr(e)?))).collect();
                Check::Chain(first, rest?)
            }
            Expr::Not(e) => self.expr(e)?.negated(),
            Expr::Proto(p) => self.alone(*p),
            Expr::Value(q, v, column) => self.value(*q, v, *column)?,
            Expr::Relation(a, r, b) => {
                let (a_checks, a) = self.number(a)?;
                let (b_checks, b) = self.number(b)?;
                let compared = Check::Compare(a, *r, b);
                match both(a_checks, b_checks) {
                    Some(c) => c.and(compared),
                    None => compared,
                }
            }
            Expr::Broadcast(p, column) => match p {
                None | Some(Proto::Link) => {
                    self.ethernet("broadcast", *column)?;
                    self.mac(&[0xff; 6], 0)
                }
                _ => {
                    return fault(
                        *column,
                        "only `ether broadcast` is supported: the network's mask is not known",
                    );
                }
            },
            Expr::Multicast(p, column) => match p {
                None | Some(Proto::Link) => {
                    self.ethernet("multicast", *column)?;
                    Check::masked(0, 1, 1, Relation::Ne, 0)
                }
                Some(Proto::Ip) => self.network_type(IP).and(Check::masked(
                    self.network + 16,
                    1,
                    u32::MAX,
                    Relation::Ge,
                    224,
                )),
                Some(Proto::Ip6) => {
                    self.network_type(IP6).and(Check::field(self.network + 24, 1, 255))
                }
                Some(p) => return fault(*column, format!("`{}` has no multicast", p.name())),
            },
            Expr::Less(n) => compare_len(Relation::Le, *n),
            Expr::Greater(n) => compare_len(Relation::Ge, *n),
            Expr::Vlan(id, column) => self.vlan(*id, *column)?,
        })
    }

    fn ethernet(&self, what: &str, column: usize) -> Result<(), Fault> {
        if self.kind == Kind::Ethernet {
            return Ok(());
        }
        fault(column, format!("`{what}` asks for Ethernet, and the packets are of {}", self.name))
    }

    /// The network layer is of this type.
    fn network_type(&self, ty: u32) -> Check {
        match self.kind {
            Kind::Ethernet | Kind::Sll if ty <= LONGEST_8023 => {
                // An 802.2 header: the service access points of OSI, of NetBEUI and
                // of IP stand in both of its bytes, others in the first.
                let is_llc = match self.kind {
                    Kind::Sll => Check::field(self.type_at, 2, 4),
                    _ => Check::masked(self.type_at, 2, u32::MAX, Relation::Le, LONGEST_8023),
                };
                let at = self.network;
                is_llc.and(match ty {
                    0x06 | 0xf0 | 0xfe => Check::field(at, 2, ty << 8 | ty),
                    _ => Check::field(at, 1, ty),
                })
            }
            Kind::Ethernet | Kind::Sll | Kind::Sll2 => Check::field(self.type_at, 2, ty),
            Kind::Family => {
                let families: &[u32] = match ty {
                    IP => &[2],
                    // BSD, FreeBSD, Darwin, and Linux.
                    IP6 => &[24, 28, 30, 10],
                    _ => &[],
                };
                let one = |v: u32| Check::field(0, 4, v).or(Check::field(0, 4, v.swap_bytes()));
                families.iter().map(|f| one(*f)).reduce(Check::or).unwrap_or(Check::Always(false))
            }
            Kind::Raw => match ty {
                IP => masked(0, 1, 0xf0, 0x40),
                IP6 => masked(0, 1, 0xf0, 0x60),
                _ => Check::Always(false),
            },
            Kind::Only(only) => Check::Always(ty == only),
        }
    }

    /// A protocol that stands alone.
    fn alone(&self, p: Proto) -> Check {
        match p {
            // The parser lets none through: it would say nothing.
            Proto::Link => Check::Always(true),
            Proto::Ip => self.network_type(IP),
            Proto::Ip6 => self.network_type(IP6),
            Proto::Arp => self.network_type(ARP),
            Proto::Rarp => self.network_type(RARP),
            Proto::Tcp => self.carried(TCP),
            Proto::Udp => self.carried(UDP),
            Proto::Sctp => self.carried(SCTP),
            Proto::Icmp => self.carried_by_ip(1),
            Proto::Icmp6 => self.carried_by_ip6(ICMP6),
            Proto::Igmp => self.carried_by_ip(2),
            Proto::Pim => self.carried(103),
            Proto::Ah => self.carried(51),
            Proto::Esp => self.carried(50),
        }
    }

    fn carried(&self, protocol: u32) -> Check {
        self.carried_by_ip(protocol).or(self.carried_by_ip6(protocol))
    }

    fn carried_by_ip(&self, protocol: u32) -> Check {
        self.network_type(IP).and(Check::field(self.network + 9, 1, protocol))
    }

    /// The next header, or that of a fragment header; others are not gone through.
    fn carried_by_ip6(&self, protocol: u32) -> Check {
        let next = |value| Check::field(self.network + 6, 1, value);
        let behind = next(FRAGMENT).and(Check::field(self.network + 40, 1, protocol));
        self.network_type(IP6).and(next(protocol).or(behind))
    }

    /// `vlan`: what follows lies four bytes on.
    fn vlan(&mut self, id: Option<u32>, column: usize) -> Result<Check, Fault> {
        self.ethernet("vlan", column)?;
        let tag = |value| Check::field(self.type_at, 2, value);
        let mut check = tag(0x8100).or(tag(0x88a8)).or(tag(0x9100));
        if let Some(id) = id {
            if id > 0xfff {
                return fault(column, format!("VLAN {id} is larger than 4095"));
            }
            check = check.and(masked(self.network, 2, 0xfff, id));
        }
        self.type_at = self.type_at.saturating_add(4);
        self.network = self.network.saturating_add(4);
        Ok(check)
    }

    fn value(&self, q: Qualifiers, value: &Value, column: usize) -> Result<Check, Fault> {
        match (q.of, value) {
            (Type::Port | Type::PortRange, v) => self.ports(q, v, column),
            (Type::Protocol, v) => self.protocol(q, v, column),
            (of, Value::Name(n)) => {
                let what = if of == Type::Net { "network" } else { "host" };
                fault(column, format!("`{n}`: {what} names are not looked up; give its address"))
            }
            (of, Value::Number(n)) => {
                let (mut v, mut mask) = (*n, u32::MAX);
                if of == Type::Net {
                    // `net 10` is 10.0.0.0/8.
                    while v != 0 && v & 0xff00_0000 == 0 {
                        (v, mask) = (v << 8, mask << 8);
                    }
                }
                self.address(q, v, mask, column)
            }
            (_, Value::Quad(v, bits)) => {
                let short = 32_u32.saturating_sub(*bits);
                self.address(q, v << short, u32::MAX << short, column)
            }
            (Type::Net, Value::QuadLength(v, bits, len)) => {
                if *len > 32 {
                    return fault(column, "a mask of IPv4 has 32 bits at most");
                }
                let v = v << 32_u32.saturating_sub(*bits);
                let mask = u32::MAX.checked_shl(32 - len).unwrap_or(0);
                self.network_address(q, v, mask, column)
            }
            (Type::Net, Value::QuadMask(v, bits, mask, mask_bits)) => {
                let v = v << 32_u32.saturating_sub(*bits);
                let mask = mask << 32_u32.saturating_sub(*mask_bits);
                self.network_address(q, v, mask, column)
            }
            (_, Value::QuadLength(..) | Value::QuadMask(..)) => {
                fault(column, "a mask is for `net` only")
            }
            (of, Value::V6(address, len)) => {
                let len = len.unwrap_or(128);
                if len > 128 {
                    return fault(column, "a mask of IPv6 has 128 bits at most");
                }
                let mask = u128::MAX.checked_shl(128 - len).unwrap_or(0);
                let v = u128::from(*address);
                if v & !mask != 0 {
                    return fault(column, format!("{address} has bits that are not of its net"));
                }
                if of != Type::Net && len != 128 {
                    return fault(column, "a mask is for `net` only");
                }
                match q.proto {
                    None | Some(Proto::Ip6) => {
                        Ok(self.either(q.direction, |at| self.ip6_address(at, v, mask), 8, 24))
                    }
                    Some(p) => fault(column, format!("`{}` has no IPv6 address", p.name())),
                }
            }
            (of, Value::Mac(mac)) => {
                if q.proto != Some(Proto::Link) || of == Type::Net {
                    return fault(column, "an Ethernet address needs `ether` before it");
                }
                self.ethernet("ether", column)?;
                Ok(self.either(q.direction, |at| self.mac(mac, at), 6, 0))
            }
        }
    }

    /// What is asked of source, destination, or which of both.
    fn either(
        &self,
        direction: Direction,
        one: impl Fn(u32) -> Check,
        source: u32,
        destination: u32,
    ) -> Check {
        match direction {
            Direction::Source => one(source),
            Direction::Destination => one(destination),
            Direction::Any | Direction::Either => one(source).or(one(destination)),
            Direction::Both => one(source).and(one(destination)),
        }
    }

    fn network_address(
        &self,
        q: Qualifiers,
        v: u32,
        mask: u32,
        column: usize,
    ) -> Result<Check, Fault> {
        if v & !mask != 0 {
            return fault(column, "the address has bits that are not of its net");
        }
        self.address(q, v, mask, column)
    }

    fn address(&self, q: Qualifiers, v: u32, mask: u32, column: usize) -> Result<Check, Fault> {
        let of = |ty: u32, source: u32, destination: u32| {
            let one = |at| self.network_type(ty).and(masked(self.network + at, 4, mask, v));
            self.either(q.direction, one, source, destination)
        };
        let (ip, arp, rarp) = (of(IP, 12, 16), of(ARP, 14, 24), of(RARP, 14, 24));
        match q.proto {
            None => Ok(ip.or(arp).or(rarp)),
            Some(Proto::Ip) => Ok(ip),
            Some(Proto::Arp) => Ok(arp),
            Some(Proto::Rarp) => Ok(rarp),
            Some(Proto::Link) => fault(column, "`ether` takes an Ethernet address"),
            Some(p) => fault(column, format!("`{}` has no IPv4 address", p.name())),
        }
    }

    fn ip6_address(&self, at: u32, v: u128, mask: u128) -> Check {
        let mut check = self.network_type(IP6);
        for word in 0..4 {
            let part = |v: u128| (v >> (96 - 32 * word)) as u32;
            check = check.and(masked(self.network + at + 4 * word, 4, part(mask), part(v)));
        }
        check
    }

    /// An Ethernet address, its end first as in libpcap.
    fn mac(&self, mac: &[u8; 6], at: u32) -> Check {
        let [a, b, c, d, e, f] = *mac;
        Check::field(at + 2, 4, u32::from_be_bytes([c, d, e, f])).and(Check::field(
            at,
            2,
            u32::from(u16::from_be_bytes([a, b])),
        ))
    }

    fn protocol(&self, q: Qualifiers, value: &Value, column: usize) -> Result<Check, Fault> {
        let number = match value {
            Value::Number(n) => *n,
            Value::Name(n) => {
                let known =
                    if q.proto == Some(Proto::Link) { ether_type(n) } else { ip_protocol(n) };
                match known {
                    Some(n) => n,
                    None => {
                        return fault(column, format!("`{n}` is no protocol that is known here"));
                    }
                }
            }
            _ => return fault(column, "a protocol is a number, or a name behind `\\`"),
        };
        match q.proto {
            None => Ok(self.carried(number)),
            Some(Proto::Ip) => Ok(self.carried_by_ip(number)),
            Some(Proto::Ip6) => Ok(self.carried_by_ip6(number)),
            Some(Proto::Link) => match number {
                // Their frames come in several forms.
                0xe0 | 0x809b | 0x80f3 => fault(column, "IPX and AppleTalk are not supported here"),
                n => Ok(self.network_type(n)),
            },
            Some(p) => fault(column, format!("`{}` carries no other protocol", p.name())),
        }
    }

    fn ports(&self, q: Qualifiers, value: &Value, column: usize) -> Result<Check, Fault> {
        let asked = match q.proto {
            None => None,
            Some(Proto::Tcp) => Some(TCP),
            Some(Proto::Udp) => Some(UDP),
            Some(Proto::Sctp) => Some(SCTP),
            Some(p) => return fault(column, format!("`{}` has no ports", p.name())),
        };
        let (first, last, over) = match value {
            Value::Number(n) => (*n, *n, None),
            Value::Name(n) => named_ports(n, q.of, column)?,
            _ => return fault(column, "a port is a number or a name"),
        };
        let protocol = match (asked, over) {
            (None, None | Some(Over::Both)) => None,
            (None, Some(Over::Tcp)) | (Some(TCP), Some(Over::Tcp)) => Some(TCP),
            (None, Some(Over::Udp)) | (Some(UDP), Some(Over::Udp)) => Some(UDP),
            (Some(p), None) => Some(p),
            (Some(p @ (TCP | UDP)), Some(Over::Both)) => Some(p),
            (Some(_), Some(o)) => {
                let over = if o == Over::Tcp { "TCP" } else { "UDP" };
                return fault(column, format!("that is a service over {over}; give its number"));
            }
        };
        for p in [first, last] {
            if p > 0xffff {
                return fault(column, format!("port {p} is larger than 65535"));
            }
        }
        let range = (first.min(last), first.max(last));
        Ok(self.ports_of_ip6(q.direction, range, protocol).or(self.ports_of_ip(
            q.direction,
            range,
            protocol,
        )))
    }

    /// SCTP first, as in libpcap.
    fn transports(protocol: Option<u32>, one: impl Fn(u32) -> Check) -> Check {
        match protocol {
            Some(p) => one(p),
            None => one(SCTP).or(one(TCP)).or(one(UDP)),
        }
    }

    fn ports_of_ip6(&self, d: Direction, range: (u32, u32), protocol: Option<u32>) -> Check {
        let one = |p| {
            let ports = |at| in_range(Base::Packet, self.network + 40 + at, range);
            Check::field(self.network + 6, 1, p).and(self.either(d, ports, 0, 2))
        };
        self.network_type(IP6).and(Self::transports(protocol, one))
    }

    fn ports_of_ip(&self, d: Direction, range: (u32, u32), protocol: Option<u32>) -> Check {
        let one = |p| {
            let ports = |at| in_range(Base::BehindIpv4(self.network), self.network + at, range);
            Check::field(self.network + 9, 1, p)
                .and(self.is_first_fragment())
                .and(self.either(d, ports, 0, 2))
        };
        self.network_type(IP).and(Self::transports(protocol, one))
    }

    /// Later fragments have no header of the transport.
    fn is_first_fragment(&self) -> Check {
        masked(self.network + 6, 2, 0x1fff, 0)
    }

    /// A number, and what must hold for it to mean anything.
    fn number(&self, a: &Arith) -> Result<(Option<Check>, Number), Fault> {
        Ok(match a {
            Arith::Number(n) => (None, Number::Constant(*n)),
            Arith::Len => (None, Number::Len),
            Arith::Neg(a) => {
                let (check, a) = self.number(a)?;
                (check, Number::Neg(Box::new(a)))
            }
            Arith::Binary(op, a, b) => {
                let (a_checks, a) = self.number(a)?;
                // Nor does libpcap ask whether what stands to the right is there.
                let (_, b) = self.number(b)?;
                (a_checks, Number::Binary(*op, Box::new(a), Box::new(b)))
            }
            Arith::Load(p, index, size, column) => {
                let (checks, index) = self.number(index)?;
                let (mine, base, at) = match p {
                    Proto::Link => (None, Base::Packet, 0),
                    Proto::Ip | Proto::Ip6 | Proto::Arp | Proto::Rarp => {
                        (Some(self.alone(*p)), Base::Packet, self.network)
                    }
                    Proto::Icmp6 => {
                        let next = Check::field(self.network + 6, 1, ICMP6);
                        let check = self.network_type(IP6).and(next);
                        (Some(check), Base::Packet, self.network + 40)
                    }
                    Proto::Ah | Proto::Esp => {
                        return fault(*column, format!("bytes of `{}` cannot be read", p.name()));
                    }
                    Proto::Tcp
                    | Proto::Udp
                    | Proto::Sctp
                    | Proto::Icmp
                    | Proto::Igmp
                    | Proto::Pim => {
                        let check = self.alone(*p).and(self.is_first_fragment());
                        let check = self.network_type(IP).and(check);
                        (Some(check), Base::BehindIpv4(self.network), self.network)
                    }
                };
                let load = Number::Load { base, at, index: Box::new(index), size: *size };
                (both(checks, mine), load)
            }
        })
    }
}

fn compare_len(relation: Relation, n: u32) -> Check {
    Check::Compare(Number::Len, relation, Number::Constant(n))
}

fn both(a: Option<Check>, b: Option<Check>) -> Option<Check> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.and(b)),
        (a, b) => a.or(b),
    }
}

/// The 16 bits there are in the range.
fn in_range(base: Base, at: u32, (first, last): (u32, u32)) -> Check {
    let compare =
        |relation, value| Check::Field { base, at, size: 2, mask: u32::MAX, relation, value };
    if first == last {
        compare(Relation::Eq, first)
    } else {
        compare(Relation::Ge, first).and(compare(Relation::Le, last))
    }
}

/// `http`, and of a range `80-90`, `ftp-data-http`, `http-90`.
fn named_ports(name: &str, of: Type, column: usize) -> Result<(u32, u32, Option<Over>), Fault> {
    if let Some((port, over)) = service(name) {
        return Ok((port, port, Some(over)));
    }
    let one = |text: &str| match text.parse::<u32>() {
        Ok(n) => Some((n, None)),
        Err(_) => service(text).map(|(p, o)| (p, Some(o))),
    };
    if of == Type::PortRange {
        let ends = name.match_indices('-').find_map(|(at, _)| {
            let (first, last) = name.split_at_checked(at)?;
            one(first).zip(one(last.strip_prefix('-')?))
        });
        if let Some(((first, a), (last, b))) = ends {
            return Ok((first, last, if a == b { a } else { None }));
        }
    }
    fault(column, format!("`{name}` is no port that is known here; give its number"))
}
