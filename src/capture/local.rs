//! Whether a folder is on a file system that this machine alone has.
//!
//! Of one that others have as well the locks (flock(2)) tell nothing: those of other machines may
//! not be seen, and asking may fail, or wait for a server that does not answer.
#![allow(unsafe_code, reason = "statfs(2) has no other door here")]

use std::path::Path;

/// File systems that are on a disk or in memory, by their numbers in statfs(2): tmpfs and ramfs,
/// ext2 to ext4, XFS, Btrfs, F2FS, ZFS, bcachefs, JFS, ReiserFS, and layers of those.
#[cfg(any(test, all(feature = "live", any(target_os = "linux", target_os = "android"))))]
const LOCAL: [u32; 11] = [
    0x0102_1994,
    0x8584_58f6,
    0x0000_ef53,
    0x5846_5342,
    0x9123_683e,
    0xf2f5_2010,
    0x2fc1_2fc1,
    0xca45_1a4e,
    0x3153_464a,
    0x5265_4973,
    0x794c_7630,
];

/// Whether that is known.
#[cfg(feature = "live")]
pub(super) fn is_local(folder: &Path) -> bool {
    use std::ffi::CString;
    use std::mem::MaybeUninit;
    use std::os::unix::ffi::OsStrExt;

    let Ok(path) = CString::new(folder.as_os_str().as_bytes()) else { return false };
    let mut stat = MaybeUninit::<libc::statfs>::zeroed();
    // SAFETY: a C string, and room for what is told, of which zeros are a value.
    let stat = unsafe {
        if libc::statfs(path.as_ptr(), stat.as_mut_ptr()) != 0 {
            return false;
        }
        stat.assume_init()
    };
    tells_local(&stat)
}

/// Without the door to the system it is not known.
#[cfg(not(feature = "live"))]
pub(super) const fn is_local(_: &Path) -> bool {
    false
}

#[cfg(all(feature = "live", any(target_os = "linux", target_os = "android")))]
#[allow(clippy::unnecessary_cast, reason = "the number has another type on each machine")]
fn tells_local(stat: &libc::statfs) -> bool {
    // 32 bits, whatever the type: with their sign on some.
    LOCAL.contains(&(stat.f_type as u32))
}

#[cfg(all(feature = "live", not(any(target_os = "linux", target_os = "android"))))]
#[allow(clippy::unnecessary_cast, reason = "the flags have another type on each system")]
fn tells_local(stat: &libc::statfs) -> bool {
    stat.f_flags as u64 & libc::MNT_LOCAL as u64 != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_have_as_well_is_not_among_them() {
        // NFS, SMB in three versions, FUSE, 9P, Ceph, AFS, Lustre, GPFS, OCFS2, GFS2.
        for other in [
            0x6969,
            0x517b,
            0xff53_4d42,
            0xfe53_4d42,
            0x6573_5546,
            0x0102_1997,
            0x00c3_6400,
            0x5346_414f,
            0x0bd0_0bd0,
            0x4750_4653,
            0x7461_636f,
            0x0116_1970,
        ] {
            assert!(!LOCAL.contains(&other), "{other:#x}");
        }
        assert!(!is_local(Path::new("/nowhere/at/all")));
    }

    #[cfg(all(feature = "live", target_os = "linux"))]
    #[test]
    fn shared_memory_is_one() {
        let shm = Path::new("/dev/shm");
        assert!(!shm.exists() || is_local(shm));
        // Not on any disk: of the kernel.
        assert!(!is_local(Path::new("/proc")));
    }
}
