//! One line for a packet, as tcpdump writes it.

use std::fmt::Write;
use std::net::IpAddr;

use crate::link::outline::{End, FragmentInfo, Outline, TcpOptions};
use crate::link::wire::{ArpHead, IcmpHead, hardware_text};
use crate::link::{Content, Decoded, TcpFlags, TcpSegment, names};

/// Numbers from which sequence and acknowledgement numbers are counted: 0 and 0
/// for the raw ones, the initial ones of both sides for relative ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SeqBase {
    /// Initial sequence number of the sender.
    pub seq: u32,
    /// Initial sequence number of the peer.
    pub ack: u32,
}

/// One line for a packet:
/// `IP 127.0.0.1.51234 > 127.0.0.1.18081: Flags [P.], seq 1:13, ack 1, win 512, length 12`.
///
/// `outline` is the packet's own (of [`super::dissect`]), `decoded` what
/// [`super::Decoder`] made of it; they differ where the packet completed a
/// fragmented datagram. Of the TCP options those are shown that a handshake or a
/// loss is understood by: MSS, window scale and SACK.
#[must_use]
pub fn summary(decoded: &Decoded<'_>, outline: &Outline, base: SeqBase) -> String {
    let mut s = String::with_capacity(96);
    // Writing to a String does not fail.
    let _ = line(&mut s, decoded, outline, base);
    s
}

fn line(s: &mut String, d: &Decoded<'_>, out: &Outline, base: SeqBase) -> std::fmt::Result {
    if let End::Arp(head) = out.end {
        return arp(s, head.as_ref(), out.wire_len);
    }
    if let Some(e) = &d.endpoints {
        s.push_str(if e.source.0.is_ipv6() { "IP6 " } else { "IP " });
        let ports = matches!(d.content, Content::Tcp(_) | Content::Udp(_));
        address(s, e.source, ports)?;
        s.push_str(" > ");
        address(s, e.destination, ports)?;
        s.push_str(": ");
    }
    match &d.content {
        Content::Tcp(t) => {
            let options = match out.end {
                End::Tcp { options, .. } => options,
                _ => TcpOptions::default(),
            };
            tcp(s, t, options, base)?;
        }
        Content::Udp(u) => {
            let missing = u.missing;
            write!(s, "UDP, length {}", u.payload.len() as u64 + u64::from(missing))?;
            missing_text(s, missing)?;
        }
        Content::Icmp(name) => match out.end {
            End::Icmp(head, len) => icmp(s, head, len)?,
            _ => write!(s, "ICMP {name}")?,
        },
        Content::Fragment => match out.end {
            End::Fragment(f) => fragment(s, f)?,
            _ => s.push_str("fragment"),
        },
        Content::Other(name) => write!(s, "{name}, length {}", out.wire_len)?,
    }
    if let (End::Fragment(f), false) = (out.end, matches!(d.content, Content::Fragment)) {
        write!(s, " (reassembled, last fragment at {})", f.offset)?;
    }
    Ok(())
}

fn address(s: &mut String, (ip, port): (IpAddr, u16), ports: bool) -> std::fmt::Result {
    if ports { write!(s, "{ip}.{port}") } else { write!(s, "{ip}") }
}

fn missing_text(s: &mut String, missing: u32) -> std::fmt::Result {
    if missing > 0 { write!(s, " ({missing} not captured)") } else { Ok(()) }
}

/// tcpdump's letters in tcpdump's order; `none` where no flag is set.
fn flags(s: &mut String, flags: TcpFlags) {
    const LETTERS: [(u8, char); 8] = [
        (TcpFlags::FIN, 'F'),
        (TcpFlags::SYN, 'S'),
        (TcpFlags::RST, 'R'),
        (TcpFlags::PSH, 'P'),
        (TcpFlags::ACK, '.'),
        (TcpFlags::URG, 'U'),
        (0x40, 'E'),
        (0x80, 'W'),
    ];
    let before = s.len();
    s.extend(LETTERS.iter().filter(|(bit, _)| flags.has(*bit)).map(|(_, c)| c));
    if s.len() == before {
        s.push_str("none");
    }
}

fn tcp(s: &mut String, t: &TcpSegment<'_>, o: TcpOptions, base: SeqBase) -> std::fmt::Result {
    let len = u32::try_from(t.payload.len()).unwrap_or(u32::MAX).saturating_add(t.missing);
    s.push_str("Flags [");
    flags(s, t.flags);
    s.push(']');
    let seq = t.seq.wrapping_sub(base.seq);
    if len > 0 {
        write!(s, ", seq {seq}:{}", seq.wrapping_add(len))?;
    } else if t.flags.has(TcpFlags::SYN | TcpFlags::FIN | TcpFlags::RST) {
        write!(s, ", seq {seq}")?;
    }
    if t.flags.has(TcpFlags::ACK) {
        write!(s, ", ack {}", t.ack.wrapping_sub(base.ack))?;
    }
    write!(s, ", win {}", t.window)?;
    let mut shown = Vec::new();
    if let Some(v) = o.mss {
        shown.push(format!("mss {v}"));
    }
    if o.sack_permitted {
        shown.push("sackOK".into());
    }
    if o.sack_blocks > 0 {
        let mut sack = format!("sack {} ", o.sack_blocks);
        for (l, r) in o.sack.iter().take(usize::from(o.sack_blocks)) {
            write!(sack, "{{{}:{}}}", l.wrapping_sub(base.ack), r.wrapping_sub(base.ack))?;
        }
        shown.push(sack);
    }
    if let Some(v) = o.window_scale {
        shown.push(format!("wscale {v}"));
    }
    if !shown.is_empty() {
        write!(s, ", options [{}]", shown.join(","))?;
    }
    write!(s, ", length {len}")?;
    missing_text(s, t.missing)
}

fn icmp(s: &mut String, head: IcmpHead, len: u32) -> std::fmt::Result {
    // tcpdump puts a comma behind ICMP6 alone.
    let name = if head.v6 {
        s.push_str("ICMP6, ");
        names::icmpv6(head.kind)
    } else {
        s.push_str("ICMP ");
        names::icmp(head.kind)
    };
    s.push_str(name);
    let unreachable = head.kind == if head.v6 { 1 } else { 3 };
    if let Some((id, seq)) = head.echo {
        write!(s, ", id {id}, seq {seq}")?;
    } else if let Some(what) = names::unreachable(head.v6, head.code).filter(|_| unreachable) {
        write!(s, " ({what})")?;
    } else if head.code != 0 {
        write!(s, ", code {}", head.code)?;
    }
    write!(s, ", length {len}")
}

fn fragment(s: &mut String, f: FragmentInfo) -> std::fmt::Result {
    let name = names::ip_protocol(f.protocol).unwrap_or("ip");
    let (len, more) = (f.payload.wire_len(), if f.more { "+" } else { "" });
    write!(s, "{name} (frag {}:{len}@{}{more})", f.id, f.offset)
}

fn arp(s: &mut String, head: Option<&ArpHead>, len: u32) -> std::fmt::Result {
    match head {
        Some(h) if h.operation == 1 => {
            write!(s, "ARP, Request who-has {} tell {}", h.target, h.source)?;
        }
        Some(h) if h.operation == 2 => {
            write!(s, "ARP, Reply {} is-at {}", h.source, hardware_text(&h.source_hardware))?;
        }
        Some(h) => write!(s, "ARP, operation {}", h.operation)?,
        None => s.push_str("ARP"),
    }
    write!(s, ", length {len}")
}
