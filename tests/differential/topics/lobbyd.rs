//! lobbyd as a command: its help, and every kind of wrong setting.

use std::ffi::OsStr;
use std::net::TcpListener;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use super::Run;
use crate::http::{self, Request};
use crate::pair::Pair;
use crate::programs::{
    Daemon, Settings, listening_only, run as run_program, settings as pairs, start_each,
};

const TOPIC: &str = "lobbyd: settings";

/// How long a start that fails may take; one that succeeds is ended then.
const LIMIT: Duration = Duration::from_millis(2_500);

pub(crate) fn help(run: &Run) {
    for words in [
        &["--help"][..],
        &["-h"],
        &["--version"],
        &["-V"],
        &["help"],
        &["--help", "--port", "x"],
        &["-help"],
    ] {
        for columns in ["", "40", "200"] {
            let environment = pairs(&[("COLUMNS", columns), ("PORT", "x")]);
            compare(run, "lobbyd: help", words, &environment);
        }
    }
}

pub(crate) fn settings(run: &Run) {
    for (name, values) in VALUES {
        for value in *values {
            refused(run, &[(name, value)]);
            let flag = format!("--{}={value}", name.to_lowercase().replace('_', "-"));
            compare(run, TOPIC, &[&flag], &base());
        }
    }
    for both in TOGETHER {
        refused(run, both);
    }
    for words in ARGUMENTS {
        compare(run, TOPIC, &words.split(' ').collect::<Vec<_>>(), &base());
    }
    not_utf8(run);
    late(run);
    accepted(run);
    signals(run);
}

/// Settings in odd spellings, all of which are accepted: the daemons run, and answer.
fn accepted(run: &Run) {
    let odd = pairs(&[
        ("DRIVER", " local , LOCAL,"),
        ("HOST", "0.0.0.0"),
        ("REGISTER", " Yes "),
        ("DISABLE_API", "n"),
        ("KEEP_ALIVE", " 3600 "),
        ("TTL", "31536000"),
        ("MAX_SERVERS", "4294967295"),
        ("LABELS", " a:1 ,, b:2,a:1 "),
        ("LOG_LEVEL", " info , a=debug"),
        ("LOG_FORMAT", "JSON"),
        ("CALLBACK", ""),
        ("CALLBACK_COOLDOWN", "0"),
        ("PACKET_VERIFY", "OFF"),
        ("RUNTIME_LABELS_FILENAME", ".hidden file"),
        ("HOSTNAME", "ž\"<>"),
        ("NATS_URL", "nats://user:p%40ss@host:1,tls://[::1]"),
        ("UNKNOWN", "x"),
    ]);
    let daemons = start_each(&run.programs, |_| [listening_only(), odd.clone()].concat(), &|_| ());
    for path in ["/v1/discovery", "/v1/discoveries", "/v1/status"] {
        // Own packets are on their way at first.
        let look = || daemons.map(|daemon| http::ask(daemon.address(), &Request::get(path)));
        run.report.compare_settled("lobbyd: odd settings", path, LIMIT, look);
    }
}

/// How a daemon ends at each signal.
fn signals(run: &Run) {
    for (name, signals) in [
        ("SIGTERM", &[Signal::TERM][..]),
        ("SIGINT", &[Signal::INT]),
        ("SIGHUP, then SIGTERM", &[Signal::HUP, Signal::TERM]),
        ("SIGTERM twice", &[Signal::TERM, Signal::TERM]),
        ("SIGQUIT", &[Signal::QUIT]),
        ("SIGUSR1", &[Signal::USR1]),
        ("SIGPIPE, then SIGTERM", &[Signal::PIPE, Signal::TERM]),
    ] {
        let local = pairs(&[("DRIVER", "Local"), ("REGISTER", "true")]);
        let mut daemons =
            start_each(&run.programs, |_| [listening_only(), local.clone()].concat(), &|_| ());
        let ended = |daemon: &mut Daemon| {
            signals.iter().for_each(|signal| daemon.signal(*signal));
            daemon.end()
        };
        let seen = Pair { old: ended(&mut daemons.old), new: ended(&mut daemons.new) };
        run.report.compare("lobbyd: signals", name, seen);
    }
}

