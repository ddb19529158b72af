use std::fs;
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use lobby_client::{HostName, Label};
use tempfile::TempDir;

use super::*;
use crate::config::{FactSettings, LocalHostSettings};
use crate::labels::local_host::LocalReading;
use crate::labels::runtime_file::MAX_FILE_LEN;
use lobby_core::wire::envelope::MAX_LABELS;
use lobby_core::wire::limits::LimitExceeded;

const RUNTIME: &str = "_runtime";

fn directory_of(files: &[(&str, &[u8])]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, contents) in files {
        fs::write(dir.path().join(name), contents).unwrap();
    }
    dir
}

fn labels(texts: &[&str]) -> Vec<Label> {
    texts.iter().map(|text| Label::parse(text).unwrap()).collect()
}

fn store_of(directory: &Path, runtime_labels_filename: &str) -> LabelStore {
    LabelStore::new(LocalHost::new(LocalHostSettings {
        hostname: HostName::parse("a").ok(),
        labels: vec![],
        labels_path: directory.to_owned(),
        labels_path_is_set: false,
        runtime_labels_filename: runtime_labels_filename.to_owned(),
        state_path: None,
        facts: FactSettings::default(),
    }))
}

impl LabelStore {
    /// Adds labels and returns all that are there then.
    fn add(&mut self, texts: &[&str]) -> Result<Vec<Label>, StoreError> {
        let (reading, stored) =
            self.change(&LabelChange::Add(labels(texts)), &CommitGate::default());
        stored.map(|()| reading.labels())
    }

    /// Removes labels and returns all that are there then.
    fn delete(&mut self, texts: &[&str]) -> Result<Vec<Label>, StoreError> {
        let (reading, stored) =
            self.change(&LabelChange::Delete(labels(texts)), &CommitGate::default());
        stored.map(|()| reading.labels())
    }
}

#[test]
fn labels_are_stored_sorted_in_a_directory_made_for_them() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lobby/labels");
    let mut store = store_of(&path, RUNTIME);
    let contents = || fs::read_to_string(path.join(RUNTIME)).unwrap();
    assert_eq!(store.add(&["b:2", "a:1"]).unwrap(), labels(&["a:1", "b:2"]));
    assert_eq!(contents(), "a:1\nb:2\n");
    assert_eq!(store.delete(&["a:1", "unknown"]).unwrap(), labels(&["b:2"]));
    assert_eq!(contents(), "b:2\n");
    assert_eq!(store.delete(&["b:2"]).unwrap(), []);
    assert_eq!(contents(), "");
}

#[test]
fn nothing_is_written_when_nothing_changes() {
    let dir = directory_of(&[(RUNTIME, b"b:2\n a:1")]);
    let mut store = store_of(dir.path(), RUNTIME);
    assert_eq!(store.add(&["a:1"]).unwrap(), labels(&["a:1", "b:2"]));
    assert_eq!(store.delete(&["c:3"]).unwrap(), labels(&["a:1", "b:2"]));
    assert_eq!(fs::read_to_string(dir.path().join(RUNTIME)).unwrap(), "b:2\n a:1");
    assert_eq!(store_of(&dir.path().join("missing"), RUNTIME).delete(&["c:3"]).unwrap(), []);
    assert!(!dir.path().join("missing").exists());
}

#[test]
fn a_change_shows_the_labels_of_the_other_files_too() {
    let dir = directory_of(&[("file", b"a:1\nb:2\n"), (RUNTIME, b"a:1\nc:3\n")]);
    let mut store = store_of(dir.path(), RUNTIME);
    assert_eq!(store.add(&["d:4"]).unwrap(), labels(&["a:1", "b:2", "c:3", "d:4"]));
    assert_eq!(store.delete(&["a:1", "c:3"]).unwrap(), labels(&["a:1", "b:2", "d:4"]));
}

#[test]
fn lines_edited_by_hand_count_and_invalid_ones_are_kept() {
    let dir = directory_of(&[(RUNTIME, b"z:9\r\nby:hand\n\nnot \xff utf8\n")]);
    store_of(dir.path(), RUNTIME).add(&["a:1"]).unwrap();
    assert_eq!(fs::read(dir.path().join(RUNTIME)).unwrap(), b"a:1\nby:hand\nnot \xff utf8\nz:9\n");
}

