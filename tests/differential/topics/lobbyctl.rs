//! lobbyctl: every command, as text and as JSON, exit statuses, and what is said of mistakes.
//!
//! Both programs ask the same daemon, first the older one and then the newer one, so that what
//! they print can be compared byte by byte, and both pairs of versions are seen to work together.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use super::Run;
use crate::http;
use crate::observation::Observation;
use crate::pair::Pair;
use crate::programs::{
    Daemon, Settings, clean, listening_only, run as run_program, settings, start,
};
use crate::waiting::eventually;

const LIMIT: Duration = Duration::from_secs(20);

pub(crate) fn all(run: &Run) {
    let labels = ("LABELS", "from:env,service:web");
    // Without keep-alives: each would change counters of the status.
    let own = settings(&[
        ("DRIVER", "Local"),
        ("REGISTER", "true"),
        ("KEEP_ALIVE", "3600"),
        ("TTL", "7200"),
        labels,
    ]);
    let daemons = start(&run.programs, &[listening_only(), own].concat());
    for daemon in daemons.both() {
        eventually(LIMIT, || {
            http::get(daemon.address(), "/v1/status")
                .contains("\"received\":1,\"sent\":1")
                .then_some(())
        });
    }
    reading(run, "lobbyctl: commands", &daemons);
    changing(run, &daemons);
    usage(run);
    odd_servers(run);
    terminal(run, &daemons);
}

/// Commands that change nothing.
pub(crate) fn reading(run: &Run, topic: &str, daemons: &Pair<Daemon>) {
    for daemon in daemons.both() {
        let environment = at(daemon.address());
        for words in READING {
            for json in [false, true] {
                let words = words.split(' ').chain(json.then_some("--json"));
                compare(run, topic, &words.collect::<Vec<_>>(), &environment);
            }
        }
    }
}

/// Commands that change labels, and the daemon's labels after each.
fn changing(run: &Run, daemons: &Pair<Daemon>) {
    let long = "x".repeat(1025);
    for daemon in daemons.both() {
        let environment = at(daemon.address());
        let commands: [&[&str]; 16] = [
            &["labels", "add", "maintenance:yes"],
            &["labels", "add", "maintenance:yes", "b:2", "c d"],
            &["labels", "add", "--json", "j:1"],
            &["labels", "add", "--", "-dashed", "--json"],
            &["labels", "add", "-dashed"],
            &["labels", "add", ""],
            &["labels", "add", "a\nb"],
            &["labels", "add", "fine", &long],
            &["labels", "add", " padded "],
            &["labels", "add"],
            &["labels", "del", "maintenance:yes"],
            &["labels", "del", "maintenance:yes", "not:there"],
            &["labels", "del", "from:env"],
            &["labels", "del", "--", "-dashed"],
            &["labels", "del"],
            &["labels"],
        ];
        for words in commands {
            compare(run, "lobbyctl: labels", words, &environment);
            compare(run, "lobbyctl: labels", &["discovery", "--json"], &environment);
        }
    }
}

/// Help, version, mistakes, and daemons that are not there.
fn usage(run: &Run) {
    for words in USAGE {
        let words: Vec<&str> = words.split(' ').filter(|word| !word.is_empty()).collect();
        compare(run, "lobbyctl: usage", &words, &settings(&[("PORT", "1")]));
    }
    let bytes = OsStr::from_bytes(b"\xff");
    compare_os(run, "lobbyctl: usage", &["resolve".as_ref(), bytes], &settings(&[("PORT", "1")]));
    let environments: [&[(&str, &str)]; 16] = [
        &[],
        &[
            ("HOST", ""),
            ("PORT", ""),
            ("PROTOCOL", ""),
            ("TOKEN", ""),
            ("TOKEN_FILE", ""),
            ("CA_FILE", ""),
        ],
        &[("PORT", "abc")],
        &[("PORT", "0")],
        &[("PORT", "65536")],
        &[("PORT", "1"), ("HOST", "a b")],
        &[("PORT", "1"), ("HOST", "127.0.0.1:80")],
        &[("PORT", "1"), ("HOST", "::1")],
        &[("PORT", "1"), ("HOST", "name.invalid")],
        &[("PORT", "1"), ("PROTOCOL", "ftp")],
        &[("PORT", "1"), ("PROTOCOL", "HTTPS")],
        &[("PORT", "1"), ("TOKEN", "a"), ("TOKEN_FILE", "b")],
        &[("PORT", "1"), ("TOKEN_FILE", "/nowhere/token")],
        &[("PORT", "1"), ("TOKEN", "a\nb")],
        &[("PORT", "1"), ("PROTOCOL", "https"), ("CA_FILE", "/nowhere/ca.pem")],
        &[("PORT", "1"), ("PROTOCOL", "https"), ("CA_FILE", "/dev/null")],
    ];
    for environment in environments {
        compare(run, "lobbyctl: environment", &["discovery"], &settings(environment));
    }
}

