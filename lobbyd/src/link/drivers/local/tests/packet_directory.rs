use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Instant;

use lobby_client::Discovery;
use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::super::packet_directory::{PacketDirectory, Scan};
use super::*;
use crate::sys::clock;
use lobby_core::wire::envelope::{Message, MessageKind};
use lobby_core::wire::instance_id::InstanceId;
use lobby_core::wire::packet_ttl::PacketTtl;

/// Moves a file's time of change, which the wall clock gave it.
fn make_older(path: &Path, by: Duration) {
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_modified(file.metadata().unwrap().modified().unwrap() - by).unwrap();
}

/// The payloads of packets, in order.
fn packets(news: &[InboundEvent]) -> Vec<&str> {
    let packets = news.iter().map(|incoming| match incoming {
        InboundEvent::Packet { payload, .. } => std::str::from_utf8(payload).unwrap(),
        InboundEvent::Withdrawn { .. }
        | InboundEvent::Dropped(_)
        | InboundEvent::ConnectionClosed(_) => panic!("{incoming:?}"),
    });
    packets.collect()
}

/// A shelf, looked at whenever the test says.
struct Scene {
    directory: TempDir,
    packet_directory: PacketDirectory,
    now: Instant,
}

impl Scene {
    fn set(prepare: impl FnOnce(&TempDir)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(settings(&directory).path).unwrap();
        prepare(&directory);
        let packet_directory = PacketDirectory::open(settings(&directory)).unwrap();
        Self { directory, packet_directory, now: clock::now() }
    }

    fn look_after(&mut self, seconds: u64) -> Scan {
        self.now += Duration::from_secs(seconds);
        self.packet_directory.look(self.now).unwrap()
    }

    fn has(&self, host: &str) -> bool {
        file_of(&self.directory, host).exists()
    }
}

#[test]
fn only_files_that_changed_are_news() {
    let mut scene = Scene::set(|directory| put(directory, "a", "a1"));
    assert_eq!(packets(&scene.look_after(0).news), ["a1"]);
    assert_eq!(scene.look_after(1).news, []);
    put(&scene.directory, "a", "a1");
    put(&scene.directory, "b", "b1");
    assert_eq!(packets(&scene.look_after(1).news), ["a1", "b1"]);
    assert_eq!(scene.look_after(1).news, []);
}

#[test]
fn a_packet_is_as_old_as_its_file_and_a_dead_one_is_no_news() {
    let mut scene = Scene::set(|directory| {
        put(directory, "living", "living");
        make_older(&file_of(directory, "living"), Duration::from_secs(20));
        put(directory, "dead", "dead");
        make_older(&file_of(directory, "dead"), TTL);
    });
    let look = scene.look_after(0);
    assert_eq!(packets(&look.news), ["living"]);
    let InboundEvent::Packet { age, .. } = look.news[0] else { unreachable!() };
    assert!(age >= Duration::from_secs(20) && age < Duration::from_secs(29), "{age:?}");
}

#[test]
fn a_file_from_the_future_is_new() {
    let mut scene = Scene::set(|directory| {
        put(directory, "a", "a1");
        let file = fs::File::options().write(true).open(file_of(directory, "a")).unwrap();
        file.set_modified(file.metadata().unwrap().modified().unwrap() + TTL * 100).unwrap();
    });
    assert_eq!(
        scene.look_after(0).news,
        [InboundEvent::Packet { payload: "a1".into(), age: Duration::ZERO }]
    );
}

#[test]
fn a_new_packet_is_no_older_than_the_last_look() {
    let mut scene = Scene::set(|_| ());
    scene.look_after(0);
    put(&scene.directory, "a", "a1");
    make_older(&file_of(&scene.directory, "a"), TTL * 100);
    assert_eq!(
        scene.look_after(2).news,
        [InboundEvent::Packet { payload: "a1".into(), age: Duration::from_secs(2) }]
    );
}

#[test]
fn a_removed_file_is_withdrawn_at_the_second_look() {
    let mut scene = Scene::set(|directory| put(directory, "a", "a1"));
    scene.look_after(0);
    fs::remove_file(file_of(&scene.directory, "a")).unwrap();
    let first = scene.look_after(0);
    assert!(first.unsure && first.news.is_empty());
    let second = scene.look_after(0);
    assert!(!second.unsure);
    assert_eq!(second.news, [withdrawn("a1")]);
    assert_eq!(scene.look_after(0).news, []);
}

#[test]
fn a_file_that_is_back_at_the_second_look_is_a_packet() {
    let mut scene = Scene::set(|directory| put(directory, "a", "a1"));
    scene.look_after(0);
    fs::remove_file(file_of(&scene.directory, "a")).unwrap();
    assert_eq!(scene.look_after(0).news, []);
    put(&scene.directory, "a", "a22");
    assert_eq!(packets(&scene.look_after(0).news), ["a22"]);
}

#[test]
fn a_directory_that_is_removed_or_replaced_withdraws_nothing() {
    let mut scene = Scene::set(|directory| put(directory, "a", "a1"));
    scene.look_after(0);
    let path = settings(&scene.directory).path;
    fs::remove_dir_all(&path).unwrap();
    let error = format!("{:#}", scene.packet_directory.look(scene.now).unwrap_err());
    assert_eq!(
        error,
        format!("directory {} is lost: No such file or directory (os error 2)", path.display())
    );
    fs::create_dir(&path).unwrap();
    assert!(scene.packet_directory.look(scene.now).is_err());
}

