//! What to say where a secret is missing: which one, and how the peer at hand gives it.

use super::names;
use super::session::Session;
use super::wire::Hello;
use crate::proto::secrets::Label;

/// Who says hello, where that can be seen: programs have their lists of suites from the
/// library that they are made with, in its order, and few change them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Peer {
    /// Chromium and what has its library (BoringSSL), by GREASE; Firefox, by its order and
    /// extensions (NSS).
    Browser,
    /// Safari and what else stands on Apple's library: GREASE, and AES-256 first behind the
    /// suites of TLS 1.3.
    Apple,
    /// curl or Python, with OpenSSL's or their own default list.
    OpenSsl,
    /// OpenSSL's order, and a list that is neither of those nor Node's.
    SomeOpenSsl,
    Node,
    Go,
    Rustls,
    GrpcCore,
}

/// Suites of TLS 1.3.
const AES128: u16 = 0x1301;
const AES256: u16 = 0x1302;
const CHACHA: u16 = 0x1303;
/// `TLS_EMPTY_RENEGOTIATION_INFO_SCSV`.
const SCSV: u16 = 0x00ff;
/// Behind the suites of TLS 1.3, where lists are the default ones: of curl and of OpenSSL
/// itself, and of Python's `ssl` (both AES-256-GCM first, then DHE or AES-128).
const CURL: [u16; 3] = [0xc02c, 0xc030, 0x009f];
const PYTHON: [u16; 4] = [0xc02c, 0xc030, 0xc02b, 0xc02f];
/// Of Node.js (`tls.DEFAULT_CIPHERS`), which has AES-128-GCM first.
const NODE: [u16; 4] = [0xc02f, 0xc02b, 0xc030, 0xc02c];
/// Of rustls with ring or AWS-LC: all that it has.
const RUSTLS: [u16; 6] = [0xc02c, 0xc02b, 0xcca9, 0xc030, 0xc02f, 0xcca8];
/// Of gRPC's C core (`GRPC_SSL_CIPHER_SUITES`).
const GRPC: [u16; 4] = [0xc02b, 0xc02c, 0xc02f, 0xc030];

/// Behind those of TLS 1.3, the first of Apple's; BoringSSL has AES-128-GCM or ChaCha20 there.
const APPLE: u16 = 0xc02c;
/// The last ones of Go's `crypto/tls`, up to 1.26 (`defaultCipherSuitesTLS13` and `…NoAES`).
const GO: [[u16; 3]; 2] = [[AES128, AES256, CHACHA], [CHACHA, AES128, AES256]];

fn peer(hello: &Hello) -> Option<Peer> {
    if hello.suites.iter().any(|s| names::is_grease((*s).into())) {
        let tls12 = |s: &&u16| **s >> 8 != 0x13 && !names::is_grease(u64::from(**s));
        let first = hello.suites.iter().find(tls12);
        return Some(if first == Some(&APPLE) { Peer::Apple } else { Peer::Browser });
    }
    let suites: Vec<u16> = hello.suites.iter().copied().filter(|s| *s != SCSV).collect();
    // Go alone puts those of TLS 1.3 last, by whether the machine has instructions for AES.
    let last = GO.iter().any(|l| suites.ends_with(l));
    if last && suites.first().is_some_and(|s| s >> 8 != 0x13) {
        return Some(Peer::Go);
    }
    let (order, rest) = suites.split_at_checked(3)?;
    match order {
        [AES256, CHACHA, AES128] if rest.starts_with(&NODE) => Some(Peer::Node),
        [AES256, CHACHA, AES128] if rest.starts_with(&CURL) || rest.starts_with(&PYTHON) => {
            Some(Peer::OpenSsl)
        }
        [AES256, CHACHA, AES128] => Some(Peer::SomeOpenSsl),
        // record_size_limit and delegated_credential: NSS.
        [AES128, CHACHA, AES256] if hello.has(28) && hello.has(34) => Some(Peer::Browser),
        [AES256, AES128, CHACHA] if rest == RUSTLS => Some(Peer::Rustls),
        [AES128, AES256, CHACHA] if rest == GRPC => Some(Peer::GrpcCore),
        _ => None,
    }
}

const OF_OPENSSL: &str = "SSLKEYLOGFILE=keys.log in the environment of";
const OF_NODE: &str = "node --tls-keylog=keys.log (Node does not read the variable SSLKEYLOGFILE)";
const OF_GO: &str = "KeyLogWriter of tls.Config in Go";
const OF_RUSTLS: &str = "KeyLogFile for key_log of ClientConfig in rustls, with SSLKEYLOGFILE";

