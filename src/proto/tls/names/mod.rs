//! What numbers are called (IANA, "TLS Parameters" and "TLS Extensions"; RFC 8446,
//! appendix B). Unknown values stay numbers.

mod suites;

pub use suites::suite;

/// Values that mean nothing and are sent to keep peers tolerant (RFC 8701 §2).
#[must_use]
pub const fn is_grease(v: u64) -> bool {
    v <= 0xffff && v & 0x0f0f == 0x0a0a && v >> 8 == v & 0xff
}

/// Content types (RFC 8446 §5.1).
#[must_use]
pub fn content_type(v: u64) -> Option<&'static str> {
    Some(match v {
        20 => "change_cipher_spec",
        21 => "alert",
        22 => "handshake",
        23 => "application_data",
        24 => "heartbeat",
        25 => "tls12_cid",
        _ => return None,
    })
}

/// Versions (RFC 8446 §4.2.1); a draft of 1.3 is 0x7f00 and its number.
#[must_use]
pub fn version(v: u64) -> Option<&'static str> {
    Some(match v {
        0x0002 => "SSL 2.0",
        0x0300 => "SSL 3.0",
        0x0301 => "TLS 1.0",
        0x0302 => "TLS 1.1",
        0x0303 => "TLS 1.2",
        0x0304 => "TLS 1.3",
        0x7f00..=0x7fff => "TLS 1.3 (draft)",
        0xfeff => "DTLS 1.0",
        0xfefd => "DTLS 1.2",
        0xfefc => "DTLS 1.3",
        _ if is_grease(v) => "GREASE",
        _ => return None,
    })
}

/// The same with the number of a draft.
#[must_use]
pub fn version_text(v: u16) -> String {
    match v {
        0x7f00..=0x7fff => format!("TLS 1.3 draft {}", v & 0xff),
        _ => version(v.into()).map_or_else(|| format!("version {v:#06x}"), str::to_owned),
    }
}

/// Handshake messages (RFC 8446 B.3, RFC 5246 §7.4).
#[must_use]
pub fn handshake(v: u64) -> Option<&'static str> {
    Some(match v {
        0 => "hello_request",
        1 => "client_hello",
        2 => "server_hello",
        3 => "hello_verify_request",
        4 => "new_session_ticket",
        5 => "end_of_early_data",
        6 => "hello_retry_request",
        8 => "encrypted_extensions",
        11 => "certificate",
        12 => "server_key_exchange",
        13 => "certificate_request",
        14 => "server_hello_done",
        15 => "certificate_verify",
        16 => "client_key_exchange",
        20 => "finished",
        21 => "certificate_url",
        22 => "certificate_status",
        23 => "supplemental_data",
        24 => "key_update",
        25 => "compressed_certificate",
        67 => "next_protocol",
        254 => "message_hash",
        _ => return None,
    })
}

/// Alert levels (RFC 8446 §6).
#[must_use]
pub fn alert_level(v: u64) -> Option<&'static str> {
    Some(match v {
        1 => "warning",
        2 => "fatal",
        _ => return None,
    })
}

/// Alert descriptions (RFC 8446 §6, IANA "TLS Alerts").
#[must_use]
pub fn alert(v: u64) -> Option<&'static str> {
    Some(match v {
        0 => "close_notify",
        10 => "unexpected_message",
        20 => "bad_record_mac",
        21 => "decryption_failed",
        22 => "record_overflow",
        30 => "decompression_failure",
        40 => "handshake_failure",
        41 => "no_certificate",
        42 => "bad_certificate",
        43 => "unsupported_certificate",
        44 => "certificate_revoked",
        45 => "certificate_expired",
        46 => "certificate_unknown",
        47 => "illegal_parameter",
        48 => "unknown_ca",
        49 => "access_denied",
        50 => "decode_error",
        51 => "decrypt_error",
        52 => "too_many_cids_requested",
        60 => "export_restriction",
        70 => "protocol_version",
        71 => "insufficient_security",
        80 => "internal_error",
        86 => "inappropriate_fallback",
        90 => "user_canceled",
        100 => "no_renegotiation",
        109 => "missing_extension",
        110 => "unsupported_extension",
        111 => "certificate_unobtainable",
        112 => "unrecognized_name",
        113 => "bad_certificate_status_response",
        114 => "bad_certificate_hash_value",
        115 => "unknown_psk_identity",
        116 => "certificate_required",
        120 => "no_application_protocol",
        121 => "ech_required",
        _ => return None,
    })
}