/// Settings under which a start succeeds, so that only what is added can be wrong.
fn base() -> Settings {
    pairs(&[
        ("DRIVER", "Local"),
        ("LOCAL_PATH", "lobby"),
        ("LABELS_PATH", "labels"),
        ("REGISTER", "false"),
        ("PORT", "0"),
    ])
}

fn refused(run: &Run, more: &[(&str, &str)]) {
    compare(run, TOPIC, &[], &[base(), pairs(more)].concat());
}

fn not_utf8(run: &Run) {
    for flag in [&b"--host=\xff"[..], b"--token=\xff", b"--labels=\xff", b"\xff"] {
        let words = [OsStr::from_bytes(flag)];
        compare_os(run, TOPIC, &words, &base());
    }
}

/// What is found out late: a port that is taken, files that cannot be read.
fn late(run: &Run) {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = taken.local_addr().map_or(0, |address| address.port()).to_string();
    refused(run, &[("PORT", &port)]);
    refused(run, &[("PORT", &port), ("LOG_FORMAT", "json")]);
    refused(run, &[("HOST", "192.0.2.1")]);
    refused(run, &[("HOST", "name.invalid")]);
    for (name, text) in [
        ("TOKEN_FILE", ""),
        ("TOKEN_FILE", "\n"),
        ("TOKEN_FILE", "fine\n"),
        ("NATS_URL_FILE", "http://x"),
        ("PACKET_KEY_FILE", ""),
        ("PACKET_KEY_FILE", "short"),
        ("PACKET_KEY_FILE", "0123456789abcdef\nshort"),
        ("PACKET_KEY_FILE", "\n\n"),
        ("REDIS_PASSWORD_FILE", ""),
    ] {
        let directory = TempDir::new().expect("a temporary directory can be made");
        let path = directory.path().join("secret");
        std::fs::write(&path, text).expect("a temporary file can be written");
        refused(
            run,
            &[(name, &path.display().to_string()), ("DRIVER", "NATS,Redis"), ("NATS_URL", "")],
        );
    }
    let directory = TempDir::new().expect("a temporary directory can be made");
    let large = directory.path().join("large");
    std::fs::write(&large, "x".repeat(70_000)).expect("a temporary file can be written");
    refused(run, &[("TOKEN_FILE", &large.display().to_string())]);
}

fn compare(run: &Run, topic: &str, words: &[&str], environment: &Settings) {
    compare_os(run, topic, &words.iter().map(OsStr::new).collect::<Vec<_>>(), environment);
}

fn compare_os(run: &Run, topic: &str, words: &[&OsStr], environment: &Settings) {
    let seen = run.programs.map(|programs| {
        let home = TempDir::new().expect("a temporary directory can be made");
        run_program(&programs.lobbyd(), words, environment, home.path(), LIMIT)
    });
    let shown: Vec<_> = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let given: Vec<_> =
        environment.iter().skip(5).map(|(name, value)| format!("{name}={value}")).collect();
    run.report.compare(topic, &format!("{} {}", given.join(" "), shown.join(" ")), seen);
}

