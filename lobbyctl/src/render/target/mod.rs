//! A target: the file that is rendered, replaced as a whole or not at all.

mod lock;

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use lobby_client::files::read_bounded;
use rustix::io::Errno;

use super::patience::with_notice;
use crate::action::Action;

use lock::Lock;

/// The most links on the way to a file, as the system has it.
const MAX_LINKS: usize = 40;

/// How long a run waits for another one at the same file: a check and a reload have 30 seconds each.
const LOCK_LIMIT: Duration = Duration::from_secs(90);

/// A file, and what is done with it.
#[derive(Debug)]
pub(super) struct Target {
    path: PathBuf,
    mode: u32,
    check: Option<Action>,
    reload: Option<Action>,
    /// Whether what fails is tried again without anybody's doing.
    is_watched: bool,
}

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is as it should be.
    Unchanged,
    /// It was replaced, or what had failed after the last time was done.
    Done,
}

/// How the file came to hold what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Replacement {
    /// It was replaced just now, while nothing was owed to the text before.
    Fresh,
    /// It was replaced just now, and the text before still waited for its reload.
    FreshWithDebt,
    /// It was replaced some other time, and what follows is still to be done.
    Earlier,
}

impl Target {
    /// A link is followed: the file that it leads to is replaced, or made if it is not there yet.
    pub(super) fn new(
        path: &Path,
        mode: u32,
        check: Option<Action>,
        reload: Option<Action>,
        is_watched: bool,
    ) -> anyhow::Result<Self> {
        let path = followed(path).with_context(|| format!("cannot find {}", path.display()))?;
        path.file_name().with_context(|| format!("{} is not a file", path.display()))?;
        Ok(Self { path, mode, check, reload, is_watched })
    }

