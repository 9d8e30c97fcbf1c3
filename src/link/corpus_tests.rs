//! Over every packet of the captures in the folder that `FRAMESCOPE_CORPUS`
//! names: the tree tiles, both walks agree, and etherparse sees the same where
//! it looks.

use std::io::Read;
use std::path::{Path, PathBuf};

use etherparse::{LaxSlicedPacket, TransportSlice};
use pcap_parser::{Block, PcapBlockOwned, PcapError};

use super::tests::{check, moment};
use super::*;

/// Link type, captured bytes, length on the wire.
type Packet = (u16, Vec<u8>, u32);

fn packets(path: &Path) -> Vec<Packet> {
    let mut bytes = std::fs::read(path).unwrap();
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut plain = Vec::new();
        flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut plain).unwrap();
        bytes = plain;
    }
    let mut out = Vec::new();
    let Ok(mut reader) = pcap_parser::create_reader(1 << 20, &bytes[..]) else { return out };
    let mut links: Vec<u16> = Vec::new();
    loop {
        match reader.next() {
            Ok((used, block)) => {
                let link = |n: u32| links.get(n as usize).copied().unwrap_or(1);
                match block {
                    PcapBlockOwned::LegacyHeader(h) => links = vec![h.network.0 as u16],
                    PcapBlockOwned::Legacy(p) => out.push((link(0), p.data.to_vec(), p.origlen)),
                    PcapBlockOwned::NG(Block::SectionHeader(_)) => links.clear(),
                    PcapBlockOwned::NG(Block::InterfaceDescription(i)) => {
                        links.push(i.linktype.0 as u16);
                    }
                    PcapBlockOwned::NG(Block::EnhancedPacket(p)) => {
                        // The block is padded to four bytes.
                        let data = &p.data[..(p.caplen as usize).min(p.data.len())];
                        out.push((link(p.if_id), data.to_vec(), p.origlen));
                    }
                    PcapBlockOwned::NG(Block::SimplePacket(p)) => {
                        let data = &p.data[..(p.origlen as usize).min(p.data.len())];
                        out.push((link(0), data.to_vec(), p.origlen));
                    }
                    PcapBlockOwned::NG(_) => {}
                }
                reader.consume(used);
            }
            Err(PcapError::Incomplete(_)) => {
                if reader.refill().is_err() {
                    return out;
                }
            }
            Err(_) => return out,
        }
    }
}

fn files(folder: &Path, out: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path()).collect();
    entries.sort();
    for p in entries {
        if p.is_dir() { files(&p, out) } else { out.push(p) }
    }
}

/// What etherparse, which looks into no tunnel, makes of an Ethernet packet.
fn agrees_with_etherparse(data: &[u8], d: &Dissection) -> bool {
    let Ok(s) = LaxSlicedPacket::from_ethernet(data) else { return false };
    if d.outline.tunnels > 0 || s.stop_err.is_some() {
        return false;
    }
    match (&s.transport, d.outline.end) {
        (Some(TransportSlice::Tcp(t)), End::Tcp { head, payload, .. }) => {
            assert_eq!(d.outline.ports, (t.source_port(), t.destination_port()));
            assert_eq!((head.seq, head.ack), (t.sequence_number(), t.acknowledgment_number()));
            assert_eq!(payload.len as usize, t.payload().len());
            assert_eq!(data[payload.at as usize..][..payload.len as usize], *t.payload());
            true
        }
        (Some(TransportSlice::Udp(u)), End::Udp(payload)) => {
            assert_eq!(d.outline.ports, (u.source_port(), u.destination_port()));
            assert_eq!(data[payload.at as usize..][..payload.len as usize], *u.payload());
            true
        }
        _ => false,
    }
}

#[test]
fn every_packet_of_the_corpus_tiles() {
    let Ok(folder) = std::env::var("FRAMESCOPE_CORPUS") else {
        println!("SKIPPED: FRAMESCOPE_CORPUS is not set");
        return;
    };
    let mut list = Vec::new();
    files(Path::new(&folder), &mut list);
    let (mut count, mut compared) = (0_u64, 0_u64);
    for path in list {
        let mut decoder = Decoder::new();
        for (n, (link_type, data, len)) in packets(&path).into_iter().enumerate() {
            let d = check(link_type, &data, len);
            let x = decoder.decode(link_type, &data, len, moment(n as u64 + 1));
            let line = summary(&x, &d.outline, SeqBase::default());
            if std::env::var_os("FRAMESCOPE_SHOW").is_some() {
                println!("{} {} {line} {:?}", path.display(), n + 1, x.findings);
            }
            count += 1;
            compared += u64::from(link_type == 1 && agrees_with_etherparse(&data, &d));
        }
    }
    println!("{count} packets tile; {compared} compared with etherparse");
    assert!(count > 0, "no capture in {folder}");
}
