//! Disks that are full or fail: real ones, and a real limit of the operating system. No code of the daemon's is changed
//! and nothing is loaded into it.

use std::{path::Path, process::Command};

use tempfile::TempDir;

/// A file system of a few megabytes, gone with the test.
pub(crate) struct SmallDisk(TempDir);

impl SmallDisk {
    /// Mounts one. Where that is not allowed the test fails: it has not tested what it says.
    pub(crate) fn new(size: &str) -> Self {
        let disk = Self(TempDir::new().expect("a temporary folder"));
        let options = format!("size={size}");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(disk.path()).output();
        let mounted = mounted.expect("mount is there");
        assert!(
            mounted.status.success(),
            "NOT TESTED: a full disk, because a small one cannot be mounted here; run the tests as root: {}",
            String::from_utf8_lossy(&mounted.stderr)
        );
        disk
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Gives it another size.
    pub(crate) fn resize(&self, size: &str) {
        self.remount(&format!("size={size}"));
    }

    /// Mounts it anew with these options, under whoever uses it.
    pub(crate) fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        assert!(Command::new("mount").args(["-o", &options]).arg(self.path()).status().unwrap().success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.path()).status();
    }
}

/// The program that a daemon runs under so that [`limit_files`] gives it errors instead of ending it.
pub(crate) const WITH_WRITE_ERRORS: [&str; 2] = ["env", "--ignore-signal=XFSZ"];

/// From now on a process cannot write beyond the first `bytes` of any file: such writes fail with `EFBIG`. `None`: it
/// can again.
pub(crate) fn limit_files(pid: u32, bytes: Option<u64>) {
    let limit = bytes.map_or_else(|| "unlimited".to_owned(), |bytes| bytes.to_string());
    // The soft limit alone, so that it can be lifted without being root.
    let set = Command::new("prlimit").args(["--pid", &pid.to_string(), &format!("--fsize={limit}:")]).status();
    assert!(set.expect("prlimit is there (Debian: util-linux)").success(), "the limit cannot be set");
}
