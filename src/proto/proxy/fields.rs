//! The fields of the PROXY protocol; names are Wireshark's where it has the field.

use crate::field::{FieldSpec, Kind};

const V1: &str = "PROXY protocol §2.1";
const V2: &str = "PROXY protocol §2.2";

/// The command (§2.2).
fn command(v: u64) -> Option<&'static str> {
    Some(match v {
        0 => "LOCAL",
        1 => "PROXY",
        _ => return None,
    })
}

/// The address family (§2.2).
fn family(v: u64) -> Option<&'static str> {
    Some(match v {
        0 => "unspecified",
        1 => "IPv4",
        2 => "IPv6",
        3 => "Unix",
        _ => return None,
    })
}

/// The transport protocol (§2.2).
fn transport(v: u64) -> Option<&'static str> {
    Some(match v {
        0 => "unspecified",
        1 => "stream",
        2 => "datagram",
        _ => return None,
    })
}

/// What a TLV says (§2.2.1 to §2.2.8).
#[must_use]
pub fn tlv_name(v: u64) -> Option<&'static str> {
    Some(match v {
        0x01 => "ALPN",
        0x02 => "authority",
        0x03 => "CRC32c",
        0x04 => "no-op",
        0x05 => "unique id",
        0x20 => "SSL",
        0x21 => "SSL version",
        0x22 => "SSL common name",
        0x23 => "SSL cipher",
        0x24 => "SSL signature algorithm",
        0x25 => "SSL key algorithm",
        0x26 => "SSL group",
        0x27 => "SSL signature scheme",
        0x28 => "SSL client certificate",
        0x30 => "network namespace",
        0xe0..=0xef => "custom",
        0xf0..=0xf7 => "experimental",
        0xf8..=0xff => "future",
        _ => return None,
    })
}

macro_rules! fields {
    ($($ident:ident $name:literal $label:literal $bits:literal $kind:ident $section:ident $meaning:literal $(. $more:ident ( $($arg:ident)? ))*;)*) => {
        $(
            #[doc = $meaning]
            pub static $ident: FieldSpec =
                FieldSpec::new($name, $label, $bits, Kind::$kind, $section, $meaning)$(.$more($($arg)?))*;
        )*
        /// All of them.
        pub static FIELDS: &[&FieldSpec] = &[$(&$ident),*];
    };
}

const ALPN_SECTION: &str = "PROXY protocol §2.2.1";
const AUTHORITY_SECTION: &str = "PROXY protocol §2.2.2";
const CRC_SECTION: &str = "PROXY protocol §2.2.3";
const NOOP_SECTION: &str = "PROXY protocol §2.2.4";
const ID_SECTION: &str = "PROXY protocol §2.2.5";
const SSL: &str = "PROXY protocol §2.2.6";
const NETNS_SECTION: &str = "PROXY protocol §2.2.7";

