use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use crate::sys::clock;

/// Age from which a time in the file system differs from that of a later change: kernels before
/// 6.13 keep times in ticks of up to 10 ms.
const TICK: Duration = Duration::from_millis(20);

/// What tells one state of a file from all others: which file it is, its size, and when it was last
/// changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    len: u64,
    changed: Duration,
}

impl Stamp {
    /// The stamp of a file, or of the file that a symbolic link leads to; `None` if a change from
    /// now on might leave it as it is.
    pub(super) fn settled(path: &Path) -> Option<Self> {
        let stamp = Self::of_path(path)?;
        (clock::age_of(UNIX_EPOCH + stamp.changed) >= TICK).then_some(stamp)
    }

    /// The stamp of a file, or of the file that a symbolic link leads to; `None` if there is none.
    pub(super) fn of_path(path: &Path) -> Option<Self> {
        Self::of(&fs::metadata(path).ok()?)
    }

    /// The stamp of a file; `None` where the file system keeps times in whole seconds.
    pub(super) fn of(metadata: &Metadata) -> Option<Self> {
        let seconds = u64::try_from(metadata.ctime()).ok()?;
        let nanos = u32::try_from(metadata.ctime_nsec()).ok().filter(|nanos| *nanos != 0)?;
        let changed = Duration::new(seconds, nanos);
        Some(Self { device: metadata.dev(), inode: metadata.ino(), len: metadata.len(), changed })
    }
}
