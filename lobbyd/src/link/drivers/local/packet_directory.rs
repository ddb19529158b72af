use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, bail};
use bytes::Bytes;
use tracing::{debug, warn};

use super::LocalSettings;
use crate::sys::clock;
use crate::sys::files;
use lobby_core::link::message::InboundEvent;
use lobby_core::wire::envelope::{self, MAX_ENVELOPE_LEN};
use lobby_core::wire::file_name;
use lobby_core::wire::packet_ttl::PacketTtl;

/// How much of a file is read, in bytes: one more than the decoder accepts, so that it refuses a
/// larger packet, and counts it.
const MOST_READ: usize = MAX_ENVELOPE_LEN + 1;

/// The packet directory as it was last seen. Its methods block.
///
/// Age is counted by the monotonic clock from when a file was first seen. The wall clock is asked
/// only how old it was then: if it lies, a living host's file is taken for dead until it is
/// renewed, and is never swept for it.
#[derive(Debug)]
pub(super) struct PacketDirectory {
    settings: LocalSettings,
    /// Held open so that a directory made in its place is known by another inode number.
    directory: File,
    files: HashMap<OsString, FileState>,
    looked: Option<Instant>,
}

/// The result of a look.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// Packets that came or went.
    pub(super) news: Vec<InboundEvent>,
    /// Whether a file was missed for the first time: it counts as withdrawn only if the next look,
    /// which should be soon, misses it too. When the whole directory is being removed, its
    /// files go first, and no host has said goodbye.
    pub(super) unsure: bool,
}

/// A file of the directory, as it was last seen.
#[derive(Debug, Default)]
struct FileState {
    stamp: FileStamp,
    /// The packet that was last read.
    payload: Option<Bytes>,
    /// For how long it is good, if it tells that.
    ttl: Option<PacketTtl>,
    /// How old the file was when it was first seen with this stamp.
    initial_age: Duration,
    /// How long it has had this stamp since. Of the time between two looks no more than KEEP_ALIVE
    /// counts: after a longer gap this daemon slept, and the others may have slept with it.
    watched: Duration,
    missed: bool,
    /// Whether reading failed, which is told once.
    unreadable: bool,
}

/// What differs when a file was replaced or written to.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct FileStamp {
    inode: u64,
    modified: Option<SystemTime>,
    len: u64,
}

impl FileStamp {
    fn of(metadata: &Metadata) -> Self {
        Self { inode: metadata.ino(), modified: metadata.modified().ok(), len: metadata.len() }
    }
}

impl PacketDirectory {
    /// Opens the directory (LOCAL_PATH), and makes it where it is missing.
    pub(super) fn open(settings: LocalSettings) -> anyhow::Result<Self> {
        let path = settings.path.display();
        fs::create_dir_all(&settings.path)
            .with_context(|| format!("cannot create directory {path}"))?;
        let directory =
            File::open(&settings.path).with_context(|| format!("cannot open directory {path}"))?;
        Ok(Self { settings, directory, files: HashMap::new(), looked: None })
    }

    /// Reads what changed since the last look, the first time everything, and sweeps what is dead.
    ///
    /// # Errors
    /// The directory is gone, or another one is in its place, or it cannot be read.
    pub(super) fn look(&mut self, now: Instant) -> anyhow::Result<Scan> {
        let present = self.list()?;
        let gap = self.looked.map(|looked| now.saturating_duration_since(looked));
        let mut look = Scan::default();
        self.advance_ages(gap.unwrap_or_default());
        self.forget_missing(&present, &mut look);
        for (name, stamp) in present {
            look.news.extend(self.observe(&name, stamp, gap));
        }
        // If the directory went away meanwhile, nothing can be said about its files.
        self.expect_same_directory()?;
        self.looked = Some(now);
        self.sweep();
        Ok(look)
    }

    fn list(&self) -> anyhow::Result<BTreeMap<OsString, FileStamp>> {
        self.expect_same_directory()?;
        let path = &self.settings.path;
        let entries = fs::read_dir(path)
            .with_context(|| format!("cannot read directory {}", path.display()))?;
        let mut present = BTreeMap::new();
        for entry in entries {
            let entry =
                entry.with_context(|| format!("cannot read directory {}", path.display()))?;
            let name = entry.file_name();
            if file_name::is_of_host(&name) || files::is_temporary(&name) {
                present.extend(stamp_of(entry.metadata()).map(|stamp| (name, stamp)));
            }
        }
        Ok(present)
    }

    fn expect_same_directory(&self) -> anyhow::Result<()> {
        let path = &self.settings.path;
        let ours = self.directory.metadata()?;
        match fs::metadata(path) {
            Ok(found) if (found.dev(), found.ino()) == (ours.dev(), ours.ino()) => Ok(()),
            Ok(_) => bail!("another directory is in the place of {}", path.display()),
            Err(error) => {
                Err(error).with_context(|| format!("directory {} is lost", path.display()))
            }
        }
    }

