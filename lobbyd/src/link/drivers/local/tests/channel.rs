use std::os::unix::fs::MetadataExt;

use bytes::Bytes;
use futures_util::TryStreamExt;
use tokio::time::timeout;

use super::super::Local;
use super::super::reader::{DEBOUNCE, DirectoryReader};
use super::*;
use crate::link::driver::{Connection, Driver};
use crate::sys::clock;
use crate::sys::file_work::FileWork;
use crate::sys::watch::DirectoryWatch;
use lobby_core::link::message::OutboundPacket;

/// Time for what events bring in milliseconds on an idle machine.
const LIMIT: Duration = Duration::from_secs(20);

fn packet(host: &str, payload: &str, last: bool) -> OutboundPacket {
    OutboundPacket {
        host: HostName::parse(host).unwrap(),
        payload: Bytes::copy_from_slice(payload.as_bytes()),
        last,
    }
}

/// An open channel, as the daemon has it; without events it would read the directory too late for
/// these tests.
async fn open(directory: &TempDir) -> Connection {
    let settings = LocalSettings { keep_alive: LIMIT * 2, ttl: LIMIT * 6, ..settings(directory) };
    Local::new(settings).open("test", None).await.unwrap()
}

/// The only news of the next batch.
async fn next(channel: &mut Connection) -> InboundEvent {
    let batch = timeout(LIMIT, channel.incoming.try_next()).await.unwrap().unwrap().unwrap();
    let [incoming] = <[_; 1]>::try_from(batch).unwrap();
    incoming
}

async fn next_payload(channel: &mut Connection) -> Bytes {
    match next(channel).await {
        InboundEvent::Packet { payload, .. } => payload,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn packets_reach_everyone_the_sender_and_late_joiners_included() {
    let directory = tempfile::tempdir().unwrap();
    let (mut one, mut two) = (open(&directory).await, open(&directory).await);
    one.outgoing.publish(packet("one", "hi", false)).await.unwrap();
    assert_eq!(next_payload(&mut one).await, "hi");
    assert_eq!(next_payload(&mut two).await, "hi");
    assert_eq!(next_payload(&mut open(&directory).await).await, "hi");
}

#[tokio::test]
async fn a_last_packet_takes_the_file_away_and_is_heard_as_withdrawn() {
    let directory = tempfile::tempdir().unwrap();
    let mut channel = open(&directory).await;
    channel.outgoing.publish(packet("../one", "hi", false)).await.unwrap();
    assert_eq!(next_payload(&mut channel).await, "hi");
    for _ in 0..2 {
        channel.outgoing.publish(packet("../one", "goodbye", true)).await.unwrap();
    }
    assert_eq!(next(&mut channel).await, withdrawn("hi"));
    assert_eq!(fs::read_dir(settings(&directory).path).unwrap().count(), 0);
}

#[tokio::test]
async fn a_removed_directory_ends_the_link_and_opening_makes_it_anew() {
    let directory = tempfile::tempdir().unwrap();
    let mut channel = open(&directory).await;
    for host in ["one", "two", "three"] {
        channel.outgoing.publish(packet(host, "hi", false)).await.unwrap();
        assert_eq!(next_payload(&mut channel).await, "hi");
    }
    fs::remove_dir_all(settings(&directory).path).unwrap();
    assert!(channel.outgoing.publish(packet("one", "hi", false)).await.is_err());
    assert!(timeout(LIMIT, channel.incoming.try_next()).await.unwrap().is_err());
    assert_eq!(channel.incoming.try_next().await.unwrap(), None);
    let mut channel = open(&directory).await;
    channel.outgoing.publish(packet("one", "hi", false)).await.unwrap();
    assert_eq!(next_payload(&mut channel).await, "hi");
}

#[tokio::test]
async fn what_cannot_be_written_is_named_and_the_others_are_heard_on() {
    let directory = tempfile::tempdir().unwrap();
    let mut channel = open(&directory).await;
    fs::create_dir(file_of(&directory, "blocked")).unwrap();
    let error = channel.outgoing.publish(packet("blocked", "hi", false)).await.unwrap_err();
    assert!(
        format!("{error:#}").contains(file_of(&directory, "blocked").to_str().unwrap()),
        "{error:#}"
    );
    put(&directory, "other", "hi");
    assert_eq!(next_payload(&mut channel).await, "hi");
}

#[tokio::test]
async fn a_directory_that_cannot_be_made_is_named() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(settings(&directory).path, "").unwrap();
    let error = Local::new(settings(&directory)).open("test", None).await.err().unwrap();
    let expected = format!("cannot create directory {}: ", settings(&directory).path.display());
    assert!(format!("{error:#}").starts_with(&expected), "{error:#}");
}

#[tokio::test]
async fn every_packet_is_a_file_and_the_sender_hears_itself() {
    let directory = tempfile::tempdir().unwrap();
    let mut channel = open(&directory).await;
    let mut inodes = Vec::new();
    for _ in 0..3 {
        channel.outgoing.publish(packet("one", "hi", false)).await.unwrap();
        assert_eq!(next_payload(&mut channel).await, "hi");
        inodes.push(fs::metadata(file_of(&directory, "one")).unwrap().ino());
    }
    assert_ne!(inodes[0], inodes[1]);
}

#[tokio::test(start_paused = true)]
async fn without_events_the_directory_is_read_every_keep_alive() {
    let directory = tempfile::tempdir().unwrap();
    let mut reader =
        DirectoryReader::start(settings(&directory), FileWork::on("the directory")).await.unwrap();
    // A watch over something else: its events never come.
    reader.watch = DirectoryWatch::new(&directory.path().join("elsewhere"), DEBOUNCE);
    reader.watch.changed().await;
    put(&directory, "one", "hi");
    let before = clock::now();
    let news = reader.into_stream().try_next().await.unwrap();
    assert!(
        matches!(&news.unwrap()[..], [InboundEvent::Packet { payload, .. }] if payload == "hi")
    );
    assert_eq!(clock::now() - before, KEEP_ALIVE);
}
