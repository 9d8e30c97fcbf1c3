//! A program of classic BPF that others have made, and a machine that runs it.
//!
//! Jumps go forward only, so a program ends; what reaches beyond the packet, the program or
//! the memory ends it, and the packet does not pass.

/// `struct bpf_insn`: what to do, how far to jump if so and if not, and a number.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) code: u16,
    pub(super) yes: u8,
    pub(super) no: u8,
    pub(super) k: u32,
}

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Foreign(Vec<Step>);

/// From here on loads are of what stands beside a packet in the kernel (`SKF_AD_OFF`).
const BESIDE: u32 = 0xffff_f000;

/// Words of memory that a program has.
const MEMORY: usize = 16;

impl Foreign {
    /// `None` where it asks for what is not in the packet: such as `inbound`, for which
    /// Linux has places far beyond the end.
    pub(super) fn new(steps: Vec<Step>) -> Option<Self> {
        let beyond = |s: &Step| s.code & 0xe7 == 0x20 && s.k >= BESIDE;
        (!steps.iter().any(beyond)).then_some(Self(steps))
    }

    /// Whether a packet of this length on the wire passes.
    pub(super) fn passes(&self, data: &[u8], original_len: u32) -> bool {
        self.run(data, original_len).is_some_and(|n| n > 0)
    }

    fn run(&self, data: &[u8], original_len: u32) -> Option<u32> {
        let (mut a, mut x, mut memory) = (0_u32, 0_u32, [0_u32; MEMORY]);
        let mut at = 0_usize;
        loop {
            let step = *self.0.get(at)?;
            at += 1;
            let k = step.k;
            match step.code & 7 {
                // Loads into A: by size (bits 3, 4) and place (bits 5 to 7).
                0 => {
                    a = match step.code >> 5 {
                        0 => k,
                        1 => load(data, k as usize, step.code)?,
                        2 => load(data, (x as usize).checked_add(k as usize)?, step.code)?,
                        3 => *memory.get(k as usize)?,
                        4 => original_len,
                        _ => return None,
                    }
                }
                // Loads into X.
                1 => {
                    x = match step.code >> 5 {
                        0 => k,
                        3 => *memory.get(k as usize)?,
                        4 => original_len,
                        5 => u32::from(data.get(k as usize)? & 15) * 4,
                        _ => return None,
                    }
                }
                2 => *memory.get_mut(k as usize)? = a,
                3 => *memory.get_mut(k as usize)? = x,
                4 => a = reckon(step.code >> 4, a, if step.code & 8 == 0 { k } else { x })?,
                5 => {
                    let with = if step.code & 8 == 0 { k } else { x };
                    let holds = match step.code >> 4 {
                        0 => {
                            at = at.checked_add(k as usize)?;
                            continue;
                        }
                        1 => a == with,
                        2 => a > with,
                        3 => a >= with,
                        4 => a & with != 0,
                        _ => return None,
                    };
                    at += usize::from(if holds { step.yes } else { step.no });
                }
                6 => return Some(if step.code & 0x18 == 0x10 { a } else { k }),
                _ if step.code & 0xf8 == 0 => x = a,
                _ => a = x,
            }
        }
    }
}

/// A word, a half or a byte.
fn load(data: &[u8], at: usize, code: u16) -> Option<u32> {
    let from = data.get(at..)?;
    Some(match code >> 3 & 3 {
        0 => u32::from_be_bytes(*from.first_chunk()?),
        1 => u32::from(u16::from_be_bytes(*from.first_chunk()?)),
        2 => u32::from(*from.first()?),
        _ => return None,
    })
}

fn reckon(operation: u16, a: u32, b: u32) -> Option<u32> {
    Some(match operation {
        0 => a.wrapping_add(b),
        1 => a.wrapping_sub(b),
        2 => a.wrapping_mul(b),
        3 => a.checked_div(b)?,
        4 => a | b,
        5 => a & b,
        6 => a.checked_shl(b).unwrap_or(0),
        7 => a.checked_shr(b).unwrap_or(0),
        8 => a.wrapping_neg(),
        9 => a.checked_rem(b)?,
        10 => a ^ b,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn step(code: u16, yes: u8, no: u8, k: u32) -> Step {
        Step { code, yes, no, k }
    }

    /// `tcp port 80`, as `tcpdump -d` has its second half.
    #[test]
    fn a_program_of_libpcap_runs() {
        let program = Foreign::new(vec![
            step(0x28, 0, 0, 12),
            step(0x15, 0, 8, 0x800),
            step(0x30, 0, 0, 23),
            step(0x15, 0, 6, 6),
            step(0x28, 0, 0, 20),
            step(0x45, 4, 0, 0x1fff),
            step(0xb1, 0, 0, 14),
            step(0x48, 0, 0, 16),
            step(0x15, 0, 1, 80),
            step(0x06, 0, 0, 262_144),
            step(0x06, 0, 0, 0),
        ])
        .unwrap();
        let mut packet = vec![0; 54];
        (packet[12], packet[14], packet[23], packet[37]) = (8, 0x45, 6, 80);
        assert!(program.passes(&packet, 54));
        packet[37] = 81;
        assert!(!program.passes(&packet, 54));
        assert!(!program.passes(&packet[..30], 54));
    }

    #[test]
    fn what_stands_beside_a_packet_is_refused() {
        assert!(Foreign::new(vec![step(0x30, 0, 0, 0xffff_f004), step(6, 0, 0, 1)]).is_none());
    }

    proptest! {
        #[test]
        fn any_program_ends(
            steps in proptest::collection::vec((any::<u16>(), any::<u8>(), any::<u8>(), any::<u32>()), 0..64),
            data in proptest::collection::vec(any::<u8>(), 0..100),
        ) {
            let steps = steps.into_iter().map(|(c, y, n, k)| step(c, y, n, k)).collect();
            let _ = Foreign::new(steps).is_some_and(|f| f.passes(&data, 100));
        }
    }
}
