//! The lock of a target: of several runs for one file, one at a time replaces it.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::anyhow;
use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
use rustix::io::Errno;
use tokio::time::{sleep, timeout};

/// How often a lock that another run holds is tried.
const INTERVAL: Duration = Duration::from_millis(50);

/// A lock that this run holds until it is dropped, which removes its file. The end of the program
/// ends it too, whatever the reason; the file that is left then, the next run takes over.
#[derive(Debug)]
pub(super) struct Lock {
    path: PathBuf,
    file: File,
}

impl Lock {
    /// Waits for the lock.
    ///
    /// # Errors
    /// If the file cannot be made, or another run holds the lock for longer than this.
    pub(super) async fn wait(path: &Path, limit: Duration) -> anyhow::Result<Self> {
        let waiting = async {
            loop {
                if let Some(lock) = Self::try_take(path)? {
                    return Ok(lock);
                }
                sleep(INTERVAL).await;
            }
        };
        let too_long = || anyhow!("another lobbyctl is still at work on it after {limit:?}");
        timeout(limit, waiting).await.map_err(|_| too_long())?
    }

    fn try_take(path: &Path) -> io::Result<Option<Self>> {
        let flags = OFlags::CREATE | OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = File::from(open(path, flags, Mode::RUSR | Mode::WUSR)?);
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => return Ok(None),
            locked => locked?,
        }
        // The run before may have removed the file after it was opened here: others lock a new one.
        let is_in_place = is_at(&file, path)?;
        Ok(is_in_place.then(|| Self { path: path.to_owned(), file }))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // One that stays is taken over by the next run.
        if is_at(&self.file, &self.path).unwrap_or_default() {
            fs::remove_file(&self.path).ok();
        }
    }
}

/// Whether a file is the one at this path.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let own = file.metadata()?;
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        there => there.map(|there| (there.dev(), there.ino()) == (own.dev(), own.ino())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(1);
    const LONG: Duration = Duration::from_secs(60);

    #[actix_rt::test]
    async fn a_lock_is_held_by_one_and_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        let first = Lock::wait(&path, SHORT).await.unwrap();
        let refused = Lock::wait(&path, SHORT).await.unwrap_err();
        assert_eq!(refused.to_string(), "another lobbyctl is still at work on it after 1ms");
        let (second, ()) = tokio::join!(Lock::wait(&path, LONG), async { drop(first) });
        drop(second.unwrap());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[actix_rt::test]
    async fn a_lock_that_a_kill_has_left_is_taken_over() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        fs::write(&path, "").unwrap();
        drop(Lock::wait(&path, SHORT).await.unwrap());
        assert!(!path.exists());
    }

    #[test]
    fn a_lock_on_a_file_that_was_removed_is_not_held() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        let lock = Lock::try_take(&path).unwrap().unwrap();
        fs::remove_file(&path).unwrap();
        assert!(!is_at(&lock.file, &path).unwrap());
        fs::write(&path, "").unwrap();
        assert!(!is_at(&lock.file, &path).unwrap());
    }
}
