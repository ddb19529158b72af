use std::os::unix::fs::symlink;

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
    LabelFiles::new(dir.path(), RUNTIME).read().unwrap().labels()
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
    assert_eq!(
        read.labels(),
        labels(&["admin:v\u{e1}clav", "drained", "location:prague", "service:web"])
    );
    assert_eq!(read.problems, []);
}

#[test]
fn a_missing_directory_is_empty_a_file_in_its_place_is_not() {
    let dir = directory_of(&[("file", b"a:1\n")]);
    let missing = LabelFiles::new(&dir.path().join("missing"), RUNTIME).read().unwrap();
    let no_directory = vec![LabelProblem::NoDirectory(dir.path().join("missing"))];
    assert_eq!((missing.labels().labels(), missing.labels().problems), (vec![], no_directory));
    let problem = LabelFiles::new(&dir.path().join("file"), RUNTIME).read().unwrap_err();
    assert_eq!((problem.path, problem.line), (dir.path().join("file"), None));
}

#[test]
fn files_of_editors_and_package_managers_are_skipped() {
    let names = [".hidden", "a~", "a.swp", "a.tmp", "a.dpkg-old", "a.dpkg-dist", "..2026_01_01"];
    let dir = directory_of(&names.map(|name| (name, b"left:behind\n".as_slice())));
    for name in ["swp", "tmp", "dpkg-list", "a.tmpl", "tmp.a"] {
        fs::write(dir.path().join(name), format!("from:{name}\n")).unwrap();
    }
    let read = read(&dir);
    assert_eq!(
        read.labels(),
        labels(&["from:a.tmpl", "from:dpkg-list", "from:swp", "from:tmp", "from:tmp.a"])
    );
    assert_eq!(read.problems, []);
}

#[test]
fn the_runtime_file_is_read_whatever_its_name() {
    let dir = directory_of(&[(".runtime", b"a:1\n"), (".other", b"b:2\n")]);
    let read = LabelFiles::new(dir.path(), ".runtime").read().unwrap();
    assert_eq!(read.labels().labels(), labels(&["a:1"]));
}

#[test]
fn a_config_map_is_read_through_its_links() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("..2026_01_01")).unwrap();
    fs::write(dir.path().join("..2026_01_01/labels"), "a:1\n").unwrap();
    symlink("..2026_01_01", dir.path().join("..data")).unwrap();
    symlink("..data/labels", dir.path().join("labels")).unwrap();
    let read = read(&dir);
    assert_eq!((read.labels(), read.problems), (labels(&["a:1"]), vec![]));
}

#[test]
fn odd_files_are_one_problem_each_and_everything_else_counts() {
    let dir = directory_of(&[("good", b"a:1\n"), ("huge", &vec![b'x'; MAX_FILE_LEN + 1])]);
    fs::create_dir(dir.path().join("directory")).unwrap();
    symlink("nowhere", dir.path().join("link")).unwrap();
    mknodat(CWD, dir.path().join("fifo"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let read = read(&dir);
    assert_eq!(read.labels(), labels(&["a:1"]));
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
    assert_eq!(read.labels(), labels(&["a:1", "d:4"]));
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
fn a_binary_file_is_only_a_few_problems() {
    let dir = directory_of(&[("binary", &b"\xff\n".repeat(1000))]);
    let told = problems(&read(&dir), &dir);
    assert_eq!((told.len(), told[5].as_str()), (6, "binary: 995 more lines are no labels"));
}