#[test]
fn a_file_not_renewed_for_ttl_is_swept_and_not_withdrawn() {
    let mut scene = Scene::set(|directory| put(directory, "a", "a1"));
    for _ in 0..6 {
        scene.look_after(5);
        assert!(scene.has("a"));
    }
    assert_eq!(scene.look_after(5).news, []);
    assert!(!scene.has("a"));
    let after = scene.look_after(5);
    assert!(after.news.is_empty() && !after.unsure);
}

#[test]
fn what_another_daemon_swept_is_not_withdrawn() {
    let mut scene = Scene::set(|directory| {
        put(directory, "a", "a1");
        make_older(&file_of(directory, "a"), Duration::from_secs(20));
    });
    assert_eq!(packets(&scene.look_after(0).news), ["a1"]);
    scene.look_after(5);
    fs::remove_file(file_of(&scene.directory, "a")).unwrap();
    assert_eq!(scene.look_after(5).news, []);
    assert_eq!(scene.look_after(0).news, []);
}

#[test]
fn a_renewed_file_is_never_swept() {
    let mut scene = Scene::set(|directory| put(directory, "a", "a1"));
    for _ in 0..20 {
        put(&scene.directory, "a", "a1");
        assert_eq!(packets(&scene.look_after(5).news), ["a1"]);
        assert!(scene.has("a"));
    }
}

#[test]
fn a_host_survives_a_clock_that_jumps_and_a_machine_that_sleeps() {
    let mut scene = Scene::set(|directory| {
        put(directory, "a", "a1");
        make_older(&file_of(directory, "a"), TTL * 100);
    });
    assert_eq!(scene.look_after(0).news, []);
    assert!(scene.has("a"));
    put(&scene.directory, "a", "a1");
    scene.look_after(1);
    scene.look_after(3600);
    assert!(scene.has("a"));
}

#[test]
fn temporary_files_of_crashed_writers_are_swept_others_are_not() {
    let mut scene = Scene::set(|directory| {
        for name in [".lobby-0123456789abcdef.tmp", "config.json", "notes"] {
            fs::write(settings(directory).path.join(name), "x").unwrap();
        }
    });
    for _ in 0..8 {
        assert_eq!(scene.look_after(5).news, []);
    }
    let left = fs::read_dir(settings(&scene.directory).path).unwrap();
    let mut left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    left.sort_unstable();
    assert_eq!(left, ["config.json", "notes"]);
}

#[test]
fn odd_files_are_passed_over_and_never_waited_for() {
    let mut scene = Scene::set(|directory| {
        mknodat(CWD, file_of(directory, "fifo"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)
            .unwrap();
        fs::create_dir(file_of(directory, "directory")).unwrap();
        symlink("/etc/passwd", file_of(directory, "link")).unwrap();
        put(directory, "a", "a1");
    });
    assert_eq!(packets(&scene.look_after(0).news), ["a1"]);
    for _ in 0..8 {
        assert_eq!(scene.look_after(5).news, []);
    }
    assert!(scene.has("fifo") && scene.has("directory") && !scene.has("a"));
}

#[test]
fn an_oversized_file_is_handed_on_just_past_the_limit() {
    let mut scene = Scene::set(|directory| {
        fs::File::create(file_of(directory, "huge")).unwrap().set_len(1 << 30).unwrap();
    });
    let look = scene.look_after(0);
    assert_eq!(packets(&look.news)[0].len(), 256 * 1024 + 1);
}

#[test]
fn a_copy_that_is_removed_withdraws_nobody() {
    let packet = Discovery::new(HostName::parse("a").unwrap(), vec![]);
    let payload = Message::new(MessageKind::Hi, &packet, InstanceId::new(1)).encode(None);
    let payload = String::from_utf8(payload).unwrap();
    let mut scene = Scene::set(|directory| {
        put(directory, "a", &payload);
        put(directory, "copy", &payload);
    });
    assert_eq!(scene.look_after(0).news.len(), 2);
    for (host, expected) in [("copy", 0), ("a", 1)] {
        fs::remove_file(file_of(&scene.directory, host)).unwrap();
        assert!(scene.look_after(1).unsure);
        assert_eq!(scene.look_after(1).news.len(), expected, "{host}");
    }
}

/// A packet that is good for so long.
fn lasting(seconds: u64) -> String {
    let packet = Discovery::new(HostName::parse("a").unwrap(), vec![]);
    let message = Message::new(MessageKind::Hi, &packet, InstanceId::new(1));
    let message = message.lasting(PacketTtl::from_seconds(seconds));
    String::from_utf8(message.encode(None)).unwrap()
}

#[test]
fn a_file_is_swept_after_the_ttl_of_its_packet() {
    let long = 3 * TTL.as_secs();
    let mut scene = Scene::set(|directory| {
        put(directory, "short", &lasting(5));
        put(directory, "long", &lasting(long));
        put(directory, "none", "none");
    });
    scene.look_after(0);
    let mut swept = Vec::new();
    for second in 1..=long {
        scene.look_after(1);
        for host in ["short", "long", "none"] {
            let is_known = swept.iter().any(|(known, _)| *known == host);
            if !scene.has(host) && !is_known {
                swept.push((host, second));
            }
        }
    }
    assert_eq!(swept, [("short", 5), ("none", TTL.as_secs()), ("long", long)]);
}

#[test]
fn a_packet_is_news_as_long_as_it_is_good() {
    let age = TTL * 2;
    for (seconds, expected) in [(age.as_secs() + 5, 1), (age.as_secs(), 0)] {
        let mut scene = Scene::set(|directory| {
            put(directory, "a", &lasting(seconds));
            make_older(&file_of(directory, "a"), age);
        });
        assert_eq!(scene.look_after(0).news.len(), expected, "{seconds}");
    }
}
