//! Label files: every change is seen at once, and an invalid file spoils no other.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use lobby_tests::{Lobbyd, LobbydBuilder};
use serde_json::json;

/// A daemon `me` that reads its files again for events only, not from time to time.
fn daemon() -> LobbydBuilder {
    Lobbyd::named("me").without_keep_alive()
}

/// Replaces a file by a rename, as many editors and package managers do.
fn replace(file: &Path, text: &str) {
    let beside = file.with_extension("tmp");
    fs::write(&beside, text).unwrap();
    fs::rename(beside, file).unwrap();
}

#[actix_rt::test]
async fn labels_of_environment_and_files_are_united_and_sorted() {
    let daemon = daemon().labels(" env:2 ,env:1,,both:1,env:2");
    fs::write(daemon.labels_path().join("one"), "b:1\n  a:1\t\r\n\nboth:1\n").unwrap();
    fs::write(daemon.labels_path().join("two.txt"), "both:1\nlast line without break").unwrap();
    let daemon = daemon.start().await;
    daemon
        .knows(json!({"me": ["a:1", "b:1", "both:1", "env:1", "env:2", "last line without break"]}))
        .await;
}

#[actix_rt::test]
async fn a_byte_order_mark_is_not_a_part_of_the_first_label() {
    let daemon = daemon();
    fs::write(daemon.labels_path().join("file"), "\u{feff}file:1\nfile:2").unwrap();
    fs::write(daemon.labels_path().join("_runtime"), "\u{feff}runtime:1\n").unwrap();
    let daemon = daemon.start().await;
    daemon.knows(json!({"me": ["file:1", "file:2", "runtime:1"]})).await;
    assert_eq!(daemon.add_labels("\u{feff}body:1").await.status, 200);
    daemon.knows(json!({"me": ["body:1", "file:1", "file:2", "runtime:1"]})).await;
    assert_eq!(daemon.delete_labels("runtime:1").await.status, 200);
    daemon.knows(json!({"me": ["body:1", "file:1", "file:2"]})).await;
    assert!(daemon.logs_with("WARN").is_empty(), "{:?}", daemon.logs());
}

#[actix_rt::test]
async fn invisible_characters_in_a_label_are_a_warning() {
    let daemon = daemon().labels("env:\u{202e}1");
    fs::write(daemon.labels_path().join("file"), "good:1\nfi\u{200b}le:1").unwrap();
    let daemon = daemon.start().await;
    assert_eq!(daemon.add_labels("bo\u{feff}dy:1").await.status, 200);
    assert_eq!(daemon.lease_labels("le\u{200c}ase:1", "9s").await.status, 200);
    let labels = ["bo\u{feff}dy:1", "env:\u{202e}1", "fi\u{200b}le:1", "good:1", "le\u{200c}ase:1"];
    daemon.knows(json!({"me": labels})).await;
    for (source, character) in [
        ("LABELS", "U+202E"),
        ("file:2", "U+200B"),
        ("_runtime:1", "U+FEFF"),
        ("labels that end", "U+200C"),
    ] {
        let warning = daemon.logged(character).await;
        assert!(warning.contains("WARN") && warning.contains(source), "{warning}");
    }
    assert_eq!(daemon.logs_with("WARN").len(), 4, "{:?}", daemon.logs());
}

#[actix_rt::test]
async fn a_file_written_edited_and_removed_is_followed_at_once() {
    let daemon = daemon().start().await;
    let file = daemon.labels_path().join("file");
    for text in ["a:1", "a:2", "a:1\nb:1"] {
        fs::write(&file, text).unwrap();
        daemon.knows(json!({"me": text.lines().collect::<Vec<_>>()})).await;
    }
    fs::remove_file(&file).unwrap();
    daemon.knows(json!({"me": []})).await;
}

#[actix_rt::test]
async fn a_change_is_published_to_others_at_once() {
    let directory = tempfile::TempDir::new().unwrap();
    let me = daemon().local(directory.path()).start().await;
    let other = Lobbyd::named("other").without_keep_alive().local(directory.path()).start().await;
    other.knows(json!({"me": [], "other": []})).await;
    fs::write(me.labels_path().join("file"), "a:1").unwrap();
    other.knows(json!({"me": ["a:1"], "other": []})).await;
}