/// What an alert means, in words.
#[must_use]
pub const fn alert_words(v: u8) -> &'static str {
    match v {
        0 => "no more will be sent: the orderly end",
        10 => "a message came that has no place there",
        20 => "a record did not verify: wrong keys, or bytes were changed under way",
        22 => "a record was too long",
        30 => "a record did not decompress",
        40 => "no common parameters: suites, groups or signature algorithms do not meet",
        42 => "the peer's certificate is damaged or its signature is wrong",
        43 => "the peer's certificate is of a sort that is not supported",
        44 => "the peer's certificate was revoked",
        45 => "the peer's certificate has expired or is not valid yet",
        46 => "the peer's certificate was not accepted, for a reason that is not said",
        47 => "a value in the handshake is not allowed",
        48 => "the authority that signed the peer's certificate is not known or not trusted",
        49 => "the certificate is valid, and access was refused",
        50 => "a message could not be read: a length or a value is wrong",
        51 => "a signature or a Finished of the handshake did not verify",
        70 => "the peer's version of TLS is not supported",
        71 => "what was offered is not secure enough for this end",
        80 => "something went wrong at this end that has nothing to do with the peer",
        86 => "the client fell back to an older version although the server has a newer one",
        90 => "the user cancelled",
        100 => "no renegotiation is wanted",
        109 => "an extension is missing that must be there",
        110 => "an extension came that was not asked for",
        112 => "the server knows no host of that name",
        113 => "the certificate's status response is not valid",
        115 => "the pre-shared key is not known",
        116 => "the server wants a certificate of the client, and there was none",
        120 => "the two ends have no application protocol in common (ALPN)",
        121 => "the server wants Encrypted Client Hello",
        _ => "see RFC 8446 §6",
    }
}

/// Extensions (IANA, "TLS ExtensionType Values").
#[must_use]
pub fn extension(v: u64) -> Option<&'static str> {
    Some(match v {
        0 => "server_name",
        1 => "max_fragment_length",
        2 => "client_certificate_url",
        3 => "trusted_ca_keys",
        4 => "truncated_hmac",
        5 => "status_request",
        6 => "user_mapping",
        7 => "client_authz",
        8 => "server_authz",
        9 => "cert_type",
        10 => "supported_groups",
        11 => "ec_point_formats",
        12 => "srp",
        13 => "signature_algorithms",
        14 => "use_srtp",
        15 => "heartbeat",
        16 => "application_layer_protocol_negotiation",
        17 => "status_request_v2",
        18 => "signed_certificate_timestamp",
        19 => "client_certificate_type",
        20 => "server_certificate_type",
        21 => "padding",
        22 => "encrypt_then_mac",
        23 => "extended_master_secret",
        24 => "token_binding",
        25 => "cached_info",
        26 => "tls_lts",
        27 => "compress_certificate",
        28 => "record_size_limit",
        29 => "pwd_protect",
        30 => "pwd_clear",
        31 => "password_salt",
        32 => "ticket_pinning",
        33 => "tls_cert_with_extern_psk",
        34 => "delegated_credential",
        35 => "session_ticket",
        36 => "TLMSP",
        37 => "TLMSP_proxying",
        38 => "TLMSP_delegate",
        39 => "supported_ekt_ciphers",
        40 => "key_share (before draft 23)",
        41 => "pre_shared_key",
        42 => "early_data",
        43 => "supported_versions",
        44 => "cookie",
        45 => "psk_key_exchange_modes",
        46 => "ticket_early_data_info (drafts)",
        47 => "certificate_authorities",
        48 => "oid_filters",
        49 => "post_handshake_auth",
        50 => "signature_algorithms_cert",
        51 => "key_share",
        52 => "transparency_info",
        53 => "connection_id (deprecated)",
        54 => "connection_id",
        55 => "external_id_hash",
        56 => "external_session_id",
        57 => "quic_transport_parameters",
        58 => "ticket_request",
        59 => "dnssec_chain",
        60 => "sequence_number_encryption_algorithms",
        61 => "rrc",
        0x3374 => "next_protocol_negotiation",
        0x4469 => "application_settings",
        0x44cd => "application_settings (new)",
        0x754f => "channel_id (old)",
        0x7550 => "channel_id",
        0xfd00 => "ech_outer_extensions",
        0xfe0d => "encrypted_client_hello",
        0xff01 => "renegotiation_info",
        0xffa5 => "quic_transport_parameters (drafts)",
        0xffce => "encrypted_server_name (drafts)",
        _ if is_grease(v) => "GREASE",
        _ => return None,
    })
}

