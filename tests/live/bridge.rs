//! Packets for other machines: two of them talk over a bridge of ours, which looks at what
//! passes between them only when it is told to.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::harness::{Capture, DEADLINE, alone, follow, say, ways};

/// A network namespace, as long as a process in it lives.
struct Machine(Child);

impl Machine {
    fn new() -> Option<Self> {
        let child = Command::new("unshare").args(["-n", "sleep", "600"]).spawn().ok()?;
        // It is there when it is not ours any more.
        let place = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/net")).ok();
        let begun = Instant::now();
        while place(&child.id().to_string()) == place("self") {
            assert!(begun.elapsed() < DEADLINE, "no namespace");
            std::thread::sleep(Duration::from_millis(5));
        }
        Some(Self(child))
    }

    fn id(&self) -> String {
        self.0.id().to_string()
    }

    fn run(&self, script: &str) -> bool {
        let id = self.id();
        sh(&format!("nsenter -t {id} -n bash -c '{script}'"))
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn sh(script: &str) -> bool {
    let mut command = Command::new("sh");
    command.args(["-ec", script]).stdout(Stdio::null());
    command.status().is_ok_and(|s| s.success())
}

/// Two machines on a bridge `br0`; `None` where that cannot be had.
fn bridge() -> Option<[Machine; 2]> {
    let machines = [Machine::new()?, Machine::new()?];
    if !sh("ip link add br0 type bridge; ip link set br0 up") {
        return None;
    }
    for (n, machine) in machines.iter().enumerate() {
        let (id, address) = (machine.id(), n + 1);
        let joined = sh(&format!(
            "ip link add a{n} type veth peer name b{n}; ip link set a{n} master br0 up; \
             ip link set b{n} netns {id}"
        ));
        let up = format!("ip addr add 10.9.0.{address}/24 dev b{n} && ip link set b{n} up");
        if !(joined && machine.run(&up)) {
            return None;
        }
    }
    Some(machines)
}

#[test]
fn others_packets_are_taken_where_they_are_asked_for() {
    alone("bridge::others_packets_are_taken_where_they_are_asked_for", || {
        if std::env::var_os("FRAMESCOPE_TEST_NAMESPACE").is_none() {
            return say("SKIPPED: a bridge is for a namespace of one's own");
        }
        let Some([one, _other]) = bridge() else {
            return say("SKIPPED: there is no bridge, or no nsenter");
        };
        let heard = |way: &[&str], asked: &[&str]| -> Option<usize> {
            let arguments =
                [&["-i", "br0", "-l", "packet"], asked, &["udp", "dst", "port", "9"]].concat();
            let (capture, out) = Capture::start_by(way, &arguments)?;
            let lines = follow(out);
            for _ in 0..5 {
                assert!(one.run("echo hi > /dev/udp/10.9.0.2/9 || true"));
            }
            std::thread::sleep(Duration::from_millis(300));
            capture.end();
            Some(lines.iter().filter(|l| l.contains("> 10.9.0.2.9: UDP")).count())
        };
        // They have found each other.
        let begun = Instant::now();
        loop {
            let Some(n) = heard(&[], &["--promiscuous"]) else { return };
            if n > 0 {
                break;
            }
            assert!(begun.elapsed() < DEADLINE, "nothing passes the bridge");
        }
        for way in ways() {
            assert_eq!(heard(way, &[]), Some(0), "{way:?}");
            let n = heard(way, &["--promiscuous"]).unwrap();
            // A busy machine may have lost its neighbour's address for a moment.
            assert!((1..=5).contains(&n), "{way:?}: {n}");
        }
    });
}