    /// Whether the file holds just this.
    ///
    /// # Errors
    /// If it cannot be read, or is none: a device or a FIFO would else be replaced by a file.
    pub(super) fn holds(&self, text: &[u8]) -> anyhow::Result<bool> {
        match read_bounded(&self.path, text.len()) {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::FileTooLarge) => {
                Ok(false)
            }
            now => Ok(now.with_context(|| self.cannot("read"))? == text),
        }
    }

    /// Checks what would be put into the file, if the check takes a file. Returns what became of
    /// the check, in words, if there is one.
    pub(super) async fn try_out(&self, text: &[u8]) -> anyhow::Result<Option<&'static str>> {
        let _lock = self.lock().await?;
        let fresh = self.beside("new");
        self.write(&fresh, text).with_context(|| self.cannot("write beside"))?;
        let checked = self.check_new(&fresh).await;
        remove(&fresh)?;
        checked?;
        Ok(self.check.as_ref().map(|check| {
            if check.takes_file() {
                "the check has passed"
            } else {
                "the check was not run: it has no {}, and looks at the file in its place"
            }
        }))
    }

    /// What bringing the file up to date would do, in words.
    pub(super) fn prospect(&self, text: &[u8]) -> anyhow::Result<&'static str> {
        Ok(match (self.holds(text)?, self.mark().exists(), &self.reload) {
            (true, false, _) => "nothing would change",
            (true, true, _) => "the file would stay, and what failed after the last time be done",
            (false, _, Some(_)) => "the file would be replaced, and the reload run",
            (false, _, None) => "the file would be replaced",
        })
    }

    /// Makes the file hold this. Until the check has passed it is as it was; when a check after the
    /// replacement fails it is so again.
    pub(super) async fn bring_up_to_date(&self, text: &[u8]) -> anyhow::Result<Outcome> {
        if self.is_settled(text)? {
            return Ok(Outcome::Unchanged);
        }
        let _lock = self.lock().await?;
        let replacement = if self.holds(text)? {
            if !self.mark().exists() {
                self.tidy().with_context(|| self.cannot("tidy up beside"))?;
                return Ok(Outcome::Unchanged);
            }
            Replacement::Earlier
        } else {
            let fresh = self.beside("new");
            self.write(&fresh, text).with_context(|| self.cannot("write beside"))?;
            if let Err(error) = self.check_new(&fresh).await {
                remove(&fresh)?;
                return Err(error);
            }
            self.replace_by(&fresh).with_context(|| self.cannot("replace"))?
        };
        self.follow_up(replacement).await?;
        Ok(Outcome::Done)
    }

    /// Whether there is nothing to do. Where another run is at work, only its end tells: the text may
    /// be in its place for a check that will fail.
    fn is_settled(&self, text: &[u8]) -> anyhow::Result<bool> {
        let is_at_work = || self.mark().exists() || self.lock_file().exists();
        // Read again: the other run may just have ended, and put the file before back.
        Ok(self.holds(text)? && !is_at_work() && self.holds(text)?)
    }

    /// Waits until no other run is at work on the file: they all use the same files beside it.
    async fn lock(&self) -> anyhow::Result<Lock> {
        let (path, limit) = (self.path.display(), LOCK_LIMIT.as_secs());
        let notice = format!(
            "waiting for another lobbyctl that is at work on {path}, for at most {limit} s"
        );
        let lock_file = self.lock_file();
        let waiting = Lock::wait(&lock_file, LOCK_LIMIT);
        with_notice(waiting, &notice).await.with_context(|| self.cannot("lock"))
    }

    /// Removes what a killed run has left, while nothing is owed to it.
    fn tidy(&self) -> io::Result<()> {
        remove(&self.beside("new"))?;
        remove(&self.beside("old"))
    }

    async fn check_new(&self, fresh: &Path) -> anyhow::Result<()> {
        match self.check.as_ref().filter(|check| check.takes_file()) {
            Some(check) => check.run_with(fresh).await.with_context(|| self.stays()),
            None => Ok(()),
        }
    }

    /// What is done once the file is in its place. The mark is there until all of it was done.
    async fn follow_up(&self, replacement: Replacement) -> anyhow::Result<()> {
        if let Some(check) = self.check.as_ref().filter(|check| !check.takes_file())
            && let Err(error) = check.run_with(&self.path).await
        {
            self.restore(replacement).with_context(|| self.cannot("restore"))?;
            return Err(error.context(self.stays()));
        }
        // What was checked is good: from here on nothing leads back.
        remove(&self.beside("old"))?;
        if let Some(reload) = &self.reload {
            reload.run_with(&self.path).await.with_context(|| self.is_owed_a_reload())?;
        }
        remove(&self.mark())?;
        Ok(())
    }

    /// Writes a file that is on the disk when this returns, with mode and owner of the one before.
    fn write(&self, path: &Path, text: &[u8]) -> io::Result<()> {
        // One that was left behind by a kill.
        remove(path)?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        let before = match fs::metadata(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            before => Some(before?),
        };
        file.write_all(text)?;
        if let Some(before) = &before {
            let own = file.metadata()?;
            if (own.uid(), own.gid()) != (before.uid(), before.gid()) {
                fchown(&file, Some(before.uid()), Some(before.gid()))?;
            }
        }
        let mode = before.map_or(self.mode, |before| before.mode() & 0o7777);
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        file.sync_all()
    }

    /// An old file that is there already was the last good one: a kill came between the replacement
    /// and its check.
    fn replace_by(&self, fresh: &Path) -> io::Result<Replacement> {
        let (old, mark) = (self.beside("old"), self.mark());
        let is_owed = mark.exists();
        let is_checked_later = self.check.as_ref().is_some_and(|check| !check.takes_file());
        if is_checked_later && self.path.exists() && !(is_owed && old.exists()) {
            remove(&old)?;
            fs::hard_link(&self.path, &old)?;
        }
        if self.check.is_some() || self.reload.is_some() {
            File::create(mark)?.sync_all()?;
        }
        fs::rename(fresh, &self.path)?;
        self.sync_directory();
        Ok(if is_owed { Replacement::FreshWithDebt } else { Replacement::Fresh })
    }

    /// Puts the old file back. Where there was none, the one that was made just now goes; one of
    /// another time stays. What was owed before is owed still.
    fn restore(&self, replacement: Replacement) -> io::Result<()> {
        match fs::rename(self.beside("old"), &self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                if replacement != Replacement::Earlier {
                    remove(&self.path)?;
                }
            }
            renamed => renamed?,
        }
        if replacement == Replacement::Fresh {
            remove(&self.mark())?;
        }
        self.sync_directory();
        Ok(())
    }

    /// What cannot be synced, as on some file systems, is safe against everything but a power cut.
    fn sync_directory(&self) {
        let directory = self.path.parent().filter(|path| !path.as_os_str().is_empty());
        if let Ok(directory) = File::open(directory.unwrap_or(Path::new("."))) {
            directory.sync_all().ok();
        }
    }

    /// Says that the file is new, but what follows a replacement was not done.
    fn mark(&self) -> PathBuf {
        self.beside("pending")
    }

    /// Says that a run is at work.
    fn lock_file(&self) -> PathBuf {
        self.beside("lock")
    }

    /// A hidden file in the same directory, which patterns such as `*.conf` do not match.
    fn beside(&self, what: &str) -> PathBuf {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        self.path.with_file_name(format!(".{name}.lobby-{what}"))
    }

    fn cannot(&self, deed: &str) -> String {
        format!("cannot {deed} {}", self.path.display())
    }

    fn is_owed_a_reload(&self) -> String {
        let path = self.path.display();
        if self.is_watched {
            format!("{path} is new, the reload is tried again")
        } else {
            format!("{path} is new, the next run tries the reload again")
        }
    }

    fn stays(&self) -> String {
        format!("{} stays as it was", self.path.display())
    }
}

/// The file that a path leads to. The system follows links only to what is there already.
fn followed(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        match fs::canonicalize(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            path => return path,
        }
        let Ok(next) = fs::read_link(&path) else { return Ok(path) };
        // It counts from the directory of the link.
        path.set_file_name(next);
    }
    Err(Errno::LOOP.into())
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

#[cfg(test)]
mod tests;