/// Groups of key exchange (IANA, "TLS Supported Groups").
#[must_use]
pub fn group(v: u64) -> Option<&'static str> {
    Some(match v {
        1 => "sect163k1",
        2 => "sect163r1",
        3 => "sect163r2",
        4 => "sect193r1",
        5 => "sect193r2",
        6 => "sect233k1",
        7 => "sect233r1",
        8 => "sect239k1",
        9 => "sect283k1",
        10 => "sect283r1",
        11 => "sect409k1",
        12 => "sect409r1",
        13 => "sect571k1",
        14 => "sect571r1",
        15 => "secp160k1",
        16 => "secp160r1",
        17 => "secp160r2",
        18 => "secp192k1",
        19 => "secp192r1",
        20 => "secp224k1",
        21 => "secp224r1",
        22 => "secp256k1",
        23 => "secp256r1",
        24 => "secp384r1",
        25 => "secp521r1",
        26 => "brainpoolP256r1",
        27 => "brainpoolP384r1",
        28 => "brainpoolP512r1",
        29 => "x25519",
        30 => "x448",
        31 => "brainpoolP256r1tls13",
        32 => "brainpoolP384r1tls13",
        33 => "brainpoolP512r1tls13",
        41 => "curveSM2",
        256 => "ffdhe2048",
        257 => "ffdhe3072",
        258 => "ffdhe4096",
        259 => "ffdhe6144",
        260 => "ffdhe8192",
        512 => "MLKEM512",
        513 => "MLKEM768",
        514 => "MLKEM1024",
        0x11eb => "SecP256r1MLKEM768",
        0x11ec => "X25519MLKEM768",
        0x11ed => "SecP384r1MLKEM1024",
        0x6399 => "X25519Kyber768Draft00",
        0xff01 => "arbitrary_explicit_prime_curves",
        0xff02 => "arbitrary_explicit_char2_curves",
        _ if is_grease(v) => "GREASE",
        _ => return None,
    })
}

