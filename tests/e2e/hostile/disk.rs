//! Full and read-only disks, special files and crashes: the daemon keeps what it has and says what
//! is wrong.

use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

use lobby_tests::{Answer, LIMIT, Lobbyd, LobbydBuilder, SmallDisk, ensure, eventually};
use serde_json::{Value, json};

fn assert_refused(answer: &Answer, reason: &str) {
    let text = answer.text();
    assert_eq!(answer.status, 500, "{text}");
    assert!(text.contains("_runtime") && text.contains(reason), "{text}");
}

/// A daemon `me` whose label files are on a disk of their own.
async fn on_small_disk() -> (SmallDisk, Lobbyd) {
    let daemon = Lobbyd::named("me").labels("env:1");
    let disk = SmallDisk::on(&daemon.labels_path());
    let daemon = daemon.launched_by(disk.launcher()).start().await;
    fs::write(disk.file(&daemon, "file"), "file:1").unwrap();
    assert_eq!(daemon.add_labels("kept:1\nkept:2").await.status, 200);
    daemon.knows(json!({"me": ["env:1", "file:1", "kept:1", "kept:2"]})).await;
    (disk, daemon)
}

/// Changes are refused while the disk cannot be written.
async fn refuses_changes(daemon: &Lobbyd, reason: &str) {
    assert_refused(&daemon.add_labels("lost:1").await, reason);
    assert_refused(&daemon.delete_labels("kept:1").await, reason);
    daemon.logged(reason).await;
    assert_eq!(daemon.own_labels().await, json!(["env:1", "file:1", "kept:1", "kept:2"]));
    daemon.knows(json!({"me": ["env:1", "file:1", "kept:1", "kept:2"]})).await;
}

#[actix_rt::test]
async fn a_full_disk_refuses_labels_until_there_is_room_again() {
    let (disk, daemon) = on_small_disk().await;
    let filler = disk.fill(&daemon);
    refuses_changes(&daemon, "No space left on device").await;
    assert_eq!(disk.files(&daemon), [".filler", "_runtime", "file"]);
    fs::remove_file(filler).unwrap();
    assert_eq!(daemon.add_labels("later:1").await.status, 200);
    daemon.knows(json!({"me": ["env:1", "file:1", "kept:1", "kept:2", "later:1"]})).await;
}

#[actix_rt::test]
async fn a_read_only_disk_refuses_labels_until_it_is_writable() {
    let (disk, daemon) = on_small_disk().await;
    disk.remount(&daemon, "ro");
    refuses_changes(&daemon, "Read-only file system").await;
    disk.remount(&daemon, "rw");
    assert_eq!(daemon.delete_labels("kept:1").await.status, 200);
    daemon.knows(json!({"me": ["env:1", "file:1", "kept:2"]})).await;
}

#[actix_rt::test]
async fn a_packet_is_written_once_a_full_disk_has_room() {
    let directory = tempfile::TempDir::new().unwrap();
    let disk = SmallDisk::on(directory.path());
    let daemon =
        Lobbyd::named("me").local(directory.path()).launched_by(disk.launcher()).start().await;
    let packet = disk.file(&daemon, "me.lobby.json");
    eventually(LIMIT, async || ensure(packet.exists(), disk.files(&daemon))).await;
    let filler = disk.fill(&daemon);
    daemon.add_labels(&"x".repeat(1000)).await;
    daemon.logged("No space left on device").await;
    daemon.meets("me").await;
    fs::remove_file(filler).unwrap();
    eventually(LIMIT, async || {
        let packet = fs::read_to_string(&packet).unwrap();
        ensure(packet.contains("xxx"), packet)
    })
    .await;
}

#[actix_rt::test]
async fn a_directory_removed_while_running_is_made_again_for_a_label() {
    let daemon = Lobbyd::named("me").labels("env:1").start().await;
    fs::write(daemon.labels_path().join("file"), "file:1").unwrap();
    daemon.knows(json!({"me": ["env:1", "file:1"]})).await;
    fs::remove_dir_all(daemon.labels_path()).unwrap();
    daemon.knows(json!({"me": ["env:1"]})).await;
    assert_eq!(daemon.add_labels("new:1").await.status, 200);
    assert_eq!(fs::read_to_string(daemon.labels_path().join("_runtime")).unwrap(), "new:1\n");
    daemon.knows(json!({"me": ["env:1", "new:1"]})).await;
}

