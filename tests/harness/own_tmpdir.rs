//! What `tests/own-tmpdir` finds when the tests are over.

use std::path::Path;
use std::process::Command;

use crate::eventually::{LIMIT, ensure, eventually};

/// The exit status and what was said, of a shell script that is run by it.
fn run(script: &str) -> (Option<i32>, String) {
    let own_tmpdir = Path::new(env!("CARGO_MANIFEST_DIR")).join("own-tmpdir");
    let output = Command::new(own_tmpdir).args(["sh", "-c", script]).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn who_leaves_nothing_has_its_own_status() {
    assert_eq!(
        run("touch \"$TMPDIR/x\"; rm \"$TMPDIR/x\"; sleep 0.3 & exit 3"),
        (Some(3), String::new())
    );
    assert_eq!(run("true"), (Some(0), String::new()));
}

#[test]
fn a_file_that_was_left_is_named() {
    let (status, said) = run("touch \"$TMPDIR/x\"");
    assert_eq!(status, Some(1));
    assert!(said.contains("has left something in its temporary directory: ./x"), "{said}");
}

#[actix_rt::test]
async fn a_program_that_was_left_running_is_named_and_ended() {
    let (status, said) = run("sleep 314 >/dev/null 2>&1 & echo $! >&2");
    assert_eq!(status, Some(1));
    assert!(said.contains("has left a program running: sleep 314"), "{said}");
    let id = said.lines().next().unwrap();
    // A program that is ended has no words any more.
    eventually(LIMIT, async || {
        let words = std::fs::read_to_string(format!("/proc/{id}/cmdline")).unwrap_or_default();
        ensure(!words.contains("314"), words)
    })
    .await;
}
