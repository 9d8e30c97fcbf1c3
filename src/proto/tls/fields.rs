//! The fields of TLS; names are Wireshark's where it has the field.

use super::names;
use crate::field::{FieldSpec, Kind};

macro_rules! fields {
    ($($ident:ident $name:literal $label:literal $bits:literal $kind:ident $section:literal $meaning:literal $(. $more:ident ( $($arg:path)? ))*;)*) => {
        $(
            #[doc = $meaning]
            pub static $ident: FieldSpec =
                FieldSpec::new($name, $label, $bits, Kind::$kind, $section, $meaning)$(.$more($($arg)?))*;
        )*
        /// All of them.
        pub static FIELDS: &[&FieldSpec] = &[$(&$ident),*];
    };
}
pub(super) use fields;

fields! {
    CONTENT_TYPE "tls.record.content_type" "Content type" 8 Enumerated "RFC 8446 §5.1" "What the record carries; of an encrypted one, what it says within." .named(names::content_type);
    OPAQUE_TYPE "tls.record.opaque_type" "Opaque type" 8 Enumerated "RFC 8446 §5.2" "The outer type of an encrypted record of TLS 1.3: always application data." .named(names::content_type);
    RECORD_VERSION "tls.record.version" "Version" 16 Enumerated "RFC 8446 §5.1" "The version that the record states; of no meaning since TLS 1.3." .named(names::version);
    RECORD_LENGTH "tls.record.length" "Length" 16 Unsigned "RFC 8446 §5.1" "Bytes that follow: at most 2^14, and 256 more where they are encrypted (2,048 before TLS 1.3).";
    FRAGMENT "tls.record.fragment" "Fragment" 0 Data "RFC 8446 §5.1" "Bytes of messages: several may be in one record, and one in several records.";
    NONCE "tls.record.nonce" "Explicit nonce" 0 Bytes "RFC 5246 §6.2.3.3" "The part of the nonce, or the initialisation vector, that is sent with the record.";
    ENCRYPTED "tls.record.encrypted" "Encrypted" 0 Data "RFC 8446 §5.2" "What is sealed.";
    TAG "tls.record.tag" "Tag" 0 Bytes "RFC 8446 §5.2" "Proves that the record is whole, in its place, and by who has the keys.";
    CONTENT "tls.record.content" "Content" 0 Data "RFC 8446 §5.2" "What was sealed.";
    PADDING "tls.record.padding_length" "Padding" 0 Unsigned "RFC 8446 §5.4" "Zeros behind the content, which hide its length.";
    SEQUENCE "tls.record.sequence" "Sequence number" 0 Unsigned "RFC 8446 §5.3" "Of the record under its keys, from 0: it is not sent, but the tag proves it.";
    EPOCH "tls.record.keys" "Keys" 0 Text "RFC 8446 §7.3" "Which keys opened it: those of early data, of the handshake, of application data, or the master secret's.";

    CHANGE_CIPHER_SPEC "tls.change_cipher_spec" "Change cipher spec" 8 Unsigned "RFC 5246 §7.1" "Always 1: what follows is under new keys. In TLS 1.3 it means nothing.";
    ALERT_LEVEL "tls.alert_message.level" "Level" 8 Enumerated "RFC 8446 §6" "Warning or fatal." .named(names::alert_level);
    ALERT_DESC "tls.alert_message.desc" "Description" 8 Enumerated "RFC 8446 §6" "Why." .named(names::alert);

    HANDSHAKE_TYPE "tls.handshake.type" "Handshake type" 8 Enumerated "RFC 8446 §4" "Which message it is." .named(names::handshake);
    HANDSHAKE_LENGTH "tls.handshake.length" "Length" 24 Unsigned "RFC 8446 §4" "Bytes of the message behind its head.";
    HANDSHAKE_BODY "tls.handshake.body" "Body" 0 Bytes "RFC 8446 §4" "A message that is not looked into.";
    TRAILING "tls.handshake.trailing" "Trailing bytes" 0 Bytes "RFC 8446 §4" "Bytes behind what the message says that it has." .repeated();
    VERSION "tls.handshake.version" "Version" 16 Enumerated "RFC 8446 §4.1.2" "The version before TLS 1.3; then TLS 1.2, and supported_versions says it." .named(names::version);
    RANDOM "tls.handshake.random" "Random" 256 Bytes "RFC 8446 §4.1.2" "32 bytes; the client's name the session in key logs.";
    SESSION_ID_LENGTH "tls.handshake.session_id_length" "Session id length" 8 Unsigned "RFC 8446 §4.1.2" "Bytes of the session id.";
    SESSION_ID "tls.handshake.session_id" "Session id" 0 Bytes "RFC 8446 §4.1.2" "Names a session to resume; in TLS 1.3 it is only echoed.";
    DTLS_COOKIE_LENGTH "dtls.handshake.cookie_length" "Cookie length" 8 Unsigned "RFC 6347 §4.2.1" "Bytes of the cookie.";
    DTLS_COOKIE "dtls.handshake.cookie" "Cookie" 0 Bytes "RFC 6347 §4.2.1" "What the server wants to be told again before it does anything for the client.";
    SUITES_LENGTH "tls.handshake.cipher_suites_length" "Cipher suites length" 16 Unsigned "RFC 8446 §4.1.2" "Bytes of the list.";
    SUITE "tls.handshake.ciphersuite" "Cipher suite" 16 Enumerated "RFC 8446 §4.1.2" "What the client offers, by preference; what the server chose." .named(names::suite) .repeated();
    COMPRESSIONS_LENGTH "tls.handshake.comp_methods_length" "Compression methods length" 8 Unsigned "RFC 8446 §4.1.2" "Bytes of the list.";
    COMPRESSION "tls.handshake.comp_method" "Compression method" 8 Enumerated "RFC 8446 §4.1.2" "Null, as everybody has it." .named(names::compression) .repeated();
    JA4 "tls.handshake.ja4" "JA4" 0 Text "framescope" "Fingerprint of a client's hello: what it offers, in sorted order.";
    JA3 "tls.handshake.ja3" "JA3" 0 Text "framescope" "Older fingerprint of a client's hello: the MD5 of what it offers, in its own order.";
    JA3S "tls.handshake.ja3s" "JA3S" 0 Text "framescope" "Fingerprint of a server's hello.";

    EXTENSIONS_LENGTH "tls.handshake.extensions_length" "Extensions length" 16 Unsigned "RFC 8446 §4.2" "Bytes of all extensions." .repeated();
    EXTENSION "tls.handshake.extension" "Extension" 0 Group "RFC 8446 §4.2" "Type, length, and data.";
    EXTENSION_TYPE "tls.handshake.extension.type" "Type" 16 Enumerated "RFC 8446 §4.2" "Which extension it is." .named(names::extension) .repeated();
    EXTENSION_LENGTH "tls.handshake.extension.len" "Length" 16 Unsigned "RFC 8446 §4.2" "Bytes of its data." .repeated();
    EXTENSION_DATA "tls.handshake.extension.data" "Data" 0 Bytes "RFC 8446 §4.2" "Data that is not looked into." .repeated();
    SNI_LIST_LENGTH "tls.handshake.extensions_server_name_list_len" "Server name list length" 16 Unsigned "RFC 6066 §3" "Bytes of the list.";
    SNI_TYPE "tls.handshake.extensions_server_name_type" "Server name type" 8 Enumerated "RFC 6066 §3" "Always a host's name." .named(names::name_type) .repeated();
    SNI_LENGTH "tls.handshake.extensions_server_name_len" "Server name length" 16 Unsigned "RFC 6066 §3" "Bytes of the name." .repeated();
    SNI "tls.handshake.extensions_server_name" "Server name" 0 Text "RFC 6066 §3" "The host that the client asks for.";
    ALPN_LENGTH "tls.handshake.extensions_alpn_len" "ALPN length" 16 Unsigned "RFC 7301 §3.1" "Bytes of the list.";
    ALPN_STR_LENGTH "tls.handshake.extensions_alpn_str_len" "ALPN string length" 8 Unsigned "RFC 7301 §3.1" "Bytes of the name." .repeated();
    ALPN "tls.handshake.extensions_alpn_str" "ALPN protocol" 0 Text "RFC 7301 §3.1" "An application protocol: those that the client has, or the one that the server chose." .repeated();
    GROUPS_LENGTH "tls.handshake.extensions_supported_groups_length" "Supported groups length" 16 Unsigned "RFC 8446 §4.2.7" "Bytes of the list.";
    GROUP "tls.handshake.extensions_supported_group" "Supported group" 16 Enumerated "RFC 8446 §4.2.7" "A group of key exchange, by preference." .named(names::group) .repeated();
    FORMATS_LENGTH "tls.handshake.extensions_ec_point_formats_length" "Point formats length" 8 Unsigned "RFC 8422 §5.1.2" "Bytes of the list.";
    FORMAT "tls.handshake.extensions_ec_point_format" "Point format" 8 Enumerated "RFC 8422 §5.1.2" "How points are written." .named(names::point_format) .repeated();
    SIGNATURES_LENGTH "tls.handshake.sig_hash_alg_len" "Signature algorithms length" 16 Unsigned "RFC 8446 §4.2.3" "Bytes of the list." .repeated();
    SIGNATURE "tls.handshake.sig_hash_alg" "Signature algorithm" 16 Enumerated "RFC 8446 §4.2.3" "An algorithm that signatures may have, or this one has." .named(names::signature) .repeated();
    VERSIONS_LENGTH "tls.handshake.extensions.supported_versions_len" "Supported versions length" 8 Unsigned "RFC 8446 §4.2.1" "Bytes of the list.";
    SUPPORTED_VERSION "tls.handshake.extensions.supported_version" "Supported version" 16 Enumerated "RFC 8446 §4.2.1" "A version that the client has, or the one that the server chose." .named(names::version) .repeated();
    KEY_SHARES_LENGTH "tls.handshake.extensions_key_share_client_length" "Key shares length" 16 Unsigned "RFC 8446 §4.2.8" "Bytes of the list.";
    KEY_SHARE_GROUP "tls.handshake.extensions_key_share_group" "Key share group" 16 Enumerated "RFC 8446 §4.2.8" "The group of a public key." .named(names::group) .repeated();
    KEY_SHARE_LENGTH "tls.handshake.extensions_key_share_key_exchange_length" "Key exchange length" 16 Unsigned "RFC 8446 §4.2.8" "Bytes of the public key." .repeated();
    KEY_SHARE "tls.handshake.extensions_key_share_key_exchange" "Key exchange" 0 Bytes "RFC 8446 §4.2.8" "The public key." .repeated();
    SELECTED_GROUP "tls.handshake.extensions_key_share_selected_group" "Selected group" 16 Enumerated "RFC 8446 §4.2.8" "The group that the server wants a public key of." .named(names::group);
    PSK_MODES_LENGTH "tls.extension.psk_ke_modes_length" "PSK modes length" 8 Unsigned "RFC 8446 §4.2.9" "Bytes of the list.";
    PSK_MODE "tls.extension.psk_ke_mode" "PSK mode" 8 Enumerated "RFC 8446 §4.2.9" "Whether a resumed session also exchanges keys." .named(names::psk_mode) .repeated();
    PSK_IDENTITIES_LENGTH "tls.handshake.extensions.psk.identities.length" "PSK identities length" 16 Unsigned "RFC 8446 §4.2.11" "Bytes of the list.";
    PSK_IDENTITY_LENGTH "tls.handshake.extensions.psk.identity.identity_length" "Identity length" 16 Unsigned "RFC 8446 §4.2.11" "Bytes of the identity." .repeated();
    PSK_IDENTITY "tls.handshake.extensions.psk.identity.identity" "Identity" 0 Bytes "RFC 8446 §4.2.11" "A ticket, or the name of a key." .repeated();
    PSK_AGE "tls.handshake.extensions.psk.identity.obfuscated_ticket_age" "Obfuscated ticket age" 32 Unsigned "RFC 8446 §4.2.11.1" "Milliseconds since the ticket came, and a number that came with it." .repeated();
    PSK_BINDERS_LENGTH "tls.handshake.extensions.psk.binders_len" "Binders length" 16 Unsigned "RFC 8446 §4.2.11" "Bytes of the binders.";
    PSK_BINDERS "tls.handshake.extensions.psk.binders" "Binders" 0 Bytes "RFC 8446 §4.2.11.2" "Prove that the client has the keys.";
    PSK_SELECTED "tls.handshake.extensions.psk.identity.selected" "Selected identity" 16 Unsigned "RFC 8446 §4.2.11" "Which of the client's keys the server takes, from 0.";
    COOKIE_LENGTH "tls.handshake.extensions.cookie_len" "Cookie length" 16 Unsigned "RFC 8446 §4.2.2" "Bytes of the cookie.";
    COOKIE "tls.handshake.extensions.cookie" "Cookie" 0 Bytes "RFC 8446 §4.2.2" "What the server wants to be told again.";
    EARLY_DATA_SIZE "tls.early_data.max_early_data_size" "Maximum early data" 32 Unsigned "RFC 8446 §4.2.10" "Bytes that the client may send before it has heard the server.";
    FRAGMENT_LENGTH "tls.handshake.max_fragment_length" "Maximum fragment length" 8 Enumerated "RFC 6066 §4" "The longest fragment that the client wants." .named(names::fragment_length);
    SIZE_LIMIT "tls.record_size_limit" "Record size limit" 16 Unsigned "RFC 8449 §4" "The longest record that this end takes.";
    STATUS_TYPE "tls.handshake.extensions_status_request_type" "Status type" 8 Enumerated "RFC 6066 §8" "What sort of certificate status." .named(names::status_type) .repeated();
    RENEGOTIATION_LENGTH "tls.handshake.extensions_reneg_info_len" "Renegotiation info length" 8 Unsigned "RFC 5746 §3.2" "Bytes that follow.";
    RENEGOTIATION "tls.handshake.extensions_reneg_info" "Renegotiation info" 0 Bytes "RFC 5746 §3.2" "The verify_data of the handshake that is renegotiated.";
    CERT_COMPRESSIONS_LENGTH "tls.compress_certificate.algorithms_length" "Algorithms length" 8 Unsigned "RFC 8879 §3" "Bytes of the list.";
    CERT_COMPRESSION "tls.compress_certificate.algorithm" "Algorithm" 16 Enumerated "RFC 8879 §3" "A compression of certificates." .named(names::certificate_compression) .repeated();
    UNCOMPRESSED_LENGTH "tls.compress_certificate.uncompressed_length" "Uncompressed length" 24 Unsigned "RFC 8879 §4" "Bytes of the certificate message, decompressed.";
    COMPRESSED_LENGTH "tls.compress_certificate.compressed_certificate_message.length" "Compressed length" 24 Unsigned "RFC 8879 §4" "Bytes that follow.";
    COMPRESSED "tls.compress_certificate.compressed_certificate_message" "Compressed message" 0 Bytes "RFC 8879 §4" "The certificate message, compressed.";

    CONTEXT_LENGTH "tls.handshake.certificate_request_context_length" "Request context length" 8 Unsigned "RFC 8446 §4.4.2" "Bytes of the context.";
    CONTEXT "tls.handshake.certificate_request_context" "Request context" 0 Bytes "RFC 8446 §4.4.2" "Names the request that a certificate answers.";
    CERTIFICATES_LENGTH "tls.handshake.certificates_length" "Certificates length" 24 Unsigned "RFC 8446 §4.4.2" "Bytes of the chain.";
    CERTIFICATE_LENGTH "tls.handshake.certificate_length" "Certificate length" 24 Unsigned "RFC 8446 §4.4.2" "Bytes of the certificate." .repeated();
    CERTIFICATE "tls.handshake.certificate" "Certificate" 0 Group "RFC 8446 §4.4.2" "A certificate in DER: first that of the peer, then those that vouch for it.";
    CERT_VERSION "tls.certificate.version" "Version" 0 Unsigned "RFC 5280 §4.1.2.1" "Of the certificate: 3, as everybody has it, is written as 2." .repeated();
    CERT_SERIAL "tls.certificate.serial" "Serial number" 0 Bytes "RFC 5280 §4.1.2.2" "By which its issuer knows it." .repeated();
    CERT_ISSUER "tls.certificate.issuer" "Issuer" 0 Text "RFC 5280 §4.1.2.4" "Who signed it." .repeated();
    CERT_SUBJECT "tls.certificate.subject" "Subject" 0 Text "RFC 5280 §4.1.2.6" "Whose it is." .repeated();
    CERT_NOT_BEFORE "tls.certificate.not_before" "Not before" 0 Text "RFC 5280 §4.1.2.5" "Valid from then on." .repeated();
    CERT_NOT_AFTER "tls.certificate.not_after" "Not after" 0 Text "RFC 5280 §4.1.2.5" "Valid until then." .repeated();
    CERT_NAME "tls.certificate.alt_name" "Alternative name" 0 Text "RFC 5280 §4.2.1.6" "A host or an address that it is valid for." .repeated();
    CERT_ALGORITHM "tls.certificate.algorithm" "Algorithm" 0 Text "RFC 5280 §4.1.1.2" "Of its key, or by which it is signed." .repeated();
    CERT_TYPES_COUNT "tls.handshake.cert_types_count" "Certificate types count" 8 Unsigned "RFC 5246 §7.4.4" "Bytes of the list.";
    CERT_TYPES "tls.handshake.cert_types" "Certificate types" 0 Bytes "RFC 5246 §7.4.4" "Sorts of certificates that the server takes.";
    DNAMES_LENGTH "tls.handshake.dnames_len" "Distinguished names length" 16 Unsigned "RFC 5246 §7.4.4" "Bytes of the list.";
    DNAMES "tls.handshake.dnames" "Distinguished names" 0 Bytes "RFC 5246 §7.4.4" "Authorities whose certificates the server takes.";

    CURVE_TYPE "tls.handshake.server_curve_type" "Curve type" 8 Enumerated "RFC 8422 §5.4" "How the curve is told." .named(names::curve_type);
    NAMED_CURVE "tls.handshake.server_named_curve" "Named curve" 16 Enumerated "RFC 8422 §5.4" "The curve that the server chose." .named(names::group);
    SERVER_POINT_LENGTH "tls.handshake.server_point_len" "Public key length" 8 Unsigned "RFC 8422 §5.4" "Bytes of the public key.";
    SERVER_POINT "tls.handshake.server_point" "Public key" 0 Bytes "RFC 8422 §5.4" "The server's.";
    CLIENT_POINT_LENGTH "tls.handshake.client_point_len" "Public key length" 8 Unsigned "RFC 8422 §5.7" "Bytes of the public key.";
    CLIENT_POINT "tls.handshake.client_point" "Public key" 0 Bytes "RFC 8422 §5.7" "The client's.";
    DH_P_LENGTH "tls.handshake.p_len" "p length" 16 Unsigned "RFC 5246 §7.4.3" "Bytes of the prime.";
    DH_P "tls.handshake.p" "p" 0 Bytes "RFC 5246 §7.4.3" "The prime.";
    DH_G_LENGTH "tls.handshake.g_len" "g length" 16 Unsigned "RFC 5246 §7.4.3" "Bytes of the generator.";
    DH_G "tls.handshake.g" "g" 0 Bytes "RFC 5246 §7.4.3" "The generator.";
    DH_YS_LENGTH "tls.handshake.ys_len" "Public key length" 16 Unsigned "RFC 5246 §7.4.3" "Bytes of the server's public key.";
    DH_YS "tls.handshake.ys" "Public key" 0 Bytes "RFC 5246 §7.4.3" "The server's.";
    DH_YC_LENGTH "tls.handshake.yc_len" "Public key length" 16 Unsigned "RFC 5246 §7.4.7.2" "Bytes of the client's public key.";
    DH_YC "tls.handshake.yc" "Public key" 0 Bytes "RFC 5246 §7.4.7.2" "The client's.";
    HINT_LENGTH "tls.handshake.hint_len" "Hint length" 16 Unsigned "RFC 4279 §2" "Bytes of the hint.";
    HINT "tls.handshake.hint" "Hint" 0 Bytes "RFC 4279 §2" "Which pre-shared key the server has in mind.";
    IDENTITY_LENGTH "tls.handshake.identity_len" "Identity length" 16 Unsigned "RFC 4279 §2" "Bytes of the identity.";
    IDENTITY "tls.handshake.identity" "Identity" 0 Bytes "RFC 4279 §2" "Which pre-shared key the client takes.";
    EPMS_LENGTH "tls.handshake.epms_len" "Encrypted premaster length" 16 Unsigned "RFC 5246 §7.4.7.1" "Bytes that follow.";
    EPMS "tls.handshake.epms" "Encrypted premaster" 0 Bytes "RFC 5246 §7.4.7.1" "The premaster secret, encrypted to the server's RSA key.";
    SIG_LENGTH "tls.handshake.sig_len" "Signature length" 16 Unsigned "RFC 8446 §4.4.3" "Bytes of the signature.";
    SIG "tls.handshake.sig" "Signature" 0 Bytes "RFC 8446 §4.4.3" "Proves who holds the certificate's key.";
    VERIFY_DATA "tls.handshake.verify_data" "Verify data" 0 Bytes "RFC 8446 §4.4.4" "Proves that both ends saw the same handshake.";
    TICKET_LIFETIME "tls.handshake.session_ticket_lifetime_hint" "Ticket lifetime" 32 Unsigned "RFC 8446 §4.6.1" "Seconds that the ticket may be used.";
    TICKET_AGE_ADD "tls.handshake.session_ticket_age_add" "Ticket age add" 32 Unsigned "RFC 8446 §4.6.1" "A number that hides the ticket's age.";
    TICKET_NONCE_LENGTH "tls.handshake.session_ticket_nonce_length" "Ticket nonce length" 8 Unsigned "RFC 8446 §4.6.1" "Bytes of the nonce.";
    TICKET_NONCE "tls.handshake.session_ticket_nonce" "Ticket nonce" 0 Bytes "RFC 8446 §4.6.1" "Tells tickets of one connection apart.";
    TICKET_LENGTH "tls.handshake.session_ticket_length" "Ticket length" 16 Unsigned "RFC 8446 §4.6.1" "Bytes of the ticket.";
    TICKET "tls.handshake.session_ticket" "Ticket" 0 Bytes "RFC 8446 §4.6.1" "By which the session can be resumed.";
    KEY_UPDATE "tls.handshake.key_update.request_update" "Update request" 8 Enumerated "RFC 8446 §4.6.3" "Whether the peer is to update its keys too." .named(names::key_update);
    STATUS_LENGTH "tls.handshake.ocsp_response_len" "Status length" 24 Unsigned "RFC 6066 §8" "Bytes of the response.";
    STATUS "tls.handshake.ocsp_response" "Status" 0 Bytes "RFC 6066 §8" "What an OCSP responder says of the certificate.";

    S_VERSION "tls.version" "Version" 16 Enumerated "RFC 8446 §4.2.1" "The version that the server chose." .named(names::version);
    S_SUITE "tls.ciphersuite" "Cipher suite" 16 Enumerated "RFC 8446 §4.1.3" "The suite that the server chose." .named(names::suite);
    S_SNI "tls.server_name" "Server name" 0 Text "RFC 6066 §3" "The host that the client asked for.";
    S_ALPN "tls.alpn" "ALPN" 0 Text "RFC 7301 §3.2" "The application protocol that the server chose.";
    S_GROUP "tls.group" "Group" 16 Enumerated "RFC 8446 §4.2.8" "The group of the key exchange." .named(names::group);
    S_RESUMED "tls.resumed" "Resumed" 1 Flag "RFC 8446 §2.2" "The session goes on with the secrets of an earlier one.";
    S_EARLY "tls.early_data" "Early data" 0 Unsigned "RFC 8446 §2.3" "Bytes that the client sent before it had heard the server.";
    S_EARLY_TAKEN "tls.early_data_accepted" "Early data accepted" 1 Flag "RFC 8446 §4.2.10" "Whether the server read the early data.";
    S_RECORDS_CLIENT "tls.client_records" "Client's records" 0 Unsigned "framescope" "Records that the client sent.";
    S_RECORDS_SERVER "tls.server_records" "Server's records" 0 Unsigned "framescope" "Records that the server sent.";
    S_PLAIN_CLIENT "tls.client_bytes" "Client's bytes" 0 Unsigned "framescope" "Bytes of application data that the client sent, decrypted.";
    S_PLAIN_SERVER "tls.server_bytes" "Server's bytes" 0 Unsigned "framescope" "Bytes of application data that the server sent, decrypted.";
    S_CLOSED "tls.unopened_records" "Unopened records" 0 Unsigned "framescope" "Encrypted records that could not be decrypted.";
    S_ENDED "tls.ended_by" "Ended by" 0 Text "RFC 8446 §6.1" "How it ended: close_notify, another alert, or without a word.";
    DURATION "duration_ns" "Duration" 64 Duration "framescope" "From the first byte to the last.";
}