type Put = fn(&Path);

/// What may take the place of a label file, with the reason that is given.
const ODD: [(&str, Put); 4] = [
    ("is a directory, not a regular file", |path| fs::create_dir(path).unwrap()),
    ("is a FIFO, not a regular file", |path| {
        assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
    }),
    ("is a device, not a regular file", |path| {
        std::os::unix::fs::symlink("/dev/zero", path).unwrap();
    }),
    ("is larger than 1048576 bytes", |path| File::create(path).unwrap().set_len(1 << 30).unwrap()),
];

fn remove(path: &Path) {
    if path.is_dir() { fs::remove_dir(path) } else { fs::remove_file(path) }.unwrap();
}

/// A daemon `me` with one valid label file, and another for the test to replace.
async fn with_two_files() -> Lobbyd {
    let daemon: LobbydBuilder = Lobbyd::named("me");
    fs::write(daemon.labels_path().join("good"), "good:1").unwrap();
    fs::write(daemon.labels_path().join("odd"), "odd:1").unwrap();
    daemon.start().await
}

#[actix_rt::test]
async fn a_file_replaced_by_a_special_one_is_a_warning() {
    let daemon = with_two_files().await;
    let odd = daemon.labels_path().join("odd");
    for (reason, put) in ODD {
        daemon.knows(json!({"me": ["good:1", "odd:1"]})).await;
        remove(&odd);
        put(&odd);
        daemon.knows(json!({"me": ["good:1"]})).await;
        let told = daemon.logged(reason).await;
        assert!(told.contains("odd") && told.contains("WARN"), "{told}");
        assert_eq!(daemon.own_labels().await, json!(["good:1"]));
        assert_eq!(daemon.add_labels("more:1").await.status, 200);
        assert_eq!(daemon.delete_labels("more:1").await.status, 200);
        remove(&odd);
        fs::write(&odd, "odd:1").unwrap();
    }
}

#[actix_rt::test]
async fn a_runtime_file_replaced_by_a_special_one_refuses_labels() {
    let daemon = with_two_files().await;
    let runtime = daemon.labels_path().join("_runtime");
    for (reason, put) in ODD {
        put(&runtime);
        assert_refused(&daemon.add_labels("lost:1").await, reason);
        daemon.logged(reason).await;
        assert_eq!(daemon.own_labels().await, json!(["good:1", "odd:1"]));
        remove(&runtime);
        assert_eq!(daemon.add_labels("kept:1").await.status, 200);
        assert_eq!(daemon.delete_labels("kept:1").await.status, 200);
        remove(&runtime);
    }
}

/// Adds labels one after the other until the daemon is gone; returns those that were confirmed.
async fn stored_until_killed(daemon: &Lobbyd, round: usize) -> Vec<Value> {
    let client = daemon.client();
    let mut stored = Vec::new();
    for label in (0..).map(|number| format!("{round}:{number}")) {
        match client.add_labels(&[label.parse().unwrap()]).await {
            Ok(()) => stored.push(json!(label)),
            Err(_) => break,
        }
    }
    stored
}

#[actix_rt::test]
async fn a_daemon_killed_while_storing_keeps_what_it_confirmed() {
    let mut daemon = Lobbyd::named("me").start().await;
    let mut stored: Vec<Value> = Vec::new();
    for round in 0..15_u8 {
        let kill = async {
            tokio::time::sleep(Duration::from_millis(20 + 7 * u64::from(round))).await;
            daemon.kill();
        };
        let (more, ()) = tokio::join!(stored_until_killed(&daemon, round.into()), kill);
        stored.extend(more);
        daemon = daemon.start_again().await;
        let labels = daemon.own_labels().await;
        let labels = labels.as_array().unwrap();
        assert!(stored.iter().all(|label| labels.contains(label)), "{stored:?} in {labels:?}");
        // The one that was being stored may be there or not, and nothing else.
        assert!(labels.len() <= stored.len() + usize::from(round) + 1, "{labels:?}");
    }
    assert!(!stored.is_empty());
    assert!(daemon.logs_with("WARN").is_empty(), "{:?}", daemon.logs());
}
