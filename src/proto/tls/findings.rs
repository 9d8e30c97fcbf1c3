//! What can be wrong, odd or closed about a TLS session.

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
    NO_SECRET note "tls.no-secret" "RFC 8446 §7" "No secret of this connection is known, so that what it carries stays closed: log the peer's keys, and give the file with --keylog.";
    KEY_LOG_FULL warning "tls.key-log-full" "framescope" "The key log has more secrets than are kept, so that the one of this connection may be among those that were passed over: cut it to what belongs to the capture.";
    WRONG_SECRET warning "tls.wrong-secret" "RFC 8446 §5.2" "There is a secret for this connection, and its records do not verify with it: it is another connection's, or damaged.";
    NOT_VERIFIED error "tls.record-not-verified" "RFC 8446 §5.2" "A record does not verify, although those before it did: it was changed, or records before it are missing.";
    SEQUENCE_FOUND note "tls.sequence-found" "RFC 8446 §5.3" "Records are missing; by trying sequence numbers the next one was found, and its tag proves it.";
    SEQUENCE_LOST warning "tls.sequence-lost" "RFC 8446 §5.3" "Records are missing, and no sequence number within reach makes the next ones verify: what follows stays closed.";
    ROLES_TURNED note "tls.roles-turned" "RFC 8446 §7.1" "The secret that opens this record proves that client and server are the other way round than they are shown: it was not there when that was decided. What the records carry is not looked into; read the capture again with the secrets that there are now.";
    UNKNOWN_SUITE note "tls.unsupported-suite" "RFC 8446 §B.4" "Records of this cipher suite cannot be opened here.";
    COMPRESSED note "tls.compression" "RFC 3749 §2" "The records are compressed before they are encrypted; they are not opened.";
    EARLY_REFUSED note "tls.early-data-refused" "RFC 8446 §4.2.10" "The server refused the early data of the client: its records are shown, and what they say is left out, since nobody read it.";
    OLD_VERSION warning "tls.old-version" "RFC 8996 §2" "The session uses a version before TLS 1.2, which is no longer to be used.";
    FATAL_ALERT warning "tls.fatal-alert" "RFC 8446 §6.2" "One end gave up the connection with an alert.";
    NO_CLOSE note "tls.no-close-notify" "RFC 8446 §6.1" "The connection was closed without close_notify of an end: whether all that it sent came cannot be told.";
    RECORD_TOO_LONG error "tls.record-too-long" "RFC 8446 §5.1" "A record is longer than is allowed.";
    MALFORMED error "tls.malformed" "RFC 8446 §4" "A handshake message does not hold what its lengths say.";
    HANDSHAKE_TOO_LONG warning "tls.handshake-too-long" "framescope" "A handshake message is longer than is kept; it is shown as its records.";
    NOT_TLS error "tls.not-a-record" "RFC 8446 §5.1" "Bytes in the place of a record's head are none; what follows is looked through for the next.";
    HEARTBEAT warning "tls.heartbeat" "RFC 6520 §3" "A heartbeat message: hardly anybody sends them but to attack.";
}