/// A daemon with a TOKEN.
pub(crate) fn with_token(run: &Run, topic: &str, daemons: &Pair<Daemon>) {
    let directory = TempDir::new().expect("a temporary directory can be made");
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).expect("a temporary file can be written");
        path.display().to_string()
    };
    let (right, wrong) = (file("right", "s3cret-token\r\n"), file("wrong", "other\n"));
    let (empty, two) = (file("empty", "\n"), file("two", "a\nb\n"));
    for daemon in daemons.both() {
        let environment = |more: &[(&str, &str)]| [at(daemon.address()), settings(more)].concat();
        for more in [
            &[][..],
            &[("TOKEN", "s3cret-token")],
            &[("TOKEN", "wrong")],
            &[("TOKEN_FILE", &right)],
            &[("TOKEN_FILE", &wrong)],
            &[("TOKEN_FILE", &empty)],
            &[("TOKEN_FILE", &two)],
        ] {
            compare(run, topic, &["discovery"], &environment(more));
            compare(run, topic, &["labels", "add", "x:1"], &environment(more));
        }
        for words in [
            &["--token", "s3cret-token", "status"][..],
            &["-token=s3cret-token", "discovery"],
            &["--token", "wrong", "discovery"],
            &["--token", "", "discovery"],
            &["--token", "-dashed", "discovery"],
            &["--token-file", &right, "discovery"],
            &["--token-file", &wrong, "discovery"],
            &["--token-file", "/nowhere/token", "discovery"],
            &["--token", "a", "--token-file", &right, "discovery"],
        ] {
            compare(run, topic, words, &environment(&[]));
        }
    }
}

/// Servers that are no daemons.
fn odd_servers(run: &Run) {
    let replies: [&[u8]; 14] = [
        b"",
        b"hello\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnull",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n<html>hi\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: application/json\r\n\r\n[]",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n\"\xff\"",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 400 Bad Request\r\nContent-Length: 14\r\n\r\nno such thing\n",
        b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 3\r\n\r\nno\n",
        b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 5\r\n\r\na\x1b[1m",
        b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"hostname\":",
    ];
    for reply in replies {
        let address = serve(reply);
        for words in [
            &["discovery"][..],
            &["discoveries"],
            &["resolve", "a"],
            &["status"],
            &["labels", "add", "a"],
        ] {
            let case = String::from_utf8_lossy(reply).escape_debug().to_string();
            let topic = "lobbyctl: odd servers";
            let seen =
                outcomes(run, &words.iter().map(OsStr::new).collect::<Vec<_>>(), &at(address));
            run.report.compare(topic, &format!("{} against {case}", words.join(" ")), seen);
        }
    }
}

/// Answers each request with these bytes, until this program ends.
fn serve(reply: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("a socket has an address");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().filter_map(Result::ok) {
            stream.set_read_timeout(Some(Duration::from_secs(2))).ok();
            // The buffer takes the body, too: unread, it would make the end of the connection a
            // reset.
            let head = BufReader::new(&stream).lines().map_while(Result::ok);
            head.take_while(|line| !line.is_empty()).for_each(drop);
            stream.write_all(reply).ok();
        }
    });
    address
}

/// With a terminal as standard output there are colours.
fn terminal(run: &Run, daemons: &Pair<Daemon>) {
    for (words, no_colour) in [
        ("discoveries", ""),
        ("discovery", ""),
        ("resolve service:web", ""),
        ("discoveries --json", ""),
        ("discoveries", "1"),
        ("--help", ""),
        ("nonsense", ""),
    ] {
        let environment =
            [at(daemons.new.address()), settings(&[("NO_COLOR", no_colour), ("TERM", "xterm")])]
                .concat();
        let seen = run.programs.map(|programs| {
            let command = format!("{} {words}", programs.lobbyctl().display());
            let arguments = ["-qec", &command, "/dev/null"].map(OsStr::new);
            run_program(Path::new("script"), &arguments, &environment, Path::new("/"), LIMIT)
        });
        run.report.compare("lobbyctl: terminal", &format!("{words} NO_COLOR={no_colour}"), seen);
    }
    closed_output(run, daemons);
}

