use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use tempfile::TempDir;

use super::*;

const RUNTIME: &str = "_runtime";

fn directory_of(files: &[(&str, &[u8])]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, contents) in files {
        fs::write(dir.path().join(name), contents).unwrap();
    }
    dir
}

fn read(dir: &TempDir) -> LabelsRead {
    read_labels(dir.path(), RUNTIME).unwrap()
}

fn labels(texts: &[&str]) -> Vec<Label> {
    texts.iter().map(|text| Label::parse(text).unwrap()).collect()
}

/// Problems with the directory left out.
fn problems(read: &LabelsRead, dir: &TempDir) -> Vec<String> {
    let prefix = format!("{}/", dir.path().display());
    read.problems.iter().map(|problem| problem.to_string().replace(&prefix, "")).collect()
}

#[test]
fn labels_of_all_files_are_united_trimmed_and_sorted() {
    let dir = directory_of(&[
        ("a", b" service:web \r\n\n\tlocation:prague\n"),
        ("b.conf", b"service:web\nadmin:v\xc3\xa1clav"),
        (RUNTIME, b"drained\n"),
        ("empty", b""),
    ]);
    let read = read(&dir);
    assert_eq!(read.labels, labels(&["admin:v\u{e1}clav", "drained", "location:prague", "service:web"]));
    assert_eq!(read.problems, []);
}

#[test]
fn a_missing_directory_holds_no_labels_and_a_file_in_its_place_is_a_problem() {
    let dir = directory_of(&[("file", b"a:1\n")]);
    assert_eq!(read_labels(&dir.path().join("missing"), RUNTIME), Ok(LabelsRead::default()));
    let problem = read_labels(&dir.path().join("file"), RUNTIME).unwrap_err();
    assert_eq!((problem.path, problem.line), (dir.path().join("file"), None));
}

#[test]
fn what_editors_and_package_managers_leave_is_skipped() {
    let names = [".hidden", "a~", "a.swp", "a.tmp", "a.dpkg-old", "a.dpkg-dist", "..2026_01_01"];
    let dir = directory_of(&names.map(|name| (name, b"left:behind\n".as_slice())));
    for name in ["swp", "tmp", "dpkg-list", "a.tmpl", "tmp.a"] {
        fs::write(dir.path().join(name), format!("from:{name}\n")).unwrap();
    }
    let read = read(&dir);
    assert_eq!(read.labels, labels(&["from:a.tmpl", "from:dpkg-list", "from:swp", "from:tmp", "from:tmp.a"]));
    assert_eq!(read.problems, []);
}

#[test]
fn the_runtime_file_is_read_whatever_its_name() {
    let dir = directory_of(&[(".runtime", b"a:1\n"), (".other", b"b:2\n")]);
    assert_eq!(read_labels(dir.path(), ".runtime").unwrap().labels, labels(&["a:1"]));
}

#[test]
fn a_config_map_is_read_through_its_links() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("..2026_01_01")).unwrap();
    fs::write(dir.path().join("..2026_01_01/labels"), "a:1\n").unwrap();
    symlink("..2026_01_01", dir.path().join("..data")).unwrap();
    symlink("..data/labels", dir.path().join("labels")).unwrap();
    assert_eq!(read(&dir), LabelsRead { labels: labels(&["a:1"]), problems: vec![] });
}

#[test]
fn odd_files_are_one_problem_each_and_everything_else_counts() {
    let dir = directory_of(&[("good", b"a:1\n"), ("huge", &vec![b'x'; MAX_FILE_LEN + 1])]);
    fs::create_dir(dir.path().join("directory")).unwrap();
    symlink("nowhere", dir.path().join("link")).unwrap();
    mknodat(CWD, dir.path().join("fifo"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let read = read(&dir);
    assert_eq!(read.labels, labels(&["a:1"]));
    assert_eq!(
        problems(&read, &dir),
        [
            "directory: is a directory, not a regular file",
            "fifo: is a FIFO, not a regular file",
            "huge: is larger than 1048576 bytes",
            "link: No such file or directory (os error 2)",
        ]
    );
}

#[test]
fn a_bad_line_is_named_and_the_others_count() {
    let long = "x".repeat(1025);
    let contents = [b"a:1\n\nb:\x00\nc:\xff\n".as_slice(), long.as_bytes(), b"\nd:4\n"].concat();
    let dir = directory_of(&[("mixed", &contents)]);
    let read = read(&dir);
    assert_eq!(read.labels, labels(&["a:1", "d:4"]));
    assert_eq!(
        problems(&read, &dir),
        [
            r#"mixed:3: label "b:\0" holds a control character"#,
            "mixed:4: a label must be UTF-8",
            "mixed:5: a label of 1025 bytes is too long: at most 1024 are allowed",
        ]
    );
}

#[test]
fn a_file_that_is_no_label_file_at_all_is_told_of_in_a_few_lines() {
    let dir = directory_of(&[("binary", &b"\xff\n".repeat(1000))]);
    let told = problems(&read(&dir), &dir);
    assert_eq!((told.len(), told[5].as_str()), (6, "binary: 995 more lines are no labels"));
}

#[test]
fn labels_are_stored_sorted_in_a_directory_made_for_them() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lobby/labels/_runtime");
    let runtime = RuntimeLabels::new(path.clone());
    assert!(runtime.add(&labels(&["b:2", "a:1"])).unwrap());
    assert_eq!(fs::read_to_string(&path).unwrap(), "a:1\nb:2\n");
    assert!(runtime.delete(&labels(&["a:1", "unknown"])).unwrap());
    assert_eq!(fs::read_to_string(&path).unwrap(), "b:2\n");
    assert!(runtime.delete(&labels(&["b:2"])).unwrap());
    assert_eq!(fs::read_to_string(&path).unwrap(), "");
}

#[test]
fn nothing_is_written_when_nothing_changes() {
    let dir = directory_of(&[(RUNTIME, b"b:2\n a:1")]);
    let path = dir.path().join(RUNTIME);
    let runtime = RuntimeLabels::new(path.clone());
    assert!(!runtime.add(&labels(&["a:1"])).unwrap());
    assert!(!runtime.delete(&labels(&["c:3"])).unwrap());
    assert_eq!(fs::read_to_string(&path).unwrap(), "b:2\n a:1");
    assert!(!RuntimeLabels::new(dir.path().join("missing/file")).delete(&labels(&["c:3"])).unwrap());
    assert!(!dir.path().join("missing").exists());
}

#[test]
fn lines_written_by_hand_count_and_are_kept_even_if_they_are_no_labels() {
    let dir = directory_of(&[(RUNTIME, b"z:9\r\nby:hand\n\nnot \xff utf8\n")]);
    let path = dir.path().join(RUNTIME);
    RuntimeLabels::new(path.clone()).add(&labels(&["a:1"])).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"a:1\nby:hand\nnot \xff utf8\nz:9\n");
}

