mod channel;
mod packet_directory;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use lobby_client::HostName;
use tempfile::TempDir;

use super::LocalSettings;
use crate::sys::files;
use lobby_core::link::message::InboundEvent;
use lobby_core::wire::file_name;

const KEEP_ALIVE: Duration = Duration::from_secs(5);
const TTL: Duration = Duration::from_secs(30);

fn settings(directory: &TempDir) -> LocalSettings {
    LocalSettings { path: directory.path().join("lobby"), keep_alive: KEEP_ALIVE, ttl: TTL }
}

fn file_of(directory: &TempDir, host: &str) -> PathBuf {
    settings(directory).path.join(file_name::of(&HostName::parse(host).unwrap()))
}

fn put(directory: &TempDir, host: &str, payload: &str) {
    files::replace_short_lived_file(&file_of(directory, host), payload.as_bytes()).unwrap();
}

fn withdrawn(payload: &'static str) -> InboundEvent {
    InboundEvent::Withdrawn { payload: payload.into() }
}
