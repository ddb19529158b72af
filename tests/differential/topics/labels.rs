//! Labels posted and deleted, label files, and what is stored.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;

use super::Run;
use crate::http::{self, Request};
use crate::observation::Observation;
use crate::pair::Pair;
use crate::programs::{Daemon, listening_only, settings, start_with};

const TOPIC: &str = "labels";

pub(crate) fn all(run: &Run) {
    let labels = "from:env, spaced label ,,from:env,both:1";
    let own = settings(&[("DRIVER", "Local"), ("LABELS", labels), ("REGISTER", "true")]);
    let daemons = start_with(&run.programs, &[listening_only(), own].concat(), &write_label_files);
    compare_state(run, "at the start", &daemons);
    for request in requests() {
        let seen = daemons.map(|daemon| http::ask(daemon.address(), &request));
        run.report.compare(TOPIC, &request.name(), seen);
        compare_state(run, &format!("after {}", request.name()), &daemons);
    }
    files(run, &daemons);
    unusable(run);
}

fn write_label_files(home: &Path) {
    let labels = home.join("labels");
    let files: &[(&str, &[u8])] = &[
        ("base", b"rack:b7\r\n\n  padded:1  \nboth:1\nfrom:file"),
        ("unicode", "žluťoučký:kůň\n😀\ncomma,in,it\n".as_bytes()),
        ("bad", b"fine:1\nbad\x01:2\n\xff\xfe\nfine:2\n"),
        (".hidden", b"hidden:1\n"),
        ("copy~", b"copy:1\n"),
        ("edited.swp", b"swap:1\n"),
        ("x.tmp", b"tmp:1\n"),
        ("x.dpkg-new", b"dpkg:1\n"),
    ];
    for (name, text) in files {
        std::fs::write(labels.join(name), text).expect("a temporary file can be written");
    }
    std::fs::write(labels.join("long"), format!("{}\n{}\n", "l".repeat(1024), "l".repeat(1025)))
        .expect("written");
    std::fs::create_dir(labels.join("directory")).expect("a directory can be made");
}

fn requests() -> Vec<Request> {
    let post = |body: &str| Request::new("POST", "/v1/labels", body);
    let delete = |body: &str| Request::new("DELETE", "/v1/labels", body);
    let many: String = (0..900).map(|number| format!("many:{number}\n")).collect();
    let more: String = (0..200).map(|number| format!("more:{number}\n")).collect();
    let wide: String = (0..260).map(|number| format!("{number}:{}\n", "w".repeat(240))).collect();
    let long = "x".repeat(1024);
    vec![
        post("maintenance:yes"),
        post("maintenance:yes"),
        post("b:2\r\na:1\n\n  c:3  \n"),
        post(""),
        post("\n\n"),
        post("rack:b7"),
        post("from:env"),
        post("comma,in,it2"),
        post("ok:1\nbad\x01:2\n"),
        post("ok:1\n\tx\ty\n"),
        post(&long),
        post(&format!("{long}x")),
        post(&format!("fine\n{long}x\n")),
        Request::new("POST", "/v1/labels", b"fine\n\xff\xfe\n"),
        Request::new("POST", "/v1/labels?%zz", "query:2"),
        post("type:1").header("Content-Type", "application/json"),
        delete("type:1"),
        post("type:2").header("Content-Type", "application/x-www-form-urlencoded"),
        post("5\r\nchunk\r\n3\r\n:1\n\r\n0\r\n\r\n").header("Transfer-Encoding", "chunked"),
        post("coded:1").header("Content-Encoding", "gzip"),
        post(&"x:1\n".repeat(16 * 1024)),
        post(&"x:1\n".repeat(16 * 1024 + 1)),
        post(&format!("{:x}\r\n{}\r\n0\r\n\r\n", 65_537, "y".repeat(65_537)))
            .header("Transfer-Encoding", "chunked"),
        post("expected:1").header("Expect", "100-continue"),
        post(&many),
        post(&more),
        delete(&many),
        post(&wide),
        post(&wide.replace(":w", ":v")),
        post(&wide.replace(":w", ":u")),
        post(&wide.replace(":w", ":t")),
        post(&wide.replace(":w", ":s")),
        delete(&wide),
        delete(&wide.replace(":w", ":v")),
        delete(&wide.replace(":w", ":u")),
        delete(&wide.replace(":w", ":t")),
        delete("maintenance:yes"),
        delete("maintenance:yes"),
        delete("rack:b7"),
        delete("from:env"),
        delete("not:there\nb:2\n"),
        delete("bad\x01"),
        delete(""),
        delete(&format!("{long}x")),
        Request::new("DELETE", "/v1/labels", b"\xff"),
        delete(&"x:1\n".repeat(16 * 1024 + 1)),
        post("žluť:😀\n"),
    ]
}