#[test]
fn a_linked_runtime_file_stays_a_link() {
    let dir = directory_of(&[("elsewhere", b"a:1\n")]);
    let path = dir.path().join(RUNTIME);
    symlink("elsewhere", &path).unwrap();
    RuntimeLabels::new(path.clone()).add(&labels(&["b:2"])).unwrap();
    assert!(path.is_symlink());
    assert_eq!(fs::read_to_string(dir.path().join("elsewhere")).unwrap(), "a:1\nb:2\n");
}

#[test]
fn a_runtime_file_that_cannot_be_read_is_left_alone() {
    let dir = directory_of(&[("huge", &vec![b'x'; MAX_FILE_LEN + 1])]);
    let path = dir.path().join(RUNTIME);
    fs::create_dir(&path).unwrap();
    let error = RuntimeLabels::new(path.clone()).add(&labels(&["a:1"])).unwrap_err();
    assert_eq!(format!("{error:#}"), format!("cannot read {}: is a directory, not a regular file", path.display()));
    assert!(RuntimeLabels::new(dir.path().join("huge")).add(&labels(&["a:1"])).is_err());
    assert_eq!(fs::metadata(dir.path().join("huge")).unwrap().len(), 1_048_577);
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let dir = directory_of(&[("file", b"")]);
    let error = RuntimeLabels::new(dir.path().join("file/labels")).add(&labels(&["a:1"])).unwrap_err();
    assert!(format!("{error:#}").contains(&format!("{}/file", dir.path().display())), "{error:#}");
}

#[test]
fn overlapping_calls_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = RuntimeLabels::new(dir.path().join(RUNTIME));
    std::thread::scope(|scope| {
        for number in 0..40 {
            let runtime = &runtime;
            scope.spawn(move || runtime.add(&labels(&[&format!("n:{number}")])).unwrap());
        }
    });
    assert_eq!(read(&dir).labels.len(), 40);
}

#[test]
fn a_file_that_would_become_too_large_is_not_written() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = RuntimeLabels::new(dir.path().join(RUNTIME));
    let many: Vec<_> = (0..1024).map(|n| Label::parse(&format!("{n}:{}", "x".repeat(1018))).unwrap()).collect();
    runtime.add(&many).unwrap();
    let before = fs::metadata(dir.path().join(RUNTIME)).unwrap();
    let more: Vec<_> = many.iter().map(|label| Label::parse(&format!("y{label}")).unwrap()).collect();
    assert!(runtime.add(&more).is_err());
    assert_eq!(fs::metadata(dir.path().join(RUNTIME)).unwrap().len(), before.len());
    assert_eq!(before.permissions().mode() & 0o777, 0o644);
}

/// Lies where the writer may write, so that it ends by itself should nobody live to kill it.
const LEASE: &str = ".lease";

/// Killed at any moment, a writer leaves the old labels or the new.
#[tokio::test]
async fn a_killed_writer_leaves_no_torn_file() {
    let dir = directory_of(&[(LEASE, b"")]);
    let mut times_full = 0;
    for _ in 0..200 {
        let mut writer = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "labels::files::tests::writes_while_it_may", "--ignored", "--nocapture"])
            .current_dir(dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = writer.stdout.take().unwrap();
        while !next_byte_is(&mut output, b'#') {}
        tokio::time::sleep(Duration::from_micros(fastrand::u64(..3000))).await;
        writer.kill().unwrap();
        writer.wait().unwrap();
        let read = read(&dir);
        assert!(read.labels.is_empty() || read.labels == block(), "{} labels", read.labels.len());
        assert_eq!(read.problems, []);
        times_full += usize::from(!read.labels.is_empty());
    }
    assert_ne!(times_full, 0, "no writer lived long enough to write");
}

fn next_byte_is(output: &mut impl Read, wanted: u8) -> bool {
    let mut byte = [0];
    output.read_exact(&mut byte).expect("the writer ended");
    byte[0] == wanted
}

fn block() -> Vec<Label> {
    let mut labels: Vec<_> = (0..500).map(|n| Label::parse(&format!("label:{n}")).unwrap()).collect();
    labels.sort_unstable();
    labels
}

#[test]
#[ignore = "does nothing by itself: started, and killed, by a_killed_writer_leaves_no_torn_file"]
fn writes_while_it_may() {
    let runtime = RuntimeLabels::new(RUNTIME.into());
    println!("#");
    while Path::new(LEASE).exists() {
        runtime.add(&block()).unwrap();
        runtime.delete(&block()).unwrap();
    }
}
