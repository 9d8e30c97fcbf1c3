//! What can be wrong with a PROXY header.

use crate::finding::FindingSpec;

macro_rules! findings {
    ($($ident:ident $how:ident $code:literal $reference:literal $meaning:literal;)*) => {
        $(
            #[doc = $meaning]
            pub static $ident: FindingSpec = FindingSpec::$how($code, $reference, $meaning);
        )*
        /// All findings of the protocol.
        pub static FINDINGS: &[&FindingSpec] = &[$(&$ident),*];
    };
}

findings! {
    BAD_LINE error "proxy.bad-line" "PROXY protocol §2.1" "The line is not what version 1 says; a receiver must close the connection.";
    LINE_TOO_LONG error "proxy.line-too-long" "PROXY protocol §2.1" "The line does not end within 107 bytes, which is the longest that there is.";
    BAD_VERSION error "proxy.bad-version" "PROXY protocol §2.2" "The version behind the binary signature is not 2.";
    BAD_COMMAND error "proxy.bad-command" "PROXY protocol §2.2" "The command is neither LOCAL nor PROXY.";
    BAD_FAMILY error "proxy.bad-family" "PROXY protocol §2.2" "The address family or the transport protocol has a value that is not assigned.";
    ADDRESSES_CUT error "proxy.addresses-cut" "PROXY protocol §2.2" "The length leaves no room for the addresses of the family.";
    TLV_CUT error "proxy.tlv-cut" "PROXY protocol §2.2" "A TLV goes beyond the end of the header, or of the TLV around it.";
    BAD_TLV error "proxy.bad-tlv" "PROXY protocol §2.2" "A TLV has a length that its type does not allow.";
    UNKNOWN_TLV note "proxy.unknown-tlv" "PROXY protocol §2.2.8" "A TLV has a type that is not assigned.";
    BAD_CRC error "proxy.bad-crc" "PROXY protocol §2.2.3" "The checksum is not that of the header; a receiver must close the connection.";
    TRUNCATED warning "proxy.truncated" "PROXY protocol §2" "The header ends before its end: the connection or the capture did, or bytes were not captured.";
}