/// Signature algorithms (RFC 8446 §4.2.3; those of RFC 5246 as hash and signature).
#[must_use]
pub fn signature(v: u64) -> Option<&'static str> {
    Some(match v {
        0x0101 => "rsa_pkcs1_md5",
        0x0201 => "rsa_pkcs1_sha1",
        0x0202 => "dsa_sha1",
        0x0203 => "ecdsa_sha1",
        0x0301 => "rsa_pkcs1_sha224",
        0x0302 => "dsa_sha224",
        0x0303 => "ecdsa_sha224",
        0x0401 => "rsa_pkcs1_sha256",
        0x0402 => "dsa_sha256",
        0x0403 => "ecdsa_secp256r1_sha256",
        0x0420 => "rsa_pkcs1_sha256_legacy",
        0x0501 => "rsa_pkcs1_sha384",
        0x0502 => "dsa_sha384",
        0x0503 => "ecdsa_secp384r1_sha384",
        0x0520 => "rsa_pkcs1_sha384_legacy",
        0x0601 => "rsa_pkcs1_sha512",
        0x0602 => "dsa_sha512",
        0x0603 => "ecdsa_secp521r1_sha512",
        0x0620 => "rsa_pkcs1_sha512_legacy",
        0x0708 => "sm2sig_sm3",
        0x0804 => "rsa_pss_rsae_sha256",
        0x0805 => "rsa_pss_rsae_sha384",
        0x0806 => "rsa_pss_rsae_sha512",
        0x0807 => "ed25519",
        0x0808 => "ed448",
        0x0809 => "rsa_pss_pss_sha256",
        0x080a => "rsa_pss_pss_sha384",
        0x080b => "rsa_pss_pss_sha512",
        0x081a => "ecdsa_brainpoolP256r1tls13_sha256",
        0x081b => "ecdsa_brainpoolP384r1tls13_sha384",
        0x081c => "ecdsa_brainpoolP512r1tls13_sha512",
        0x0904 => "mldsa44",
        0x0905 => "mldsa65",
        0x0906 => "mldsa87",
        _ if is_grease(v) => "GREASE",
        _ => return None,
    })
}

/// Compression methods (RFC 3749 §2).
#[must_use]
pub fn compression(v: u64) -> Option<&'static str> {
    Some(match v {
        0 => "null",
        1 => "DEFLATE",
        64 => "LZS",
        _ => return None,
    })
}

/// Point formats (RFC 8422 §5.1.2).
#[must_use]
pub fn point_format(v: u64) -> Option<&'static str> {
    Some(match v {
        0 => "uncompressed",
        1 => "ansiX962_compressed_prime",
        2 => "ansiX962_compressed_char2",
        _ => return None,
    })
}

/// Key exchange modes of pre-shared keys (RFC 8446 §4.2.9).
#[must_use]
pub fn psk_mode(v: u64) -> Option<&'static str> {
    Some(match v {
        0 => "psk_ke",
        1 => "psk_dhe_ke",
        _ if v & 0xf == 0xb => "GREASE",
        _ => return None,
    })
}

/// Compressions of certificates (RFC 8879 §7.3).
#[must_use]
pub fn certificate_compression(v: u64) -> Option<&'static str> {
    Some(match v {
        1 => "zlib",
        2 => "brotli",
        3 => "zstd",
        _ => return None,
    })
}

/// Lengths of fragments that a client asks for (RFC 6066 §4).
#[must_use]
pub fn fragment_length(v: u64) -> Option<&'static str> {
    Some(match v {
        1 => "512",
        2 => "1024",
        3 => "2048",
        4 => "4096",
        _ => return None,
    })
}

/// Whether the peer is to update its keys as well (RFC 8446 §4.6.3).
#[must_use]
pub fn key_update(v: u64) -> Option<&'static str> {
    Some(match v {
        0 => "update_not_requested",
        1 => "update_requested",
        _ => return None,
    })
}

/// Kinds of names (RFC 6066 §3).
#[must_use]
pub fn name_type(v: u64) -> Option<&'static str> {
    (v == 0).then_some("host_name")
}

/// Kinds of certificate status (RFC 6066 §8).
#[must_use]
pub fn status_type(v: u64) -> Option<&'static str> {
    Some(match v {
        1 => "ocsp",
        2 => "ocsp_multi",
        _ => return None,
    })
}

/// Kinds of curves in a server's key exchange (RFC 8422 §5.4).
#[must_use]
pub fn curve_type(v: u64) -> Option<&'static str> {
    Some(match v {
        1 => "explicit_prime",
        2 => "explicit_char2",
        3 => "named_curve",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grease_is_known_by_its_form() {
        assert!(is_grease(0x0a0a) && is_grease(0xfafa));
        assert!(!is_grease(0x0a1a) && !is_grease(0x1301) && !is_grease(0x1_0a0a));
        assert_eq!(suite(0x1301), Some("TLS_AES_128_GCM_SHA256"));
        assert_eq!(version_text(0x7f14), "TLS 1.3 draft 20");
    }
}