/// How a peer logs its keys.
fn recipe(peer: Option<Peer>) -> String {
    let (who, how) = match peer {
        Some(Peer::Browser) => {
            ("a browser", format!("{OF_OPENSSL} the browser, begun anew when none of it runs"))
        }
        Some(Peer::Apple) => (
            "Safari, or made with Apple's library",
            format!("it cannot; Chrome and Firefox can ({OF_OPENSSL} the browser)"),
        ),
        Some(Peer::OpenSsl) => {
            ("curl or Python with OpenSSL", format!("{OF_OPENSSL} curl or Python"))
        }
        Some(Peer::SomeOpenSsl) => {
            ("made with OpenSSL", format!("{OF_OPENSSL} curl or OpenSSL-based Python; {OF_NODE}"))
        }
        Some(Peer::Node) => ("Node.js", OF_NODE.to_owned()),
        Some(Peer::Go) => ("made with Go", OF_GO.to_owned()),
        Some(Peer::Rustls) => ("made with rustls", OF_RUSTLS.to_owned()),
        Some(Peer::GrpcCore) => (
            "gRPC's C core (C++, Python, Ruby, PHP)",
            "tls_session_key_log_file_path of TlsCredentialsOptions in C++".to_owned(),
        ),
        None => {
            return format!(
                "To log keys: {OF_OPENSSL} curl, OpenSSL-based Python and browsers; {OF_NODE}; \
                 {OF_GO}; {OF_RUSTLS}; then --keylog keys.log"
            );
        }
    };
    format!(
        "By its hello the client is {who}. To log its keys: {how}; or log them at the server; \
         then --keylog keys.log"
    )
}

/// No secret of this name is known.
pub(super) fn missing(session: &Session, label: Label) -> String {
    let peer = session.client.as_deref().and_then(peer);
    format!("no {} for client random {}. {}", label.name(), random(session), recipe(peer))
}

/// There is one, and it is wrong.
pub(super) fn wrong(session: &Session) -> String {
    format!("for client random {}", random(session))
}

fn random(session: &Session) -> String {
    let bytes = session.random.unwrap_or_default();
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(suites: &[u16], extensions: &[u16]) -> Option<Peer> {
        peer(&Hello {
            suites: suites.to_vec(),
            extensions: extensions.to_vec(),
            ..Hello::default()
        })
    }

    #[test]
    fn peers_are_known_by_their_hellos() {
        // Chrome 120, on a machine with instructions for AES; GREASE first.
        let chrome = [
            0x3a3a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013,
            0xc014, 0x009c, 0x009d, 0x002f, 0x0035,
        ];
        assert_eq!(of(&chrome, &[0x1a1a, 0, 23]), Some(Peer::Browser));
        // Safari 16.
        let safari = [
            0x3a3a, 0x1301, 0x1302, 0x1303, 0xc02c, 0xc02b, 0xcca9, 0xc030, 0xc02f, 0xcca8, 0xc00a,
            0xc009, 0xc014, 0xc013, 0x009d, 0x009c, 0x0035, 0x002f, 0xc008, 0xc012, 0x000a,
        ];
        assert_eq!(of(&safari, &[0x1a1a, 0, 23]), Some(Peer::Apple));
        // Firefox 120.
        let firefox = [
            0x1301, 0x1303, 0x1302, 0xc02b, 0xc02f, 0xcca9, 0xcca8, 0xc02c, 0xc030, 0xc00a, 0xc009,
            0xc013, 0xc014, 0x009c, 0x009d, 0x002f, 0x0035,
        ];
        assert_eq!(
            of(&firefox, &[0, 23, 65281, 10, 11, 16, 5, 34, 51, 43, 13, 28]),
            Some(Peer::Browser)
        );
        assert_eq!(of(&firefox, &[0, 23]), None);
        // crypto/tls of Go 1.22 and later, without key exchange by RSA and without 3DES; on a
        // machine without instructions for AES; and gRPC's, without CBC.
        let go = [
            0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc009, 0xc013, 0xc00a, 0xc014, 0x1301,
            0x1302, 0x1303,
        ];
        assert_eq!(of(&go, &[0, 5, 10]), Some(Peer::Go));
        let go = [
            0xcca9, 0xcca8, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xc009, 0xc013, 0xc00a, 0xc014, 0x1303,
            0x1301, 0x1302,
        ];
        assert_eq!(of(&go, &[0, 5, 10]), Some(Peer::Go));
        let few = [0xc02b, 0xc02f, 0x1301, 0x1302, 0x1303];
        assert_eq!(of(&few, &[0, 5, 10]), Some(Peer::Go));
        let rustls = [0x1302, 0x1301, 0x1303, 0xc02c, 0xc02b, 0xcca9, 0xc030, 0xc02f, 0xcca8, 0xff];
        assert_eq!(of(&rustls, &[]), Some(Peer::Rustls));
        // Java has rustls's order of TLS 1.3, and more behind it.
        assert_eq!(
            of(&[0x1302, 0x1301, 0x1303, 0xc02c, 0xc02b, 0xcca9, 0xc030, 0xcca8], &[]),
            None
        );
        assert_eq!(of(&[0x1302, 0x1303, 0x1301, 0xff], &[]), Some(Peer::SomeOpenSsl));
        for few in [&[][..], &[0x1301], &[0x1301, 0x1302, 0x1303], &[0xc02b, 0x1301]] {
            assert_eq!(of(few, &[]), None, "{few:x?}");
        }
    }

    #[test]
    fn a_recipe_is_that_of_the_peer_or_of_all() {
        assert!(recipe(Some(Peer::Node)).contains("--tls-keylog"));
        assert!(!recipe(Some(Peer::OpenSsl)).contains("--tls-keylog"));
        assert!(recipe(Some(Peer::Apple)).contains("it cannot"));
        for word in ["SSLKEYLOGFILE", "--tls-keylog", "KeyLogWriter", "KeyLogFile"] {
            assert!(recipe(None).contains(word), "{word}");
        }
    }
}
