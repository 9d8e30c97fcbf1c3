//! Captures of others, where they are at hand.

use super::*;

/// `FRAMESCOPE_CORPUS` names a folder with Wireshark's sample captures in
/// `wireshark`. Counts are those of capinfos.
#[test]
fn wiresharks_samples() {
    let Some(folder) = std::env::var_os("FRAMESCOPE_CORPUS") else {
        eprintln!("SKIPPED: FRAMESCOPE_CORPUS is not set");
        return;
    };
    let folder = PathBuf::from(folder).join("wireshark");
    for (name, count, codes, secrets) in [
        ("many_interfaces.pcapng.1", 64, &[][..], 0),
        ("many_interfaces.pcapng.2", 15, &[], 0),
        ("trunc.pcap", 47, &["capture.cut-short"], 0),
        ("ipoipoip.pcap", 2, &[], 0),
        ("grpc_stream_reassembly_sample.pcapng.gz", 173, &[], 0),
        ("tls12-dsb.pcapng", 17, &[], 2),
    ] {
        let got = drain(open(&folder.join(name), OpenOptions::default()).unwrap()).unwrap();
        assert_eq!(got.packets.len(), count, "{name}");
        assert_eq!(got.codes(), codes, "{name}");
        assert_eq!(got.secrets.len(), secrets, "{name}");
    }
}