/// The own packet, the list and the file of run-time labels.
fn compare_state(run: &Run, case: &str, daemons: &Pair<Daemon>) {
    run.report.compare_settled(TOPIC, case, Duration::from_secs(3), || daemons.map(state));
}

fn state(daemon: &Daemon) -> Observation {
    let runtime = daemon.home().join("labels/_runtime");
    let mode = std::fs::metadata(&runtime).map_or(0, |metadata| metadata.permissions().mode());
    let list: serde_json::Value =
        serde_json::from_str(&http::get(daemon.address(), "/v1/discoveries")).unwrap_or_default();
    let names: Vec<_> = std::fs::read_dir(daemon.home().join("labels"))
        .map(|entries| entries.filter_map(|entry| Some(entry.ok()?.file_name())).collect())
        .unwrap_or_default();
    let mut names: Vec<_> = names.iter().map(|name| name.to_string_lossy().into_owned()).collect();
    names.sort();
    Observation::default()
        .with("body", http::get(daemon.address(), "/v1/discovery"))
        .with("list", list[0]["labels"].to_string())
        .with("file", std::fs::read(runtime).unwrap_or_default())
        .with("mode", format!("{mode:o}"))
        .with("names", names.join(" "))
}

/// What is done to the directory of label files.
type Step = (&'static str, fn(&Path));

/// Files that change, and what is read again on SIGHUP.
fn files(run: &Run, daemons: &Pair<Daemon>) {
    let steps: &[Step] = &[
        ("a file is added", |labels| drop(std::fs::write(labels.join("new"), "new:1\n"))),
        ("a file is written anew", |labels| drop(std::fs::write(labels.join("base"), "base:2\n"))),
        ("a file is removed", |labels| drop(std::fs::remove_file(labels.join("unicode")))),
        ("run-time labels are edited", |labels| {
            drop(std::fs::write(labels.join("_runtime"), "edited:1\n b \n\n"));
        }),
        ("run-time labels are removed", |labels| {
            drop(std::fs::remove_file(labels.join("_runtime")));
        }),
        ("a link to another file", |labels| {
            drop(std::os::unix::fs::symlink("new", labels.join("link")));
        }),
        ("a dangling link", |labels| {
            drop(std::os::unix::fs::symlink("nowhere", labels.join("dangling")));
        }),
        ("the directory is moved away", |labels| {
            drop(std::fs::rename(labels, labels.with_file_name("away")));
        }),
        ("the directory is back", |labels| {
            drop(std::fs::rename(labels.with_file_name("away"), labels));
        }),
    ];
    for (name, step) in steps {
        for daemon in daemons.both() {
            step(&daemon.home().join("labels"));
            daemon.signal(Signal::HUP);
        }
        compare_state(run, name, daemons);
        let request = Request::new("POST", "/v1/labels", "after:1");
        let seen = daemons.map(|daemon| http::ask(daemon.address(), &request));
        run.report.compare(TOPIC, &format!("{name}, then {}", request.name()), seen);
        compare_state(run, &format!("{name}, and after a label"), daemons);
    }
}

/// Places in which no label can be stored.
fn unusable(run: &Run) {
    let own = |path: &str| {
        let own = settings(&[("DRIVER", "Local"), ("LABELS_PATH", path), ("LABELS", "a:1")]);
        [listening_only(), own].concat()
    };
    for path in ["file", "file/below", "missing/deep/labels", "runtime-is-a-directory"] {
        let daemons = start_with(&run.programs, &own(path), &|home| {
            std::fs::write(home.join("file"), "x").expect("a temporary file can be written");
            std::fs::create_dir_all(home.join("runtime-is-a-directory/_runtime")).expect("made");
        });
        for method in ["POST", "DELETE"] {
            let request = Request::new(method, "/v1/labels", "x:1");
            let seen = daemons.map(|daemon| http::ask(daemon.address(), &request));
            run.report.compare(TOPIC, &format!("LABELS_PATH={path} {}", request.name()), seen);
            compare_state(run, &format!("LABELS_PATH={path}, after {method}"), &daemons);
        }
    }
}