fields! {
    VERSION "proxy.version" "Version" 0 Unsigned V1 "Version of the header: 1 is a line of text, 2 is binary.";
    SRC_IPV4 "proxy.src.ipv4" "Source address" 0 Address V1 "Who connected to the proxy.";
    DST_IPV4 "proxy.dst.ipv4" "Destination address" 0 Address V1 "The address of the proxy that it connected to.";
    SRC_IPV6 "proxy.src.ipv6" "Source address" 0 Address V1 "Who connected to the proxy.";
    DST_IPV6 "proxy.dst.ipv6" "Destination address" 0 Address V1 "The address of the proxy that it connected to.";
    SRC_PORT "proxy.srcport" "Source port" 0 Unsigned V1 "The port of who connected to the proxy.";
    DST_PORT "proxy.dstport" "Destination port" 0 Unsigned V1 "The port of the proxy that it connected to.";
    V1_MAGIC "proxy.v1.magic" "Magic" 40 Text V1 "The word that the line begins with.";
    V1_PROTO "proxy.v1.proto" "Protocol" 0 Text V1 "TCP4, TCP6, or UNKNOWN.";
    V1_UNKNOWN "proxy.v1.unknown" "Unknown data" 0 Text V1 "What is on the line and has no meaning, or no valid one.";
    V1_DELIMITER "proxy.v1.delimiter" "Delimiter" 0 Data V1 "The space between two words, or the end of the line.";
    V2_MAGIC "proxy.v2.magic" "Magic" 96 Bytes V2 "Twelve bytes that no other protocol begins with.";
    V2_VERSION "proxy.v2.version" "Version" 4 Unsigned V2 "Always 2.";
    V2_COMMAND "proxy.v2.cmd" "Command" 4 Enumerated V2 "LOCAL: the proxy speaks for itself, as in a health check; PROXY: for somebody." .named(command);
    V2_FAMILY "proxy.v2.addr_family" "Address family" 4 Enumerated V2 "What the addresses are." .named(family);
    V2_PROTOCOL "proxy.v2.protocol" "Protocol" 4 Enumerated V2 "What the connection to the proxy was." .named(transport);
    V2_LENGTH "proxy.v2.length" "Length" 16 Unsigned V2 "Bytes of addresses and TLVs that follow.";
    V2_SRC_UNIX "proxy.v2.src.unix" "Source address" 864 Text V2 "The path of the socket that connected.";
    V2_DST_UNIX "proxy.v2.dst.unix" "Destination address" 864 Text V2 "The path of the socket that it connected to.";
    V2_UNKNOWN "proxy.v2.unknown" "Unknown data" 0 Bytes V2 "Bytes that are neither addresses nor TLVs." .repeated();
    V2_TLV "proxy.v2.tlv" "TLV" 0 Group V2 "Type, length, and value: something more about the connection.";
    TLV_TYPE "proxy.v2.tlv.type" "Type" 8 Enumerated V2 "What the value is." .named(tlv_name) .repeated();
    TLV_LENGTH "proxy.v2.tlv.length" "Length" 16 Unsigned V2 "Bytes of the value." .repeated();
    TLV_VALUE "proxy.v2.tlv.value" "Value" 0 Bytes V2 "A value that is not looked into." .repeated();
    ALPN "proxy.v2.tlv.alpn" "ALPN" 0 Text ALPN_SECTION "The protocol that client and proxy agreed on.";
    AUTHORITY "proxy.v2.tlv.authority" "Authority" 0 Text AUTHORITY_SECTION "The host that the client asked for: with TLS, its server name.";
    CRC32C "proxy.v2.tlv.crc32c" "CRC32c" 32 Unsigned CRC_SECTION "Checksum of the whole header, taken with these four bytes zero.";
    NOOP "proxy.v2.tlv.noop" "Padding" 0 Bytes NOOP_SECTION "Bytes that mean nothing." .repeated();
    UNIQUE_ID "proxy.v2.tlv.unique_id" "Unique id" 0 Bytes ID_SECTION "What the proxy calls the connection, at most 128 bytes.";
    NETNS "proxy.v2.tlv.netns" "Network namespace" 0 Text NETNS_SECTION "The namespace that the connection came from.";
    SSL_CLIENT "proxy.v2.tlv.ssl.client" "Client" 8 Unsigned SSL "Bit 0: over TLS; bit 1: with a certificate on this connection; bit 2: with one in this session.";
    SSL_VERIFY "proxy.v2.tlv.ssl.verify" "Verify" 32 Unsigned SSL "0 where the client presented a certificate and it was verified.";
    SSL_VERSION "proxy.v2.tlv.ssl.version" "TLS version" 0 Text SSL "The version of TLS between client and proxy.";
    SSL_CN "proxy.v2.tlv.ssl.cn" "Common name" 0 Text SSL "Of the client's certificate.";
    SSL_CIPHER "proxy.v2.tlv.ssl.cipher" "Cipher" 0 Text SSL "The cipher between client and proxy.";
    SSL_SIG_ALG "proxy.v2.tlv.ssl.sig_alg" "Signature algorithm" 0 Text SSL "By which the proxy's certificate was signed.";
    SSL_KEY_ALG "proxy.v2.tlv.ssl.keu_alg" "Key algorithm" 0 Text SSL "Of the key in the proxy's certificate; the name is Wireshark's.";
    SSL_GROUP "proxy.v2.tlv.ssl.group" "Key exchange group" 0 Text SSL "The group of the key exchange between client and proxy.";
    SSL_SIG_SCHEME "proxy.v2.tlv.ssl.sig_scheme" "Signature scheme" 0 Text SSL "By which the proxy signed the handshake.";
    SSL_CLIENT_CERT "proxy.v2.tlv.ssl.client_cert" "Client certificate" 0 Bytes SSL "The client's certificate in DER.";
}