/// A reader that has seen enough.
fn closed_output(run: &Run, daemons: &Pair<Daemon>) {
    let seen = run.programs.map(|programs| {
        let script = r#""$0" discoveries | true; "$0" discoveries >/dev/full; echo "status $?""#;
        let mut command = clean("sh");
        command.args(["-c", script]).arg(programs.lobbyctl()).envs(at(daemons.new.address()));
        let output = command.output().expect("a shell can be started");
        Observation::default().with("stdout", output.stdout).with("stderr", output.stderr)
    });
    run.report.compare("lobbyctl: terminal", "an output that is closed or full", seen);
}

fn at(address: SocketAddr) -> Settings {
    settings(&[("HOST", &address.ip().to_string()), ("PORT", &address.port().to_string())])
}

fn compare(run: &Run, topic: &str, words: &[&str], environment: &Settings) {
    compare_os(run, topic, &words.iter().map(OsStr::new).collect::<Vec<_>>(), environment);
}

fn compare_os(run: &Run, topic: &str, words: &[&OsStr], environment: &Settings) {
    let shown: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
    let shown: String = shown.join(" ").chars().take(100).collect();
    run.report.compare(topic, &shown, outcomes(run, words, environment));
}

fn outcomes(run: &Run, words: &[&OsStr], environment: &Settings) -> Pair<Observation> {
    run.programs.map(|programs| {
        run_program(&programs.lobbyctl(), words, environment, Path::new("/"), LIMIT)
    })
}

const READING: &[&str] = &[
    "discovery",
    "discoveries",
    "discoveries labels service:web",
    "discoveries labels service:web rack:7",
    "discoveries labels nothing",
    "discoveries labels comma,in,it",
    "discoveries search service:",
    "discoveries search service: rack:1",
    "discoveries search nothing",
    "discoveries search prometheus:node:",
    "resolve service:web",
    "resolve nothing",
    "resolve ž",
    "status",
    "-json discoveries",
];

const USAGE: &[&str] = &[
    "",
    "--help",
    "-h",
    "-help",
    "help",
    "help labels",
    "help labels add",
    "help nonsense",
    "--version",
    "-V",
    "-version",
    "discovery --help",
    "discoveries --help",
    "discoveries labels --help",
    "discoveries search -h",
    "resolve --help",
    "status --help",
    "labels --help",
    "labels add --help",
    "labels del --help",
    "nonsense",
    "discoverie",
    "discovery more",
    "discoveries nonsense",
    "discoveries labels",
    "discoveries search",
    "resolve",
    "resolve a b",
    "status more",
    "labels nonsense",
    "--nonsense",
    "-nonsense",
    "-x",
    "--json=true discovery",
    "-json=true discovery",
    "-json=false discovery",
    "discovery",
    "discoveries",
    "status",
    "resolve a",
    "labels add a",
    "-host 127.0.0.2 discovery",
    "-host=127.0.0.2 discovery",
    "--host 127.0.0.2 -port 2 discovery",
    "-port=3 discovery",
    "discovery --port 4",
    "--port 0 discovery",
    "--port abc discovery",
    "--port 65536 discovery",
    "--port -1 discovery",
    "--port",
    "--host",
    "--host a/b discovery",
    "--host 127.0.0.1:80 discovery",
    "--host [::1] discovery",
    "--host ::1 discovery",
    "--host [::1]:80 discovery",
    "--host name.invalid discovery",
    "--proto ftp discovery",
    "-proto https discovery",
    "--proto HTTP discovery",
    "--token-file /nowhere discovery",
    "--ca-file /nowhere --proto https discovery",
    "--ca-file /nowhere discovery",
    "-- discovery",
    "resolve -- -a",
    "resolve -host",
    "--host --port discovery",
    "discovery --json --json",
    "--port 1 --port 2 discovery",
];