#[actix_rt::test]
async fn a_file_replaced_by_rename_is_followed() {
    let daemon = daemon().start().await;
    let file = daemon.labels_path().join("file");
    for text in ["a:1", "a:2", "a:3"] {
        replace(&file, text);
        daemon.knows(json!({"me": [text]})).await;
    }
}

#[actix_rt::test]
async fn a_misspelt_labels_path_is_a_warning_at_the_start() {
    let daemon = daemon();
    let misspelt = daemon.labels_path().with_file_name("lables");
    let daemon = daemon.set("LABELS_PATH", &misspelt).start().await;
    let warning = daemon.logged("LABELS_PATH does not exist").await;
    assert!(warning.contains("WARN") && warning.contains(misspelt.to_str().unwrap()), "{warning}");
    daemon.knows(json!({"me": []})).await;
    assert_eq!(daemon.own_labels().await, json!([]));
    assert_eq!(daemon.logs_with("LABELS_PATH does not exist").len(), 1, "it is said once");
}

#[actix_rt::test]
async fn a_missing_default_labels_path_is_fine() {
    let daemon = daemon().unset("LABELS_PATH").start().await;
    daemon.meets("me").await;
    assert!(daemon.logs_with("LABELS_PATH does").is_empty(), "{:?}", daemon.logs());
}

#[actix_rt::test]
async fn a_directory_that_appears_later_is_followed() {
    let daemon = daemon();
    fs::remove_dir(daemon.labels_path()).unwrap();
    let daemon = daemon.start().await;
    daemon.knows(json!({"me": []})).await;
    fs::create_dir(daemon.labels_path()).unwrap();
    fs::write(daemon.labels_path().join("file"), "a:1").unwrap();
    daemon.knows(json!({"me": ["a:1"]})).await;
    fs::write(daemon.labels_path().join("file"), "a:2").unwrap();
    daemon.knows(json!({"me": ["a:2"]})).await;
}

#[actix_rt::test]
async fn a_directory_removed_and_made_again_is_followed() {
    let daemon = daemon();
    fs::write(daemon.labels_path().join("file"), "a:1").unwrap();
    let daemon = daemon.start().await;
    for text in ["a:2", "a:3"] {
        fs::remove_dir_all(daemon.labels_path()).unwrap();
        daemon.knows(json!({"me": []})).await;
        fs::create_dir(daemon.labels_path()).unwrap();
        fs::write(daemon.labels_path().join("file"), text).unwrap();
        daemon.knows(json!({"me": [text]})).await;
    }
    // Watched again, not just read once.
    fs::write(daemon.labels_path().join("file"), "a:4").unwrap();
    daemon.knows(json!({"me": ["a:4"]})).await;
}

#[actix_rt::test]
async fn a_directory_moved_away_is_followed_by_what_takes_its_place() {
    let daemon = daemon();
    fs::write(daemon.labels_path().join("file"), "old:1").unwrap();
    let daemon = daemon.start().await;
    let (labels, parked) = (daemon.labels_path(), daemon.labels_path().with_file_name("parked"));
    fs::create_dir(&parked).unwrap();
    fs::write(parked.join("file"), "new:1").unwrap();
    fs::rename(&labels, labels.with_file_name("aside")).unwrap();
    fs::rename(&parked, &labels).unwrap();
    daemon.knows(json!({"me": ["new:1"]})).await;
    fs::write(labels.join("file"), "new:2").unwrap();
    daemon.knows(json!({"me": ["new:2"]})).await;
}

/// A directory of labels beside the one that is read.
fn version(daemon: &LobbydBuilder, name: &str, label: &str) -> std::path::PathBuf {
    let directory = daemon.labels_path().with_file_name(name);
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("file"), label).unwrap();
    directory
}

#[actix_rt::test]
async fn a_path_that_is_a_symlink_may_be_pointed_elsewhere() {
    let daemon = daemon();
    let (one, two) = (version(&daemon, "one", "a:1"), version(&daemon, "two", "a:2"));
    let link = daemon.labels_path().with_file_name("link");
    symlink(one, &link).unwrap();
    let daemon = daemon.set("LABELS_PATH", &link).start().await;
    daemon.knows(json!({"me": ["a:1"]})).await;
    let beside = link.with_file_name("link.new");
    symlink(&two, &beside).unwrap();
    fs::rename(beside, &link).unwrap();
    daemon.knows(json!({"me": ["a:2"]})).await;
    fs::write(two.join("file"), "a:3").unwrap();
    daemon.knows(json!({"me": ["a:3"]})).await;
}

