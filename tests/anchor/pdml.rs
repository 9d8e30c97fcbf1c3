//! tshark's reading of a capture, from its PDML: for every packet the fields in the
//! order in which they are shown.

use std::path::Path;
use std::process::{Command, Stdio};

/// One field as tshark shows it.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    /// What is shown: `0x18`, `13`, `b3:e6:87:c0`, or text.
    pub(crate) show: String,
    /// The bytes in hex, where the field has bytes.
    pub(crate) value: String,
}

/// The fields of one packet.
pub(crate) type Packet = Vec<Field>;

/// Whether there is a tshark to ask.
pub(crate) fn is_installed() -> bool {
    Command::new("tshark")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|s| s.success())
}

/// What tshark says about a capture. `ports` are told with `-d`, since it does not
/// look for HTTP on odd ports, in clear or within TLS; `more` are further arguments.
pub(crate) fn read(path: &Path, ports: &[(u16, &str, bool)], more: &[&str]) -> Vec<Packet> {
    let mut command = Command::new("tshark");
    command.args(["-n", "-T", "pdml", "-o", "tcp.reassemble_out_of_order:TRUE", "-r"]).arg(path);
    for (port, protocol, encrypted) in ports {
        let below = if *encrypted { "tls" } else { protocol };
        command.arg("-d").arg(format!("tcp.port=={port},{below}"));
        // Of HTTP/2 ALPN tells it.
        if *encrypted && *protocol == "http" {
            command.arg("-d").arg(format!("tls.port=={port},{protocol}"));
        }
    }
    let out = command.args(more).output().expect("tshark runs");
    // A capture that is cut short is an error to tshark after its last packet.
    assert!(
        out.status.success() || !out.stdout.is_empty(),
        "{}: tshark: {}",
        path.display(),
        String::from_utf8_lossy(&out.stderr)
    );
    parse(&String::from_utf8_lossy(&out.stdout))
}

/// Packets and their fields, in document order. Protocols are fields as well.
fn parse(text: &str) -> Vec<Packet> {
    let mut packets: Vec<Packet> = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        let (tag, attributes, after) = element(rest);
        rest = after;
        match tag {
            "packet" => packets.push(Vec::new()),
            "field" | "proto" => {
                let get = |k: &str| {
                    attributes
                        .iter()
                        .find(|(n, _)| *n == k)
                        .map_or(String::new(), |(_, v)| plain(v))
                };
                let f = Field { name: get("name"), show: get("show"), value: get("value") };
                packets.last_mut().expect("a field is in a packet").push(f);
            }
            _ => {}
        }
    }
    packets
}

/// The name of an element, its attributes, and what follows it.
fn element(text: &str) -> (&str, Vec<(&str, &str)>, &str) {
    let end = text.find([' ', '>', '/']).unwrap_or(text.len());
    let (tag, mut rest) = text.split_at(end);
    let mut attributes = Vec::new();
    loop {
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix('>') {
            return (tag, attributes, after);
        }
        let Some((name, more)) = rest.split_once("=\"") else { return (tag, attributes, "") };
        if name.contains(['>', '<']) {
            // No attribute of this element: it ended with `/>` or is a comment.
            return (tag, attributes, rest.split_once('>').map_or("", |(_, r)| r));
        }
        let Some((value, more)) = more.split_once('"') else { return (tag, attributes, "") };
        attributes.push((name, value));
        rest = more;
    }
}

fn plain(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&apos;", "'")
        .replace("&amp;", "&")
}