#[test]
fn a_linked_runtime_file_stays_a_link() {
    let dir = directory_of(&[(".elsewhere", b"a:1\n")]);
    let path = dir.path().join(RUNTIME);
    symlink(".elsewhere", &path).unwrap();
    store_of(dir.path(), RUNTIME).add(&["b:2"]).unwrap();
    assert!(path.is_symlink());
    assert_eq!(fs::read_to_string(dir.path().join(".elsewhere")).unwrap(), "a:1\nb:2\n");
}

#[test]
fn a_link_that_leads_nowhere_is_told_of_and_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(RUNTIME);
    symlink("nowhere", &path).unwrap();
    let mut store = store_of(dir.path(), RUNTIME);
    assert_eq!(store.read().problems.len(), 1);
    assert_eq!(store.add(&["a:1"]).unwrap(), labels(&["a:1"]));
    assert!(!path.is_symlink() && store.read().problems.is_empty());
}

#[test]
fn a_runtime_file_that_cannot_be_read_is_left_alone() {
    let dir = directory_of(&[("huge", &vec![b'x'; MAX_FILE_LEN + 1])]);
    let path = dir.path().join(RUNTIME);
    fs::create_dir(&path).unwrap();
    let error = store_of(dir.path(), RUNTIME).add(&["a:1"]).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot read {}: is a directory, not a regular file", path.display())
    );
    assert!(store_of(dir.path(), "huge").add(&["a:1"]).is_err());
    assert_eq!(fs::metadata(dir.path().join("huge")).unwrap().len(), 1_048_577);
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let dir = directory_of(&[("file", b"")]);
    let error =
        store_of(&dir.path().join("file/labels"), RUNTIME).add(&["a:1"]).unwrap_err().to_string();
    assert!(error.contains(&format!("{}/file", dir.path().display())), "{error}");
}

#[test]
fn a_file_that_would_become_too_large_is_not_written() {
    let many: Vec<_> = (0..1024).map(|n| format!("{n}:{}", "x".repeat(1018))).collect();
    let dir = directory_of(&[(RUNTIME, many.join("\n").as_bytes())]);
    let len = || fs::metadata(dir.path().join(RUNTIME)).unwrap().len();
    let before = len();
    let mut store = store_of(dir.path(), RUNTIME);
    store.delete(&[&many[0]]).unwrap();
    assert!(len() < before);
    assert!(
        store
            .files
            .write_runtime(&vec![b'x'; MAX_FILE_LEN + 1], None, &CommitGate::default())
            .is_err()
    );
    assert!(len() < before);
    assert_eq!(fs::metadata(dir.path().join(RUNTIME)).unwrap().permissions().mode() & 0o777, 0o644);
}

#[test]
fn labels_stay_while_the_directory_cannot_be_listed() {
    let parent = tempfile::tempdir().unwrap();
    let (path, away) = (parent.path().join("labels"), parent.path().join("away"));
    let mut store = store_of(&path, RUNTIME);
    let mut seen = || {
        let read = store.read();
        let LocalReading { packet, problems } = store.host.reading(&read);
        (packet.unwrap().labels, problems.len())
    };
    fs::create_dir(&path).unwrap();
    fs::write(path.join("file"), "a:1").unwrap();
    assert_eq!(seen(), (labels(&["a:1"]), 0));
    fs::rename(&path, &away).unwrap();
    fs::write(&path, "not a directory").unwrap();
    assert_eq!(seen(), (labels(&["a:1"]), 1));
    assert_eq!(seen(), (labels(&["a:1"]), 1));
    fs::remove_file(&path).unwrap();
    assert_eq!(seen(), (vec![], 0), "it is missing, and that is not a problem");
}

#[test]
fn a_label_that_would_be_left_out_is_refused_and_not_stored() {
    let dir = tempfile::tempdir().unwrap();
    let lines: Vec<_> = (0..=MAX_LABELS).map(|number| format!("n:{number:04}")).collect();
    fs::write(dir.path().join("file"), lines.join("\n")).unwrap();
    let refusal = store_of(dir.path(), RUNTIME).add(&["z:1"]).unwrap_err();
    assert!(
        matches!(refusal, StoreError::LimitExceeded(LimitExceeded::Labels(count)) if count == MAX_LABELS + 2)
    );
    assert!(!dir.path().join(RUNTIME).exists());
}