#[actix_rt::test]
async fn a_kubernetes_config_map_is_followed_through_its_swaps() {
    let daemon = daemon();
    let labels = daemon.labels_path();
    let swap = |version: &str, text: &str| {
        fs::create_dir(labels.join(version)).unwrap();
        fs::write(labels.join(version).join("file"), text).unwrap();
        symlink(version, labels.join("..data_tmp")).unwrap();
        fs::rename(labels.join("..data_tmp"), labels.join("..data")).unwrap();
    };
    swap("..2026_01", "a:1");
    symlink("..data/file", labels.join("file")).unwrap();
    let daemon = daemon.start().await;
    daemon.knows(json!({"me": ["a:1"]})).await;
    for (version, text) in [("..2026_02", "a:2"), ("..2026_03", "a:3")] {
        swap(version, text);
        daemon.knows(json!({"me": [text]})).await;
    }
}

#[actix_rt::test]
async fn files_of_editors_and_package_managers_are_skipped() {
    let daemon = daemon();
    let left =
        [".hidden", "file~", "file.swp", "file.tmp", "file.dpkg-old", "file.dpkg-dist", "..data"];
    for name in left {
        fs::write(daemon.labels_path().join(name), "wrong:1").unwrap();
    }
    fs::write(daemon.labels_path().join("file.conf"), "right:1").unwrap();
    let daemon = daemon.start().await;
    daemon.knows(json!({"me": ["right:1"]})).await;
    assert!(daemon.logs_with("WARN").is_empty(), "{:?}", daemon.logs());
}

#[actix_rt::test]
async fn what_cannot_be_read_is_one_warning_each() {
    let daemon = daemon().set("KEEP_ALIVE", "1").labels("env:1");
    let labels = daemon.labels_path();
    fs::create_dir(labels.join("a-directory")).unwrap();
    symlink("/nowhere/at/all", labels.join("a-dangling-link")).unwrap();
    fs::write(
        labels.join("bad-line"),
        format!("good:1\nbad\u{7}line\n{}\ngood:2\n", "long".repeat(300)),
    )
    .unwrap();
    fs::write(labels.join("not-text"), b"good:3\n\xff\xfe\n").unwrap();
    let daemon = daemon.start().await;
    daemon.knows(json!({"me": ["env:1", "good:1", "good:2", "good:3"]})).await;
    for name in ["a-directory", "a-dangling-link", "bad-line", "not-text"] {
        daemon.logged(name).await;
    }
    let before = daemon.logs_with("WARN").len();
    // The files are read again and again; the warnings are not repeated.
    for round in 0..5 {
        fs::write(labels.join("round"), format!("round:{round}")).unwrap();
        daemon
            .knows(json!({"me": ["env:1", "good:1", "good:2", "good:3", format!("round:{round}")]}))
            .await;
    }
    assert_eq!(daemon.logs_with("WARN").len(), before, "{:?}", daemon.logs());
}

#[actix_rt::test]
async fn a_change_without_an_event_is_seen_with_the_next_keep_alive() {
    let daemon = Lobbyd::named("me");
    let elsewhere = version(&daemon, "elsewhere", "a:1");
    symlink(elsewhere.join("file"), daemon.labels_path().join("link")).unwrap();
    let daemon = daemon.start().await;
    daemon.knows(json!({"me": ["a:1"]})).await;
    fs::write(elsewhere.join("file"), "a:2").unwrap();
    daemon.knows(json!({"me": ["a:2"]})).await;
}

#[actix_rt::test]
async fn a_burst_of_changes_ends_in_the_last_state() {
    let daemon = daemon().start().await;
    for number in 0..200 {
        fs::write(
            daemon.labels_path().join(format!("file-{}", number % 20)),
            format!("n:{number:03}"),
        )
        .unwrap();
    }
    let last: Vec<String> = (180..200).map(|number| format!("n:{number:03}")).collect();
    daemon.knows(json!({"me": last})).await;
}
