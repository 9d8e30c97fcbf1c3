//! What is of libpcap alone: packets that it cut, and that it is not there.

use std::net::UdpSocket;
use std::process::Command;
use std::time::{Duration, Instant};

use framescope::capture::live::{LiveOptions, open};
use framescope::capture::{Polled, Source};

use super::harness::{DEADLINE, alone, say, ways};

/// The kernel cuts packets where less is asked for, and leaves out what the filter does not
/// want: its length on the wire is kept.
#[test]
fn packets_are_cut_where_less_is_asked_for() {
    alone("library::packets_are_cut_where_less_is_asked_for", || {
        if ways().len() < 2 {
            return;
        }
        let to = UdpSocket::bind("127.0.0.1:0").unwrap();
        let from = UdpSocket::bind("127.0.0.1:0").unwrap();
        let other = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = to.local_addr().unwrap().port();
        let mut live = match open(LiveOptions {
            libpcap: true,
            snaplen: Some(60),
            expression: Some(format!("udp dst port {port}")),
            ..LiveOptions::default()
        }) {
            Ok(live) => live,
            Err(e) if e.to_string().contains("not permitted") => return say(&e.to_string()),
            Err(e) => panic!("{e}"),
        };
        for _ in 0..100 {
            from.send_to(&[b'x'; 1000], to.local_addr().unwrap()).unwrap();
            from.send_to(&[b'x'; 1000], other.local_addr().unwrap()).unwrap();
        }
        let (begun, mut seen) = (Instant::now(), 0);
        while seen < 100 {
            assert!(begun.elapsed() < DEADLINE, "{seen} of 100");
            let Polled::Batch(batch) = live.poll().unwrap() else { continue };
            for p in batch.packets() {
                assert_eq!((p.data.len(), p.meta.original_len), (60, 1042));
                seen += 1;
            }
        }
        assert_eq!(live.tally().packets(), 100);
        assert_eq!(live.tally().dropped(), 0);
        let stopped = Instant::now();
        drop(live);
        assert!(stopped.elapsed() < Duration::from_secs(2), "{:?}", stopped.elapsed());
    });
}

/// It is opened when it is needed, and where it is not there that is said.
#[test]
fn where_it_is_not_installed_that_is_said() {
    alone("library::where_it_is_not_installed_that_is_said", || {
        // In a mount namespace of its own its files are empty ones.
        let hide = "PATH=$PATH:/sbin:/usr/sbin; \
                    all=$(ldconfig -p | sed -n 's/.*=> \\(.*libpcap\\.so.*\\)/\\1/p'); \
                    test -n \"$all\" || exit 77; \
                    for f in $all; do mount --bind /dev/null \"$f\" || exit 77; done; exec \"$@\"";
        let hidden = |arguments: &[&str]| {
            let out = Command::new("unshare")
                .args(["-m", "sh", "-c", hide, "sh", env!("CARGO_BIN_EXE_framescope")])
                .args(arguments)
                .output()
                .unwrap();
            (out.status.code(), String::from_utf8(out.stderr).unwrap())
        };
        let (status, errors) = hidden(&["live", "--libpcap"]);
        if status == Some(77) || errors.contains("unshare") {
            return say(&format!("SKIPPED: no file can be hidden here: {errors}"));
        }
        assert_eq!(status, Some(2));
        assert!(errors.contains("libpcap is not installed"), "{errors}");
        let (status, errors) = hidden(&["live", "--libpcap", "-D"]);
        assert_eq!(status, Some(2));
        assert!(errors.contains("cannot be listed: libpcap is not installed"), "{errors}");
        let capture = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/grpc-tonic/capture.pcap");
        let (status, errors) = hidden(&["print", "-f", "gateway 10.0.0.1", capture]);
        assert_eq!(status, Some(2));
        let said = "libpcap, which may know it, is not installed";
        assert!(errors.contains(said), "{errors}");
        // And what needs no library is as it was.
        let (status, errors) = hidden(&["live", "-D"]);
        assert_eq!((status, errors.as_str()), (Some(0), ""));
    });
}