#[test]
fn a_change_that_was_given_up_is_not_stored() {
    let dir = directory_of(&[("file", b"a:1\n")]);
    let gate = CommitGate::default();
    gate.give_up();
    let (reading, stored) =
        store_of(dir.path(), RUNTIME).change(&LabelChange::Add(labels(&["b:2"])), &gate);
    assert!(matches!(stored, Err(StoreError::TooSlow)));
    assert_eq!(reading.labels(), labels(&["a:1"]));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file is left");
}

/// Waits until a further change of files would give them another time.
async fn settle(store: &mut LabelStore) {
    while store.read_if_changed().is_some() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn what_a_change_has_read_and_written_is_not_read_again() {
    let dir = directory_of(&[("file", b"a:1\n")]);
    let mut store = store_of(dir.path(), RUNTIME);
    settle(&mut store).await;
    store.add(&["b:2"]).unwrap();
    assert!(store.read_if_changed().is_none());
}

#[tokio::test]
async fn a_change_of_any_file_is_read() {
    let dir = directory_of(&[("file", b"a:1\n"), (RUNTIME, b"b:2\n")]);
    let mut store = store_of(dir.path(), RUNTIME);
    for (name, contents) in [("file", "a:2\n"), (RUNTIME, "b:3\n"), ("new", "c:1\n")] {
        settle(&mut store).await;
        fs::write(dir.path().join(name), contents).unwrap();
        assert!(store.read_if_changed().is_some(), "{name} is another");
    }
    settle(&mut store).await;
    fs::remove_file(dir.path().join("new")).unwrap();
    assert_eq!(store.read_if_changed().unwrap().labels(), labels(&["a:2", "b:3"]));
}

#[test]
fn a_file_read_right_after_a_change_is_read_again() {
    let dir = directory_of(&[]);
    let mut store = store_of(dir.path(), RUNTIME);
    fs::write(dir.path().join("file"), "a:1\n").unwrap();
    store.read();
    assert!(store.read_if_changed().is_some(), "it might have been changed again in the same tick");
}

/// Exists for as long as the writer may write, so that it ends by itself if its test is gone.
const LEASE: &str = ".lease";

/// Killed at any moment, a writer leaves the old labels or the new.
#[tokio::test]
async fn a_killed_writer_leaves_no_torn_file() {
    let dir = directory_of(&[(LEASE, b"")]);
    let mut times_full = 0;
    for _ in 0..200 {
        let mut writer = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "labels::store::tests::writes_while_it_may",
                "--ignored",
                "--nocapture",
            ])
            .current_dir(dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = writer.stdout.take().unwrap();
        while !next_byte_is(&mut output, b'#') {}
        tokio::time::sleep(Duration::from_micros(fastrand::u64(..3000))).await;
        writer.kill().unwrap();
        writer.wait().unwrap();
        let read = store_of(dir.path(), RUNTIME).read();
        let (labels, problems) = (read.labels(), read.problems);
        assert!(labels.is_empty() || labels == block(), "{} labels", labels.len());
        assert_eq!(problems, []);
        times_full += usize::from(!labels.is_empty());
    }
    assert_ne!(times_full, 0, "no writer lived long enough to write");
}

fn next_byte_is(output: &mut impl Read, wanted: u8) -> bool {
    let mut byte = [0];
    output.read_exact(&mut byte).expect("the writer ended");
    byte[0] == wanted
}

fn block() -> Vec<Label> {
    let mut labels: Vec<_> =
        (0..500).map(|n| Label::parse(&format!("label:{n}")).unwrap()).collect();
    labels.sort_unstable();
    labels
}

#[test]
#[ignore = "does nothing by itself: started, and killed, by a_killed_writer_leaves_no_torn_file"]
fn writes_while_it_may() {
    let mut store = store_of(Path::new("."), RUNTIME);
    println!("#");
    while Path::new(LEASE).exists() {
        store.change(&LabelChange::Add(block()), &CommitGate::default()).1.unwrap();
        store.change(&LabelChange::Delete(block()), &CommitGate::default()).1.unwrap();
    }
}