/// Wrong values of each setting.
const VALUES: &[(&str, &[&str])] = &[
    ("HOST", &["a b", "\t", "[::1"]),
    ("PORT", &["x", "-1", "65536", "1.5", "+ 1"]),
    ("TOKEN_FILE", &["/nowhere/token", "/"]),
    ("DISABLE_API", &["maybe", "2"]),
    ("NODE_EXPORTER_PORT", &["0", "x"]),
    ("HOSTNAME", &["a b", "a\nb", LONG]),
    ("LABELS", &["a\tb", "ok,bad\u{1}", LONG_LABEL]),
    ("RUNTIME_LABELS_FILENAME", &["a/b", ".", ".."]),
    ("REGISTER", &["maybe"]),
    ("DRIVER", &["Kafka", "NATS,Kafka", ",", "Nats;Redis"]),
    ("KEEP_ALIVE", &["0", "x", "-5", "1.5", "31536001", "30", "5s"]),
    ("TTL", &["0", "5", "4", "x", "99999999999999999999"]),
    ("CLEAN_EVERY", &["0", "x"]),
    ("MAX_SERVERS", &["0", "x", "4294967296"]),
    ("PACKET_KEY_FILE", &["/nowhere/keys"]),
    ("PACKET_VERIFY", &["always", "warn", "enforce"]),
    (
        "NATS_URL",
        &[
            "x y",
            "http://host",
            "nats://",
            "nats://host:0",
            "nats://host:x",
            "nats://a,b://c",
            "tls://user:pass@",
        ],
    ),
    ("NATS_DISCOVERY_CHANNEL", &["a b", "a..b", "a.*", ">", ".a"]),
    ("REDIS_HOST", &["a b"]),
    ("REDIS_PORT", &["0", "x"]),
    ("REDIS_DB", &["-1", "x"]),
    ("REDIS_CHANNEL", &["a b"]),
    ("REDIS_TLS", &["maybe"]),
    ("CALLBACK", &["'open", "\"\"", "a \"b"]),
    ("CALLBACK_COOLDOWN", &["-1", "x"]),
    ("CALLBACK_FIRST_RUN_DELAY", &["x"]),
    ("LOG_LEVEL", &["loud", "info,loud", "a=b=c", ","]),
    ("LOG_FORMAT", &["xml"]),
];

const LONG: &str = concat!(
    "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789",
    "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789",
    "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
);

const LONG_LABEL: &str = concat!("long:", "\u{1b}", "escape");

/// Settings that contradict each other, or want another one.
const TOGETHER: &[&[(&str, &str)]] = &[
    &[("TOKEN", "a"), ("TOKEN_FILE", "b")],
    &[("NATS_URL", "nats://a"), ("NATS_URL_FILE", "b")],
    &[("REDIS_PASSWORD", "a"), ("REDIS_PASSWORD_FILE", "b")],
    &[("NATS_NKEY_SEED_FILE", "a"), ("NATS_CREDS_FILE", "b")],
    &[("NATS_CERT_FILE", "a")],
    &[("NATS_KEY_FILE", "a")],
    &[("KEEP_ALIVE", "30"), ("TTL", "30")],
    &[("KEEP_ALIVE", "60")],
    &[("DRIVER", "NATS")],
    &[("DRIVER", "")],
    &[("DRIVER", "Redis,NATS")],
    &[("DRIVER", "NATS"), ("NATS_URL", "nats://127.0.0.1:1"), ("NATS_CA_FILE", "/nowhere/ca")],
    &[
        ("DRIVER", "NATS"),
        ("NATS_URL", "nats://127.0.0.1:1"),
        ("NATS_CREDS_FILE", "/nowhere/creds"),
    ],
    &[
        ("DRIVER", "NATS"),
        ("NATS_URL", "nats://127.0.0.1:1"),
        ("NATS_NKEY_SEED_FILE", "/nowhere/seed"),
    ],
    &[("DRIVER", "NATS"), ("NATS_URL_FILE", "/nowhere/url")],
    &[("DRIVER", "Redis"), ("REDIS_CA_FILE", "/nowhere/ca")],
    &[("DRIVER", "Redis"), ("REDIS_PASSWORD_FILE", "/nowhere/password")],
    &[("PORT", "x"), ("DISABLE_API", "true")],
    &[("PORT", "x"), ("TTL", "x"), ("HOST", "a b")],
    &[("TOKEN", "hush"), ("PORT", "x")],
    &[("NATS_URL", "nats://user:hush@")],
];

const ARGUMENTS: &[&str] = &[
    "--nonsense",
    "nonsense",
    "-port 1",
    "--port",
    "--port 1 --port 2",
    "--host a b",
    "--register maybe",
    "--register=",
    "--port=",
    "--driver=",
    "--ttl -1",
    "--keep-alive=",
    "--token= --port x",
    "-x",
    "--",
    "-- x",
    "--PORT 1",
    "--keep_alive 1",
];
