//! Captures made by hand: connections of WebSocket, act by act.

use std::net::{IpAddr, Ipv4Addr};

use base64::Engine as _;
use framescope::base::CaptureTime;
use framescope::link::TcpFlags;
use sha1::Digest as _;

use crate::support::{Owned, Segment, pack};

const SYN: u8 = TcpFlags::SYN;
const ACK: u8 = TcpFlags::ACK;
const FIN: u8 = TcpFlags::FIN;
const RST: u8 = TcpFlags::RST;
pub(crate) const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
pub(crate) const LOCAL: Ipv4Addr = Ipv4Addr::LOCALHOST;
pub(crate) const FAR: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 7);

/// What happens on a connection, in order; each but `Wait` is a packet.
#[derive(Clone)]
pub(crate) enum Do {
    Up(Vec<u8>),
    Down(Vec<u8>),
    /// Milliseconds.
    Wait(i64),
    Fin(bool),
    Rst(bool),
}
pub(crate) use Do::{Down, Fin, Rst, Up, Wait};

/// Segments of several connections, a millisecond apart.
#[derive(Default)]
pub(crate) struct Wire {
    pub(crate) segments: Vec<Segment>,
    pub(crate) now: i64,
}

/// One connection.
pub(crate) struct Link {
    pub(crate) ends: [(IpAddr, u16); 2],
    pub(crate) seq: [u32; 2],
}

impl Wire {
    pub(crate) fn put(&mut self, link: &mut Link, client: bool, flags: u8, data: &[u8]) {
        let i = usize::from(!client);
        self.now += 1_000_000;
        self.segments.push(Segment {
            time: CaptureTime(1_700_000_000_000_000_000 + self.now),
            from: link.ends[i],
            to: link.ends[1 - i],
            seq: link.seq[i],
            ack: link.seq[1 - i],
            flags,
            window: 65_535,
            scale: None,
            data: data.to_vec(),
        });
        let len = u32::try_from(data.len()).unwrap() + u32::from(flags & (SYN | FIN) != 0);
        link.seq[i] = link.seq[i].wrapping_add(len);
    }

    pub(crate) fn open(
        &mut self,
        client: Ipv4Addr,
        port: u16,
        request: &str,
        response: &str,
    ) -> Link {
        let server = if client.is_loopback() { LOCAL } else { Ipv4Addr::new(198, 51, 100, 1) };
        let ends = [(IpAddr::V4(client), port), (IpAddr::V4(server), 8080)];
        let mut link = Link { ends, seq: [1000, 5000] };
        self.put(&mut link, true, SYN, b"");
        self.put(&mut link, false, SYN | ACK, b"");
        self.put(&mut link, true, ACK, b"");
        self.put(&mut link, true, ACK, request.as_bytes());
        self.put(&mut link, false, ACK, response.as_bytes());
        link
    }

    pub(crate) fn act(&mut self, link: &mut Link, acts: &[Do]) {
        for a in acts {
            match a {
                Up(data) => data.chunks(60_000).for_each(|d| self.put(link, true, ACK, d)),
                Down(data) => data.chunks(60_000).for_each(|d| self.put(link, false, ACK, d)),
                Wait(ms) => self.now += ms * 1_000_000,
                Fin(client) => self.put(link, *client, ACK | FIN, b""),
                Rst(client) => self.put(link, *client, ACK | RST, b""),
            }
        }
    }
}

pub(crate) fn request(path: &str, more: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Key: {KEY}\r\n\
         Sec-WebSocket-Version: 13\r\n{more}\r\n"
    )
}

pub(crate) fn accept(key: &str) -> String {
    let digest = sha1::Sha1::digest(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11"));
    base64::engine::general_purpose::STANDARD.encode(digest)
}

pub(crate) fn response(accept: &str, more: &str) -> String {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{more}\r\n"
    )
}

/// A connection with an ordinary handshake.
pub(crate) fn talk(client: Ipv4Addr, path: &str, more: &str, acts: &[Do]) -> Vec<Owned> {
    with(client, &request(path, more), &response(&accept(KEY), ""), acts)
}

pub(crate) fn with(client: Ipv4Addr, request: &str, response: &str, acts: &[Do]) -> Vec<Owned> {
    let mut w = Wire::default();
    let mut link = w.open(client, 40_000, request, response);
    w.act(&mut link, acts);
    pack(&w.segments)
}

/// The same on the loopback, ended well.
pub(crate) fn local(acts: &[Do]) -> Vec<Owned> {
    talk(LOCAL, "/", "", &[acts, &bye()].concat())
}

/// A frame with its length written in `written` bytes: 0, 2 or 8.
pub(crate) fn raw(first: u8, key: Option<u32>, written: usize, payload: &[u8]) -> Vec<u8> {
    let mask = if key.is_some() { 0x80 } else { 0 };
    let n = payload.len() as u64;
    let mut f = vec![first];
    match written {
        0 => f.push(mask | u8::try_from(n).unwrap()),
        2 => {
            f.push(mask | 126);
            f.extend(u16::try_from(n).unwrap().to_be_bytes());
        }
        _ => {
            f.push(mask | 127);
            f.extend(n.to_be_bytes());
        }
    }
    let key_bytes = key.unwrap_or(0).to_be_bytes();
    if key.is_some() {
        f.extend(key_bytes);
    }
    f.extend(payload.iter().enumerate().map(|(i, b)| b ^ key_bytes[i % 4]));
    f
}

pub(crate) fn fewest(n: usize) -> usize {
    [0, 2, 8][usize::from(n > 125) + usize::from(n > 65_535)]
}

/// A frame of the client's; the key is made of the payload, so that few are alike.
pub(crate) fn up(first: u8, payload: &[u8]) -> Do {
    let key = payload.iter().fold(0x9e37_79b9_u32 ^ u32::from(first), |h, b| {
        (h ^ u32::from(*b)).wrapping_mul(0x0100_0193)
    });
    Up(raw(first, Some(key), fewest(payload.len()), payload))
}

/// A frame of the server's.
pub(crate) fn down(first: u8, payload: &[u8]) -> Do {
    Down(raw(first, None, fewest(payload.len()), payload))
}

pub(crate) fn code(n: u16) -> [u8; 2] {
    n.to_be_bytes()
}

/// A close handshake, and the end of the connection.
pub(crate) fn bye() -> Vec<Do> {
    vec![up(0x88, &code(1000)), down(0x88, &code(1000)), Fin(false), Fin(true)]
}
