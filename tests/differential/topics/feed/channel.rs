//! Channels: what packets travel on to both daemons.

use std::collections::HashSet;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use crate::brokers::Voice;
use crate::packets::Packet;

/// What packets travel on.
pub(super) enum Channel {
    /// Brokers that both daemons listen to: each batch travels on the next one.
    Turns(Vec<Voice>),
    /// A channel for each daemon: each batch travels on all of them.
    Copies(Vec<Voice>),
    /// A directory that both read.
    Directory {
        /// Where it is.
        path: PathBuf,
        /// Another one, in which files are written before they are moved.
        workshop: TempDir,
    },
}

impl Channel {
    /// A directory that both daemons read.
    pub(super) fn directory(path: &Path) -> Self {
        let workshop = TempDir::new().expect("a temporary directory can be made");
        Self::Directory { path: path.to_owned(), workshop }
    }

    /// Takes out of a batch what depends on when a daemon looks: in a directory a file is written
    /// at most once, and no packet may by chance be about another host than its file's.
    pub(super) fn fit(&self, batch: Vec<Packet>) -> Vec<Packet> {
        let Self::Directory { .. } = self else { return batch };
        let mut hosts = HashSet::new();
        batch
            .into_iter()
            .filter(|packet| packet.kind != "mutated" && hosts.insert(packet.host))
            .collect()
    }

    /// Says a batch; returns how many packets each daemon must receive of it at least.
    pub(super) fn say(&mut self, batch: &[Packet]) -> usize {
        let payloads = || batch.iter().map(|packet| &packet.payload[..]);
        match self {
            Self::Turns(voices) => {
                voices[0].say(payloads());
                voices.rotate_left(1);
                batch.len()
            }
            Self::Copies(voices) => {
                voices.iter_mut().for_each(|voice| voice.say(payloads()));
                batch.len()
            }
            Self::Directory { path, workshop } => {
                batch.iter().filter(|packet| write_or_remove(path, workshop.path(), packet)).count()
            }
        }
    }

    /// In a directory: files of other kinds, names and ages than daemons write.
    pub(super) fn add_odd_files(&self) {
        let Self::Directory { path, workshop } = self else { return };
        let hello = |name: &str| {
            format!(
                r#"{{"discovery":{{"hostname":"{name}","labels":["odd:file"],"last_check":0}},"message":"hi"}}"#
            )
        };
        for name in [
            "no-suffix",
            "x.json",
            ".hidden.lobby.json",
            "%2Fslash.lobby.json",
            "UPPER.LOBBY.JSON",
            ".lobby.json",
            "space .lobby.json",
            "ž.lobby.json",
            "x.lobby.json.tmp",
            "x.lobby.json~",
        ] {
            put(path, workshop.path(), name, hello(name).as_bytes());
        }
        let other = workshop.path().join("other");
        std::fs::write(&other, hello("behind-a-link")).expect("a temporary file can be written");
        symlink(&other, path.join("link.lobby.json")).expect("a link can be made");
        std::fs::create_dir(path.join("directory.lobby.json")).expect("a directory can be made");
        for (name, age) in [("old", 3_600), ("older-than-ttl", 700), ("young", 60)] {
            put_aged(path, workshop.path(), &format!("{name}.lobby.json"), &hello(name), age);
        }
    }
}

/// Over Local half of the goodbyes are said by taking the file away. Returns whether one was
/// written.
fn write_or_remove(directory: &Path, workshop: &Path, packet: &Packet) -> bool {
    let name = format!("{:04}.lobby.json", packet.host);
    if packet.is_goodbye && packet.payload.len().is_multiple_of(2) {
        std::fs::remove_file(directory.join(name)).ok();
        return false;
    }
    put(directory, workshop, &name, &packet.payload);
    true
}

fn put(directory: &Path, workshop: &Path, name: &str, bytes: &[u8]) {
    let draft = workshop.join("draft");
    std::fs::write(&draft, bytes).expect("a temporary file can be written");
    std::fs::rename(draft, directory.join(name)).expect("a temporary file can be moved");
}

/// A file that was last written this many seconds ago.
fn put_aged(directory: &Path, workshop: &Path, name: &str, text: &str, age: u64) {
    let draft = workshop.join("aged");
    std::fs::write(&draft, text).expect("a temporary file can be written");
    let file =
        std::fs::File::options().write(true).open(&draft).expect("a temporary file can be opened");
    let then = file
        .metadata()
        .and_then(|metadata| metadata.modified())
        .map(|now| now - Duration::from_secs(age));
    then.and_then(|then| file.set_modified(then)).expect("the time of a file can be set");
    std::fs::rename(draft, directory.join(name)).expect("a temporary file can be moved");
}