    fn advance_ages(&mut self, gap: Duration) {
        let watched = gap.min(self.settings.keep_alive);
        self.files.values_mut().for_each(|seen| seen.watched += watched);
    }

    fn forget_missing(&mut self, present: &BTreeMap<OsString, FileStamp>, look: &mut Scan) {
        let ttl = self.settings.ttl;
        self.files.retain(|name, seen| {
            let missed_before = std::mem::replace(&mut seen.missed, !present.contains_key(name));
            let gone = seen.missed && (missed_before || seen.payload.is_none());
            look.unsure |= seen.missed && !gone;
            // A dead one was swept by another daemon: its host has said no goodbye.
            if gone && seen.age() < seen.ttl_or(ttl) {
                // Whoever removes a copy has not said goodbye for the host.
                let own = seen.payload.take().filter(|payload| !file_name::is_copy(name, payload));
                look.news.extend(own.map(|payload| InboundEvent::Withdrawn { payload }));
            }
            !gone
        });
    }

    /// Takes note of a file that is there; `gap` is the time since the last look.
    fn observe(
        &mut self,
        name: &OsStr,
        stamp: FileStamp,
        gap: Option<Duration>,
    ) -> Option<InboundEvent> {
        let seen = self.files.entry(name.to_owned()).or_default();
        if seen.stamp == stamp {
            return None;
        }
        // Newly come since the last look, it cannot be older than that, whatever the wall clock
        // says.
        let age =
            stamp.modified.map(clock::age_of).unwrap_or_default().min(gap.unwrap_or(Duration::MAX));
        seen.renew(stamp, age);
        let longest = self.settings.ttl.max(PacketTtl::MAX.duration());
        if age >= longest || !file_name::is_of_host(name) {
            return None;
        }
        let payload = seen.read(&self.settings.path.join(name))?;
        (age < seen.ttl_or(self.settings.ttl)).then_some(InboundEvent::Packet { payload, age })
    }

    fn sweep(&mut self) {
        let Self { settings, files, .. } = self;
        files.retain(|name, seen| {
            seen.watched < seen.ttl_or(settings.ttl) || !swept(&settings.path, name, seen.stamp)
        });
    }
}

impl FileState {
    fn age(&self) -> Duration {
        self.initial_age.saturating_add(self.watched)
    }

    /// For how long the packet is good, where one that does not tell is good for `own`.
    fn ttl_or(&self, own: Duration) -> Duration {
        self.ttl.map_or(own, PacketTtl::duration)
    }

    fn renew(&mut self, stamp: FileStamp, age: Duration) {
        (self.stamp, self.initial_age, self.watched, self.missed) =
            (stamp, age, Duration::ZERO, false);
    }

    /// Reads the packet, and the stamp of the very file that it was read from. The last packet
    /// stands if there is none to be read.
    fn read(&mut self, path: &Path) -> Option<Bytes> {
        match read_packet(path) {
            Ok((stamp, payload)) => {
                (self.stamp, self.unreadable) = (stamp, false);
                self.ttl = envelope::told_ttl(&payload);
                self.payload = Some(payload);
                return self.payload.clone();
            }
            // Withdrawn at this moment.
            Err(error) if error.kind() == ErrorKind::NotFound => (),
            Err(_) if self.unreadable => (),
            Err(error) => {
                warn!(target: "lobby::link", file = %path.display(), %error, "another daemon's packet cannot be read");
                self.unreadable = true;
            }
        }
        None
    }
}

/// The stamp of a regular file; nothing for anything else, which cannot be a packet.
fn stamp_of(metadata: io::Result<Metadata>) -> Option<FileStamp> {
    metadata.ok().filter(Metadata::is_file).map(|metadata| FileStamp::of(&metadata))
}

fn read_packet(path: &Path) -> io::Result<(FileStamp, Bytes)> {
    let file = files::open_without_following(path)?;
    let stamp = FileStamp::of(&file.metadata()?);
    Ok((stamp, files::read_beginning(&file, MOST_READ)?.into()))
}

/// Removes a dead file; tells whether it is gone. Looks once more before: its host may have woken
/// up and renewed it.
fn swept(directory: &Path, name: &OsStr, stamp: FileStamp) -> bool {
    let path = directory.join(name);
    if stamp_of(fs::symlink_metadata(&path)) != Some(stamp) {
        return false;
    }
    let removed = fs::remove_file(&path);
    debug!(target: "lobby::link", file = %path.display(), error = removed.as_ref().err().map(tracing::field::display), "file not renewed for TTL swept");
    removed.is_ok()
}
